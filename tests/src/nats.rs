//! The engine of clusters, as tests start it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use crate::{PATIENCE, Running, peer, runs, unused_port};

/// Features of the programs that share something over it: all at once, so that what they have in common is built once.
pub const FEATURES: [&str; 2] = ["smpte-programs/cluster", "dvb-css-programs/cluster"];

/// A `nats-server`, with a port and a folder that it keeps when it is started again.
#[derive(Debug)]
pub struct Engine {
    running: Option<Running>,
    port: u16,
    folder: tempfile::TempDir,
    options: Vec<String>,
}

impl Engine {
    /// One that stores; `None`, with the reason printed, where there is none.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(options: &[&str]) -> Option<Self> {
        Self::with(&[&["-js"], options].concat())
    }

    /// One with these options alone.
    ///
    /// # Panics
    /// If it does not start.
    pub fn with(options: &[&str]) -> Option<Self> {
        if !peer("nats-server", || runs("nats-server", &["--version"])) {
            return None;
        }
        let port = unused_port();
        let folder = tempfile::tempdir().unwrap();
        let options = options.iter().map(|&option| option.into()).collect();
        let mut engine = Self { running: None, port, folder, options };
        engine.run();
        Some(engine)
    }

    /// Starts it again after [`kill`](Self::kill).
    ///
    /// # Panics
    /// If it does not start.
    pub fn run(&mut self) {
        let mut command = Command::new("nats-server");
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-l", "/dev/null", "-sd"]);
        command.arg(self.folder.path()).args(&self.options);
        self.running = Some(Running::spawn(&mut command));
        until("the engine listens", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// The same with other options than before.
    ///
    /// # Panics
    /// If it does not start.
    pub fn run_with(&mut self, options: &[&str]) {
        self.options = options.iter().map(|&option| option.into()).collect();
        self.run();
    }

    /// Kills it; what it has stored stays.
    pub fn kill(&mut self) {
        drop(self.running.take());
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address for programs.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Writes an entry of a bucket as any other program could.
    ///
    /// # Panics
    /// If it does not take it.
    pub fn put(&self, bucket: &str, key: &str, value: &[u8]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let head = format!("CONNECT {{\"verbose\":false}}\r\nPUB $KV.{bucket}.{key} {}\r\n", value.len());
        stream.write_all(&[head.as_bytes(), value, b"\r\nPING\r\n"].concat()).unwrap();
        let mut line = String::new();
        while !line.starts_with("PONG") {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0);
        }
    }
}

/// Tries until there is something.
///
/// # Panics
/// If there never is.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "it does not come to this: {what}");
        // A server answers no more than 20 questions a second for its status.
        std::thread::sleep(std::time::Duration::from_millis(60));
    }
}
