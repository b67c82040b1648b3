//! Both sides of a transfer are killed again and again: the file arrives whole, and little is moved twice.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use multicam_programs::device::hash_file;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBuf, SndBuf};
use serde_json::{Value, json};

use super::{Device, FILE, Programs, stage};
use crate::Random;

/// Sends SIGKILL to `multicam-device` and `multicam-controller` in turns while a file of so many MiB is collected, `kills`
/// times in all, at random places of it, and lets each go on afterwards.
///
/// # Errors
/// When a program cannot be started, or the file does not arrive whole.
pub fn kills(programs: &Programs, dir: &Path, mib: u64, kills: usize, seed: u64) -> Result<Value> {
    let (stage, file) = stage(dir, mib)?;
    let hash = hash_file(&file)?;
    let written = std::fs::metadata(&file)?.modified()?;
    let folder = file.parent().context("a folder")?;
    let size = mib << 20;
    let mut random = Random::new(seed);
    let mut places: Vec<u64> = (0..kills).map(|_| random.bits() % size).collect();
    places.sort_unstable();

    let mut device = Device::start(&programs.device, folder, "Load-1", &[])?;
    let network = Network::start(device.address)?;
    let out = stage.path().join("out");
    let start = || {
        let device = network.address.to_string();
        Command::new(&programs.controller)
            .args(["--json", "--device", &device, "--state"])
            .arg(stage.path().join("state.json"))
            .args(["collect", "--out"])
            .arg(&out)
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the controller")
    };
    let mut controller = start()?;
    let mut done = [0, 0];
    for (n, place) in places.iter().enumerate() {
        if !network.wait_for(*place, &mut controller)? {
            break;
        }
        if n % 2 == 0 {
            controller.kill()?;
            controller.wait()?;
            controller = start()?;
        } else {
            drop(device);
            device = Device::start(&programs.device, folder, "Load-1", &[])?;
            network.is_at(device.address);
        }
        done[n % 2] += 1;
    }
    let status = controller.wait()?;
    ensure!(status.success(), "collect failed in the end");
    let copy = out.join("Load-1").join(FILE);
    let whole = hash_file(&copy)? == hash;
    let untouched = hash_file(&file)? == hash && std::fs::metadata(&file)?.modified()? == written;
    let moved = network.moved.load(Ordering::Relaxed);
    ensure!(whole && untouched, "whole: {whole}, the device's copy untouched: {untouched}");
    Ok(json!({
        "mib": mib,
        "controller_kills": done[0],
        "device_kills": done[1],
        "whole": whole,
        "device_copy_untouched": untouched,
        "moved_by_size": moved as f64 / size as f64,
    }))
}

/// The kernel keeps so much for each side of a connection through the network, in bytes.
const BUFFER: usize = 256 << 10;

/// Carries bytes between the two, and counts those of the device.
struct Network {
    address: SocketAddr,
    device: Arc<Mutex<SocketAddr>>,
    moved: Arc<AtomicU64>,
}

impl Network {
    fn start(device: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let device = Arc::new(Mutex::new(device));
        let moved = Arc::new(AtomicU64::new(0));
        let (to, count) = (device.clone(), moved.clone());
        std::thread::Builder::new().name("network".into()).spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let to = *to.lock().unwrap_or_else(PoisonError::into_inner);
                let Ok(far) = TcpStream::connect(to) else {
                    continue;
                };
                // What is under way in a network is not megabytes.
                let _ = setsockopt(&near, SndBuf, &BUFFER).and_then(|()| setsockopt(&far, RcvBuf, &BUFFER));
                let (Ok(a), Ok(b)) = (near.try_clone(), far.try_clone()) else {
                    continue;
                };
                let count = count.clone();
                std::thread::spawn(move || carry(a, b, None));
                std::thread::spawn(move || carry(far, near, Some(&count)));
            }
        })?;
        Ok(Self { address, device, moved })
    }

    fn is_at(&self, device: SocketAddr) {
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = device;
    }

    /// Waits until so many bytes were carried; false: the controller has ended before.
    fn wait_for(&self, bytes: u64, controller: &mut Child) -> Result<bool> {
        while self.moved.load(Ordering::Relaxed) < bytes {
            if controller.try_wait()?.is_some() {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(true)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, count: Option<&AtomicU64>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || to.write_all(&buffer[..n]).is_err() {
            break;
        }
        if let Some(count) = count {
            count.fetch_add(n as u64, Ordering::Relaxed);
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
