//! The programs behind a network that fails: in pieces, cut, silent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::faults::{TcpProxy, Wire};
use e2e::{PATIENCE, Running, program};

fn smpte_server() -> (Running, SocketAddr) {
    let running = Running::start("smpte-server", &["--host", "127.0.0.1", "--port", "0", "--no-status"]);
    let address = running.address("tcp");
    (running, address)
}

fn smpte_client(server: SocketAddr, script: &str) -> std::process::Output {
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    Command::new(program("smpte-client"))
        .args(["--host", &host, "--port", &port, "--exec", script])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A connection that speaks lines.
struct Lines(BufReader<TcpStream>);

impl Lines {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// Reads on to a line of this kind.
    fn until(&mut self, kind: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the server closed before it said {kind}");
            if line.starts_with(&format!("{{\"type\": \"{kind}\"")) {
                return line;
            }
        }
    }

    fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn create(&mut self) -> String {
        self.send(
            "{\"type\": \"create_session\", \"framerate\": \"25\", \"start_timecode\": \"01:00:00:00\"}",
        );
        let created = self.until("session_created");
        let id = created.split("\"session_id\": \"").nth(1).and_then(|rest| rest.split('"').next());
        id.expect("an id").to_owned()
    }
}

#[test]
fn a_byte_at_a_time_changes_nothing() {
    let (_server, address) = smpte_server();
    let proxy = TcpProxy::start(address, Wire { piece: 1, ..Wire::default() });
    let script = "create 25 10:00:00:00; reset 11:00:00:00; leave; quit";
    let (direct, pieces) = (smpte_client(address, script), smpte_client(proxy.address, script));
    assert!(direct.status.success() && pieces.status.success(), "{pieces:?}");
    // Addresses and ids are each run's own.
    let plain = |output: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(output);
        text.lines()
            .filter(|l| !l.starts_with("Connected to") && !l.contains("created"))
            .map(String::from)
            .collect()
    };
    assert_eq!(plain(&direct.stdout), plain(&pieces.stdout));
    assert_eq!(plain(&pieces.stdout).last().map(String::as_str), Some("Timecode reset to: 11:00:00:00"));
}

#[test]
fn a_client_that_is_cut_off_says_so_and_the_session_lives_on() {
    let (_server, address) = smpte_server();
    let mut owner = Lines::connect(address);
    let id = owner.create();
    owner.send("{\"type\": \"start_timecode\"}");
    owner.until("timecode_started");
    // Cut after a few hundred bytes of updates.
    let proxy = TcpProxy::start(address, Wire { reset_after: 1500, ..Wire::default() });
    let output = smpte_client(proxy.address, &format!("join {id}; wait 600"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{output:?}");
    owner.until("timecode_update");
    let again = smpte_client(address, &format!("join {id}; leave; quit"));
    assert!(again.status.success(), "{again:?}");
}

#[test]
fn silent_and_half_open_peers_hold_up_nobody() {
    let (_server, address) = smpte_server();
    // Half a line each, and never the rest.
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"{\"type\": \"create_ses").unwrap();
            stream
        })
        .collect();
    let mut owner = Lines::connect(address);
    let id = owner.create();
    owner.send("{\"type\": \"start_timecode\"}");
    owner.until("timecode_started");
    let proxy = TcpProxy::start(address, Wire::default());
    let mut frozen = Lines::connect(proxy.address);
    frozen.send(&format!("{{\"type\": \"join_session\", \"session_id\": \"{id}\"}}"));
    frozen.until("session_joined");
    proxy.freeze();
    for _ in 0..25 {
        owner.until("timecode_update");
    }
    // It comes back to the newest label, and still gets its replies.
    proxy.thaw();
    frozen.send("{\"type\": \"stop_timecode\"}");
    frozen.until("timecode_stopped");
    owner.until("timecode_stopped");
    // Each of the slow ones may still say what it wanted to.
    for mut stream in slow.into_iter().take(3) {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"sion\", \"framerate\": \"24\"}\n").unwrap();
        let mut said = [0; 4096];
        let n = stream.read(&mut said).unwrap();
        assert!(String::from_utf8_lossy(&said[..n]).contains("welcome"));
    }
}
