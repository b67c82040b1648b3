//! What several tests need.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A guard against waiting for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program that is ended with the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn start(program: &str, arguments: &[&str]) -> Running {
    spawn(Command::new(program).args(arguments))
}

/// Waits until it says where it listens.
pub(crate) fn spawn(command: &mut Command) -> Running {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening on ").and_then(|l| l.split(' ').next()).unwrap().to_owned();
    Running { child, address }
}

pub(crate) fn device(dir: &Path, id: &str) -> Running {
    spawn(device_command(dir).args(["--device-id", id]))
}

/// A device that nobody else finds, with this machine's clock.
pub(crate) fn device_command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_multicam-device"));
    command.args(["--host", "127.0.0.1", "--port", "0", "--no-mdns", "--clock", "system", "--dir"]).arg(dir);
    command
}

/// A controller in a directory of its own.
pub(crate) struct Desk {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) devices: Vec<String>,
}

impl Desk {
    pub(crate) fn new<'a>(devices: impl IntoIterator<Item = &'a Running>) -> Self {
        let devices = devices.into_iter().map(|d| d.address.clone()).collect();
        Self { dir: tempfile::tempdir().unwrap(), devices }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The controller's command line.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_multicam-controller"));
        command.current_dir(self.dir.path()).arg("--json");
        for device in &self.devices {
            command.args(["--device", device]);
        }
        command.args(arguments);
        command
    }

    /// The answers, one object a line; the command has to succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until all devices say this of themselves.
    pub(crate) fn wait_for(&self, status: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let all = self.ok(&["status"]);
            if all.iter().all(|d| d["status"] == status) {
                return;
            }
            assert!(Instant::now() < end, "{all:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn manifest(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("out/manifest.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}
