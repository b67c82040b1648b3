//! Starting the real programs, and plain peers for them.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running program with its lines, killed when dropped.
pub(crate) struct Running {
    child: Child,
    out: Receiver<String>,
    log: Receiver<String>,
}

impl Running {
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        let lines = |pipe: Box<dyn std::io::Read + Send>| {
            let (lines, receiver) = mpsc::channel();
            std::thread::spawn(move || {
                BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
            });
            receiver
        };
        let out = lines(Box::new(child.stdout.take().unwrap()));
        let log = lines(Box::new(child.stderr.take().unwrap()));
        Self { child, out, log }
    }

    /// The next line of standard output.
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).expect("a line of output")
    }

    /// Reads on to a line of standard output that passes.
    pub(crate) fn line_with(&self, mut wanted: impl FnMut(&str) -> bool) -> String {
        std::iter::repeat_with(|| self.line()).find(|line| wanted(line)).unwrap()
    }

    /// Reads on to a line of the log that passes.
    pub(crate) fn logged(&self, mut wanted: impl FnMut(&str) -> bool) -> String {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) if wanted(&line) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("the log says nothing of the kind"),
                Err(RecvTimeoutError::Disconnected) => panic!("the program has ended"),
            }
        }
    }

    /// The next line as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.line()).expect("a JSON line")
    }

    /// Reads on to `listening on <address> (role)`.
    pub(crate) fn address(&self, role: &str) -> SocketAddr {
        let end = format!(" ({role})");
        let line = self.line_with(|line| line.starts_with("listening on ") && line.ends_with(&end));
        line["listening on ".len()..line.len() - end.len()].parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|s| s.success()));
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) type Ws = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn ws(address: SocketAddr, path: &str) -> Ws {
    connect_async(format!("ws://{address}{path}")).await.unwrap().0
}

/// The next message that is not a ping.
pub(crate) async fn next(ws: &mut Ws) -> Message {
    let message = async {
        loop {
            match ws.next().await.expect("the connection stands").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                other => return other,
            }
        }
    };
    tokio::time::timeout(PATIENCE, message).await.expect("a message comes")
}

pub(crate) async fn next_json(ws: &mut Ws) -> Value {
    let message = next(ws).await;
    serde_json::from_str(message.to_text().unwrap()).unwrap_or_else(|_| panic!("{message:?}"))
}

pub(crate) async fn say(ws: &mut Ws, text: impl Into<String>) {
    ws.send(Message::text(text.into())).await.unwrap();
}
