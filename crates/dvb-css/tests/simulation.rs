//! The machines joined under a virtual clock: both ends' clocks drift, messages are lost, doubled, late and out of order.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dvb_css::Ratio;
use dvb_css::client::{TsClient, TsClientEvent, WcClient};
use dvb_css::config::{
    AlgorithmChoice, Schedule, TsClientConfig, TvServerConfig, WcClientConfig, WcServerConfig,
};
use dvb_css::message::{CiiMessage, ContentIdStatus, ControlTimestamp, MaxFreqError, SetupData};
use dvb_css::server::{TS, TvServer, WcServer};
use dvb_css::timeline::TimelineState;
use dvb_css::wc::Steadiness;
use machine::sim::{ClockConfig, Either, Link, NodeConfig, NodeId, Spread, World};
use machine::{SocketId, Transport, UdpPeer};

const SERVER: [u8; 4] = [10, 9, 0, 1];
const CLIENT: [u8; 4] = [10, 9, 0, 2];

fn node(address: [u8; 4], drift_ppb: i32, offset: Duration) -> NodeConfig {
    let us = Duration::from_micros;
    let mut config = NodeConfig::at(IpAddr::from(address));
    config.clock = ClockConfig { drift_ppb, offset, ..ClockConfig::default() };
    config.wake_late = Spread { min: us(0), max: us(300) };
    config.read_late = Spread { min: us(5), max: us(200) };
    config.send_late = Spread { min: us(5), max: us(100) };
    config
}

/// Loss in bursts, doubles, datagrams that overtake one another, and now and then nothing for a while.
fn bad_wifi() -> Link {
    Link {
        delay: Duration::from_millis(1),
        jitter: Duration::from_millis(6),
        loss_ppm: 200_000,
        loss_burst: 3,
        duplicate_ppm: 50_000,
        reorder_ppm: 50_000,
        reorder_by: Duration::from_millis(40),
        stall_ppm: 5_000,
        stall: Duration::from_millis(120),
        ..Link::default()
    }
}

type Clocks = World<Either<WcServer, WcClient>>;

/// The server's clock as read by the client, against what it really reads: the error and the bound.
fn error(world: &mut Clocks, server: NodeId, client: NodeId) -> Option<(u64, u64)> {
    let estimate = world.call(client, |m, now| m.right().unwrap().wall_clock(now))?;
    let truth = world.call(server, |m, now| m.left().unwrap().wall_clock().at(now));
    Some((estimate.0.abs_diff(i64::try_from(truth).unwrap()), estimate.1.dispersion.as_nanos()?))
}

/// Each algorithm that states a bound, with and without follow-ups and the kernel's stamps: the bound holds.
#[test]
fn the_wall_clock_is_kept_over_a_bad_network() {
    let algorithms = [
        AlgorithmChoice::Bounds(Some(Steadiness::CAUTIOUS)),
        AlgorithmChoice::Bounds(None),
        AlgorithmChoice::LowestDispersion,
    ];
    for seed in 1..=12 {
        for (n, algorithm) in algorithms.iter().enumerate() {
            let mut world = Clocks::new(seed);
            world.set_default_link(bad_wifi());
            let drift = [40_000, -35_000, 3_000][usize::try_from(seed % 3).unwrap()];
            let mut config = WcServerConfig::new([3; 32]);
            config.follow_ups = seed % 2 == 0;
            config.max_freq_error = MaxFreqError::from_ppm(Ratio::from(50));
            let server = world.add_node(
                Either::Left(WcServer::new(config)),
                node(SERVER, drift, Duration::from_secs(9000)),
            );
            let address = world.bind_udp(server, SocketId(0), SocketAddr::from((SERVER, 6677)));
            let peer = UdpPeer { socket: SocketId(0), remote: address, local: None };
            let mut config = WcClientConfig::new([7; 32], peer);
            config.algorithm = algorithm.clone();
            config.local.max_freq_error = MaxFreqError::from_ppm(Ratio::from(50));
            config.transmit_stamps = seed % 4 < 2;
            if n == 2 {
                config.schedule = Schedule::ORIGINAL;
            }
            let client = world.add_node(
                Either::Right(WcClient::new(config)),
                node(CLIENT, -drift / 2, Duration::from_secs(5)),
            );
            world.bind_udp(client, SocketId(0), SocketAddr::from((CLIENT, 0)));
            world.call(client, |m, now| m.right().unwrap().start(now)).unwrap();
            let mut known = 0;
            for _ in 0..600 {
                world.run_for(Duration::from_millis(500));
                let Some((error, bound)) = error(&mut world, server, client) else { continue };
                assert!(error <= bound, "seed {seed}, {algorithm:?}: {error} ns, bound {bound} ns");
                known += 1;
            }
            assert!(known > 580, "seed {seed}, {algorithm:?}: known at {known} of 600 moments");
            // A network that is gone: the bound opens, and holds.
            world.part(server, client);
            let before = error(&mut world, server, client).unwrap().1;
            world.run_for(Duration::from_secs(600));
            let (error, bound) = error(&mut world, server, client).unwrap();
            assert!(error <= bound && bound > before, "seed {seed}: {error} {bound} {before}");
        }
    }
}

/// The server is started again with another clock: within ten answers the bound is true again.
#[test]
fn a_server_that_starts_again_is_followed() {
    for seed in 1..=20 {
        let mut world = Clocks::new(seed);
        world.set_default_link(bad_wifi());
        let server = world.add_node(
            Either::Left(WcServer::new(WcServerConfig::new([3; 32]))),
            node(SERVER, 20_000, Duration::from_secs(100)),
        );
        let address = world.bind_udp(server, SocketId(0), SocketAddr::from((SERVER, 6677)));
        let peer = UdpPeer { socket: SocketId(0), remote: address, local: None };
        let config = WcClientConfig::new([7; 32], peer);
        let client = world.add_node(Either::Right(WcClient::new(config)), node(CLIENT, 0, Duration::ZERO));
        world.bind_udp(client, SocketId(0), SocketAddr::from((CLIENT, 0)));
        world.call(client, |m, now| m.right().unwrap().start(now)).unwrap();
        world.run_for(Duration::from_secs(100));
        let mut config = WcServerConfig::new([4; 32]);
        config.wall_offset_ns = 77_000_000_000;
        let again = WcServer::new(config).wall_clock();
        world.call(server, |m, _| m.left().unwrap().set_wall_clock(again));
        let answered = |world: &mut Clocks| world.call(server, |m, _| m.left().unwrap().stats().answered);
        let before = answered(&mut world);
        // one in five is lost each way, and some of what was under way is not counted as an exchange
        while answered(&mut world) < before + 16 {
            world.run_for(Duration::from_millis(500));
        }
        world.run_for(Duration::from_secs(1));
        let (error, bound) = error(&mut world, server, client).unwrap();
        assert!(error <= bound && bound < 100_000_000, "seed {seed}: {error} ns, bound {bound} ns");
    }
}

/// A television with three followers over lossy connections: each ends up on the same exact line.
#[test]
fn every_follower_is_told_every_change() {
    for seed in 1..=20 {
        let mut world = World::<Either<TvServer, TsClient>>::new(seed);
        world.set_default_link(bad_wifi());
        let tv = world.add_node(
            Either::Left(TvServer::new(TvServerConfig::default())),
            node(SERVER, 0, Duration::from_secs(50)),
        );
        let address = world.listen(tv, SocketAddr::from((SERVER, 7681)), TS, Transport::WebSocket);
        let at = |ticks: i128, wall: i128, speed: Ratio| {
            TimelineState::At(ControlTimestamp::available(ticks, wall, speed))
        };
        let timeline = world.call(tv, |m, now| {
            let tv = m.left().unwrap();
            let mut cii = CiiMessage::default();
            cii.content_id = "dvb://1.2.3".into();
            cii.content_id_status = ContentIdStatus::Final.into();
            tv.set_cii(now, cii).unwrap();
            tv.add_timeline(now, "t", TimelineState::Deferred).unwrap()
        });
        let followers: Vec<_> = ["dvb://", "", "http://"]
            .iter()
            .map(|stem| {
                let config = TsClientConfig::new(SetupData::new(*stem, "t"), Ratio::from(90_000));
                let client = Either::Right(TsClient::new(config));
                let follower = world.add_node(client, NodeConfig::default());
                world.connect(follower, address, TS, Transport::WebSocket);
                follower
            })
            .collect();
        world.run_for(Duration::from_secs(5));
        let speeds = [Ratio::ONE, Ratio::ZERO, Ratio::new(-1, 2), Ratio::ONE];
        for (n, speed) in speeds.into_iter().enumerate() {
            let (ticks, wall) = (90_000 * i128::try_from(n).unwrap(), 60_000_000_000);
            world.call(tv, |m, now| {
                m.left().unwrap().set_timeline(now, timeline, at(ticks, wall, speed)).unwrap();
            });
            world.run_for(Duration::from_secs(5));
            for (follower, follows) in followers.iter().zip([true, true, false]) {
                let shown = world.call(*follower, |m, _| m.right().unwrap().ticks_at(61_000_000_000));
                let expected = Ratio::from(ticks) + speed * Ratio::from(90_000);
                assert_eq!(shown, follows.then_some(expected), "seed {seed}, change {n}");
            }
        }
        // other content: nobody but the one with the empty stem has a timeline any more
        world.call(tv, |m, now| {
            m.left().unwrap().update_cii(now, |cii| cii.content_id = "http://x".into()).unwrap();
        });
        world.run_for(Duration::from_secs(5));
        let available: Vec<bool> =
            followers.iter().map(|f| world.call(*f, |m, _| m.right().unwrap().is_available())).collect();
        assert_eq!(available, [false, true, true], "seed {seed}");
        let unreadable = world.drain_events().any(|(_, _, event)| {
            matches!(event, machine::sim::EitherEvent::Right(TsClientEvent::Unreadable(_)))
        });
        assert!(!unreadable, "seed {seed}");
    }
}

/// A clock that nobody answers is not known, however long it is asked.
#[test]
fn without_answers_nothing_is_known() {
    let mut world = Clocks::new(1);
    let peer = UdpPeer { socket: SocketId(0), remote: SocketAddr::from((SERVER, 6677)), local: None };
    let client = world.add_node(
        Either::Right(WcClient::new(WcClientConfig::new([7; 32], peer))),
        node(CLIENT, 0, Duration::ZERO),
    );
    world.bind_udp(client, SocketId(0), SocketAddr::from((CLIENT, 0)));
    world.call(client, |m, now| m.right().unwrap().start(now)).unwrap();
    world.run_for(Duration::from_secs(3600));
    assert_eq!(world.call(client, |m, now| m.right().unwrap().estimate(now)), None);
}
