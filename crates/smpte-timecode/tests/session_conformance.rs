//! The generic checks of `machine::conformance` on both session machines.

#[path = "session_support/scripts.rs"]
mod scripts;

use machine::conformance::{Bounds, Late};

#[test]
fn the_server_keeps_the_contract() {
    // a tick, and what others were not told in a flood, are two timers
    let suite = scripts::server().bounds(Bounds { late_outputs: 1, ..Bounds::default() });
    let report = suite.run().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.cuts > 500 && report.late_wakes > 100 && report.early_wakes > 0, "{report:?}");
}

#[test]
fn the_client_keeps_the_contract() {
    // a ping says when it leaves, so it differs if it leaves late
    let suite =
        scripts::client().late(Late::SameTimes).bounds(Bounds { unread: 4 << 20, ..Bounds::default() });
    let report = suite.run().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.cuts > 200 && report.late_wakes > 5 && report.early_wakes > 0, "{report:?}");
}
