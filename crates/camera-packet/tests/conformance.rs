//! Both machines under the whole suite of the contract.

mod common;

use std::time::Duration;

use bytes::Bytes;
use camera_packet::client::{AUTH, Client, DATA, SETTINGS};
use camera_packet::config::{Access, ClientConfig, ServerConfig, ValueSource};
use camera_packet::dialect::Dialect;
use camera_packet::extension::{ExtendedSettings, Subscribe};
use camera_packet::message::{Message, ScramStep, Telemetry};
use camera_packet::secret::{Secret, Token};
use camera_packet::server::Server;
use camera_packet::settings::SettingsBlock;
use common::{SEED, frame, hex};
use machine::conformance::{Bounds, Late, Step, Suite};

fn bytes(message: &Message<'_>) -> Bytes {
    frame(message).into()
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn bounds() -> Bounds {
    Bounds { unread: 0, linger: seconds(12), chunks: 64, mutations: 40, ..Bounds::default() }
}

fn server_script() -> Vec<Step<Server>> {
    let update = Message::SettingsUpdate(SettingsBlock([1, 2, 3, 4, 5, 6]));
    let extended = ExtendedSettings::from_block(SettingsBlock::DEFAULT, 0, 0);
    let all = [
        bytes(&Message::SettingsQuery),
        bytes(&update),
        bytes(&Message::SettingsQuery),
        bytes(&Message::ExtendedQuery),
        bytes(&Message::ExtendedUpdate(extended)),
        hex("00ff020100050102030405f8").into(),
        hex("00ff070000026162f9").into(),
        hex("55 00").into(),
        bytes(&Message::SettingsQuery),
    ]
    .concat();
    vec![
        Step::WallClock(1_735_689_600_000_000_000),
        Step::stream(1, DATA),
        Step::stream(2, SETTINGS),
        Step::bytes(2, all),
        Step::Wait(Duration::from_millis(150)),
        Step::call(|server: &mut Server, _| server.settings_live(2)),
        Step::bytes(1, bytes(&Message::Subscribe(Subscribe { rate_hz: 100, fields: 1 }))),
        Step::Wait(Duration::from_millis(500)),
        Step::bytes(1, bytes(&Message::Subscribe(Subscribe { rate_hz: 0, fields: 0 }))),
        Step::stream(3, AUTH),
        Step::bytes(3, bytes(&Message::Password(Secret(b"1111")))),
        Step::stream(4, AUTH),
        Step::bytes(4, bytes(&Message::Password(Secret(b"2222")))),
        Step::stream(5, AUTH),
        Step::bytes(5, bytes(&Message::Scram(ScramStep::ClientFirst, b"n,,n=camera,r=abc"))),
        Step::bytes(5, bytes(&Message::Scram(ScramStep::ClientFinal, b"c=biws,r=abc,p=AAAA"))),
        Step::stream(6, AUTH),
        Step::stream(7, DATA),
        Step::bytes(7, bytes(&Message::Attach(Token([3; 16])))),
        Step::end(7),
        Step::Wait(seconds(6)),
        Step::bytes(2, bytes(&Message::SettingsQuery)),
        Step::end(2),
    ]
}

#[test]
fn server_open() {
    let new = || Server::new(ServerConfig::new(SEED).with_source(ValueSource::Counter));
    let report =
        Suite::new(new).script(server_script()).bounds(bounds()).late(Late::SameTimes).run().unwrap();
    assert!(report.cuts > 60 && report.late_wakes > 10, "{report:?}");
}

/// Two tests, as each takes seconds: a server that asks for a password derives its key when it begins.
fn server_with(access: Access) {
    let new = move || Server::new(ServerConfig::new(SEED).with_access(access));
    Suite::new(new).script(server_script()).bounds(bounds()).late(Late::NoBurst).run().unwrap();
}

#[test]
fn server_by_address() {
    server_with(Access::Ip);
}

#[test]
fn server_by_token() {
    server_with(Access::Token);
}

#[test]
fn server_over_web_sockets() {
    let update = Message::SettingsUpdate(SettingsBlock([1, 2, 3, 4, 5, 6]));
    let script = vec![
        Step::web_socket(1, DATA),
        Step::text(1, "not a word"),
        Step::web_socket(2, SETTINGS),
        Step::binary(2, [bytes(&update), bytes(&Message::SettingsQuery)].concat()),
        Step::Wait(Duration::from_millis(300)),
        Step::binary(2, bytes(&Message::SettingsQuery)),
    ];
    let new = || Server::new(ServerConfig::new(SEED).with_source(ValueSource::Counter));
    Suite::new(new).script(script).bounds(bounds()).late(Late::SameTimes).run().unwrap();
}

fn client_script() -> Vec<Step<Client>> {
    let telemetry = |n| bytes(&Message::Telemetry(Telemetry { value: n, timestamp_ms: 1_735_689_600_000 }));
    let reply = bytes(&Message::SettingsReply(SettingsBlock([9; 6])));
    let extended = ExtendedSettings::from_block(SettingsBlock::DEFAULT, 3, 3);
    vec![
        Step::WallClock(1_735_689_600_000_000_000),
        Step::stream(1, DATA),
        Step::bytes(1, [telemetry(1), Bytes::from_static(b"junk"), telemetry(2), telemetry(3)].concat()),
        Step::stream(2, SETTINGS),
        Step::call(|client: &mut Client, now| {
            let _ = client.query(now);
            let _ = client.update(now, SettingsBlock([7; 6]));
            let _ = client.query_extended(now);
        }),
        Step::bytes(2, reply.clone()),
        Step::Wait(Duration::from_millis(1200)),
        Step::bytes(2, [bytes(&Message::ExtendedReply(extended)), reply].concat()),
        Step::stream(3, AUTH),
        Step::call(|client: &mut Client, now| {
            let _ = client.login(now, b"1111");
        }),
        Step::bytes(3, bytes(&Message::Ready)),
        Step::Wait(seconds(3)),
        Step::bytes(1, telemetry(4)),
        Step::end(1),
    ]
}

#[test]
fn client() {
    for dialect in [Dialect::G1b, Dialect::G3, Dialect::G7] {
        let new = move || Client::new(ClientConfig::new(SEED).with_dialect(dialect));
        Suite::new(new).script(client_script()).bounds(bounds()).late(Late::NoBurst).run().unwrap();
    }
    let new = || Client::new(ClientConfig::new(SEED).with_scram(true).with_allow_plaintext(true));
    let mut script = client_script();
    script.push(Step::bytes(3, bytes(&Message::Scram(ScramStep::ServerFirst, b"r=x,s=AAAA,i=4096"))));
    Suite::new(new).script(script).bounds(bounds()).late(Late::NoBurst).run().unwrap();
}
