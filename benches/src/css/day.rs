//! A day of the machines under a virtual clock: clocks drift, messages are lost, doubled, late and out of order.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dvb_css::Ratio;
use dvb_css::client::{CiiClient, TsClient, WcClient};
use dvb_css::config::{TsClientConfig, TvServerConfig, WcClientConfig, WcServerConfig};
use dvb_css::message::{ContentIdStatus, ControlTimestamp, MaxFreqError, SetupData};
use dvb_css::server::{CII, TS, TvServer, WcServer};
use dvb_css::timeline::TimelineState;
use machine::sim::{ClockConfig, Either, Link, NodeConfig, World};
use machine::{SocketId, Transport, UdpPeer};
use serde_json::{Value, json};

use super::companion::SELECTOR;
use measure::processor_time;

const SERVER: [u8; 4] = [10, 9, 0, 1];
const CLIENT: [u8; 4] = [10, 9, 0, 2];

/// A day of wall clock client and server, then one of a television with followers of content and timelines: what was
/// looked at, and the processor time.
///
/// # Errors
/// When a bound is not true, or a follower is not told a change.
pub fn day(hours: u64) -> Result<Value> {
    let begin = processor_time();
    let wall_clock = wall_clock(hours)?;
    let between = processor_time();
    let television = television(hours)?;
    let end = processor_time();
    Ok(json!({
        "hours": hours,
        "wall_clock": wall_clock,
        "wall_clock_cpu_s": (between - begin).as_secs_f64(),
        "television": television,
        "television_cpu_s": (end - between).as_secs_f64(),
    }))
}

fn node(address: [u8; 4], drift_ppb: i32) -> NodeConfig {
    let mut config = NodeConfig::at(IpAddr::from(address));
    let offset = Duration::from_secs(9000);
    config.clock = ClockConfig { drift_ppb, offset, ..ClockConfig::default() };
    config
}

/// A fifth is lost, in bursts.
fn bad_network() -> Link {
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

fn wall_clock(hours: u64) -> Result<Value> {
    let mut world = World::<Either<WcServer, WcClient>>::new(1);
    world.set_default_link(bad_network());
    let error = MaxFreqError::from_ppm(Ratio::from(50));
    let mut config = WcServerConfig::new([3; 32]);
    config.max_freq_error = error;
    let server = world.add_node(Either::Left(WcServer::new(config)), node(SERVER, 40_000));
    let address = world.bind_udp(server, SocketId(0), SocketAddr::from((SERVER, 6677)));
    let mut config =
        WcClientConfig::new([7; 32], UdpPeer { socket: SocketId(0), remote: address, local: None });
    config.local.max_freq_error = error;
    let client = world.add_node(Either::Right(WcClient::new(config)), node(CLIENT, -20_000));
    world.bind_udp(client, SocketId(0), SocketAddr::from((CLIENT, 0)));
    world.call(client, |m, now| m.right().map(|client| client.start(now))).context("the client")??;
    let (mut looks, mut worst_error, mut worst_bound) = (0_u64, 0, 0);
    for _ in 0..hours * 3600 {
        world.run_for(Duration::from_secs(1));
        let known = world.call(client, |m, now| m.right().and_then(|client| client.wall_clock(now)));
        let Some((reading, estimate)) = known else { continue };
        let truth = world.call(server, |m, now| m.left().map(|server| server.wall_clock().at(now)));
        let error = reading.abs_diff(i64::try_from(truth.context("the server")?)?);
        let bound = estimate.dispersion.as_nanos().context("a bound")?;
        ensure!(error <= bound, "after {looks} looks: {error} ns off, bound {bound} ns");
        looks += 1;
        if looks > 60 {
            (worst_error, worst_bound) = (error.max(worst_error), bound.max(worst_bound));
        }
        world.drain().for_each(drop);
    }
    Ok(json!({"looks": looks, "worst_error_us": worst_error / 1000, "worst_bound_us": worst_bound / 1000}))
}

type Tv = World<Either<TvServer, Either<TsClient, CiiClient>>>;

fn television(hours: u64) -> Result<Value> {
    let mut world = Tv::new(2);
    world.set_default_link(bad_network());
    let tv = world.add_node(Either::Left(TvServer::new(TvServerConfig::default())), node(SERVER, 30_000));
    let cii = world.listen(tv, SocketAddr::from((SERVER, 7681)), CII, Transport::WebSocket);
    let ts = world.listen(tv, SocketAddr::from((SERVER, 7682)), TS, Transport::WebSocket);
    let timeline =
        world.call(tv, |m, now| m.left().map(|tv| tv.add_timeline(now, SELECTOR, TimelineState::Deferred)));
    let timeline = timeline.context("the television")??;
    let config = TsClientConfig::new(SetupData::new("dvb://", SELECTOR), Ratio::from(90_000));
    let follower = world.add_node(Either::Right(Either::Left(TsClient::new(config))), node(CLIENT, -40_000));
    world.connect(follower, ts, TS, Transport::WebSocket);
    let reader = world.add_node(Either::Right(Either::Right(CiiClient::new())), node([10, 9, 0, 3], 5_000));
    world.connect(reader, cii, CII, Transport::WebSocket);
    let speeds = [Ratio::ONE, Ratio::ZERO, Ratio::new(-1, 2), Ratio::from(2)];
    let mut changes = 0_u64;
    for ten_seconds in 0..hours * 360 {
        let speed = speeds[usize::try_from(ten_seconds % 4)?];
        let (ticks, wall) = (i128::from(ten_seconds) * 900_000, i128::from(ten_seconds) * 10_000_000_000);
        // another channel each minute; every tenth has no timeline for who wants dvb://
        let channel = ten_seconds / 6;
        let scheme = if channel % 10 == 9 { "http" } else { "dvb" };
        let content_id = format!("{scheme}://{channel}");
        let told = world.call(tv, |m, now| {
            let tv = m.left()?;
            let state = TimelineState::At(ControlTimestamp::available(ticks, wall, speed));
            let changed = tv.set_timeline(now, timeline, state).and_then(|()| {
                tv.update_cii(now, |cii| {
                    cii.content_id = content_id.as_str().into();
                    cii.content_id_status = ContentIdStatus::Final.into();
                })
            });
            Some(changed)
        });
        told.context("the television")??;
        world.run_for(Duration::from_secs(10));
        changes += 1;
        let at = i64::try_from(wall)? + 1_000_000_000;
        let shown = world.call(follower, |m, _| m.right()?.left()?.ticks_at(at));
        let expected = (scheme == "dvb").then(|| Ratio::from(ticks) + speed * Ratio::from(90_000));
        ensure!(shown == expected, "change {changes}: the follower shows {shown:?}, not {expected:?}");
        let known = world.call(reader, |m, _| Some(m.right()?.right()?.state().clone()));
        let known = known.context("the reader")?;
        let known = known.content_id.value().map(String::as_str);
        ensure!(known == Some(&content_id), "change {changes}: the reader knows {known:?}, not {content_id}");
        world.drain().for_each(drop);
    }
    Ok(json!({"changes": changes}))
}
