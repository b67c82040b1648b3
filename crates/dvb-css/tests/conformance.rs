//! The generic checks of `machine::conformance` on all five machines.

mod machine_support;

use machine::conformance::{Bounds, Late, Suite};
use machine_support as of;

fn run<M: machine::Machine>(suite: &Suite<M>)
where
    M::Event: PartialEq + std::fmt::Debug,
{
    let report = suite.run().unwrap_or_else(|violation| panic!("{violation}"));
    println!("{report:?}");
    assert!(report.outputs > 0);
}

#[test]
fn the_wall_clock_server_keeps_the_contract() {
    run(&of::wc_server());
}

#[test]
fn the_wall_clock_client_keeps_the_contract() {
    // its requests follow from answers and carry their time
    run(&of::wc_client().late(Late::NoBurst).bounds(Bounds { late_outputs: 1, ..Bounds::default() }));
}

#[test]
fn the_television_keeps_the_contract() {
    // each client has a timer of its own
    run(&of::tv_server().bounds(Bounds { late_outputs: 4, ..Bounds::default() }));
}

#[test]
fn the_identification_client_keeps_the_contract() {
    run(&of::cii_client());
}

#[test]
fn the_timeline_client_keeps_the_contract() {
    run(&of::ts_client());
}
