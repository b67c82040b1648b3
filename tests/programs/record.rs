//! Every server with `--record`, and `genlock-replay` over what it wrote: the same, the same up to where it is cut off,
//! and not the same as soon as one byte is another.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use dvb_css::message::WcMessage;
use e2e::{PATIENCE, Running, program};
use replay::Failure;
use serde_json::Value;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// A server that records, and its recording.
struct Recorded {
    running: Running,
    folder: tempfile::TempDir,
}

impl Recorded {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program(name));
        command.args(arguments).arg("--record").arg(folder.path().join("recording"));
        // What it keeps besides goes with it.
        command.current_dir(folder.path());
        Self { running: Running::spawn(&mut command), folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("recording")
    }

    /// Ends the server and plays what it recorded, in all ways; the recording.
    fn ends_and_plays(mut self, name: &str) -> String {
        self.running.signal("TERM");
        assert!(self.running.wait().success(), "{name}");
        let text = std::fs::read_to_string(self.file()).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(text.lines().next(), Some(&*format!("genlock-recording 1 {name} {version}")));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(self.file()).unwrap().permissions().mode() & 0o777, 0o600);
        }

        let played = self.play(&["--json"]);
        assert_eq!(played.status.code(), Some(0), "{played:?}");
        let summary: Value = serde_json::from_slice(&played.stdout).unwrap();
        assert_eq!(
            (&summary["same"], &summary["program"], &summary["cut"]),
            (&true.into(), &name.into(), &false.into())
        );
        assert!(summary["inputs"].as_u64() > Some(5) && summary["outputs"].as_u64() > Some(3), "{summary}");
        let played = self.play(&[]);
        assert_eq!(played.status.code(), Some(0), "{played:?}");
        let line = String::from_utf8(played.stdout).unwrap();
        assert!(line.starts_with("the same: ") && line.lines().count() == 1, "{line}");

        self.differs_if_altered(&text);
        plays_as_far_as_it_goes(&text);
        text
    }

    fn play(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program("genlock-replay"));
        command.arg(self.file()).args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// One byte of one thing that was said is another: the last that holds data, or the hash of more of it.
    fn differs_if_altered(&self, text: &str) {
        let said = |line: &str| ["send ", "datagram "].iter().any(|kind| line[2..].starts_with(kind));
        let lines: Vec<&str> = text.lines().collect();
        let at =
            lines.iter().rposition(|line| said(line) && !line.ends_with('=')).expect("something was said");
        let last_word = lines[at].rsplit(' ').next().unwrap();
        let is_whole = last_word.starts_with('x') || last_word.ends_with('"');
        // The last letter or digit that belongs to no escape.
        let bytes = lines[at].as_bytes();
        let place = (0..bytes.len())
            .rfind(|at| bytes[*at].is_ascii_alphanumeric() && bytes[at - 1] != b'\\')
            .unwrap();
        let is = bytes[place];
        let other = if is == b'7' { '8' } else { '7' };
        let mut altered = lines[at].to_owned();
        altered.replace_range(place..=place, &other.to_string());
        let mut all = lines.clone();
        all[at] = &altered;
        std::fs::write(self.file(), all.join("\n") + "\n").unwrap();

        let played = self.play(&[]);
        assert_eq!(played.status.code(), Some(1), "{played:?}");
        let shown = String::from_utf8(played.stdout).unwrap();
        assert!(shown.starts_with(&format!("line {}: output ", at + 1)), "{shown}");
        assert!(shown.contains(&format!("\nrecorded: {}\n", &altered[2..])), "{shown}");
        assert!(shown.contains(&format!("\nreplayed: {}\n", &lines[at][2..])), "{shown}");
        assert_eq!(shown.contains("\n  recorded ") && shown.contains("\n  replayed "), is_whole, "{shown}");
        let played = self.play(&["--json"]);
        assert_eq!(played.status.code(), Some(1), "{played:?}");
        let difference: Value = serde_json::from_slice(&played.stdout).unwrap();
        assert_eq!((&difference["same"], &difference["line"]), (&false.into(), &(at + 1).into()));
        assert_eq!(difference["replayed"], lines[at][2..]);
    }
}

/// Cut off anywhere, as by a crash, what stands before is the same.
fn plays_as_far_as_it_goes(text: &str) {
    let head = text.find('\n').unwrap() + 1;
    for cut in [0, 1, head - 1] {
        assert!(matches!(replay::replay(&text.as_bytes()[..cut]), Err(Failure::NoRecording)), "{cut}");
    }
    let everywhere = (0..20).map(|part| head + (text.len() - head) * part / 20);
    let places = everywhere.chain(head..head + 40).chain(text.len() - 40..text.len());
    let mut before = 0;
    for cut in places {
        let summary =
            replay::replay(&text.as_bytes()[..cut]).unwrap_or_else(|error| panic!("at {cut}: {error}"));
        assert_eq!(summary.is_cut, !text[..cut].ends_with('\n'), "at {cut}");
        if cut > head + 40 {
            assert!(summary.inputs >= before, "at {cut}");
            before = summary.inputs;
        }
    }
}

fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it never holds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    BufReader::new(stream)
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line
}

/// The next line that contains this.
fn line_with(stream: &mut BufReader<TcpStream>, part: &str) -> String {
    loop {
        let line = line(stream);
        assert!(!line.is_empty(), "no line with {part}");
        if line.contains(part) {
            return line;
        }
    }
}

/// Text messages of a companion screen.
struct Companion(WebSocket<TcpStream>);

impl Companion {
    fn connect(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(tungstenite::client(format!("ws://{address}/{path}"), stream).unwrap().0)
    }

    fn hears(&mut self, part: &str) {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) if text.contains(part) => return,
                // a signal to this process, of a child that has ended, while it waited
                Err(tungstenite::Error::Io(e)) if e.kind() == ErrorKind::Interrupted => {}
                other => drop(other.unwrap()),
            }
        }
    }
}

fn ask_wall_clock(address: SocketAddr, times: u64) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 100];
    for cookie in 0..times {
        socket.send(b"nonsense").unwrap();
        socket.send(&WcMessage::request(cookie).encode()).unwrap();
        assert_eq!(socket.recv(&mut answer).unwrap(), WcMessage::LEN);
    }
}

#[test]
fn smpte_server() {
    let server = Recorded::start("smpte-server", &["--host", "127.0.0.1", "--port", "0"]);
    let address = server.running.address("tcp");
    let (mut first, mut second) = (connect(address), connect(address));
    // A line in two pieces, and two in one.
    let create =
        "{\"type\": \"create_session\", \"framerate\": \"29.97df\", \"initial_timecode\": \"00:00:59;20\"}\n";
    let (start, end) = create.split_at(30);
    first.get_mut().write_all(start.as_bytes()).unwrap();
    assert!(line(&mut first).contains("welcome") && line(&mut second).contains("welcome"));
    first.get_mut().write_all(end.as_bytes()).unwrap();
    let created = line_with(&mut first, "session_created");
    let id = created.split("\"session_id\": \"").nth(1).unwrap()[..36].to_owned();
    let join = format!("no JSON \u{e9}\n{{\"type\": \"join_session\", \"session_id\": \"{id}\"}}\n");
    second.get_mut().write_all(join.as_bytes()).unwrap();
    line_with(&mut second, "session_joined");
    second.get_mut().write_all(b"{\"type\": \"start_timecode\"}\n").unwrap();
    line_with(&mut first, "00:01:00;02");
    first.get_mut().write_all(b"{\"type\": \"stop_timecode\"}\n").unwrap();
    line_with(&mut second, "timecode_stopped");
    drop(first);
    second.get_mut().write_all(b"{\"type\": \"leave_session\"}\n{\"type\": \"stop_timecode\"}\n").unwrap();
    line_with(&mut second, "Not in a session");
    let text = server.ends_and_plays("smpte-server");
    assert!(text.contains(" Latest bytes ="), "a broadcast is written once");
}

#[test]
fn smpte_server_that_is_killed_or_follows_a_recording() {
    let wav = tempfile::tempdir().unwrap();
    let wav = wav.path().join("ltc.wav");
    let made = Command::new(program("smpte-tool"))
        .args([
            "ltc",
            "encode",
            wav.to_str().unwrap(),
            "--rate",
            "25",
            "--start",
            "10:00:00:00",
            "--duration",
            "5",
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let arguments = ["--host", "127.0.0.1", "--port", "0", "--chase", wav.to_str().unwrap()];
    let mut server = Recorded::start("smpte-server", &arguments);
    let mut client = connect(server.running.address("tcp"));
    let chasing = server.running.line().unwrap();
    let id = chasing.rsplit(' ').next().unwrap();
    let join = format!("{{\"type\": \"join_session\", \"session_id\": \"{id}\"}}\n");
    client.get_mut().write_all(join.as_bytes()).unwrap();
    line_with(&mut client, "timecode_update");
    line_with(&mut client, "timecode_update");
    // What is said is written a little later; what comes then is lost with the server.
    until(|| std::fs::read_to_string(server.file()).is_ok_and(|text| text.contains(" create_session ")));
    server.running.signal("KILL");
    server.running.wait();
    let text = std::fs::read(server.file()).unwrap();
    let summary = replay::replay(&text[..]).unwrap();
    assert!(summary.inputs > 0);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(" create_session ") && text.contains("wall "), "{text}");
}

#[test]
fn wall_clock_server() {
    let server = Recorded::start("wall-clock-server", &["127.0.0.1", "0", "--followup-replies"]);
    ask_wall_clock(server.running.address("wc"), 20);
    let text = server.ends_and_plays("wall-clock-server");
    assert!(text.contains(" left "), "follow-ups");
}

#[test]
fn cii_server() {
    let server = Recorded::start("cii-server", &["127.0.0.1", "0"]);
    let address = server.running.address("http");
    let (mut first, mut second) = (Companion::connect(address, "cii"), Companion::connect(address, "cii"));
    first.hears("\"contentId\"");
    second.hears("\"contentId\"");
    // The hop goes on.
    first.hears("okay");
    server.ends_and_plays("cii-server");
}

#[test]
fn ts_server() {
    let server = Recorded::start("ts-server", &["127.0.0.1", "0", "127.0.0.1", "0", "--quiet-http"]);
    let wc = server.running.address("wc");
    let mut client = Companion::connect(server.running.address("http"), "ts");
    let setup = "{\"contentIdStem\": \"\", \"timelineSelector\": \"urn:dvb:css:timeline:pts\"}";
    client.0.send(Message::text(setup)).unwrap();
    client.hears("contentTime");
    ask_wall_clock(wc, 3);
    // The show tweaks its timeline.
    client.hears("contentTime");
    server.ends_and_plays("ts-server");
}

#[test]
fn tv_device() {
    let server = Recorded::start("tv-device", &["127.0.0.1", "0", "127.0.0.1", "0"]);
    let wc = server.running.address("wc");
    let address = server.running.address("http");
    let (mut cii, mut ts) = (Companion::connect(address, "cii"), Companion::connect(address, "ts"));
    cii.hears("wcUrl");
    let setup = "{\"contentIdStem\": \"dvb:\", \"timelineSelector\": \"urn:dvb:css:timeline:temi:1:1\"}";
    ts.0.send(Message::text(setup)).unwrap();
    ts.hears("contentTime");
    ask_wall_clock(wc, 3);
    let text = server.ends_and_plays("tv-device");
    assert!(text.contains("machine css-television ") && text.contains("machine css-wall-clock "));
}

#[test]
fn camera_server() {
    let ports = ["--data-port", "0", "--settings-port", "0", "--auth-port", "0", "--rtsp-port", "0"];
    let more = ["--host", "127.0.0.1", "--source", "test", "--rtsp", "builtin", "--config-dir", "."];
    let server = Recorded::start("camera-server", &[&ports[..], &more].concat());
    let [data, settings, auth, rtsp] =
        ["data", "settings", "auth", "rtsp"].map(|role| server.running.address(role));
    let mut telemetry = connect(data);
    let mut items = [0; 160];
    telemetry.read_exact(&mut items).unwrap();
    let mut change = connect(settings);
    // An update, and a query in two pieces.
    let update = [0, 0xff, 2, 1, 0, 6, 0x64, 0x40, 0x0f, 0x0c, 0x0a, 0x7f, 0xa8];
    change.get_mut().write_all(&[&update[..], &[0, 0xff, 2]].concat()).unwrap();
    change.get_mut().write_all(&[1, 0, 0, 0xfc]).unwrap();
    let mut reply = [0; 16];
    change.read_exact(&mut reply).unwrap();
    let mut login = connect(auth);
    login.get_mut().write_all(&[0, 0xff, 0, 1, 0, 4, b'1', b'1', b'1', b'1', 0xfa]).unwrap();
    let mut ready = Vec::new();
    login.read_to_end(&mut ready).unwrap();
    assert_eq!(ready.len(), 12);
    // Its video is there from the first picture on.
    until(|| {
        let mut stream = connect(rtsp);
        let describe = format!("DESCRIBE rtsp://{rtsp}/ES_MTX RTSP/1.0\r\nCSeq: 1\r\n\r\n");
        stream.get_mut().write_all(describe.as_bytes()).unwrap();
        line(&mut stream).contains(" 200 ")
    });
    play(rtsp, "ES_MTX", 100_000);
    let text = server.ends_and_plays("camera-server");
    assert!(text.contains("machine camera ") && text.contains("machine rtsp "));
    assert!(text.contains(" set_pipeline ") && text.contains(" push_sampled "));
}

#[test]
fn multicam_device() {
    let arguments =
        ["--host", "127.0.0.1", "--port", "0", "--no-mdns", "--clock", "system", "--device-id", "Dev-1"];
    let server = Recorded::start("multicam-device", &arguments);
    let address = server.running.address("multicam");
    let ask = |command: &str, more: &str| {
        let mut stream = connect(address);
        let json = format!("{{\"command\": \"{command}\", \"timestamp\": 0, \"deviceId\": \"c\"{more}}}");
        stream.get_mut().write_all(json.as_bytes()).unwrap();
        let mut reply = vec![0; 65_536];
        let count = stream.read(&mut reply).unwrap();
        String::from_utf8(reply[..count].to_vec()).unwrap()
    };
    ask("DEVICE_STATUS", "");
    ask("START_RECORDING", "");
    let stopped = ask("STOP_RECORDING", "");
    let stopped: Value = serde_json::from_str(&stopped).unwrap_or_else(|error| panic!("{error}: {stopped}"));
    let name = stopped["fileName"].as_str().unwrap_or_else(|| panic!("{stopped}"));
    // A header and the whole file.
    let mut stream = connect(address);
    let get = format!(
        "{{\"command\": \"GET_VIDEO\", \"timestamp\": 0, \"deviceId\": \"c\", \"fileName\": \"{name}\"}}"
    );
    stream.get_mut().write_all(get.as_bytes()).unwrap();
    let mut start = [0; 4096];
    stream.read_exact(&mut start).unwrap();
    drop(stream);
    let text = server.ends_and_plays("multicam-device");
    assert!(text.contains("sendfile ") && text.contains(" take_finished "), "{text}");
}

#[test]
fn rtsp_server() {
    let media = tempfile::tempdir().unwrap();
    let picture = test_picture_jpeg();
    std::fs::write(media.path().join("still.mjpg"), [&picture[..], &picture[..]].concat()).unwrap();
    let arguments = [
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--test-pattern",
        "test",
        "--loop",
        "--media-root",
        media.path().to_str().unwrap(),
    ];
    let server = Recorded::start("rtsp-server", &arguments);
    let address = server.running.address("rtsp");
    play(address, "test", 100_000);
    play(address, "still.mjpg", 50_000);
    let mut missing = connect(address);
    missing.get_mut().write_all(b"DESCRIBE rtsp://x/none RTSP/1.0\r\nCSeq: 1\r\n\r\n").unwrap();
    assert!(line(&mut missing).contains("404"));
    let text = server.ends_and_plays("rtsp-server");
    assert!(text.contains(" push_sampled ") && text.contains(" offer "), "pictures and files");
}

/// A reader over TCP, until so many bytes have come.
fn play(address: SocketAddr, path: &str, bytes: usize) {
    let mut stream = connect(address);
    let url = format!("rtsp://{address}/{path}");
    let mut request = |method: &str, url: &str, more: &str, number: u32| {
        let text = format!("{method} {url} RTSP/1.0\r\nCSeq: {number}\r\n{more}\r\n");
        stream.get_mut().write_all(text.as_bytes()).unwrap();
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let line = line(&mut stream);
            length =
                line.strip_prefix("Content-Length: ").map_or(length, |text| text.trim().parse().unwrap());
            if line.trim().is_empty() {
                break;
            }
            head += &line;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        assert!(head.contains(" 200 "), "{head}");
        head + &String::from_utf8(body).unwrap()
    };
    let described = request("DESCRIBE", &url, "Accept: application/sdp\r\n", 1);
    let control = described.lines().filter_map(|line| line.strip_prefix("a=control:")).next_back().unwrap();
    let track = if control.contains("://") { control.to_owned() } else { format!("{url}/{control}") };
    let set_up = request("SETUP", &track, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", 2);
    let session = set_up.lines().find_map(|line| line.strip_prefix("Session: ")).unwrap();
    let session = session.split(';').next().unwrap().to_owned();
    request("PLAY", &url, &format!("Session: {session}\r\n"), 3);
    let mut media = vec![0; bytes];
    stream.read_exact(&mut media).unwrap();
    let end = format!("TEARDOWN {url} RTSP/1.0\r\nCSeq: 4\r\nSession: {session}\r\n\r\n");
    stream.get_mut().write_all(end.as_bytes()).unwrap();
}

/// One picture as a file has it.
fn test_picture_jpeg() -> Vec<u8> {
    let mut stills = multicam_programs::still::Stills::new().unwrap();
    stills.draw(&test_picture::Marks::default()).to_vec()
}

#[test]
fn what_cannot_be_recorded_or_played_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    std::fs::write(&there, "precious").unwrap();
    let record = |path: &str| {
        let mut command = Command::new(program("smpte-server"));
        command
            .args(["--host", "127.0.0.1", "--port", "0", "--record", path])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    for path in [there.to_str().unwrap(), "/nonexistent/recording"] {
        let refused = record(path);
        let text = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{text}");
        assert!(text.starts_with("error: --record: ") && text.lines().count() == 1, "{text}");
    }
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "precious");

    let replay = |path: &str| {
        let mut command = Command::new(program("genlock-replay"));
        command.arg(path).stdin(Stdio::null()).output().unwrap()
    };
    let newer = folder.path().join("newer");
    std::fs::write(&newer, "genlock-recording 2 a 9.9.9\n").unwrap();
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "genlock-recording 1 a 0.1.0\n0 machine toaster 1\n").unwrap();
    for (path, part) in [
        (there.to_str().unwrap(), "not a recording"),
        ("/nonexistent", "No such file"),
        (newer.to_str().unwrap(), "genlock-recording 2"),
        (wrong.to_str().unwrap(), "line 2: no machine of this name is known"),
    ] {
        let refused = replay(path);
        let text = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{text}");
        assert!(text.starts_with("error: ") && text.contains(part) && text.lines().count() == 1, "{text}");
        assert!(refused.stdout.is_empty());
    }
}
