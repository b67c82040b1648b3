//! What the end-to-end tests share: starting the real programs, foreign tools, a browser.

pub mod browser;
pub mod faults;
pub mod nats;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No step of a test takes longer than this.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Path of one of the workspace's programs, built as this test is.
///
/// # Panics
/// If it cannot be built.
pub fn program(name: &str) -> PathBuf {
    // Cargo takes a second to see that nothing has changed.
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(name.to_owned()).or_insert_with(|| build(name, &[])).clone()
}

/// The same built with features, under a path of its own.
///
/// # Panics
/// If it cannot be built.
pub fn program_with(name: &str, features: &[&str]) -> PathBuf {
    let built = build(name, features);
    let folder = built.with_file_name(format!("{name}-with-{}", features.join("-").replace('/', "-")));
    std::fs::create_dir_all(&folder).expect("a folder for the program");
    let path = folder.join(built.file_name().expect("a name"));
    // A copy that runs is not written over.
    let copy = tempfile::NamedTempFile::new_in(&folder).expect("a file for the program").into_temp_path();
    std::fs::copy(&built, &copy).expect("the program is copied");
    copy.persist(&path).expect("the program gets its name");
    path
}

fn build(name: &str, features: &[&str]) -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    // target/<profile>/deps/<test>
    let folder = test.parent().and_then(Path::parent).expect("the test lies in target/<profile>/deps");
    let path = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let release = folder.file_name().is_some_and(|n| n == "release");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    // What cargo says to this test of its package would have build scripts that look at it run again, each time another.
    let said = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let said = said.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
    let mut cargo = Command::new(env!("CARGO"));
    for name in said {
        cargo.env_remove(name);
    }
    let built = cargo
        .current_dir(root)
        .args(["build", "--quiet", "--bin", name])
        .args(features.iter().flat_map(|feature| ["--features", feature]))
        .args(release.then_some("--release"))
        .arg("--target-dir")
        .arg(folder.parent().expect("target"))
        .status()
        .expect("cargo runs");
    assert!(built.success() && path.exists(), "{name} could not be built");
    path
}

/// Whether a foreign tool can be used. Where it is missing the reason is printed and the test is to return; with
/// `CI=true` it fails instead, so that no test is left out unseen.
///
/// # Panics
/// With `CI=true`, if the tool is missing.
pub fn peer(what: &str, works: impl FnOnce() -> bool) -> bool {
    if works() {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none_or(|v| v != "true"),
        "{what} is missing: run scripts/install-peers.sh"
    );
    println!("skipped: {what} is missing (scripts/install-peers.sh installs it)");
    false
}

/// Tries again what a machine that stalls for a frame can spoil. What is wrong every time is wrong.
///
/// # Panics
/// With what the last of twenty attempts said.
pub fn in_time(mut attempt: impl FnMut() -> Result<(), String>) {
    let mut wrong = String::new();
    for _ in 0..20 {
        match attempt() {
            Ok(()) => return,
            Err(error) => wrong = error,
        }
    }
    panic!("twenty times: {wrong}");
}

/// Debian's Python, which has the modules that Debian's packages install; another Python may come first in the path.
pub fn python() -> &'static str {
    let debians = "/usr/bin/python3";
    if Path::new(debians).exists() { debians } else { "python3" }
}

/// A port at which nobody listens, for programs that cannot pick one themselves. It is even and the next one is free too,
/// as RTP wants it. The system gives none of these to those that let it choose, and each is handed out once: tests that
/// run side by side do not take them from each other.
///
/// # Panics
/// If there is none left.
pub fn unused_port() -> u16 {
    const PAIRS: Range<u16> = 5_000..16_000;
    static HANDED_OUT: AtomicU16 = AtomicU16::new(0);
    // Another test program begins elsewhere.
    let begin = std::process::id() * 97;
    let free =
        |port| TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok();
    for _ in PAIRS {
        let nth = begin + u32::from(HANDED_OUT.fetch_add(1, Ordering::Relaxed));
        let nth = u16::try_from(nth % u32::from(PAIRS.end - PAIRS.start)).expect("less than there are");
        let port = 2 * (PAIRS.start + nth);
        if free(port) && free(port + 1) {
            return port;
        }
    }
    panic!("all ports are taken");
}

/// The library that gives a program a wrong clock, if it is there; otherwise as [`peer`].
pub fn libfaketime() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().find_map(|entry| {
        let path = entry.path().join("faketime/libfaketimeMT.so.1");
        path.exists().then_some(path)
    });
    peer("libfaketime", || found.is_some()).then_some(found).flatten()
}

/// Whether a command can be run at all.
pub fn runs(command: &str, arguments: &[&str]) -> bool {
    Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// A running program, killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Receiver<String>,
}

impl Running {
    /// Starts one of the workspace's programs.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        Self::spawn(Command::new(program(name)).args(arguments))
    }

    /// Starts any command.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let out = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let (lines, stdout) = mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        Self { child, stdout }
    }

    /// The next line of its standard output; `None` when it has closed it.
    ///
    /// # Panics
    /// If nothing comes for too long.
    pub fn line(&self) -> Option<String> {
        match self.stdout.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the program says nothing"),
        }
    }

    /// Reads on to `listening on <address> (role)`.
    ///
    /// # Panics
    /// If there is no such line.
    pub fn address(&self, role: &str) -> SocketAddr {
        let end = format!(" ({role})");
        while let Some(line) = self.line() {
            let address = line.strip_prefix("listening on ").and_then(|rest| rest.strip_suffix(&end));
            if let Some(address) = address {
                return address.parse().expect("an address");
            }
        }
        panic!("the program ended without listening as {role}");
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input.
    pub fn stdin(&mut self) -> &mut std::process::ChildStdin {
        self.child.stdin.as_mut().expect("stdin is a pipe")
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends a signal by name: `TERM`, `INT`, `STOP`, `CONT`, `KILL`.
    ///
    /// # Panics
    /// If the process cannot be signalled.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.is_ok_and(|s| s.success()), "cannot send SIG{name}");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            assert!(Instant::now() < until, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Resident memory in KiB (Linux).
    ///
    /// # Panics
    /// If the process is gone.
    pub fn resident_kib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process lives");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The programs in the documents compile and hold what they say.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../docs/timecode.md")]
    struct Timecode;
    #[doc = include_str!("../../docs/camera.md")]
    struct Camera;
}
