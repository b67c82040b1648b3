//! The least that a server can do for many readers of a film, to measure `rtsp-server` beside:
//!
//! ```text
//! target/release/rtsp-load --spawn target/release/rtsp-floor --readers 100
//! ```
//!
//! A thread sleeps to the next frame and hands the same packets to the kernel for one reader after the other: over UDP as
//! buffers that the kernel cuts, over TCP in one write in blocking mode. All readers are at the same place of the film. There
//! are no reports, no limits and no sessions, and a reader over TCP that does not read holds up all others. What this
//! costs is what the system takes for it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use clap::Parser;
use rtp_rtsp::rtp::{DEFAULT_MAX_PACKET, Outgoing, Run};
use rtp_rtsp::server::{Clip, MemoryClip};

/// Serve a film with a plain loop of sends, as a measure for rtsp-load
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A folder with one film in it
    #[arg(long, value_name = "DIR")]
    media_root: PathBuf,
    /// Frames a second
    #[arg(long, default_value_t = 25)]
    fps: u32,
    /// Taken for rtsp-load's sake; the film always begins anew
    #[arg(long = "loop")]
    repeat: bool,
}

enum Reader {
    Udp(SocketAddr),
    Tcp(TcpStream),
}

type Readers = Arc<Mutex<Vec<Reader>>>;

fn main() -> Result<()> {
    let options = Options::parse();
    let film = film(&options.media_root, options.fps)?;
    let listener = TcpListener::bind((options.host.as_str(), options.port)).context("cannot listen")?;
    let socket = UdpSocket::bind((options.host.as_str(), 0)).context("no UDP socket")?;
    println!("listening on {} (rtsp)", listener.local_addr()?);
    let readers = Readers::default();
    let to = readers.clone();
    std::thread::spawn(move || show(&film, options.fps, &socket, &to));
    for stream in listener.incoming() {
        let (stream, readers) = (stream?, readers.clone());
        std::thread::spawn(move || {
            if let Err(error) = answer(stream, &readers) {
                eprintln!("{error:#}");
            }
        });
    }
    Ok(())
}

fn film(folder: &Path, fps: u32) -> Result<MemoryClip> {
    let file = std::fs::read_dir(folder)?.next().context("no film in the folder")??.path();
    let data = BytesMut::from(Bytes::from(std::fs::read(&file)?));
    Ok(if file.extension().is_some_and(|e| e == "h264") {
        MemoryClip::from_annex_b(data, (fps, 1))?
    } else {
        MemoryClip::from_mjpeg(data, (fps, 1), |_| None)?
    })
}

/// Sends the film, again and again.
fn show(film: &MemoryClip, fps: u32, socket: &UdpSocket, readers: &Readers) {
    let start = Instant::now();
    let mut numbers = Outgoing::new(96, 7, 0, DEFAULT_MAX_PACKET);
    let mut timestamp: u32 = 0;
    for (n, frame) in (0..film.frames()).cycle().enumerate() {
        let due = start + Duration::from_secs_f64(n as f64 / f64::from(fps));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        timestamp = timestamp.wrapping_add(90_000 / fps);
        let Some(packets) = film.packets(frame, timestamp, &mut numbers) else { continue };
        let runs: Vec<Run> = packets.runs().collect();
        let framed = packets.interleaved(0);
        let mut readers = readers.lock().expect("no holder panics");
        readers.retain_mut(|reader| match reader {
            Reader::Udp(to) => runs.iter().all(|run| send(socket, run, *to).is_ok()),
            Reader::Tcp(stream) => stream.write_all(&framed).is_ok(),
        });
    }
}

/// As many packets to a call as the kernel takes.
#[cfg(target_os = "linux")]
fn send(socket: &UdpSocket, run: &Run, to: SocketAddr) -> std::io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
    use std::os::fd::AsRawFd;
    let segment = run.segment.unwrap_or(u16::MAX);
    let size = usize::from(segment);
    let to = SockaddrStorage::from(to);
    for part in run.data.chunks((65_507 / size).clamp(1, 64) * size) {
        let cut = [ControlMessage::UdpGsoSegments(&segment)];
        let controls = if part.len() > size { &cut[..] } else { &[] };
        let slices = [std::io::IoSlice::new(part)];
        sendmsg(socket.as_raw_fd(), &slices, controls, MsgFlags::empty(), Some(&to))?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn send(socket: &UdpSocket, run: &Run, to: SocketAddr) -> std::io::Result<()> {
    let size = run.segment.map_or(run.data.len(), usize::from).max(1);
    run.data.chunks(size).try_for_each(|packet| socket.send_to(packet, to).map(drop))
}

/// Says yes to every request.
fn answer(mut stream: TcpStream, readers: &Readers) -> Result<()> {
    stream.set_nodelay(true)?;
    let remote = stream.peer_addr()?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut port = None;
    while let Some(request) = lines.next() {
        let (request, mut cseq) = (request?, String::new());
        for line in lines.by_ref() {
            let line = line?;
            match line.split_once(": ") {
                Some(("CSeq", n)) => n.clone_into(&mut cseq),
                Some(("Transport", transport)) => port = client_port(transport),
                _ if line.is_empty() => break,
                _ => {}
            }
        }
        let method = request.split(' ').next().unwrap_or_default();
        if method == "TEARDOWN" {
            let is_me = |other: &Reader| match other {
                Reader::Udp(to) => port == Some(to.port()),
                Reader::Tcp(stream) => stream.peer_addr().is_ok_and(|address| address == remote),
            };
            readers.lock().expect("no holder panics").retain(|other| !is_me(other));
        }
        let body =
            if method == "DESCRIBE" { "v=0\r\nm=video 0 RTP/AVP 96\r\na=control:trackID=0\r\n" } else { "" };
        let length = body.len();
        let head =
            format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nSession: 1\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{body}").as_bytes())?;
        if method == "PLAY" {
            let me = match port {
                Some(port) => Reader::Udp(SocketAddr::new(remote.ip(), port)),
                None => Reader::Tcp(stream.try_clone()?),
            };
            readers.lock().expect("no holder panics").push(me);
        }
    }
    Ok(())
}

/// Where packets are to go; `None`: back on the connection.
fn client_port(transport: &str) -> Option<u16> {
    let ports = transport.split(';').find_map(|part| part.strip_prefix("client_port="))?;
    ports.split('-').next()?.parse().ok()
}
