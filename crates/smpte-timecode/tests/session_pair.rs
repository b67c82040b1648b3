//! Session client and server joined in a simulated network (`machine::sim`).

use std::time::Duration;

use machine::sim::{ClockConfig, Cut, Either, EitherEvent, Link, NodeConfig, NodeId, Spread, World};
use machine::{ConnId, Instant, Service, Transport};
use smpte_timecode::client::{Client, Event};
use smpte_timecode::config::{ClientConfig, ServerConfig};
use smpte_timecode::message::{Extensions, SessionId, TimecodeKind};
use smpte_timecode::server::{self, Server, SessionSpec};
use smpte_timecode::{Rate, Timecode};

const DOOR: Service = Service(0);

type Net = World<Either<Server, Client>>;

struct Stage {
    world: Net,
    server: NodeId,
    at: std::net::SocketAddr,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let server = Server::new(ServerConfig::new([9; 32]).with_address("192.0.2.1", 8080));
        let config = NodeConfig {
            clock: ClockConfig { offset: Duration::from_secs(77_777), ..ClockConfig::default() },
            wake_late: Spread::up_to(Duration::from_micros(80)),
            ..NodeConfig::at([192, 0, 2, 1])
        };
        let server = world.add_node(Either::Left(server), config);
        let at = world.listen(server, "192.0.2.1:8080".parse().unwrap(), DOOR, Transport::Stream);
        Self { world, server, at }
    }

    fn client(&mut self, config: ClientConfig, node: NodeConfig, link: Link) -> (NodeId, ConnId) {
        let client = self.world.add_node(Either::Right(Client::new(config)), node);
        self.world.set_link(self.server, client, link);
        let conn = self.world.connect(client, self.at, DOOR, Transport::Stream);
        self.world.run_for(Duration::from_secs(1));
        (client, conn)
    }

    fn pinned(&mut self, framerate: &str, label: &str) -> SessionId {
        let spec = SessionSpec::new(framerate).with_label(label).pinned();
        self.on_server(|server, now| {
            let id = server.create_session(now, spec).unwrap();
            server.start(now, id).unwrap();
            id
        })
    }

    fn on_server<R>(&mut self, act: impl FnOnce(&mut Server, Instant) -> R) -> R {
        self.world.call(self.server, |machine, now| act(machine.left().unwrap(), now))
    }

    fn on_client<R>(&mut self, client: NodeId, act: impl FnOnce(&mut Client, Instant) -> R) -> R {
        self.world.call(client, |machine, now| act(machine.right().unwrap(), now))
    }

    /// The label that the server would show at this moment.
    fn truth(&mut self, id: SessionId) -> Timecode {
        self.on_server(|server, now| server.session(now, id).unwrap().label.timecode().unwrap())
    }

    /// The label that a client shows at this moment.
    fn shown(&mut self, client: NodeId, rate: Rate) -> Timecode {
        self.on_client(client, |client, now| Timecode::parse(&client.display(now).unwrap(), rate).unwrap())
    }

    fn events(&mut self, of: NodeId) -> Vec<Event> {
        let all: Vec<_> = self.world.drain_events().collect();
        all.into_iter().filter(|(_, node, _)| *node == of).filter_map(|(_, _, event)| event.right()).collect()
    }
}

fn far(ms: u64) -> Link {
    Link {
        delay: Duration::from_millis(ms),
        jitter: Duration::from_millis(ms / 4),
        cut: Cut::Random(40),
        ..Link::default()
    }
}

fn adrift(offset: u64, drift_ppb: i32) -> NodeConfig {
    let clock = ClockConfig { offset: Duration::from_secs(offset), drift_ppb, ..ClockConfig::default() };
    NodeConfig { clock, wake_late: Spread::up_to(Duration::from_micros(80)), ..NodeConfig::default() }
}

fn labels(events: &[Event], kind: TimecodeKind) -> Vec<String> {
    let timecode = |event: &Event| match event {
        Event::Timecode { kind: k, label, .. } if *k == kind => Some(label.to_string()),
        _ => None,
    };
    events.iter().filter_map(timecode).collect()
}

/// Frames from `b` to `a`.
fn apart(a: Timecode, b: Timecode) -> i64 {
    let day = i64::from(a.rate().frames_per_day());
    let ahead = (i64::from(a.frame()) - i64::from(b.frame())).rem_euclid(day);
    if ahead > day / 2 { ahead - day } else { ahead }
}

#[test]
fn displays_run_on_the_servers_clock() {
    let mut stage = Stage::new(1);
    let rate = Rate::FPS_59_94_DF;
    let id = stage.pinned("59.94df", "23:59:58;00");
    let clients: Vec<_> = [(5, 0, 50_000), (40, 1000, -50_000), (120, 5, 20_000)]
        .into_iter()
        .map(|(delay, offset, drift)| stage.client(ClientConfig::new(), adrift(offset, drift), far(delay)).0)
        .collect();
    for client in &clients {
        stage.on_client(*client, |client, _| client.join(&id.to_string()[..6]).unwrap());
    }
    stage.world.run_for(Duration::from_secs(20));
    let (mut right, mut looks) = ([0; 3], 0);
    let mut last = [None; 3];
    for _ in 0..20_000 {
        stage.world.run_for(Duration::from_micros(7_301));
        let truth = stage.truth(id);
        for ((client, last), right) in clients.iter().zip(&mut last).zip(&mut right) {
            let shown = stage.shown(*client, rate);
            let error = apart(shown, truth);
            assert!(error.abs() <= 1, "{shown} is shown at {truth}");
            *right += u32::from(error == 0);
            assert!(last.is_none_or(|last| apart(shown, last) >= 0), "{last:?} then {shown}");
            *last = Some(shown);
        }
        stage.world.drain().for_each(drop);
        looks += 1;
    }
    // the clock is known to a part of the jitter, which is 1, 10 and 30 ms each way; a frame is 16.7 ms
    let percent = right.map(|right| right * 100 / looks);
    assert!(percent[0] >= 98 && percent[1] >= 85 && percent[2] >= 50, "{percent:?}");
}

#[test]
fn a_display_rides_over_a_gap_and_no_further() {
    let mut stage = Stage::new(2);
    let id = stage.pinned("25", "01:00:00:00");
    let (client, _) = stage.client(ClientConfig::new(), adrift(3, 30_000), far(10));
    stage.on_client(client, |client, _| client.join(&id.to_string()).unwrap());
    stage.world.run_for(Duration::from_secs(10));
    stage.world.part(stage.server, client);
    for _ in 0..49 {
        stage.world.run_for(Duration::from_millis(100));
        let truth = stage.truth(id);
        assert!(apart(stage.shown(client, Rate::FPS_25), truth).abs() <= 1);
    }
    // five seconds after the last word it stands
    stage.world.run_for(Duration::from_millis(300));
    let held = stage.shown(client, Rate::FPS_25);
    stage.world.run_for(Duration::from_secs(3));
    assert_eq!(stage.shown(client, Rate::FPS_25), held);
    stage.world.heal(stage.server, client);
    stage.world.run_for(Duration::from_secs(1));
    let truth = stage.truth(id);
    assert!(apart(stage.shown(client, Rate::FPS_25), truth).abs() <= 1);
}

#[test]
fn without_extensions_the_last_label_is_shown() {
    let mut stage = Stage::new(3);
    let id = stage.pinned("29.97", "00:00:59:28");
    let config = ClientConfig::new().with_extensions(Extensions::NONE);
    let (client, _) = stage.client(config, adrift(3, 0), far(20));
    stage.on_client(client, |client, _| client.join(&id.to_string()).unwrap());
    stage.world.run_for(Duration::from_secs(60));
    let updates = labels(&stage.events(client), TimecodeKind::Update);
    assert!(updates.len() > 1790);
    let first = Timecode::parse(&updates[0], Rate::FPS_29_97).unwrap();
    for (k, label) in updates.iter().enumerate() {
        assert_eq!(*label, (first + i64::try_from(k).unwrap()).to_string());
    }
    assert_eq!(stage.shown(client, Rate::FPS_29_97).to_string(), *updates.last().unwrap());
}

#[test]
fn a_server_that_stood_still_goes_on_in_time() {
    let mut stage = Stage::new(4);
    let id = stage.pinned("29.97df", "00:00:00;00");
    let (client, _) = stage.client(ClientConfig::new(), adrift(3, 0), far(1));
    stage.on_client(client, |client, _| client.join(&id.to_string()).unwrap());
    stage.world.run_for(Duration::from_secs(2));
    stage.events(client);
    stage.world.freeze(stage.server, Duration::from_secs(2));
    stage.world.run_for(Duration::from_millis(2_001));
    stage.events(client);
    stage.world.run_for(Duration::from_millis(999));
    let updates = labels(&stage.events(client), TimecodeKind::Update);
    assert!((29..=31).contains(&updates.len()), "{} updates in a second", updates.len());
    let last = Timecode::parse(updates.last().unwrap(), Rate::FPS_29_97_DF).unwrap();
    assert!(apart(stage.truth(id), last).abs() <= 1);
}

#[test]
fn who_does_not_read_gets_the_newest_and_every_answer_and_disturbs_nobody() {
    let mut stage = Stage::new(5);
    let id = stage.pinned("120", "00:00:00:000");
    let narrow = Link { window: 4096, ..far(1) };
    let (stuck, conn) = stage.client(ClientConfig::new(), adrift(0, 0), narrow);
    let (other, _) = stage.client(ClientConfig::new(), adrift(0, 0), far(1));
    for client in [stuck, other] {
        stage.on_client(client, |client, _| client.join(&id.to_string()).unwrap());
    }
    stage.world.run_for(Duration::from_secs(1));
    stage.world.drain().for_each(drop);
    stage.world.pause_reading(stuck, conn);
    let mut seen = 0;
    for turn in 0..60 {
        stage.world.run_for(Duration::from_secs(1));
        stage.on_client(stuck, |client, _| client.request_status().unwrap());
        if turn == 30 {
            stage.on_client(other, |client, _| client.reset(Some("10:00:00:00")).unwrap());
        }
        let all: Vec<_> = stage.world.drain_events().collect();
        let of = |who| all.iter().filter(|(_, node, _)| *node == who).filter(|(.., e)| is_update(e)).count();
        seen += of(other);
        assert_eq!(of(stuck), 0);
    }
    assert!(seen.abs_diff(60 * 120) <= 2, "{seen}");
    stage.world.resume_reading(stuck, conn);
    stage.world.run_for(Duration::from_millis(500));
    let truth = stage.truth(id);
    let events = stage.events(stuck);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Status(_))).count(), 60);
    assert_eq!(labels(&events, TimecodeKind::Reset), ["10:00:00:000"]);
    let last = labels(&events, TimecodeKind::Update).pop().unwrap();
    assert!(apart(truth, Timecode::parse(&last, Rate::FPS_120).unwrap()).abs() <= 1);
}

fn is_update(event: &EitherEvent<server::Event, Event>) -> bool {
    matches!(event, EitherEvent::Right(Event::Timecode { kind: TimecodeKind::Update, .. }))
}

#[test]
fn two_clients_work_together() {
    let mut stage = Stage::new(6);
    let (a, _) = stage.client(ClientConfig::new(), adrift(0, 0), far(2));
    let (b, b_conn) = stage.client(ClientConfig::new(), adrift(9, 0), far(30));
    let step = |stage: &mut Stage| stage.world.run_for(Duration::from_millis(200));
    stage.on_client(a, |client, _| client.create("29.97", Some("00:00:59;27")).unwrap());
    step(&mut stage);
    stage.on_client(b, |client, _| client.request_sessions().unwrap());
    step(&mut stage);
    let events = stage.events(b);
    let Some(Event::Sessions(sessions)) = events.last() else { panic!("{events:?}") };
    assert_eq!((sessions.len(), &*sessions[0].framerate, sessions[0].client_count), (1, "29.97", 1));
    assert!(sessions[0].created_at.as_deref().unwrap().starts_with("2026-01-01T00:00:02.0"), "{sessions:?}");
    let prefix = sessions[0].session_id[..8].to_owned();
    stage.on_client(b, |client, _| client.join(&prefix).unwrap());
    step(&mut stage);
    stage.on_client(b, |client, _| client.start().unwrap());
    step(&mut stage);
    stage.on_client(a, |client, _| client.start().unwrap());
    stage.on_client(b, |client, _| client.reset(None).unwrap());
    step(&mut stage);
    stage.on_client(a, |client, _| client.stop().unwrap());
    step(&mut stage);
    let all: Vec<_> = stage.world.drain_events().collect();
    for client in [a, b] {
        let own: Vec<Event> = all
            .iter()
            .filter(|(_, node, _)| *node == client)
            .filter_map(|(.., e)| e.clone().right())
            .collect();
        assert_eq!(labels(&own, TimecodeKind::Started), ["00:00:59;27"]);
        assert_eq!(
            labels(&own, TimecodeKind::Update)[..4],
            ["00:00:59;28", "00:00:59;29", "00:01:00;02", "00:01:00;03"]
        );
        assert_eq!(labels(&own, TimecodeKind::Reset), ["00:00:00;00"]);
        let stopped = labels(&own, TimecodeKind::Stopped);
        assert_eq!(stopped.last(), labels(&own, TimecodeKind::Update).last());
        let refused = own.contains(&Event::ServerError { message: "Timecode already running".into() });
        assert_eq!(refused, client == a);
    }
    // one goes, the session stays; the last goes, and so does the session
    stage.on_client(a, |client, _| client.close());
    step(&mut stage);
    assert_eq!(stage.on_server(|server, _| server.status().to_string()), "Status: 1 clients, 1 sessions");
    stage.world.reset(b, b_conn);
    step(&mut stage);
    assert!(stage.on_server(|server, _| server.status().is_idle()));
}

/// A day in the release build; an hour where checks are to be quick.
const HOURS: u64 = if cfg!(debug_assertions) { 1 } else { 24 };

#[test]
fn a_day_with_losses_and_drifting_clocks() {
    let mut stage = Stage::new(7);
    let rate = Rate::FPS_29_97_DF;
    let id = stage.pinned("29.97df", "22:30:00;00");
    let (started, first) = (stage.world.now(), stage.truth(id));
    let lossy = |ms| Link { loss_ppm: 2000, cut: Cut::default(), ..far(ms) };
    let clients = [(5, 50_000), (40, -50_000)]
        .map(|(ms, drift)| stage.client(ClientConfig::new(), adrift(ms, drift), lossy(ms)).0);
    for client in clients {
        stage.on_client(client, |client, _| client.join(&id.to_string()).unwrap());
    }
    stage.world.run_for(Duration::from_secs(20));
    let (mut looks, mut right, mut updates) = (0_u64, [0_u64; 2], [0_u64; 2]);
    for second in 0..HOURS * 3600 {
        // a few seconds an hour without a connection
        let client = clients[usize::from(second / 3600 % 2 == 1)];
        match second % 3600 {
            1000 => stage.world.part(stage.server, client),
            1003 => stage.world.heal(stage.server, client),
            _ => {}
        }
        stage.world.run_for(Duration::from_micros(1_000_000 - 7 * (second % 1000)));
        for (_, node, event) in stage.world.drain_events() {
            let which = clients.iter().position(|client| *client == node);
            if let Some(which) = which.filter(|_| is_update(&event)) {
                updates[which] += 1;
            }
        }
        let truth = stage.truth(id);
        let elapsed = stage.world.now().saturating_since(started).as_nanos();
        let frames = i64::try_from(elapsed * 30_000 / (1001 * 1_000_000_000)).unwrap();
        assert!(apart(truth, first + frames).abs() <= 1, "{truth} after {frames} frames");
        for (client, right) in clients.into_iter().zip(&mut right) {
            let shown = stage.shown(client, rate);
            assert!(apart(shown, truth).abs() <= 1, "{shown} is shown at {truth}");
            *right += u64::from(shown == truth);
        }
        looks += 1;
    }
    assert!(right.iter().all(|&right| right * 100 >= looks * 75), "{right:?} of {looks}");
    // what is lost on the way is sent again, unless a newer label has taken its place
    let frames = stage.world.now().saturating_since(started).as_secs() * 30_000 / 1001;
    assert!(updates.iter().all(|&updates| updates * 100 >= frames * 98), "{updates:?} of {frames}");
}
