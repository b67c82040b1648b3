//! The examples as their users run them.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use e2e::{PATIENCE, Running};
use support::example;

const ORIGINAL_RATES: &str = "\"23.976\", \"24\", \"29.97\", \"30\", \"50\", \"59.94\", \"60\"";

fn start(name: &str, arguments: &[&str]) -> Running {
    Running::spawn(Command::new(example(name)).args(arguments))
}

/// Ctrl-C, after which a program has to end well.
fn interrupt(mut program: Running) {
    program.signal("INT");
    assert_eq!(program.wait().code(), Some(0));
}

fn lines_to_end(program: &Running) -> Vec<String> {
    std::iter::from_fn(|| program.line()).collect()
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// A client that has its welcome.
    fn connect(address: SocketAddr) -> Self {
        let (client, welcome) = Self::welcomed(address);
        assert!(welcome.starts_with("{\"type\": \"welcome\", "), "{welcome}");
        client
    }

    fn welcomed(address: SocketAddr) -> (Self, String) {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self(BufReader::new(stream));
        let first = client.line();
        (client, first)
    }

    fn send(&mut self, message: &str) {
        self.0.get_mut().write_all(format!("{message}\n").as_bytes()).unwrap();
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

    /// The label of the next update.
    fn update(&mut self) -> String {
        loop {
            let line = self.line();
            if let Some(rest) = line.strip_prefix("{\"type\": \"timecode_update\", \"timecode\": \"") {
                return rest.trim_end_matches("\"}").to_owned();
            }
        }
    }

    /// Makes a session and returns its id.
    fn create(&mut self, framerate: &str, label: &str) -> String {
        self.send(&format!(
            "{{\"type\": \"create_session\", \"framerate\": \"{framerate}\", \"initial_timecode\": \"{label}\"}}"
        ));
        let line = self.reply();
        let id = line.strip_prefix("{\"type\": \"session_created\", \"session_id\": \"");
        id.unwrap_or_else(|| panic!("{line}"))[..36].to_owned()
    }

    fn join(&mut self, id: &str) -> String {
        self.send(&format!("{{\"type\": \"join_session\", \"session_id\": \"{id}\"}}"));
        self.reply()
    }

    fn assert_ended(mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the server closes in good order");
    }
}

/// One session with two members, on any of the servers.
fn try_server(address: SocketAddr) -> [Client; 2] {
    let (mut a, mut b) = (Client::connect(address), Client::connect(address));
    let id = a.create("25", "00:59:59:24");
    assert_eq!(
        b.join(&id),
        format!(
            "{{\"type\": \"session_joined\", \"session_id\": \"{id}\", \"framerate\": \"25\", \
             \"current_timecode\": \"00:59:59:24\", \"running\": false}}"
        )
    );
    // In pieces, with two messages in the last.
    for piece in ["{\"type\": ", "\"start_timecode\"}\n{\"type\"", ": \"ping\"}\n"] {
        b.0.get_mut().write_all(piece.as_bytes()).unwrap();
    }
    for client in [&mut a, &mut b] {
        assert_eq!(client.reply(), "{\"type\": \"timecode_started\", \"timecode\": \"00:59:59:24\"}");
    }
    assert_eq!(b.reply(), "{\"type\": \"error\", \"message\": \"Unknown command\"}");
    // A machine that is very busy may leave one out.
    let labels = [a.update(), a.update(), a.update()];
    assert!(labels[0].starts_with("01:00:00:") && labels.is_sorted() && labels[0] < labels[2], "{labels:?}");
    [a, b]
}

#[test]
fn simple_server() {
    let server = start("simple_server", &["0"]);
    let clients = try_server(server.address("tcp"));
    interrupt(server);
    clients.into_iter().for_each(Client::assert_ended);
}

#[test]
fn blocking_server() {
    let server = start("blocking_server", &["0"]);
    let address = server.address("tcp");
    let clients = try_server(address);
    assert!(server.line().unwrap().starts_with("ClientConnected"));
    // One that goes without a word leaves the others alone.
    let [mut a, b] = clients;
    drop(b);
    a.update();
    drop(Client::connect(address));
    a.update();
    interrupt(server);
    let mut rest = Vec::new();
    let _ = a.0.read_to_end(&mut rest); // the system closes, with a reset if something came in between
}

#[test]
fn custom_address() {
    let server = start("custom_address", &["127.0.0.1", "0"]);
    let address = server.address("tcp");
    let _two = try_server(address);
    let _more: Vec<_> = (2..100).map(|_| Client::connect(address)).collect();
    let (refused, message) = Client::welcomed(address);
    assert_eq!(message, "{\"type\": \"error\", \"message\": \"Server full\"}");
    refused.assert_ended();

    let port = address.port().to_string();
    let taken = Command::new(example("custom_address")).args(["127.0.0.1", &port]).output().unwrap();
    assert_eq!(taken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&taken.stderr).contains(&port), "{taken:?}");
    let wrong = Command::new(example("custom_address")).args(["127.0.0.1", "90000"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("90000"), "{wrong:?}");
    interrupt(server);
}

#[test]
fn several_servers() {
    let servers = start("several_servers", &["0", "0"]);
    let addresses = ["exact", "compatible"].map(|role| servers.address(role));
    let ids = [(); 2].map(|()| servers.line().unwrap().strip_prefix("session ").unwrap().to_owned());
    for ((address, id), original) in addresses.into_iter().zip(&ids).zip([false, true]) {
        let (mut client, welcome) = Client::welcomed(address);
        assert_eq!(welcome.ends_with(&format!("[{ORIGINAL_RATES}]}}")), original, "{welcome}");
        let joined = client.join(id);
        assert!(joined.starts_with(&format!(
            "{{\"type\": \"session_joined\", \"session_id\": \"{id}\", \"framerate\": \"29.97\", \"current_timecode\": \"10:"
        )));
        assert!(joined.ends_with("\"running\": true}"), "{joined}");
        // The sessions of one server are not those of the other.
        let other = ids.iter().find(|&other| other != id).unwrap();
        assert_eq!(client.join(other), "{\"type\": \"error\", \"message\": \"Session not found\"}");
        client.join(id);
        // The original has 29 labels in a second, so that frame 29 never comes.
        let labels = (0..if original { 60 } else { 300 }).map(|_| client.update());
        assert_ne!(labels.into_iter().any(|label| label.ends_with(":29")), original);
    }
    interrupt(servers);
}

#[test]
fn server_set() {
    let set = start("server_set", &["0"]);
    let addresses = [(); 3].map(|()| set.address("tcp"));
    let mut clients = addresses.map(Client::connect);
    let id = clients[0].create("50", "00:00:00:00");
    while set.line().unwrap() != "all together: 3 clients, 1 sessions" {}
    assert_eq!(clients[1].join(&id), "{\"type\": \"error\", \"message\": \"Session not found\"}");
    let [a, b, c] = clients;
    drop(a);
    while set.line().unwrap() != "all together: 2 clients, 0 sessions" {}
    interrupt(set);
    [b, c].into_iter().for_each(Client::assert_ended);
}

#[test]
fn server_set_starts_whole_or_not_at_all() {
    // The second of the three is taken.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = Command::new(example("server_set")).arg((port - 1).to_string()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("127.0.0.1"), "{output:?}");
}

#[test]
fn session_history() {
    let mut server = start("session_history", &["0"]);
    let address = server.address("tcp");
    let (mut a, mut b) = (Client::connect(address), Client::connect(address));
    let [from_a, from_b] = [&a, &b].map(|client| client.0.get_ref().local_addr().unwrap());

    let id = a.create("25", "01:00:00:00");
    b.join(&id);
    b.send("{\"type\": \"start_timecode\"}");
    b.reply();
    b.send("{\"type\": \"stop_timecode\"}");
    let stopped = b.reply();
    let stopped_at = &stopped["{\"type\": \"timecode_stopped\", \"timecode\": \"".len()..][..11];
    drop(b);
    assert_eq!([a.reply(), a.reply()][1], stopped);
    a.send("{\"type\": \"leave_session\"}");
    let wanted = [
        format!("created at 01:00:00:00 by {from_a}"),
        format!("joined by {from_b}"),
        format!("started from 01:00:00:00 by {from_b}"),
        format!("stopped at {stopped_at} by {from_b}"),
        format!("removed at {stopped_at} after "),
    ];
    for what in wanted {
        let line = server.line().unwrap();
        let (time, rest) = line.split_once(' ').unwrap();
        let mask: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(mask, "00:00:00.000Z");
        assert!(rest.starts_with(&format!("{id} {what}")), "{line}: not {what}");
    }

    // Each of these ends the one before, and so makes two entries but for the first.
    let ids: Vec<_> = (0..70).map(|_| a.create("24", "00:00:00:00")).collect();
    let live: Vec<_> = (0..139).map(|_| server.line().unwrap()).collect();
    server.signal("INT");
    let rest = lines_to_end(&server);
    assert_eq!(server.wait().code(), Some(0));
    // The last session ends as its member's connection is closed.
    let (last_live, report) = rest.split_first().unwrap();
    assert!(last_live.contains(&format!("{} removed at 00:00:00:00 after ", ids[69])), "{last_live}");
    let (head, entries) = report.split_first().unwrap();
    assert!(head.starts_with("up for ") && head.ends_with(" s; the last 100:"), "{head}");
    assert_eq!(entries.len(), 100);
    assert_eq!(entries[..99], live[40..]);
    assert_eq!(entries[99], *last_live);
}

#[test]
fn event_hooks() {
    let server = start("event_hooks", &["0"]);
    let address = server.address("tcp");
    let (mut a, mut b) = (Client::connect(address), Client::connect(address));
    let id = a.create("30", "10:00:00:00");
    assert_eq!(server.line().unwrap(), format!("new session {id} at 10:00:00:00"));
    b.join(&id);
    // Nobody has asked for this.
    assert_eq!(a.reply(), "{\"type\": \"timecode_started\", \"timecode\": \"10:00:00:00\"}");
    assert_eq!(server.line().unwrap(), format!("started {id}"));
    assert!(a.update().as_str() > "10:00:00:00");
    drop(b);
    assert!(a.reply().starts_with("{\"type\": \"timecode_stopped\", "));
    assert_eq!(server.line().unwrap(), format!("stopped {id}"));
    a.send("{\"type\": \"leave_session\"}");
    assert!(server.line().unwrap().starts_with(&format!("session {id} is over after ")));
    interrupt(server);
    a.assert_ended();
}

#[test]
fn follow_session() {
    let mut servers = start("several_servers", &["0", "0"]);
    let address = servers.address("exact").to_string();
    servers.address("compatible");
    let id = servers.line().unwrap().strip_prefix("session ").unwrap().to_owned();
    // By its id, by the beginning of it, and because there is no other.
    let arguments: [&[&str]; 3] = [&[&address, &id], &[&address, &id[..6]], &[&address]];
    for arguments in arguments {
        let follower = start("follow_session", arguments);
        assert_eq!(follower.line().unwrap(), format!("following {id} at 29.97"));
        let labels: Vec<_> = (0..10).map(|_| follower.line().unwrap()).collect();
        assert!(labels.iter().all(|label| label.starts_with("10:") && label.len() == 11), "{labels:?}");
        assert!(labels.windows(2).all(|pair| pair[0] <= pair[1]) && labels[0] < labels[9], "{labels:?}");
        interrupt(follower);
    }

    let unknown = Command::new(example("follow_session")).args([&address, "no such id"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));

    // What members do is told, and a server that ends is noticed.
    let hooks = start("event_hooks", &["0"]);
    let address = hooks.address("tcp");
    let mut member = Client::connect(address);
    member.create("25", "02:00:00:00");
    let mut follower = start("follow_session", &[&address.to_string()]);
    assert!(follower.line().unwrap().starts_with("following "));
    assert_eq!(follower.line().unwrap(), "02:00:00:00 (at rest)");
    assert_eq!(follower.line().unwrap(), "02:00:00:00 (started)");
    member.send("{\"type\": \"reset_timecode\", \"timecode\": \"03:00:00:00\"}");
    while follower.line().unwrap() != "03:00:00:00 (reset)" {}
    interrupt(hooks);
    assert_eq!(follower.wait().code(), Some(1));
    servers.signal("TERM");
    assert_eq!(servers.wait().code(), Some(0));
}

#[test]
fn timecode_math() {
    let output = Command::new(example("timecode_math")).output().unwrap();
    assert!(output.status.success());
    // The numbers are those of the specification's vectors.
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "01:00:00;00 at 29.97df is frame 107892
01:00:00;00 begins after 8999991/2500 s, at sample 172799827
00:00:59;29 is followed by 00:01:00;02
00:09:59;29 is followed by 00:10:00;00
23:59:59;29 is followed by 00:00:00;00
00:01:00;00: frames 00 at second 00 of minute 01 is a dropped label, the first there is 02
at 24 that is 00:59:59:23
as 35 mm film: 5399+15 feet
from 23:59:50:00 to 00:00:10:00: 00:00:20:00
or, without midnight in between: -23:59:40:00
00:01:00;02 as LTC: 02 04 00 00 01 00 00 00 fc bf
read back: 00:01:00;02
"
    );
}

/// Each example begins with the command that runs it, and README.md has it too.
#[test]
fn commands_are_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("blocking_driver.rs")
        {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let source = std::fs::read_to_string(&path).unwrap();
            let command = source.lines().next().unwrap().strip_prefix("//! ").unwrap();
            assert!(command.starts_with(&format!("cargo run --example {name}")), "{name}: {command}");
            assert!(readme.contains(command), "README.md lacks `{command}`");
            assert!(example(&name).exists(), "{name} is not in Cargo.toml");
            names.push(name);
        }
    }
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    assert_eq!(names.len(), manifest.matches("[[example]]").count(), "{names:?}");
}

#[test]
fn cameras() {
    let server = start("camera_server", &["0", "0"]);
    let (data, settings) = (server.address("data").to_string(), server.address("settings").to_string());
    let reader = start("camera_telemetry", &[&data]);
    for _ in 0..3 {
        let line = reader.line().expect("telemetry");
        let (value, at) = line.split_once(" at ").expect("a value and a time");
        value.parse::<u8>().unwrap();
        assert!(at.ends_with(" ms"), "{line}");
    }
    drop(reader);
    let sweep = start("camera_sweep", &[&settings, "--from", "2", "--to", "3"]);
    let steps = ["gain 1 applied", "gain 2 applied", "gain 3 applied", "gain 1 applied"];
    assert_eq!(lines_to_end(&sweep), steps);
    assert!(server.line().expect("what was set").contains("gain: 2"));
    interrupt(server);
}

/// A whole show: a timeline source of its own, a companion that plays cues against it, and a clock on a plain socket.
#[test]
fn cues_are_played_against_a_slide_show() {
    let show = start("css_timeline_source", &["--slide-ms", "1500", "--slides", "3"]);
    let wc = show.address("wc");
    let http = show.address("http");
    let cues = start(
        "css_cues",
        &[
            &format!("ws://{http}/ts"),
            &format!("udp://{wc}"),
            "--selector=urn:example:slides",
            "--tick-rate=10",
            "--cue=10.5=second",
            "--cue=20.5=third",
        ],
    );
    let clock = start("css_blocking_clock", &[&wc.to_string()]);
    assert_eq!(cues.line().as_deref(), Some("cue second"));
    assert_eq!(cues.line().as_deref(), Some("cue third"));
    let clock = lines_to_end(&clock);
    assert!(clock.len() >= 12 && clock.iter().all(|line| line.starts_with("wall clock ")), "{clock:?}");
    let show = lines_to_end(&show);
    assert_eq!((show.len(), show.last().map(String::as_str)), (4, Some("the end")), "{show:?}");
}

/// A recorder of one's own, commanded by hand, then started by a fleet of one; the file is downloaded.
#[test]
fn a_recorder_is_commanded_and_its_file_is_downloaded() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = start("multicam_recorder", &["0"]);
    let address = recorder.address("multicam").to_string();
    let run = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(example(name));
        let output = command.current_dir(folder.path()).arg(&address).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(run("multicam_command", &[]), (Some(0), "ready\n".into()));
    let nothing = (Some(1), "error\nNot currently recording\n".into());
    assert_eq!(run("multicam_command", &["STOP_RECORDING"]), nothing);
    let (code, said) = run("multicam_fleet", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("scheduled_recording_accepted\nDiary-00000001 recorded Diary-00000001_"),
        "{said}"
    );
    let name = said.split_whitespace().find(|word| word.contains("_17") || word.contains("_18"));
    let name = name.unwrap().trim_end_matches(',');
    let (_, list) = run("multicam_command", &["LIST_FILES"]);
    assert!(list.contains(name), "{list}");
    let (code, _) = run("multicam_download", &[name]);
    assert_eq!(code, Some(0));
    let copy = std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(copy.starts_with("line 0\nline 1\n"), "{copy}");
    assert_eq!(copy, std::fs::read_to_string(folder.path().join("takes/Diary-00000001").join(name)).unwrap());
    assert_eq!(run("multicam_download", &["nope.txt"]).0, Some(1));
    interrupt(recorder);
}
