//! Client and server joined for a simulated day, over a bad link and with clocks that drift apart: a day with
//! `cargo test --release -p camera-packet --test day`, an hour of it where checks are to be quick.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use camera_packet::client::{AUTH, Client, DATA, Event, SETTINGS};
use camera_packet::config::{ClientConfig, ServerConfig};
use camera_packet::extension::Subscribe;
use camera_packet::server::{Event as ServerEvent, Server};
use camera_packet::settings::SettingsBlock;
use common::SEED;
use machine::sim::{ClockConfig, Cut, Either, EitherEvent, Link, NodeConfig, NodeId, Spread, World};
use machine::{ConnId, Instant, Service, Transport};

const PORTS: [(Service, u16); 3] = [(DATA, 5000), (SETTINGS, 5001), (AUTH, 5002)];
/// The server wakes this late at most.
const LATE: Duration = Duration::from_millis(5);

/// A day in the release build; an hour where checks are to be quick.
const HOURS: u64 = if cfg!(debug_assertions) { 1 } else { 24 };

#[test]
fn a_day() {
    run(HOURS);
}

struct Day {
    world: World<Either<Server, Client>>,
    server: NodeId,
    client: NodeId,
    data: ConnId,
    settings: ConnId,
    items: u64,
    /// Of this connection.
    fresh: u64,
    /// Number of the last extended item of this connection; the first one comes out of turn.
    last: Option<u32>,
    /// When tick 0 was by the server's clock, as each item has it: earliest and latest.
    start_ns: (u64, u64),
    heard: Vec<SettingsBlock>,
    logins: u64,
    applied: u64,
}

fn run(hours: u64) {
    let mut day = Day::new();
    for hour in 0..hours {
        for ten_minutes in 0..6 {
            let n = hour * 6 + ten_minutes + 1;
            let [bytes @ .., _, _] = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let block = SettingsBlock(bytes);
            day.call(|client, now| {
                client.update(now, block).unwrap();
                client.query(now).unwrap();
            });
            day.run_for(590);
            assert_eq!((&day.heard[..], day.applied), (&[block][..], n), "applied and told, once");
            day.heard.clear();
        }
        day.connect(AUTH);
        day.call(|client, now| client.login(now, b"1111")).unwrap();
        day.run_for(10);
        assert_eq!(day.logins, hour + 1);
        // Every connection breaks, and the server's wall clock is set.
        day.world.reset(day.client, day.data);
        day.world.reset(day.client, day.settings);
        let wall = day.world.wall_clock(day.server);
        day.world.set_wall_clock(day.server, wall - 3_000_000_000);
        day.run_for(50);
    }
    // The server's clock gains 80 ppm, so that it makes so many more of them than the world has twenty-fourths.
    let ticks = hours * 3600 * 24 * 1_000_080 / 1_000_000;
    // What is under way when everything breaks is lost, and each connection begins with items out of turn.
    assert!(day.items.abs_diff(ticks) <= 30 * (hours + 1), "{} items of {ticks} ticks", day.items);
    let (first, last) = day.start_ns;
    // By a clock that gains.
    let late = LATE.as_nanos() * 1_000_080 / 1_000_000 + 1;
    assert!(u128::from(last - first) <= late, "off the grid by {} ns", last - first);
}

impl Day {
    fn new() -> Self {
        let mut world = World::new(24);
        let wake_late = Spread { min: Duration::ZERO, max: LATE };
        let mut node = |machine, drift_ppb, place| {
            let clock = ClockConfig { drift_ppb, ..ClockConfig::default() };
            world.add_node(machine, NodeConfig { clock, wake_late, ..place })
        };
        let server = Either::Left(Server::new(ServerConfig::new(SEED)));
        let server = node(server, 80_000, NodeConfig::at([192, 0, 2, 1]));
        let client = Either::Right(Client::new(ClientConfig::new(SEED)));
        let client = node(client, -40_000, NodeConfig::default());
        for (service, port) in PORTS {
            world.listen(server, address(port), service, Transport::Stream);
        }
        let ms = Duration::from_millis;
        let (delay, jitter, cut) = (ms(15), ms(10), Cut::Random(6));
        world.set_default_link(Link {
            delay,
            jitter,
            cut,
            loss_ppm: 5_000,
            stall_ppm: 100,
            ..Link::default()
        });
        let mut connect = |service, port| world.connect(client, address(port), service, Transport::Stream);
        let (data, settings) = (connect(DATA, 5000), connect(SETTINGS, 5001));
        let start_ns = (u64::MAX, 0);
        let (items, fresh, last, heard, logins, applied) = (0, 0, None, Vec::new(), 0, 0);
        let mut day = Self {
            world,
            server,
            client,
            data,
            settings,
            items,
            fresh,
            last,
            start_ns,
            heard,
            logins,
            applied,
        };
        day.run_for(1);
        day.items = 0;
        day
    }

    fn connect(&mut self, service: Service) {
        let port = PORTS[usize::from(service.0)].1;
        let id = self.world.connect(self.client, address(port), service, Transport::Stream);
        match service {
            DATA => self.data = id,
            SETTINGS => self.settings = id,
            _ => {}
        }
    }

    fn call<R>(&mut self, f: impl FnOnce(&mut Client, Instant) -> R) -> R {
        self.world.call(self.client, |machine, now| f(machine.right().expect("the client"), now))
    }

    fn run_for(&mut self, seconds: u64) {
        for _ in 0..2 * seconds {
            self.world.run_for(Duration::from_millis(500));
            let events: Vec<_> = self.world.drain_events().collect();
            for (_, _, event) in events {
                match event {
                    EitherEvent::Left(ServerEvent::SettingsChanged { .. }) => self.applied += 1,
                    EitherEvent::Left(_) => {}
                    EitherEvent::Right(event) => self.event(event),
                }
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Opened(DATA) => {
                let extended = Subscribe { rate_hz: 0, fields: Subscribe::EXTENDED };
                self.call(|client, _| client.subscribe(extended)).unwrap();
                (self.last, self.fresh) = (None, 0);
            }
            Event::Closed(service @ (DATA | SETTINGS), _) | Event::Reconnect(service) => {
                self.connect(service)
            }
            Event::Telemetry(..) => self.items += 1,
            Event::ExtendedTelemetry(item, stats) => {
                self.items += 1;
                self.fresh += 1;
                if let Some(last) = self.last {
                    assert_eq!(item.sequence, last + 1, "nothing is lost or doubled");
                    let due = (u128::from(item.sequence) * 1_000_000_000).div_ceil(24) as u64;
                    let start = item.monotonic_ns - due;
                    self.start_ns = (self.start_ns.0.min(start), self.start_ns.1.max(start));
                }
                self.last = Some(item.sequence);
                // Losses hold some up for a while, but over ten seconds that makes little of a difference.
                assert!(self.fresh < 300 || stats.rate_mhz.abs_diff(24_000) < 4_000, "{stats:?}");
            }
            Event::Settings(block) => self.heard.push(block),
            Event::LoggedIn(None) => self.logins += 1,
            Event::Opened(_) | Event::Closed(..) | Event::UpdateSent => {}
            other => panic!("{other:?}"),
        }
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}
