//! `smpte-server` over real sockets: the sheet's transcript and error table byte for byte, hostile input, slow and
//! flooding members, a server that was stopped for two seconds.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use e2e::{PATIENCE, Running, in_time};
use serde_json::Value;

const WELCOME: &str = "{\"type\": \"welcome\", \"message\": \"Connected to SMPTE Timecode Server\", \
    \"supported_framerates\": [\"23.976\", \"24\", \"29.97\", \"30\", \"50\", \"59.94\", \"60\", \"25\", \"29.97df\", \
    \"59.94df\", \"47.952\", \"48\", \"100\", \"119.88\", \"119.88df\", \"120\"]}";
const PARTS: &str = "Invalid timecode format: Invalid timecode format. Use HH:MM:SS:FF";

struct Server {
    running: Running,
    address: SocketAddr,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let all = [&["--host", "127.0.0.1", "--port", "0", "--no-status"], options].concat();
        let running = Running::start("smpte-server", &all);
        let address = running.address("tcp");
        Self { running, address }
    }

    fn connect(&self) -> Client {
        let mut client = self.dial();
        assert!(client.line().starts_with("{\"type\": \"welcome\", "));
        client
    }

    fn dial(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line comes");
        assert_eq!(line.pop(), Some('\n'), "the connection is open");
        line
    }

    /// The next line that is not an update.
    fn reply(&mut self) -> String {
        loop {
            let line = self.line();
            if !line.contains("timecode_update") {
                return line;
            }
        }
    }

    /// The next line is the update with this label; if not, the machine may have stalled over it.
    fn update(&mut self, label: &str) -> Result<(), String> {
        let line = self.line();
        let expected = format!("{{\"type\": \"timecode_update\", \"timecode\": \"{label}\"}}");
        if line == expected { Ok(()) } else { Err(format!("{line} instead of {expected}")) }
    }

    fn create(&mut self, framerate: &str, label: &str) -> String {
        self.send(&format!(
            "{{\"type\": \"create_session\", \"framerate\": \"{framerate}\", \"initial_timecode\": \"{label}\"}}"
        ));
        let line = self.reply();
        let id = line.split("\"session_id\": \"").nth(1).unwrap_or_else(|| panic!("{line}"));
        id[..36].to_owned()
    }

    fn join(&mut self, id: &str) -> String {
        self.send(&format!("{{\"type\": \"join_session\", \"session_id\": \"{id}\"}}"));
        self.reply()
    }

    /// What comes until the server closes; how it closes does not matter.
    fn rest(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        match self.0.read_to_end(&mut all) {
            Ok(_) => all,
            Err(e) if e.kind() == ErrorKind::ConnectionReset => all,
            Err(e) => panic!("the server does not close: {e}"),
        }
    }
}

fn error(message: &str) -> String {
    format!("{{\"type\": \"error\", \"message\": \"{message}\"}}")
}

#[test]
fn the_transcript_of_the_original() {
    in_time(transcript);
}

fn transcript() -> Result<(), String> {
    let server = Server::start(&[]);
    let mut a = server.dial();
    assert_eq!(a.line(), WELCOME);
    let mut b = server.connect();
    a.send("{\"type\": \"create_session\", \"framerate\": \"29.97\", \"initial_timecode\": \"00:00:59:27\"}");
    let created = a.line();
    let id = created.split('"').nth(7).unwrap().to_owned();
    assert_eq!(
        created,
        format!(
            "{{\"type\": \"session_created\", \"session_id\": \"{id}\", \"framerate\": \"29.97\", \"initial_timecode\": \"00:00:59:27\"}}"
        )
    );
    assert!(id.len() == 36 && id.as_bytes()[14] == b'4' && id == id.to_lowercase(), "a version 4 UUID: {id}");
    assert_eq!(b.join(&id[..8]), error("Session not found"));
    assert_eq!(
        b.join(&id),
        format!(
            "{{\"type\": \"session_joined\", \"session_id\": \"{id}\", \"framerate\": \"29.97\", \"current_timecode\": \"00:00:59:27\", \"running\": false}}"
        )
    );
    b.send("{\"type\": \"start_timecode\"}");
    for client in [&mut a, &mut b] {
        assert_eq!(client.line(), "{\"type\": \"timecode_started\", \"timecode\": \"00:00:59:27\"}");
        // Our 29.97 counts 30 labels a second (sheet B7, Q1).
        for label in ["00:00:59:28", "00:00:59:29", "00:01:00:00"] {
            client.update(label)?;
        }
    }
    b.send("{\"type\": \"start_timecode\"}");
    assert_eq!(b.reply(), error("Timecode already running"));
    b.send("{\"type\": \"reset_timecode\", \"timecode\": \"23:59:59:28\"}");
    for client in [&mut a, &mut b] {
        assert_eq!(client.reply(), "{\"type\": \"timecode_reset\", \"timecode\": \"23:59:59:28\"}");
        for label in ["23:59:59:29", "00:00:00:00"] {
            client.update(label)?;
        }
    }
    a.send("{\"type\": \"stop_timecode\"}");
    for client in [&mut a, &mut b] {
        let mut last = "{\"type\": \"timecode_update\", \"timecode\": \"00:00:00:00\"}".to_owned();
        let stopped = loop {
            let line = client.line();
            if line.contains("timecode_stopped") {
                break line;
            }
            last = line;
        };
        assert_eq!(stopped, last.replace("timecode_update", "timecode_stopped"));
    }
    a.send("{\"type\": \"stop_timecode\"}");
    assert_eq!(a.line(), error("Timecode not running"));
    Ok(())
}

/// Each row of the sheet's B4 (and the rules that replace it): what is sent, and the reply.
fn rows() -> Vec<(&'static str, String)> {
    let create = |rest: &'static str, message: &str| (rest, error(message));
    vec![
        ("nonsense", error("Invalid JSON message")),
        ("{\"type\": NaN}", error("Invalid JSON message")),
        ("\u{feff}{\"type\": \"start_timecode\"}", error("Invalid JSON message")),
        ("{\"type\": \"ping\"}", error("Unknown command")),
        ("{\"type\": \"status\"}", error("Unknown command")),
        ("{\"type\": null}", error("Unknown command")),
        ("{}", error("Unknown command")),
        ("5", error("Internal server error")),
        ("null", error("Internal server error")),
        ("[1, 2]", error("Internal server error")),
        ("\"s\"", error("Internal server error")),
        ("{\"type\": []}", error("Internal server error")),
        ("{\"type\": \"create_session\", \"framerate\": {}}", error("Internal server error")),
        ("{\"type\": \"join_session\", \"session_id\": []}", error("Internal server error")),
        (
            "{\"type\": \"create_session\", \"framerate\": \"24\", \"initial_timecode\": null}",
            error("Internal server error"),
        ),
        (
            "{\"type\": \"create_session\", \"framerate\": \"24\", \"initial_timecode\": 5}",
            error("Internal server error"),
        ),
        ("{\"type\": \"create_session\"}", error("Unsupported framerate")),
        ("{\"type\": \"create_session\", \"framerate\": 24}", error("Unsupported framerate")),
        ("{\"type\": \"create_session\", \"framerate\": 29.97}", error("Unsupported framerate")),
        ("{\"type\": \"create_session\", \"framerate\": \"24.0\"}", error("Unsupported framerate")),
        ("{\"type\": \"create_session\", \"framerate\": \"23.98\"}", error("Unsupported framerate")),
        create("{\"type\": \"create_session\", \"framerate\": \"24\", \"initial_timecode\": \"\"}", PARTS),
        create(
            "{\"type\": \"create_session\", \"framerate\": \"24\", \"initial_timecode\": \"1:2:3\"}",
            PARTS,
        ),
        create(
            "{\"type\": \"create_session\", \"framerate\": \"24\", \"initial_timecode\": \"1:2:3:4:5\"}",
            PARTS,
        ),
        create(
            "{\"type\": \"create_session\", \"framerate\": \"24\", \"initial_timecode\": \"01:00:00;00\"}",
            PARTS,
        ),
        create(
            "{\"type\": \"create_session\", \"framerate\": \"24\", \"initial_timecode\": \"aa:00:00:00\"}",
            "Invalid timecode format: invalid literal for int() with base 10: 'aa'",
        ),
        create(
            "{\"type\": \"create_session\", \"framerate\": \"24\", \"initial_timecode\": \"00:00:00:1.5\"}",
            "Invalid timecode format: invalid literal for int() with base 10: '1.5'",
        ),
        create(
            "{\"type\": \"create_session\", \"framerate\": \"24\", \"initial_timecode\": \"00::00:00\"}",
            "Invalid timecode format: invalid literal for int() with base 10: ''",
        ),
        ("{\"type\": \"join_session\", \"session_id\": \"none\"}", error("Session not found")),
        ("{\"type\": \"join_session\"}", error("Session not found")),
        ("{\"type\": \"start_timecode\"}", error("Not in a session")),
        ("{\"type\": \"stop_timecode\"}", error("Not in a session")),
        ("{\"type\": \"reset_timecode\"}", error("Not in a session")),
        ("{\"type\": \"reset_timecode\", \"timecode\": \"bad\"}", error("Not in a session")),
        // Of duplicate keys the last wins.
        ("{\"type\": \"ping\", \"type\": \"start_timecode\"}", error("Not in a session")),
    ]
}

#[test]
fn every_error_in_every_split_and_all_in_one_write() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for (sent, reply) in rows() {
        for ending in ["\n", "\r\n", "\n \n\n"] {
            client.0.get_mut().write_all(format!("{sent}{ending}").as_bytes()).unwrap();
            assert_eq!(client.line(), reply, "{sent}{ending:?}");
        }
        for cut in 1..sent.len() {
            let (head, tail) = sent.as_bytes().split_at(cut);
            client.0.get_mut().write_all(head).unwrap();
            client.0.get_mut().write_all(&[tail, b"\n"].concat()).unwrap();
            assert_eq!(client.line(), reply, "{sent} cut at {cut}");
        }
    }
    let (all, replies): (String, Vec<_>) =
        (rows().iter().map(|r| format!("{}\n", r.0)).collect(), rows().into_iter().map(|r| r.1).collect());
    client.0.get_mut().write_all(all.repeat(20).as_bytes()).unwrap();
    for _ in 0..20 {
        for reply in &replies {
            assert_eq!(&client.line(), reply);
        }
    }
    // Invalid UTF-8, and nesting that would eat a stack.
    client.0.get_mut().write_all(b"{\"type\": \"\xff\"}\n").unwrap();
    assert_eq!(client.line(), error("Internal server error"));
    client.send(&"[".repeat(60_000));
    assert_eq!(client.line(), error("Internal server error"));
    client.send("{\"type\": \"leave_session\"}");
    client.create("24", "00:00:00:00");
}

#[test]
fn a_line_of_65536_bytes_is_answered_and_a_longer_one_closes() {
    let server = Server::start(&[]);
    let padded = |len: usize| format!("{{\"type\": \"ping\"{}}}", " ".repeat(len - 16));
    let mut client = server.connect();
    client.send(&padded(65_536));
    assert_eq!(client.line(), error("Unknown command"));
    client.send(&padded(65_537));
    assert_eq!(client.rest(), b"");
    // Without an end it closes as soon as it is too long.
    let mut client = server.connect();
    let _ = client.0.get_mut().write_all(&vec![b'x'; 70_000]);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_last_line_without_its_end_is_answered() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.0.get_mut().write_all(b"{\"type\": \"ping\"}\n{\"type\": \"start_timecode\"}").unwrap();
    client.0.get_ref().shutdown(Shutdown::Write).unwrap();
    let said = String::from_utf8(client.rest()).unwrap();
    assert_eq!(said, format!("{}\n{}\n", error("Unknown command"), error("Not in a session")));
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = Server::start(&["--max-clients", "2"]);
    let (_a, _b) = (server.connect(), server.connect());
    assert_eq!(server.dial().rest(), format!("{}\n", error("Server full")).as_bytes());
}

#[test]
fn the_originals_labels_on_request() {
    let server = Server::start(&["--compat-truncated-labels"]);
    in_time(|| {
        let mut client = server.dial();
        assert!(
            client.line().ends_with("[\"23.976\", \"24\", \"29.97\", \"30\", \"50\", \"59.94\", \"60\"]}")
        );
        client.create("29.97", "00:00:59:27");
        client.send("{\"type\": \"start_timecode\"}");
        assert!(client.line().contains("started"));
        client.update("00:00:59:28")?;
        client.update("00:01:00:00")
    });
}

#[test]
fn signals_end_it_cleanly_and_clients_see_the_end() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let mut client = server.connect();
        client.create("30", "00:00:00:00");
        server.running.signal(signal);
        assert_eq!(client.rest(), b"");
        assert_eq!(server.running.wait().code(), Some(0), "SIG{signal}");
    }
}

/// Reads so many updates, with whatever lies between them; each must be of a later frame than the one before. None ever
/// comes to a member that the server has forgotten over others: then the read runs into its time limit.
fn follow(client: &mut Client, updates: usize) {
    let mut last = None;
    for _ in 0..updates {
        let frame = loop {
            let line = client.line();
            if let Some(label) = line.strip_prefix("{\"type\": \"timecode_update\", \"timecode\": \"") {
                break frame_of(&label[..11], 60);
            }
        };
        assert!(last < Some(frame), "{frame} after {last:?}");
        last = Some(frame);
    }
}

fn frame_of(label: &str, rate: i64) -> i64 {
    let parts: Vec<i64> = label.split([':', ';']).map(|p| p.parse().unwrap()).collect();
    ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * rate + parts[3]
}

/// A slow reader, a flood of resets and thousands of sessions that come and go: the other members are served all the
/// time. That they miss no update is shown where time is virtual (`session_timing`, `driver`'s
/// `a_stuck_reader_gets_the_newest_update_and_harms_nobody`): here a machine that stalls loses some.
#[test]
fn bad_members_harm_nobody() {
    let server = Server::start(&[]);
    let mut good = server.connect();
    let id = good.create("60", "00:00:00:00");
    good.send("{\"type\": \"start_timecode\"}");
    assert!(good.line().contains("started"));

    // Stuck: joins and never reads. Flooding replies at it fills its buffers at once.
    let mut stuck = server.connect();
    stuck.join(&id);
    stuck.0.get_mut().set_nonblocking(true).unwrap();
    let flood = "{\"type\": \"start_timecode\"}\n".repeat(1000);
    let jam = std::thread::spawn(move || {
        for _ in 0..3000 {
            match stuck.0.get_mut().write(flood.as_bytes()) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => return,
                Ok(_) => {}
            }
        }
    });
    // Create and leave, ten thousand times over, on connections of their own.
    let mut client = server.connect();
    let cycles = std::thread::spawn(move || {
        for _ in 0..10_000 {
            client.create("24", "00:00:00:00");
            client.send("{\"type\": \"leave_session\"}");
        }
    });
    follow(&mut good, 180);
    cycles.join().unwrap();
    let settled = server.running.resident_kib();
    let mut again = server.connect();
    for _ in 0..10_000 {
        again.create("24", "00:00:00:00");
        again.send("{\"type\": \"leave_session\"}");
    }
    let grown = server.running.resident_kib().saturating_sub(settled);
    assert!(grown < 2048, "10 000 sessions that came and went left {grown} KiB behind");
    jam.join().unwrap();

    // A flood of resets from a member that reads nothing: the others still get their updates.
    let mut flooder = server.connect();
    flooder.join(&id);
    flooder.0.get_mut().set_nonblocking(true).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let flood = std::thread::spawn(move || {
        let resets = "{\"type\": \"reset_timecode\", \"timecode\": \"01:00:00:00\"}\n".repeat(50);
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            match flooder.0.get_mut().write(resets.as_bytes()) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => return,
                Ok(_) => {}
            }
        }
    });
    for _ in 0..120 {
        while !good.line().contains("timecode_update") {}
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    flood.join().unwrap();
}

/// Stopped for two seconds and continued: the labels are true to time, and what was missed is not made up for.
#[cfg(target_os = "linux")]
#[test]
fn a_stopped_server_goes_on_with_the_right_label() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    // With the extension `frame` each update says when its frame began, on the clock that this test reads too.
    client.send("{\"type\": \"hello\", \"extensions\": [\"frame\"]}");
    assert!(client.line().contains("\"frame\""));
    client.create("60", "00:00:00:00");
    client.send("{\"type\": \"start_timecode\"}");
    assert!(client.line().contains("started"));
    let mut next = || -> (u64, u64) {
        let line = client.line();
        let update: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(update["type"], "timecode_update");
        (update["frame"].as_u64().unwrap(), update["at_ns"].as_u64().unwrap())
    };
    let frame_ns = 1_000_000_000_u64.div_ceil(60);
    let (first, begin) = next();
    let (mut last, _) = next();
    server.running.signal("STOP");
    std::thread::sleep(Duration::from_secs(2));
    let continued = driver::now().as_nanos();
    server.running.signal("CONT");
    // What was sent before the pause, then at once what is right after it: no burst of what was missed.
    let (frame, at) = loop {
        let (frame, at) = next();
        if at + frame_ns >= continued {
            break (frame, at);
        }
        assert!(
            frame > last && at < continued - 1_500_000_000,
            "frame {frame} of {at} is stale at {continued}"
        );
        last = frame;
    };
    assert!(frame >= last + 100, "frame {frame} after {last}, over two seconds");
    assert!(at <= driver::now().as_nanos(), "a frame of the future");
    // And it is the right one: frames and times of all updates lie on one line.
    assert!((begin + (frame - first) * 1_000_000_000 / 60).abs_diff(at) <= 1, "frame {frame} at {at}");
}
