//! A television with many companions: how soon a change reaches all of them, and what an idle one costs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use css_programs::serve::{self, EndPoints};
use dvb_css::Ratio;
use dvb_css::config::TvServerConfig;
use dvb_css::message::{CiiMessage, ContentIdStatus, ControlTimestamp};
use dvb_css::server::{TvCalls, UpdateCii};
use dvb_css::timeline::TimelineState;
use machine::Instant;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};

use super::companion::{Door, Inbox, SELECTOR, connect};
use crate::spawned::{Spawned, apart};
use crate::{Usage, percentile};

/// Time between two changes.
const PERIOD_MS: u64 = 50;
/// The television and what is measured beside it have so many turns each.
const ROUNDS: u32 = 4;

/// A television whose state changes all the time. Each change tells the moment at which it was made.
///
/// # Errors
/// When there is no port.
pub fn serve_television(period_ms: u64) -> Result<()> {
    driver::cli::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (tv, mut events) = serve::start_television(TvServerConfig::default());
        tokio::spawn(async move { while events.next().await.is_some() {} });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = driver::cli::listen("port", address).await?;
        let address = listener.local_addr()?;
        serve::serve_television(&tv, listener, &EndPoints::all(None, None));
        let timeline = tv.call(|tv, now| tv.add_timeline(now, SELECTOR, TimelineState::Deferred))?;
        println!("listening on {address} (http)");
        if period_ms == 0 {
            return std::future::pending().await;
        }
        let mut ticks = tokio::time::interval(Duration::from_millis(period_ms));
        for n in 0_i128.. {
            ticks.tick().await;
            tv.call(|tv, now| {
                let wall = i128::from(tv.wall_clock().at(now));
                let state = ControlTimestamp::available(n, wall, Ratio::ONE);
                tv.set_timeline(now, timeline, TimelineState::At(state))?;
                tv.update_cii(now, |cii| {
                    cii.content_id = format!("dvb://{wall}").as_str().into();
                    cii.content_id_status = ContentIdStatus::Final.into();
                })
            })?;
        }
        Ok(())
    })
}

/// The least that a television can do: a thread that writes the same frame to so many sockets, one after the other.
///
/// # Errors
/// When there is no port, or a companion is gone.
pub fn minimal_television(door: Door, clients: usize) -> Result<()> {
    driver::cli::raise_descriptor_limit();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {} (http)", listener.local_addr()?);
    let mut streams = Vec::new();
    while streams.len() < clients {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            ensure!(stream.read(&mut byte)? > 0, "a companion is gone");
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")?;
        streams.push(stream);
    }
    for n in 0_i128.. {
        std::thread::sleep(Duration::from_millis(PERIOD_MS));
        let wall = i128::from(driver::now().as_nanos());
        let text = match door {
            Door::Ts => ControlTimestamp::available(n, wall, Ratio::ONE).to_json(),
            Door::Cii => {
                let mut cii = CiiMessage::default();
                cii.content_id = format!("dvb://{wall}").as_str().into();
                cii.content_id_status = ContentIdStatus::Final.into();
                cii.to_json()
            }
        };
        let frame = [&[0x81, u8::try_from(text.len())?], text.as_bytes()].concat();
        for stream in &mut streams {
            stream.write_all(&frame)?;
        }
    }
    Ok(())
}

/// Connects so many companions and measures how long after each change they hear of it; beside a minimal television
/// with as many, in turns.
///
/// # Errors
/// When the television cannot be started, or a connection is lost.
pub fn push(door: Door, clients: usize, seconds: f64) -> Result<Value> {
    driver::cli::raise_descriptor_limit();
    let (name, count, period) =
        (door.path().trim_start_matches('/'), clients.to_string(), PERIOD_MS.to_string());
    let time = Duration::from_secs_f64(seconds) / ROUNDS;
    let (mut ours, mut minimal) = (Tally::default(), Tally::default());
    for _ in 0..ROUNDS {
        minimal.listen(
            &["minimal-television", "--door", name, "--clients", &count],
            door,
            clients,
            time / 2,
        )?;
        ours.listen(&["television", "--period-ms", &period], door, clients, time)?;
    }
    let mut report = json!({"door": format!("{door:?}"), "clients": clients});
    for (prefix, tally) in [("", ours), ("minimal_", minimal)] {
        let mut delays = tally.delays_ms;
        delays.sort_by(f64::total_cmp);
        ensure!(!delays.is_empty(), "no change reached all companions");
        let mut tell = |key: &str, value: Value| report[format!("{prefix}{key}")] = value;
        tell("changes", json!(delays.len()));
        tell("messages", json!(tally.messages));
        tell("last_client_p50_ms", json!(percentile(&delays, 0.5)));
        tell("last_client_p99_ms", json!(percentile(&delays, 0.99)));
        tell("last_client_max_ms", json!(percentile(&delays, 1.0)));
        tell("cpu_us_per_message", json!(tally.cpu.as_secs_f64() * 1e6 / tally.messages.max(1) as f64));
    }
    Ok(report)
}

/// What companions have heard.
#[derive(Debug, Default)]
struct Tally {
    messages: usize,
    cpu: Duration,
    /// For each change the time until the last companion knew of it.
    delays_ms: Vec<f64>,
}

/// One change.
#[derive(Clone, Copy, Debug)]
struct Change {
    made: u64,
    heard_by: usize,
    latest: u64,
}

impl Tally {
    /// Starts a television and listens to it for a while, on one thread.
    fn listen(&mut self, television: &[&str], door: Door, clients: usize, time: Duration) -> Result<()> {
        let mut tv = apart(|| Spawned::again(television))?;
        let address = tv.address("http")?;
        let mut poll = Poll::new()?;
        let mut all = Vec::new();
        for n in 0..clients {
            let stream = connect(address, door)?;
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(n), Interest::READABLE)?;
            all.push((stream, Inbox::default()));
        }
        let settled = driver::now() + Duration::from_millis(700);
        let (mut begin, mut before) = (None, None);
        let end = settled + time;
        let mut changes: Vec<Change> = Vec::new();
        let mut events = Events::with_capacity(1024);
        let mut buffer = [0; 4096];
        loop {
            let now = driver::now();
            if begin.is_none() && now >= settled {
                (begin, before) = (Some(now), Usage::of(tv.pid()));
            }
            if now >= end {
                break;
            }
            // Awake while a change is under way: who sleeps between two messages is woken for each in the sender's time,
            // and companions elsewhere are not. On the sender's own core it goes first.
            let under_way = changes.last().is_some_and(|change| change.heard_by < clients);
            poll.poll(&mut events, Some(if under_way { Duration::ZERO } else { Duration::from_millis(20) }))?;
            if under_way && events.is_empty() {
                std::thread::yield_now();
            }
            for event in &events {
                let (stream, inbox) = &mut all[event.token().0];
                loop {
                    let came = match stream.read(&mut buffer) {
                        Ok(0) => bail!("a connection was lost"),
                        Ok(n) => n,
                        Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                        Err(e) => return Err(e.into()),
                    };
                    let now = driver::now();
                    inbox.take(&buffer[..came], |text| {
                        if let Some(made) = made(text, door.key()) {
                            note(&mut changes, made, now);
                        }
                    });
                    // A short read leaves nothing behind.
                    if came < buffer.len() {
                        break;
                    }
                }
            }
        }
        let after = Usage::of(tv.pid());
        let begin = begin.map_or(u64::MAX, Instant::as_nanos);
        // The last one may not have been heard by all.
        changes.retain(|change| change.made >= begin && change.made + 50_000_000 < end.as_nanos());
        ensure!(
            changes.iter().all(|change| change.heard_by == clients),
            "a change did not reach all companions"
        );
        self.messages += changes.len() * clients;
        self.delays_ms.extend(changes.iter().map(|c| (c.latest - c.made) as f64 / 1e6));
        if let Some((before, after)) = before.zip(after) {
            self.cpu += after.cpu - before.cpu;
        }
        Ok(())
    }
}

/// The moment behind a key.
fn made(text: &[u8], key: &str) -> Option<u64> {
    let (_, rest) = std::str::from_utf8(text).ok()?.split_once(key)?;
    rest.split('"').next()?.parse().ok()
}

fn note(changes: &mut Vec<Change>, made: u64, now: Instant) {
    let known = changes.iter_mut().rev().find(|change| change.made == made);
    match known {
        Some(change) => {
            change.heard_by += 1;
            change.latest = change.latest.max(now.as_nanos());
        }
        None => changes.push(Change { made, heard_by: 1, latest: now.as_nanos() }),
    }
}

/// Connects so many companions that hear nothing, and measures what the television keeps for each.
///
/// # Errors
/// When the television cannot be started, or a connection is refused.
pub fn idle(clients: usize) -> Result<Value> {
    driver::cli::raise_descriptor_limit();
    let mut tv = Spawned::again(&["television", "--period-ms", "0"])?;
    let address = tv.address("http")?;
    // Ten to have everything in place that is there once.
    let mut all = Vec::new();
    let mut resident = Vec::new();
    for n in [10, clients + 10] {
        while all.len() < n {
            all.push(connect(address, Door::Ts)?);
        }
        std::thread::sleep(Duration::from_secs(2));
        let Some(usage) = Usage::of(tv.pid()) else { bail!("the television is gone") };
        resident.push(usage.resident_kib);
    }
    let each = (resident[1] - resident[0]) as f64 / clients as f64;
    Ok(json!({"clients": clients, "kib_each": each, "resident_kib": resident[1]}))
}
