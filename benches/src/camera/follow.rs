//! Many clients that listen to telemetry.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use camera_packet::codec::{Bounds, Decoder, DecoderConfig, Event};
use camera_packet::packet::Kind;
use machine::Instant;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::LocalSet;

use super::stamped;
use crate::Usage;

/// What a server is loaded with.
#[derive(Clone, Debug)]
pub struct Load {
    /// Address of the telemetry port.
    pub server: String,
    /// Its process, if it is to be measured.
    pub pid: Option<u32>,
    /// Clients at once.
    pub clients: usize,
    /// How long to measure.
    pub time: Duration,
}

/// When frames came.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// At the kernel, for each client: nanoseconds of Unix time.
    pub clients: Vec<Vec<i64>>,
    /// How long after that each was read, in nanoseconds.
    pub read_late: Vec<i64>,
    /// What the server's process had used before and after.
    pub usage: Option<(Usage, Usage)>,
}

/// Connects all clients, waits a second, and listens.
///
/// # Errors
/// If the server closes a connection or sends something that is no telemetry.
pub fn measure(load: &Load) -> Result<Arrivals> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, listen(load))
}

async fn listen(load: &Load) -> Result<Arrivals> {
    let joined = Rc::new(Barrier::new(load.clients + 1));
    let mut clients = Vec::new();
    for _ in 0..load.clients {
        let stream = TcpStream::connect(&load.server)
            .await
            .with_context(|| format!("cannot connect to {}", load.server))?;
        stamped::prepare(&stream)?;
        let (joined, time) = (joined.clone(), load.time);
        clients.push(tokio::task::spawn_local(async move {
            joined.wait().await;
            follow(stream, time).await
        }));
    }
    joined.wait().await;
    // The first second is left out: everything is still warming up.
    tokio::time::sleep(WARM_UP).await;
    let before = load.pid.and_then(Usage::of);
    let mut arrivals = Arrivals::default();
    for client in clients {
        let (at, late) = client.await??;
        arrivals.clients.push(at);
        arrivals.read_late.extend(late);
    }
    arrivals.usage = before.zip(load.pid.and_then(Usage::of));
    Ok(arrivals)
}

/// When each frame came whole to one client, and how much later it was read.
async fn follow(stream: TcpStream, time: Duration) -> Result<(Vec<i64>, Vec<i64>)> {
    let mut decoder = Decoder::new(DecoderConfig::new(Bounds::DATA_CLIENT));
    let mut buffer = [0; 4096];
    let (mut arrivals, mut late) = (Vec::new(), Vec::new());
    let begin = driver::unix_now() + i64::try_from(WARM_UP.as_nanos())?;
    let end = begin + i64::try_from(time.as_nanos())?;
    loop {
        stream.readable().await?;
        let came = match stamped::read(&stream, &mut buffer) {
            Ok(came) if came.len == 0 => bail!("the server closed a connection"),
            Ok(came) => came,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        if came.at >= end {
            return Ok((arrivals, late));
        }
        let mut feed = decoder.feed(Instant::default(), &buffer[..came.len]);
        while let Some(event) = feed.next() {
            match event {
                Event::Frame(frame) if frame.kind == Kind::DATA => {
                    if came.at >= begin {
                        arrivals.push(came.at);
                        late.push(came.read - came.at);
                    }
                }
                other => bail!("the server sent something else: {other:?}"),
            }
        }
    }
}

const WARM_UP: Duration = Duration::from_secs(1);
