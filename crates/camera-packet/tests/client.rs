//! Client and server joined in a simulated world, and the client against peers that are not so good.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use camera_packet::UsageError;
use camera_packet::client::{AUTH, Client, DATA, Event, LoginFailure, SETTINGS};
use camera_packet::config::{Access, ClientConfig, ServerConfig, ValueSource};
use camera_packet::dialect::{Dialect, OldSettings};
use camera_packet::extension::{ExtendedSettings, Subscribe};
use camera_packet::message::Message;
use camera_packet::server::Server;
use camera_packet::settings::SettingsBlock;
use common::{SEED, frame, hex};
use machine::sim::{Cut, Either, EitherEvent, Heard, Link, NodeConfig, NodeId, Raw, World};
use machine::{ConnId, Instant, Service, Transport};

type Peers = World<Either<Either<Server, Raw>, Client>>;

const PORTS: [(Service, u16); 3] = [(DATA, 5000), (SETTINGS, 5001), (AUTH, 5002)];

struct Scene {
    world: Peers,
    server: NodeId,
    client: NodeId,
}

impl Scene {
    fn new(seed: u64, server: Either<Server, Raw>, client: ClientConfig) -> Self {
        let mut world = World::new(seed);
        let server = world.add_node(Either::Left(server), NodeConfig::at([192, 0, 2, 1]));
        let client = world.add_node(Either::Right(Client::new(client)), NodeConfig::default());
        for (service, port) in PORTS {
            world.listen(server, address(port), service, Transport::Stream);
        }
        Self { world, server, client }
    }

    fn ours(seed: u64, server: ServerConfig, client: ClientConfig) -> Self {
        Self::new(seed, Either::Left(Server::new(server)), client)
    }

    fn connect(&mut self, service: Service) -> ConnId {
        let port = PORTS[usize::from(service.0)].1;
        self.world.connect(self.client, address(port), service, Transport::Stream)
    }

    fn call<R>(&mut self, f: impl FnOnce(&mut Client, Instant) -> R) -> R {
        self.world.call(self.client, |m, now| f(m.right().expect("the client"), now))
    }

    fn raw(&mut self, f: impl FnOnce(&mut Raw)) {
        self.world.call(self.server, |m, _| f(m.left().and_then(Either::right).expect("the raw peer")));
    }

    /// What the client and a raw server report within a span.
    fn run(&mut self, span: Duration) -> (Vec<Event>, Vec<Heard>) {
        self.world.run_for(span);
        let (mut events, mut heard) = (Vec::new(), Vec::new());
        for (_, _, event) in self.world.drain_events() {
            match event {
                EitherEvent::Right(event) => events.push(event),
                EitherEvent::Left(EitherEvent::Right(raw)) => heard.push(raw),
                EitherEvent::Left(_) => {}
            }
        }
        (events, heard)
    }

    fn events(&mut self, span: Duration) -> Vec<Event> {
        self.run(span).0
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn client() -> ClientConfig {
    ClientConfig::new(SEED)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn an_afternoon_over_a_bad_link() {
    let config = ServerConfig::new(SEED).with_source(ValueSource::Counter);
    let mut scene = Scene::ours(3, config, client());
    let link = Link { delay: ms(20), jitter: ms(15), cut: Cut::Random(5), ..Link::default() };
    scene.world.set_default_link(link);
    for (service, _) in PORTS {
        scene.connect(service);
    }
    scene.call(|client, now| client.login(now, b"1111")).unwrap();
    scene.call(|client, now| client.query(now)).unwrap();
    let mut values = Vec::new();
    let mut rate = 0;
    for _ in 0..600 {
        for event in scene.events(ms(1000)) {
            match event {
                Event::Telemetry(telemetry, stats) => {
                    values.push(telemetry.value);
                    rate = stats.rate_mhz;
                }
                Event::Stale | Event::LoginFailed(_) | Event::Reconnect(_) => panic!("{event:?}"),
                _ => {}
            }
        }
    }
    assert!(values.len().abs_diff(600 * 24) <= 2, "{}", values.len());
    let steps = values.iter().zip(&values[1..]).filter(|(a, b)| b.wrapping_sub(**a) == 1).count();
    assert!(steps >= values.len() - 2, "nothing is lost or doubled");
    assert!(rate.abs_diff(24_000) < 100, "{rate}");
}

#[test]
fn settings_and_login() {
    let mut scene = Scene::ours(1, ServerConfig::new(SEED), client().without_gaps());
    scene.connect(SETTINGS);
    scene.connect(AUTH);
    scene.call(|client, now| client.login(now, b"1111")).unwrap();
    assert_eq!(scene.call(|client, now| client.login(now, b"1111")), Err(UsageError::Busy));
    let block = SettingsBlock([1, 2, 3, 4, 5, 6]);
    scene.call(|client, now| {
        client.query(now).unwrap();
        client.update(now, block).unwrap();
        client.query(now).unwrap();
    });
    let events = scene.events(ms(500));
    let settings: Vec<_> = events.iter().filter(|e| matches!(e, Event::Settings(_))).collect();
    assert_eq!(settings, [&Event::Settings(SettingsBlock::DEFAULT), &Event::Settings(block)]);
    assert!(events.contains(&Event::LoggedIn(None)));

    scene.connect(AUTH);
    scene.call(|client, now| client.login(now, b"2222")).unwrap();
    assert!(scene.events(ms(500)).contains(&Event::LoginFailed(LoginFailure::Refused(None))));
    let too_long = scene.call(|client, now| client.login(now, &[b'x'; 1025]));
    assert_eq!(too_long, Err(UsageError::PasswordLength { len: 1025 }));

    let wanted = ExtendedSettings::from_block(SettingsBlock([8; 6]), 0, 0);
    scene.call(|client, now| client.update_extended(now, wanted)).unwrap();
    let events = scene.events(ms(500));
    let acks: Vec<_> = events
        .iter()
        .filter_map(|e| if let Event::ExtendedSettings(s) = e { Some((s.revision, s.flags)) } else { None })
        .collect();
    assert_eq!(acks, [(2, ExtendedSettings::ACCEPTED)]);
}

#[test]
fn scram_then_token() {
    let mut scene =
        Scene::ours(1, ServerConfig::new(SEED).with_access(Access::Token), client().with_scram(true));
    scene.connect(AUTH);
    scene.call(|client, now| client.login(now, b"1111")).unwrap();
    let events = scene.events(ms(500));
    assert!(events.iter().any(|e| matches!(e, Event::LoggedIn(Some(_)))), "{events:?}");
    scene.connect(DATA);
    scene.connect(SETTINGS);
    scene.call(|client, now| client.query(now)).unwrap();
    let events = scene.events(ms(500));
    for wanted in [Event::Attached(DATA), Event::Attached(SETTINGS), Event::Settings(SettingsBlock::DEFAULT)]
    {
        assert!(events.contains(&wanted), "{wanted:?}");
    }
    scene.call(|client, _| client.subscribe(Subscribe { rate_hz: 50, fields: 1 })).unwrap();
    let items = scene.events(ms(1000));
    let items = items.iter().filter(|e| matches!(e, Event::ExtendedTelemetry(..))).count();
    assert!((50..=51).contains(&items), "{items}");

    scene.connect(AUTH);
    scene.call(|client, now| client.login(now, b"0000")).unwrap();
    assert!(scene.events(ms(500)).contains(&Event::LoginFailed(LoginFailure::Refused(Some(1)))));
}

#[test]
fn scram_is_not_given_up_for_a_closed_door() {
    for (allow, wanted) in
        [(false, Event::LoginFailed(LoginFailure::Downgrade)), (true, Event::Reconnect(AUTH))]
    {
        let config = client().with_scram(true).with_allow_plaintext(allow);
        let mut scene = Scene::new(1, Either::Right(Raw::new()), config);
        scene.connect(AUTH);
        scene.call(|client, now| client.login(now, b"1111")).unwrap();
        let (_, heard) = scene.run(ms(100));
        let Some(Heard::Opened(conn, _)) = heard.first() else { panic!("{heard:?}") };
        let conn = *conn;
        scene.raw(|raw| raw.close(conn));
        assert!(scene.events(ms(100)).contains(&wanted));
        if allow {
            scene.connect(AUTH);
            let (_, heard) = scene.run(ms(100));
            let sent = heard
                .iter()
                .any(|h| matches!(h, Heard::Bytes(_, b) if b[..] == hex("00ff00010004 31313131 fa")));
            assert!(sent, "{heard:?}");
        }
    }
    // `ready` alone proves nothing.
    let mut scene = Scene::new(1, Either::Right(Raw::new()), client().with_scram(true));
    scene.connect(AUTH);
    scene.call(|client, now| client.login(now, b"1111")).unwrap();
    let (_, heard) = scene.run(ms(100));
    let Some(&Heard::Opened(conn, _)) = heard.first() else { panic!("{heard:?}") };
    scene.raw(|raw| raw.bytes(conn, frame(&Message::Ready)));
    let events = scene.events(ms(100));
    assert!(events.iter().any(|e| matches!(e, Event::LoginFailed(LoginFailure::Scram(_)))), "{events:?}");
}

/// When requests reach a server that answers nothing, and how many bytes each has.
fn requests(scene: &mut Scene, span: Duration) -> Vec<(u64, usize)> {
    let start = scene.world.now();
    scene.world.run_for(span);
    let mut found = Vec::new();
    for (at, _, event) in scene.world.drain_events() {
        if let EitherEvent::Left(EitherEvent::Right(Heard::Bytes(_, bytes))) = event {
            found.push((at.saturating_since(start).as_millis().try_into().unwrap(), bytes.len()));
        }
    }
    found
}

#[test]
fn a_silent_server_is_asked_three_times_then_left() {
    let mut scene = Scene::new(1, Either::Right(Raw::new()), client());
    scene.world.set_default_link(Link::default());
    scene.connect(SETTINGS);
    scene.call(|client, now| client.query(now)).unwrap();
    let seen = requests(&mut scene, ms(2_900));
    assert_eq!(seen.iter().map(|(_, len)| *len).collect::<Vec<_>>(), [7, 7, 7]);
    assert!(seen[1].0 - seen[0].0 == 1000 && seen[2].0 - seen[1].0 == 1000, "{seen:?}");
    let events = scene.events(ms(500));
    assert!(events.contains(&Event::Reconnect(SETTINGS)), "{events:?}");
    // The query is not forgotten.
    scene.connect(SETTINGS);
    assert_eq!(requests(&mut scene, ms(500)).len(), 1);
}

#[test]
fn silence_after_an_update_and_no_checksum_for_the_original() {
    let config = client().with_legacy_server(true);
    let mut scene = Scene::new(1, Either::Right(Raw::new()), config);
    scene.connect(SETTINGS);
    scene.call(|client, now| {
        client.update(now, SettingsBlock([1; 6])).unwrap();
        client.update(now, SettingsBlock([2; 6])).unwrap();
        client.query(now).unwrap();
    });
    let seen = requests(&mut scene, ms(2_500));
    assert_eq!(seen.iter().map(|(_, len)| *len).collect::<Vec<_>>(), [12, 12, 6]);
    assert!(seen[1].0 - seen[0].0 >= 1000 && seen[2].0 - seen[1].0 >= 1000, "{seen:?}");
}

#[test]
fn earlier_generations() {
    let mut scene = Scene::new(1, Either::Right(Raw::new()), client().with_dialect(Dialect::G4));
    scene.connect(SETTINGS);
    let no = scene.call(|client, now| client.update(now, SettingsBlock::DEFAULT));
    assert_eq!(no, Err(UsageError::NotInDialect));
    scene.call(|client, now| client.query(now)).unwrap();
    let (_, heard) = scene.run(ms(100));
    let Some(&Heard::Opened(conn, _)) = heard.first() else { panic!("{heard:?}") };
    let old = OldSettings([4, 30, 12, 10, 21]);
    let mut reply = bytes::BytesMut::new();
    camera_packet::packet::encode(camera_packet::packet::Kind::SETTINGS_REPLY, &old.to_reply(), &mut reply)
        .unwrap();
    scene.raw(|raw| raw.bytes(conn, reply));
    assert!(scene.events(ms(100)).contains(&Event::OldSettings(old)));
    scene.call(|client, now| client.update_old(now, old)).unwrap();
    let (_, heard) = scene.run(ms(100));
    assert!(
        heard.iter().any(|h| matches!(h, Heard::Bytes(_, b) if b[..] == hex("00ff02010005 041e0c0a15 f0")))
    );
    assert_eq!(scene.call(|client, now| client.login(now, b"1111")), Err(UsageError::NotInDialect));
}
