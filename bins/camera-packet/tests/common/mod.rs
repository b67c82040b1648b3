//! Real programs, started for a test and ended with it.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing takes longer than this, however busy the machine: a guard against waiting for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program that announces addresses.
pub(crate) struct Program {
    child: Child,
    addresses: Vec<(String, SocketAddr)>,
}

impl Program {
    /// camera-server on free ports, without video unless `args` say otherwise.
    pub(crate) fn server(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_camera-server"));
        command.stderr(Stdio::null());
        Self::server_in(command, args)
    }

    pub(crate) fn server_in(mut command: Command, args: &[&str]) -> Self {
        command.args(["--data-port", "0", "--settings-port", "0", "--auth-port", "0"]);
        if !args.contains(&"--source") {
            command.args(["--source", "none"]);
        }
        if !args.contains(&"--config-dir") {
            command.args(["--config-dir", "/nonexistent"]);
        }
        command.args(args);
        for variable in
            ["SERVER_HOST", "DATA_PORT", "SETTINGS_PORT", "AUTH_PORT", "AUTH_PASSWORD", "LOG_LEVEL"]
        {
            command.env_remove(variable);
        }
        let ports = if args.contains(&"builtin") { 4 } else { 3 };
        Self::start(command, ports)
    }

    /// An emulated original.
    pub(crate) fn emulation(generation: &str, ports: usize) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_camera-tool"));
        command.args(["emulate", "--generation", generation]);
        command.args(["--data-port", "0", "--settings-port", "0", "--auth-port", "0"]);
        Self::start(command, ports)
    }

    fn start(mut command: Command, ports: usize) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let addresses = (0..ports)
            .map(|_| {
                let line = lines.next().expect("an announcement").expect("text");
                let rest = line.strip_prefix("listening on ").expect("an announcement");
                let (address, role) = rest.split_once(' ').expect("a role");
                (role.trim_matches(['(', ')']).to_owned(), address.parse().expect("an address"))
            })
            .collect();
        Self { child, addresses }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self, role: &str) -> SocketAddr {
        self.addresses.iter().find(|(r, _)| r == role).expect("that role").1
    }

    pub(crate) fn connect(&self, role: &str) -> TcpStream {
        let stream = TcpStream::connect(self.address(role)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Options by which camera-client finds it.
    pub(crate) fn options(&self) -> Vec<String> {
        self.addresses
            .iter()
            .flat_map(|(role, address)| [format!("--{role}-port"), address.to_string()])
            .collect()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> std::process::ExitStatus {
        let ended = until(|| self.child.try_wait().unwrap());
        ended.expect("it ends")
    }

    /// Processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let hundredths: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(hundredths * 10)
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something to see.
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if seen.is_some() || Instant::now() > deadline {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn until_true(what: &str, mut look: impl FnMut() -> bool) {
    assert!(until(|| look().then_some(())).is_some(), "in vain: {what}");
}

pub(crate) fn client(args: &[&str], options: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camera-client"));
    command.args(args).args(options).env_remove("AUTH_PASSWORD").stdin(Stdio::null());
    command.output().expect("camera-client runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn tool(args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camera-tool"));
    let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("camera-tool runs");
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex")).collect()
}

pub(crate) fn read(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).expect("bytes in time");
    bytes
}

/// All until the other side closes.
pub(crate) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an orderly close");
    bytes
}

/// A folder with programs of ours, first in PATH.
pub(crate) struct Stubs {
    pub(crate) folder: tempfile::TempDir,
}

impl Stubs {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A shell script. It finds its folder in `$D`; each start is noted there as `NAME.starts`, one line of arguments
    /// each, and the process in `NAME.pid`.
    pub(crate) fn add(&self, name: &str, body: &str) -> &Self {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        let d = self.folder.path().display();
        let script = format!(
            "#!/bin/sh\nD='{d}'\necho $$ >> \"$D/{name}.pids\"\necho \"$@\" >> \"$D/{name}.starts\"\n{body}\n"
        );
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The last process that ran under this name.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        let seen = until(|| self.lines(&format!("{name}.pids")).last()?.parse().ok());
        seen.expect("it has been started")
    }

    pub(crate) fn server(&self, args: &[&str]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_camera-server"));
        command.env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().display()));
        command.stderr(std::fs::File::create(self.path("log")).unwrap());
        Program::server_in(command, args)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// Whether the process lives (a zombie does not).
pub(crate) fn lives(pid: u32) -> bool {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub(crate) fn kill(pid: u32) {
    let status = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(status.expect("kill").success());
}
