//! What the machines hold under floods. One test, as nothing else may allocate meanwhile.

mod common;

use std::alloc::System;
use std::time::Duration;

use camera_packet::client::Client;
use camera_packet::config::{ClientConfig, ServerConfig};
use camera_packet::message::{Message, ScramStep};
use camera_packet::secret::Secret;
use camera_packet::server::{AUTH, DATA, SETTINGS, Server};
use cap::Cap;
use common::{SEED, frame};
use machine::conformance::{Bounds, Step, Suite};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// A connection holds an unfinished frame and, once a long one came, the table of its sums.
const PER_CONNECTION: usize = 4096;

#[test]
fn floods() {
    let bounds = Bounds {
        unread: 0,
        // Four connections, and what a driver reads at once.
        memory: 4 * PER_CONNECTION + 64 * 1024,
        retained: 16 * 1024,
        rounds: 20,
        flood: 1 << 20,
        settle: Duration::from_secs(70),
        ..Bounds::default()
    };
    let server = Suite::new(|| Server::new(ServerConfig::new(SEED)))
        .script([
            Step::stream(1, DATA),
            Step::bytes(1, frame(&Message::SettingsQuery)),
            Step::stream(2, SETTINGS),
            Step::bytes(2, frame(&Message::SettingsQuery)),
            Step::stream(3, AUTH),
            Step::bytes(3, frame(&Message::Password(Secret(b"0000")))),
            Step::stream(4, AUTH),
            Step::bytes(4, frame(&Message::Scram(ScramStep::ClientFirst, b"n,,n=camera,r=abc"))),
            Step::Wait(Duration::from_secs(6)),
        ])
        .bounds(bounds);
    server.check_memory(&|| HEAP.allocated()).unwrap();

    let client = Suite::new(|| Client::new(ClientConfig::new(SEED)))
        .script([
            Step::stream(1, DATA),
            Step::bytes(1, frame(&Message::SettingsQuery)),
            Step::stream(2, SETTINGS),
            Step::call(|client: &mut Client, now| {
                let _ = client.query(now);
            }),
            Step::bytes(2, frame(&Message::SettingsReply(Default::default()))),
            Step::Wait(Duration::from_secs(1)),
        ])
        .bounds(bounds);
    client.check_memory(&|| HEAP.allocated()).unwrap();
}
