//! Controller and devices joined in a simulated network: clocks that are wrong and drift, jitter, losses.

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use machine::sim::{ClockConfig, Either, EitherEvent, Link, NodeConfig, NodeId, Raw, Spread, What, World};
use machine::{ConnId, Instant, SocketId, Transport};
use multicam_common::client::{Controller, DeviceKey, Event as Heard, Failure};
use multicam_common::codec::Reply;
use multicam_common::config::{ClockSource, ControllerConfig, DeviceConfig};
use multicam_common::message::CommandMessage;
use multicam_common::ntp::TimeService;
use multicam_common::server::{COMMANDS, ClockKind, Device, Event, TIME_SOCKET};
use multicam_common::{DeviceStatus, UnixTime};
use support::{UNIX, entry};

type Peer = Either<Device, Either<Controller, Either<TimeService, Raw>>>;

/// A controller, devices, and a server of true time, each with a clock of its own.
struct Stage {
    world: World<Peer>,
    controller: NodeId,
    devices: Vec<(NodeId, SocketAddr)>,
    /// World time at which each device let capture go.
    started: BTreeMap<NodeId, Instant>,
    heard: Vec<Heard>,
    connecting: BTreeMap<ConnId, DeviceKey>,
}

impl Stage {
    fn new(seed: u64, wall_error_ns: i64, config: ControllerConfig) -> Self {
        let mut world = World::new(seed);
        let clock = ClockConfig { unix_ns: UNIX + wall_error_ns, drift_ppb: 3_000, ..ClockConfig::default() };
        let node = NodeConfig { clock, ..NodeConfig::at([192, 0, 2, 1]) };
        let controller = world.add_node(Either::Right(Either::Left(Controller::new(config))), node);
        Self {
            world,
            controller,
            devices: vec![],
            started: BTreeMap::new(),
            heard: vec![],
            connecting: BTreeMap::new(),
        }
    }

    fn device(&mut self, clock: ClockSource, wall_error_ns: i64, drift_ppb: i32, link: Link) -> NodeId {
        let n = u8::try_from(self.devices.len()).unwrap() + 10;
        let config = DeviceConfig::new([n; 32], format!("Device-{n}")).with_clock(clock);
        let clock = ClockConfig {
            offset: Duration::from_secs(u64::from(n)),
            drift_ppb,
            unix_ns: UNIX + wall_error_ns,
        };
        let node = NodeConfig {
            clock,
            wake_late: Spread::up_to(Duration::from_micros(60)),
            ..NodeConfig::at([192, 0, 2, n])
        };
        let id = self.world.add_node(Either::Left(Device::new(config)), node);
        let address = SocketAddr::from(([192, 0, 2, n], 8080));
        let at = self.world.listen(id, address, COMMANDS, Transport::Stream);
        self.world.bind_udp(id, TIME_SOCKET, SocketAddr::from(([192, 0, 2, n], 9000)));
        self.world.set_link(self.controller, id, link);
        self.devices.push((id, at));
        self.on_controller(|c, now| c.add_device(now, at, None).unwrap());
        id
    }

    fn on_controller<R>(&mut self, act: impl FnOnce(&mut Controller, Instant) -> R) -> R {
        self.world.call(self.controller, |m, now| act(m.right().unwrap().left().unwrap(), now))
    }

    fn on_device<R>(&mut self, id: NodeId, act: impl FnOnce(&mut Device, Instant) -> R) -> R {
        self.world.call(id, |m, now| act(m.left().unwrap(), now))
    }

    /// Time passes; the programs do what the machines ask of them.
    fn run(&mut self, span: Duration) {
        let until = self.world.now() + span;
        let Self { world, controller, started, heard, connecting, .. } = self;
        world.run_with(until, |world, happened| match happened.what {
            What::Event(EitherEvent::Left(event)) => {
                let node = happened.node;
                match event {
                    Event::Started { .. } => {
                        started.insert(node, happened.at);
                    }
                    Event::Stop { take } => world.call(node, |m, now| {
                        let file = entry(&format!("take{}.avi", take.0), 5, take.0);
                        m.left().unwrap().take_finished(now, take, Ok(file));
                    }),
                    _ => {}
                }
            }
            What::Event(EitherEvent::Right(EitherEvent::Left(event))) => {
                if let Heard::Connect { device, address, service } = event {
                    let conn = world.connect(*controller, address, service, Transport::Stream);
                    connecting.insert(conn, device);
                } else {
                    heard.push(event);
                }
            }
            What::Refused(conn) => {
                if let Some(device) = connecting.remove(&conn) {
                    world.call(*controller, |m, now| {
                        m.right().unwrap().left().unwrap().connect_failed(now, device);
                    });
                }
            }
            _ => {}
        });
    }

    fn start_all(&mut self, lead: Duration) -> Instant {
        let now = self.world.now();
        self.on_controller(|c, now| {
            let keys: Vec<_> = c.devices(now).map(|(key, _)| key).collect();
            let target = c.time(now) + lead;
            keys.into_iter().for_each(|key| {
                c.start_at(now, key, target).unwrap();
            });
        });
        now + lead
    }

    /// How late each device started, in microseconds.
    fn lateness_us(&self, target: Instant) -> Vec<i64> {
        let of = |id: &NodeId| {
            let at = self.started.get(id).map_or(0, |at| at.as_nanos());
            (i128::from(at) - i128::from(target.as_nanos())) / 1000
        };
        self.devices.iter().map(|(id, _)| i64::try_from(of(id)).unwrap()).collect()
    }
}

fn near() -> Link {
    Link { delay: Duration::from_micros(150), jitter: Duration::from_micros(60), ..Link::default() }
}

fn wireless() -> Link {
    Link {
        delay: Duration::from_millis(2),
        jitter: Duration::from_millis(12),
        loss_ppm: 20_000,
        ..Link::default()
    }
}

#[test]
fn raw_clocks_are_compensated() {
    let mut stage = Stage::new(1, 0, ControllerConfig::default());
    for (error, drift) in [(0, 0), (250_000_000, 40_000), (-5_000_000_000, -40_000), (3_600_000_000_000, 0)] {
        stage.device(ClockSource::System, error, drift, near());
    }
    let target = stage.start_all(Duration::from_secs(3));
    stage.run(Duration::from_secs(4));
    for late in stage.lateness_us(target) {
        assert!(late.abs() < 500, "{late} us");
    }
    stage.on_controller(|c, now| {
        let keys: Vec<_> = c.devices(now).map(|(key, _)| key).collect();
        for key in keys {
            c.request(now, key, CommandMessage::stop_recording()).unwrap();
        }
    });
    stage.run(Duration::from_secs(2));
    let stopped =
        |e: &&Heard| matches!(e, Heard::Answer { reply, .. } if matches!(**reply, Reply::Stopped(_)));
    assert_eq!(stage.heard.iter().filter(stopped).count(), 4, "{:?}", stage.heard);
}

#[test]
fn on_a_bad_network_the_bound_holds() {
    for seed in 1..=8 {
        let mut stage = Stage::new(seed, 0, ControllerConfig::default());
        for error in [250_000_000, -1_000_000_000, 0] {
            stage.device(ClockSource::System, error, 20_000, wireless());
        }
        let target = stage.start_all(Duration::from_secs(6));
        stage.run(Duration::from_secs(8));
        let bounds: BTreeMap<_, _> = stage
            .heard
            .iter()
            .filter_map(|e| match e {
                Heard::StartSent { device, error_ns, .. } => Some((*device, (*error_ns)?)),
                _ => None,
            })
            .collect();
        for (late, bound) in stage.lateness_us(target).into_iter().zip(bounds.values()) {
            let bound_us = i64::try_from(bound / 1000).unwrap() + 100;
            assert!(late.abs() <= bound_us, "seed {seed}: {late} us, bound {bound_us} us");
            assert!(bound_us < 20_000, "{bound_us} us");
        }
        assert_eq!(bounds.len(), 3, "seed {seed}");
    }
}

#[test]
fn at_most_a_third_of_the_lead_is_spent_on_measuring() {
    let slow = Link { delay: Duration::from_millis(180), ..Link::default() };
    let mut stage = Stage::new(5, 0, ControllerConfig::default());
    stage.device(ClockSource::System, 250_000_000, 0, slow);
    let target = stage.start_all(Duration::from_secs(3));
    stage.run(Duration::from_secs(4));
    assert!(stage.lateness_us(target)[0].abs() < 1000);
    let samples = stage.heard.iter().find_map(|e| match e {
        Heard::StartSent { error_ns, .. } => *error_ns,
        _ => None,
    });
    // Half of the round trip, and no better.
    assert!(samples.is_some_and(|ns| (180_000_000..181_000_000).contains(&ns)), "{samples:?}");
}

#[test]
fn a_controller_serves_the_time() {
    let mut stage = Stage::new(3, 7_000_000_000, ControllerConfig::default());
    let service = NodeConfig {
        clock: ClockConfig { unix_ns: UNIX + 7_000_000_000, ..ClockConfig::default() },
        ..NodeConfig::at([192, 0, 2, 2])
    };
    // The service runs on the controller's own address: here it is a node of its own with the same clock, and the
    // controller's port is forwarded to it by name.
    let time = stage.world.add_node(Either::Right(Either::Right(Either::Left(TimeService::new()))), service);
    let at = stage.world.bind_udp(time, SocketId(0), "192.0.2.2:8123".parse().unwrap());
    let mut ids = vec![];
    for error in [0, 250_000_000] {
        let id = stage.device(ClockSource::Ntp, error, 10_000, near());
        stage.on_device(id, |d, now| d.set_ntp_server(now, at));
        ids.push(id);
    }
    stage.run(Duration::from_secs(4));
    for id in ids {
        let (error, snapshot) = stage.on_device(id, |d, now| (d.time(now), d.snapshot(now)));
        let truth = UNIX + 7_000_000_000 + i64::try_from(stage.world.now().as_nanos()).unwrap();
        let error = error.nanos_since(UnixTime::from_nanos(truth));
        assert_eq!(snapshot.clock, ClockKind::Ntp);
        let bound = i64::try_from(snapshot.error_ns.unwrap()).unwrap();
        assert!(error.abs() <= bound && bound < 1_000_000, "{error} ns, bound {bound} ns");
    }
    let target = stage.start_all(Duration::from_secs(3));
    stage.run(Duration::from_secs(4));
    for late in stage.lateness_us(target) {
        assert!(late.abs() < 500, "{late} us");
    }
}

#[test]
fn a_device_that_is_not_there_fails_and_harms_nobody() {
    let mut stage = Stage::new(2, 0, ControllerConfig::default());
    stage.device(ClockSource::System, 0, 0, near());
    let nobody =
        stage.on_controller(|c, now| c.add_device(now, "192.0.2.99:8080".parse().unwrap(), None).unwrap());
    let good = DeviceKey(0);
    stage.on_controller(|c, now| {
        c.request(now, nobody, CommandMessage::device_status()).unwrap();
        c.request(now, good, CommandMessage::device_status()).unwrap();
    });
    stage.run(Duration::from_secs(30));
    assert!(stage.heard.iter().any(|e| matches!(e, Heard::Answer { device, .. } if *device == good)));
    let failed =
        |e: &&Heard| matches!(e, Heard::Failed { device, why: Failure::Connect, .. } if *device == nobody);
    assert_eq!(stage.heard.iter().filter(failed).count(), 1);
    let (up, down) =
        stage.on_controller(|c, now| (c.device(now, good).unwrap().up, c.device(now, nobody).unwrap().up));
    assert_eq!((up, down), (Some(true), Some(false)));
}

#[test]
fn liveness_is_noticed_both_ways() {
    let mut config = ControllerConfig::default();
    config.liveness = Duration::from_secs(2);
    let mut stage = Stage::new(4, 0, config);
    let id = stage.device(ClockSource::System, 0, 0, near());
    let up = |stage: &mut Stage| stage.on_controller(|c, now| c.device(now, DeviceKey(0)).unwrap().up);
    stage.run(Duration::from_secs(5));
    assert_eq!(up(&mut stage), Some(true));
    stage.world.part(stage.controller, id);
    stage.run(Duration::from_secs(60));
    assert_eq!(up(&mut stage), Some(false));
    stage.world.heal(stage.controller, id);
    stage.run(Duration::from_secs(60));
    assert_eq!(up(&mut stage), Some(true));
}

#[test]
fn a_device_whose_recording_failed_is_seen_as_such() {
    let mut stage = Stage::new(6, 0, ControllerConfig::default());
    let id = stage.device(ClockSource::System, 0, 0, near());
    stage.on_device(id, |d, now| {
        let take = d.start_now(now).unwrap();
        d.take_finished(now, take, Err("the disk is full"));
    });
    stage.on_controller(|c, now| c.request(now, DeviceKey(0), CommandMessage::device_status()).unwrap());
    stage.run(Duration::from_secs(1));
    let view = stage.on_controller(|c, now| c.device(now, DeviceKey(0)).unwrap());
    assert_eq!((view.up, view.status, view.recording), (Some(true), Some(DeviceStatus::Error), false));
}

/// Hours of heartbeats, time queries and takes on a bad network with clocks that drift.
fn hours(hours: u64) {
    let mut config = ControllerConfig::default();
    config.liveness = Duration::from_secs(2);
    let mut stage = Stage::new(24, 0, config);
    let server = stage.world.add_node(
        Either::Right(Either::Right(Either::Left(TimeService::new()))),
        NodeConfig {
            clock: ClockConfig { unix_ns: UNIX, ..ClockConfig::default() },
            ..NodeConfig::at([192, 0, 2, 3])
        },
    );
    let at = stage.world.bind_udp(server, SocketId(0), "192.0.2.3:123".parse().unwrap());
    let sources = [ClockSource::Ntp, ClockSource::Auto, ClockSource::System];
    for (source, (error, drift)) in
        sources.into_iter().zip([(-90_000_000, 40_000), (3_000_000_000, -60_000), (250_000_000, 15_000)])
    {
        let id = stage.device(source, error, drift, wireless());
        stage.world.set_link(server, id, wireless());
        stage.on_device(id, |d, now| d.set_ntp_server(now, at));
    }
    stage.run(Duration::from_secs(60));
    for round in 0..hours * 3 {
        stage.heard.clear();
        stage.started.clear();
        let target = stage.start_all(Duration::from_secs(6));
        stage.run(Duration::from_secs(60));
        let mut bounds: BTreeMap<DeviceKey, u64> = BTreeMap::new();
        for event in &stage.heard {
            match event {
                Heard::StartSent { device, error_ns, .. } => {
                    bounds.insert(*device, error_ns.unwrap());
                }
                Heard::Failed { .. } => panic!("round {round}: {event:?}"),
                _ => {}
            }
        }
        assert_eq!((bounds.len(), stage.started.len()), (3, 3), "round {round}");
        // The controller's clock is off by 3 ppm of the time that has passed, which only those on NTP's can tell.
        let drifted = i64::try_from(stage.world.now().as_nanos() / 1_000_000_000).unwrap() * 3;
        for (late, bound) in stage.lateness_us(target).into_iter().zip(bounds.values()) {
            let bound_us = i64::try_from(bound / 1000).unwrap() + 100;
            let off = late.abs().min((late - drifted).abs()).min((late + drifted).abs());
            assert!(
                off <= bound_us,
                "round {round}: {late} us, bound {bound_us} us, controller {drifted} us"
            );
            assert!(bound_us < 50_000, "round {round}: {bound_us} us");
        }
        stage.on_controller(|c, now| {
            for key in [0, 1, 2].map(DeviceKey) {
                c.request(now, key, CommandMessage::stop_recording()).unwrap();
                c.request(now, key, CommandMessage::list_files()).unwrap();
            }
        });
        stage.run(Duration::from_secs(20 * 60 - 60));
        let answers = |stopped: bool| {
            let wanted = |e: &&Heard| match e {
                Heard::Answer { reply, .. } => match **reply {
                    Reply::Stopped(_) => stopped,
                    Reply::Files(_) => !stopped,
                    _ => false,
                },
                _ => false,
            };
            stage.heard.iter().filter(wanted).count()
        };
        assert_eq!((answers(true), answers(false)), (3, 3), "round {round}");
        let now = stage.world.now();
        let up = stage.on_controller(|c, now| c.devices(now).filter(|(_, d)| d.up == Some(true)).count());
        assert_eq!(up, 3, "round {round} at {now:?}");
    }
}

/// A day in the release build; an hour where checks are to be quick.
const HOURS: u64 = if cfg!(debug_assertions) { 1 } else { 24 };

#[test]
fn a_day_of_takes() {
    hours(HOURS);
}
