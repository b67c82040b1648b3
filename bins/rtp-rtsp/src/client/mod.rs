//! The client on sockets: connects, plays, saves, and says how it went.

mod options;
mod record;
mod report;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use driver::{Driver, Events, Limits, UdpOptions, cli};
use machine::{QueueLimits, Service, SocketId};
use rtp_rtsp::client::{Client, Event, Failure, Goal, UdpPorts};
use rtp_rtsp::config::{ClientConfig, Wanted};
use rtp_rtsp::rtsp::Url;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

pub use options::{Options, TransportChoice};
use record::Recorder;
use report::Report;

/// The machine has one door.
const RTSP: Service = Service(0);

/// A running client: the driver's handle to it.
pub type RtspClient = Driver<Client>;

/// Starts a client and connects it to the server of its address.
///
/// # Errors
/// When the address is none, or there is no connection.
pub async fn connect(config: ClientConfig, host: &str, port: u16) -> Result<(RtspClient, Events<Event>)> {
    let mut limits = Limits::default();
    limits.max_unread_bytes = 1 << 20;
    // What is published in one go.
    limits.queue = QueueLimits { max_bytes: 12 << 20, if_room_bytes: 8 << 20 };
    let (client, events) = Driver::start(Client::new(config), limits);
    let connected = client.connect_tcp((host, port), RTSP).await;
    connected.with_context(|| format!("cannot connect to {host}:{port}"))?;
    Ok((client, events))
}

/// Host and port of an address.
///
/// # Errors
/// With one line that says what an address is.
pub fn place(url: &str) -> Result<(String, u16)> {
    let parts = Url::parse(url)
        .with_context(|| format!("'{url}' is not an address such as rtsp://host:8554/name"))?;
    if parts.secure {
        bail!("rtsps is not spoken here");
    }
    Ok((parts.host.to_owned(), parts.port_or_default()))
}

/// Binds pairs of UDP ports for a client that wants them; where none can be had it goes on without.
pub fn bind_udp(client: &RtspClient, pairs: usize, fixed: Option<u16>, v6: bool) {
    let address: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let mut ports = Vec::new();
    for number in 0..pairs {
        let bound = match fixed {
            Some(port) => crate::serve::bind_at(address, port),
            None => crate::serve::bind_pair(address),
        };
        let Ok(bound) = bound.inspect_err(|error| tracing::warn!(%error, "no UDP ports")) else { break };
        let (rtp, rtcp) = bound;
        let first = u32::try_from(number * 2).unwrap_or(0);
        let (Ok(a), Ok(b)) = (rtp.local_addr(), rtcp.local_addr()) else { break };
        let ids = (SocketId(first), SocketId(first + 1));
        let served = client
            .serve_udp(rtp, ids.0, UdpOptions::PLAIN)
            .and_then(|()| client.serve_udp(rtcp, ids.1, UdpOptions::PLAIN));
        if served.is_err() {
            break;
        }
        ports.push(UdpPorts { rtp: ids.0, rtcp: ids.1, ports: (a.port(), b.port()) });
    }
    client.call(|machine, now| machine.udp_ready(now, &ports));
}

/// Does what the command line asks for.
///
/// # Errors
/// With one line that says what is wrong.
pub async fn run(options: Options, stop: CancellationToken) -> Result<()> {
    let (url, lab, fixed_port) = options.source().map_err(cli::usage)?;
    let (host, port) = place(&url).map_err(cli::usage)?;
    let mut config = ClientConfig::new(driver::seed(), &url);
    config.transport = match options.transport {
        TransportChoice::Auto => Wanted::Auto,
        TransportChoice::Udp => Wanted::Udp,
        TransportChoice::Tcp => Wanted::Tcp,
    };
    config.lab = lab;
    config.credentials = options.credentials();
    if options.interactive {
        config.goal = Goal::Described;
    }
    let mut recorder = Recorder::new(options.save_frames.as_deref(), options.record.as_deref())?;
    let (client, mut events) = connect(config, &host, port).await?;
    let mut report = Report::new(options.json, options.stats);
    let mut deadline: Option<Instant> = None;
    let second = Duration::from_secs(1);
    let mut every_second = interval_at(Instant::now() + second, second);
    let mut lines = options.interactive.then(|| BufReader::new(tokio::io::stdin()).lines());
    let mut leaving = false;
    let result = loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::UdpWanted { pairs }) => bind_udp(&client, pairs, fixed_port, host.contains(':')),
                Some(Event::Described { tracks }) => report.described(&tracks, &mut recorder),
                Some(Event::Playing { over_tcp }) => {
                    report.playing(over_tcp);
                    if let (None, Some(seconds)) = (deadline, options.duration) {
                        deadline = Some(Instant::now() + Duration::from_secs_f64(seconds));
                    }
                }
                Some(Event::FellBack) => report.say("nothing comes over UDP: over TCP"),
                Some(Event::Ready) => report.say("ready"),
                Some(Event::Frame { track, frame }) => {
                    report.frame(track, &frame);
                    recorder.frame(track, &frame.frame)?;
                }
                Some(Event::Bye { .. }) => {
                    report.say("the end");
                    if lines.is_none() && !leaving {
                        leaving = true;
                        client.call(|machine, now| machine.go(now, Goal::Gone, None));
                    }
                }
                Some(Event::Failed(failure)) => break failed(failure, leaving),
                Some(Event::Ended) | None => break Ok(()),
                Some(_) => {}
            },
            _ = every_second.tick() => report.second(&client),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() && !leaving => {
                leaving = true;
                client.call(|machine, now| machine.go(now, Goal::Gone, None));
            }
            () = stop.cancelled(), if !leaving => {
                leaving = true;
                client.call(|machine, now| machine.go(now, Goal::Gone, None));
            }
            line = next_line(&mut lines), if lines.is_some() => match line.as_deref().map(str::trim) {
                Some("setup") => client.call(|machine, now| machine.go(now, Goal::Ready, None)),
                Some("play") => client.call(|machine, now| machine.go(now, Goal::Playing, None)),
                Some("pause") => client.call(|machine, now| machine.go(now, Goal::Ready, None)),
                Some("stats") => report.show(&client),
                Some("") => {}
                Some("teardown" | "quit") => {
                    leaving = true;
                    client.call(|machine, now| machine.go(now, Goal::Gone, None));
                }
                // The end of the input ends the session, too.
                None => {
                    lines = None;
                    leaving = true;
                    client.call(|machine, now| machine.go(now, Goal::Gone, None));
                }
                Some(_) => eprintln!("commands: setup, play, pause, stats, teardown"),
            },
        }
    };
    report.end(&client);
    recorder.finish()?;
    client.shutdown(driver::shutdown::GRACE).await;
    result
}

async fn next_line(lines: &mut Option<tokio::io::Lines<BufReader<tokio::io::Stdin>>>) -> Option<String> {
    match lines {
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// A server that hangs up while we leave is no failure.
fn failed(failure: Failure, leaving: bool) -> Result<()> {
    match failure {
        Failure::Closed(_) | Failure::Timeout if leaving => Ok(()),
        failure => Err(failure.into()),
    }
}
