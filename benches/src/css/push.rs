//! A television with many companions: how soon a change reaches all of them, and what an idle one costs.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use css_programs::serve::{self, EndPoints};
use dvb_css::Ratio;
use dvb_css::config::TvServerConfig;
use dvb_css::message::{ContentIdStatus, ControlTimestamp, SetupData};
use dvb_css::timeline::TimelineState;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::spawned::Spawned;
use crate::{Usage, percentile};

const SELECTOR: &str = "urn:dvb:css:timeline:pts";

/// Which end point is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Door {
    /// Content identification
    Cii,
    /// Timelines
    Ts,
}

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
        let listener = TcpListener::bind("127.0.0.1:0").await?;
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

/// Connects so many companions and measures how long after each change they hear of it.
///
/// # Errors
/// When the television cannot be started, or a connection is lost.
pub fn push(door: Door, clients: usize, seconds: f64) -> Result<Value> {
    driver::cli::raise_descriptor_limit();
    let mut tv = Spawned::again(&["television", "--period-ms", "100"])?;
    let address = tv.address("http")?.to_string();
    let pid = tv.pid();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(4).build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut all = Vec::new();
        for _ in 0..clients {
            all.push(Companion::connect(&address, door).await?);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = Usage::of(pid);
        let begin = driver::now();
        let until = begin + Duration::from_secs_f64(seconds);
        let tasks: Vec<_> =
            all.into_iter().map(|c| tokio::task::spawn_local(c.listen(door, begin, until))).collect();
        // For each change the time until the last companion knew of it.
        let mut last = std::collections::BTreeMap::<i64, (usize, i64)>::new();
        let mut messages = 0_usize;
        for task in tasks {
            for (made, delay) in task.await?? {
                let entry = last.entry(made).or_default();
                *entry = (entry.0 + 1, entry.1.max(delay));
                messages += 1;
            }
        }
        let after = Usage::of(pid);
        // The first and the last were heard by some only.
        let mut delays: Vec<f64> =
            last.values().filter(|(n, _)| *n == clients).map(|(_, ns)| *ns as f64 / 1e6).collect();
        delays.sort_by(f64::total_cmp);
        ensure!(!delays.is_empty(), "no change reached all companions");
        let mut report = json!({
            "door": format!("{door:?}"),
            "clients": clients,
            "changes": delays.len(),
            "messages": messages,
            "last_client_p50_ms": percentile(&delays, 0.5),
            "last_client_p99_ms": percentile(&delays, 0.99),
            "last_client_max_ms": percentile(&delays, 1.0),
        });
        if let Some((before, after)) = before.zip(after) {
            report["cpu_us_per_message"] =
                json!((after.cpu - before.cpu).as_secs_f64() * 1e6 / messages as f64);
        }
        Ok(report)
    })
}

/// Connects so many companions that hear nothing, and measures what the television keeps for each.
///
/// # Errors
/// When the television cannot be started, or a connection is refused.
pub fn idle(clients: usize) -> Result<Value> {
    driver::cli::raise_descriptor_limit();
    let mut tv = Spawned::again(&["television", "--period-ms", "0"])?;
    let address = tv.address("http")?.to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Ten to have everything in place that is there once.
        let mut all = Vec::new();
        let mut resident = Vec::new();
        for n in [10, clients + 10] {
            while all.len() < n {
                all.push(Companion::connect(&address, Door::Ts).await?);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            let Some(usage) = Usage::of(tv.pid()) else { bail!("the television is gone") };
            resident.push(usage.resident_kib);
        }
        let each = (resident[1] - resident[0]) as f64 / clients as f64;
        Ok(json!({"clients": clients, "kib_each": each, "resident_kib": resident[1]}))
    })
}

/// A WebSocket client that only looks at what it must.
struct Companion {
    stream: TcpStream,
    /// What has come and is no whole message yet.
    buffer: Vec<u8>,
}

impl Companion {
    async fn connect(address: &str, door: Door) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let path = if door == Door::Cii { "/cii" } else { "/ts" };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut buffer = Vec::new();
        while !buffer.windows(4).any(|w| w == b"\r\n\r\n") {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "the television ended the connection");
        }
        ensure!(
            buffer.starts_with(b"HTTP/1.1 101"),
            "the television refused: {}",
            String::from_utf8_lossy(&buffer)
        );
        let end = buffer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(0);
        buffer.drain(..end + 4);
        if door == Door::Ts {
            let setup = SetupData::new("", SELECTOR).to_json();
            // a masked text frame; a mask of zeros changes nothing
            let mut frame = vec![0x81, 0x80 | u8::try_from(setup.len())?, 0, 0, 0, 0];
            frame.extend_from_slice(setup.as_bytes());
            stream.write_all(&frame).await?;
        }
        Ok(Self { stream, buffer })
    }

    /// The moments of changes, and how much later they were heard of, in nanoseconds.
    async fn listen(
        mut self,
        door: Door,
        begin: machine::Instant,
        until: machine::Instant,
    ) -> Result<Vec<(i64, i64)>> {
        // What came before waits unread.
        let begin = i64::try_from(begin.as_nanos())?;
        let mut heard = Vec::new();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "a connection was lost");
            let now = driver::now();
            while let Some(message) = self.message() {
                let text = std::str::from_utf8(&message)?;
                let key = if door == Door::Cii { "dvb://" } else { "\"wallClockTime\":\"" };
                let Some((_, rest)) = text.split_once(key) else { continue };
                let made: i64 = rest.split('"').next().unwrap_or_default().parse()?;
                if made >= begin {
                    heard.push((made, i64::try_from(now.as_nanos())? - made));
                }
            }
            if now >= until {
                return Ok(heard);
            }
        }
    }

    /// A whole unmasked message in one frame.
    fn message(&mut self) -> Option<Vec<u8>> {
        let (len, head) = match *self.buffer.get(1)? {
            126 => (usize::from(u16::from_be_bytes([*self.buffer.get(2)?, *self.buffer.get(3)?])), 4),
            len => (usize::from(len), 2),
        };
        (self.buffer.len() >= head + len).then(|| self.buffer.drain(..head + len).skip(head).collect())
    }
}
