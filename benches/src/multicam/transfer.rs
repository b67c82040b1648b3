//! How fast a file goes from a device to whoever only counts, and to `collect`, beside a plain sendfile loop.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use multicam_common::Form;
use multicam_common::codec::{FileDecoder, FileFrame};
use multicam_common::message::CommandMessage;
use nix::sys::sendfile::sendfile64;
use serde_json::{Value, json};

use super::{Device, FILE, Programs, stage};
use crate::spawned::Spawned;
use crate::{Usage, percentile};

/// The least that a file server can do: it accepts, and has the kernel copy the file to the socket until that is done.
///
/// # Errors
/// When there is no socket, or no file.
pub fn plain_server(file: &Path) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {} (plain)", listener.local_addr()?);
    let file = File::open(file)?;
    let size = file.metadata()?.len();
    for stream in listener.incoming() {
        let (stream, mut at) = (stream?, 0_i64);
        while (at as u64) < size {
            let left = usize::try_from(size - at as u64)?;
            sendfile64(&stream, &file, Some(&mut at), left.min(1 << 30))?;
        }
    }
    Ok(())
}

/// A file of so many MiB, fetched in turns from a plain loop and from a device by a reader that only counts, and by
/// `collect`, which hashes and stores it.
///
/// # Errors
/// When a program cannot be started, or a file is not what it was.
pub fn transfer(programs: &Programs, dir: &Path, mib: u64, span: Duration) -> Result<Value> {
    let (stage, file) = stage(dir, mib)?;
    let path = file.to_str().context("a path that is no text")?;
    let mut plain = Spawned::again(&["plain-server", path])?;
    let plain_at = plain.address("plain")?;
    let folder = file.parent().context("a folder")?;
    let device = Device::start(&programs.device, folder, "Load-1", &[])?;
    let (mut plains, mut devices, mut collects) = (Vec::new(), Vec::new(), Vec::new());
    let mut controller_kib = 0;
    let end = Instant::now() + span;
    while plains.is_empty() || Instant::now() < end {
        plains.push(rate(mib, || counted(plain_at, mib << 20))?);
        devices.push(rate(mib, || asked(device.address))?);
        let out = stage.path().join(format!("out-{}", plains.len()));
        collects.push(rate(mib, || {
            controller_kib = controller_kib.max(collect(&programs.controller, device.address, &out)?);
            Ok(())
        })?);
        let copy = std::fs::metadata(out.join("Load-1").join(FILE))?;
        ensure!(copy.len() == mib << 20, "the copy is not whole");
        std::fs::remove_dir_all(&out)?;
    }
    let rounds = plains.len();
    let [plain_rate, device_rate, collect_rate] = [plains, devices, collects].map(|mut rates| {
        rates.sort_unstable_by(f64::total_cmp);
        percentile(&rates, 0.5)
    });
    let device_kib = Usage::peak_kib(device.process.pid()).unwrap_or(0);
    Ok(json!({
        "mib": mib,
        "rounds": rounds,
        "plain_mib_s": plain_rate,
        "device_mib_s": device_rate,
        "collect_mib_s": collect_rate,
        "device_percent": 100.0 * device_rate / plain_rate,
        "collect_percent": 100.0 * collect_rate / plain_rate,
        "device_mib": device_kib as f64 / 1024.0,
        "controller_mib": controller_kib as f64 / 1024.0,
    }))
}

/// MiB a second.
fn rate(mib: u64, act: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    act()?;
    Ok(mib as f64 / begin.elapsed().as_secs_f64())
}

fn counted(from: SocketAddr, size: u64) -> Result<()> {
    count(&mut TcpStream::connect(from)?, size)
}

fn count(stream: &mut TcpStream, mut left: u64) -> Result<()> {
    let mut buffer = vec![0; 512 << 10];
    while left > 0 {
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "the file ends early");
        left = left.saturating_sub(n as u64);
    }
    Ok(())
}

fn asked(device: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(device)?;
    stream.set_nodelay(true)?;
    stream.write_all(CommandMessage::get_video(FILE).to_text(Form::BOTH).as_bytes())?;
    let (mut decoder, mut unread, mut buffer) = (FileDecoder::new(), BytesMut::new(), vec![0; 4096]);
    loop {
        if let Some(FileFrame::Header(header)) = decoder.decode(&mut unread)? {
            return count(&mut stream, header.file_size.saturating_sub(unread.len() as u64));
        }
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "the device hung up");
        unread.extend_from_slice(&buffer[..n]);
    }
}

/// Runs `collect`; the most memory that it had, in KiB.
fn collect(program: &str, device: SocketAddr, out: &Path) -> Result<u64> {
    let mut child = Command::new(program)
        .args(["--json", "--device", &device.to_string(), "--state"])
        .arg(out.with_extension("state"))
        .args(["collect", "--out"])
        .arg(out)
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start '{program}'"))?;
    let mut most = 0;
    loop {
        most = most.max(Usage::peak_kib(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "collect failed");
            return Ok(most);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
