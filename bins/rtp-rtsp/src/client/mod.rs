//! The client on sockets: connects, plays, saves, and says how it went.

mod commands;
mod ffmpeg;
mod options;
mod record;
mod report;
mod viewer;
#[cfg(feature = "window")]
mod window;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use driver::{Driver, Events, Limits, UdpOptions, cli, shutdown};
use machine::{QueueLimits, Service, SocketId};
use rtp_rtsp::client::{Client, Event, Failure, Goal, UdpPorts};
use rtp_rtsp::config::{ClientConfig, Wanted};
use rtp_rtsp::rtsp::Url;
use rtp_rtsp::rtsp::headers::Range;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use commands::Command;
pub use options::{Options, TransportChoice};
use record::Recorder;
use report::Report;
use viewer::{Phase, Viewer};

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

/// Does what the command line asks for: the whole of the program. It belongs on the first thread, where some systems
/// want their windows.
///
/// # Errors
/// With one line that says what is wrong.
pub fn start(options: Options) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("no threads can be had")?;
    let stop = {
        let _inside = runtime.enter();
        shutdown::on_signals()
    };
    let (sender, commands) = mpsc::channel(MAX_COMMANDS);
    if options.interactive {
        runtime.spawn(commands::read_typed(sender.clone()));
    }
    #[cfg(feature = "window")]
    let result = if options.window {
        show(&runtime, options, stop, sender, commands)
    } else {
        runtime.block_on(run(options, stop, commands, None))
    };
    #[cfg(not(feature = "window"))]
    let result = {
        drop(sender);
        runtime.block_on(run(options, stop, commands, None))
    };
    // Who reads what is typed waits for a line for ever.
    runtime.shutdown_background();
    result
}

/// The same with a window, which has this thread.
#[cfg(feature = "window")]
fn show(
    runtime: &tokio::runtime::Runtime,
    options: Options,
    stop: CancellationToken,
    sender: mpsc::Sender<Command>,
    commands: mpsc::Receiver<Command>,
) -> Result<()> {
    let (window, viewer) = window::Window::new(Duration::from_secs_f64(options.buffer))?;
    let title = format!("rtsp-client {}", options.name());
    let network = runtime.spawn(run(options, stop, commands, Some(viewer)));
    let shown = window.show(&title, &sender);
    let result = runtime.block_on(network)?;
    shown.and(result)
}

/// `commands`: what a person wants. `viewer`: who looks on.
async fn run(
    options: Options,
    stop: CancellationToken,
    mut commands: mpsc::Receiver<Command>,
    mut viewer: Option<Box<dyn Viewer>>,
) -> Result<()> {
    let (url, lab, fixed_port) = options.source().map_err(cli::usage)?;
    let (host, port) = place(&url).map_err(cli::usage)?;
    let mut config = ClientConfig::new(driver::seed(), &url);
    config.transport = match options.transport {
        TransportChoice::Auto => Wanted::Auto,
        TransportChoice::Udp => Wanted::Udp,
        TransportChoice::Tcp => Wanted::Tcp,
    };
    let is_lab = lab.is_some();
    config.lab = lab;
    config.credentials = options.credentials();
    let waits = options.waits();
    if waits {
        config.goal = Goal::Described;
    }
    let mut recorder = Recorder::new(options.save_frames.as_deref(), options.record.as_deref())?;
    let (client, mut events) = connect(config, &host, port).await?;
    let mut report = Report::new(options.json, options.stats);
    let mut deadline: Option<Instant> = None;
    let second = Duration::from_secs(1);
    let mut every_second = interval_at(Instant::now() + second, second);
    let (mut leaving, mut is_over) = (false, false);
    let phase = |viewer: &mut Option<Box<dyn Viewer>>, phase| {
        viewer.iter_mut().for_each(|viewer| viewer.phase(phase));
    };
    phase(&mut viewer, Phase::Connecting);
    // The classroom dialect has no description.
    if let (true, Some(viewer)) = (is_lab, &mut viewer) {
        viewer.described(None)?;
        viewer.phase(Phase::Described);
    }
    let result = loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::UdpWanted { pairs }) => bind_udp(&client, pairs, fixed_port, host.contains(':')),
                Some(Event::Described { tracks }) => {
                    report.described(&tracks, &mut recorder);
                    if let Some(viewer) = &mut viewer {
                        viewer.described(tracks.get(report.track()))?;
                        viewer.phase(Phase::Described);
                    }
                }
                Some(Event::Playing { over_tcp }) => {
                    is_over = false;
                    report.playing(over_tcp);
                    phase(&mut viewer, Phase::Playing);
                    if let (None, Some(seconds)) = (deadline, options.duration) {
                        deadline = Some(Instant::now() + Duration::from_secs_f64(seconds));
                    }
                }
                Some(Event::FellBack) => report.say("nothing comes over UDP: over TCP"),
                Some(Event::Ready) => {
                    report.say("ready");
                    phase(&mut viewer, Phase::Ready);
                }
                Some(Event::Frame { track, frame }) => {
                    report.frame(track, &frame);
                    recorder.frame(track, &frame.frame)?;
                    if let Some(viewer) = viewer.as_mut().filter(|_| track == report.track()) {
                        viewer.frame(&frame);
                    }
                }
                Some(Event::Bye { track }) => {
                    report.say("the end");
                    if !waits && !leaving {
                        leaving = true;
                        client.call(|machine, now| machine.go(now, Goal::Gone, None));
                    } else if track == report.track() {
                        is_over = true;
                        // The labs' servers have no way back to the beginning.
                        phase(&mut viewer, if is_lab { Phase::Ended } else { Phase::Over });
                    }
                }
                Some(Event::Failed(failure)) => break failed(failure, leaving),
                Some(Event::Ended) | None => break Ok(()),
                Some(_) => {}
            },
            _ = every_second.tick() => {
                report.second(&client);
                if let (Some(viewer), Some(statistics)) = (&mut viewer, report.statistics(&client)) {
                    viewer.numbers(&statistics, report.is_over_tcp());
                }
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() && !leaving => {
                leaving = true;
                client.call(|machine, now| machine.go(now, Goal::Gone, None));
            }
            () = stop.cancelled(), if !leaving => {
                leaving = true;
                client.call(|machine, now| machine.go(now, Goal::Gone, None));
            }
            // On its way out it is not called back.
            Some(command) = commands.recv(), if !leaving => match command {
                Command::Setup | Command::Pause => {
                    client.call(|machine, now| machine.go(now, Goal::Ready, None));
                }
                Command::Play => {
                    // From its beginning, where it has come to its end.
                    let range = (is_over && !is_lab).then_some(Range::ALL);
                    client.call(|machine, now| machine.go(now, Goal::Playing, range));
                }
                Command::Stats => report.show(&client),
                Command::Teardown => {
                    leaving = true;
                    client.call(|machine, now| machine.go(now, Goal::Gone, None));
                }
            },
        }
    };
    // A window is closed.
    drop(viewer);
    report.end(&client);
    recorder.finish()?;
    client.shutdown(shutdown::GRACE).await;
    result
}

/// A server that hangs up while we leave is no failure.
fn failed(failure: Failure, leaving: bool) -> Result<()> {
    match failure {
        Failure::Closed(_) | Failure::Timeout if leaving => Ok(()),
        failure => Err(failure.into()),
    }
}

/// Of these more are not waited for.
const MAX_COMMANDS: usize = 16;
