//! Loads on the recording programs: what `multicam-load` does.

mod kill;
mod start;
mod transfer;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use kill::kills;
pub use start::{Clocks, clocks, starts};
pub use transfer::{plain_server, transfer};

use crate::Random;
use crate::spawned::Spawned;

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `multicam-device`.
    pub device: String,
    /// `multicam-controller`.
    pub controller: String,
}

/// A recording device in a process of its own.
struct Device {
    process: Spawned,
    address: SocketAddr,
}

impl Device {
    fn start(program: &str, dir: &Path, id: &str, environment: &[(&str, String)]) -> Result<Self> {
        let dir = dir.to_str().context("a path that is no text")?;
        #[rustfmt::skip]
        let arguments = [
            "--host", "127.0.0.1", "--port", "0", "--no-mdns", "--clock", "system", "--dir", dir, "--device-id", id,
        ];
        let mut process = Spawned::start_with(program, &arguments, environment)?;
        let address = process.address("multicam")?;
        Ok(Self { process, address })
    }
}

/// A folder with a device's folder in it, which has one file of `mib` MiB.
fn stage(dir: &Path, mib: u64) -> Result<(tempfile::TempDir, PathBuf)> {
    let stage = tempfile::tempdir_in(dir).with_context(|| format!("--dir: {}", dir.display()))?;
    let files = stage.path().join("device");
    std::fs::create_dir(&files)?;
    let file = files.join(FILE);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&file)?);
    let mut random = Random::new(mib);
    for _ in 0..mib << 17 {
        out.write_all(&random.bits().to_le_bytes())?;
    }
    out.flush().with_context(|| format!("--dir: {mib} MiB do not fit"))?;
    Ok((stage, file))
}

/// The device's one file.
const FILE: &str = "Load-1_1729000000123.mp4";
