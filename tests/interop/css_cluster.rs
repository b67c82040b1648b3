//! Televisions that share their state over a real `nats-server`: all say the same, also when one of them dies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use e2e::nats::{Engine, FEATURES};
use e2e::{PATIENCE, Running, program_with, unused_port};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const TIMELINE: &str = "urn:genlock:timeline:smpte";
/// Of this machine, on free ports.
const PLACE: [&str; 4] = ["127.0.0.1", "0", "127.0.0.1", "0"];

fn program(name: &'static str) -> PathBuf {
    static PROGRAMS: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut programs = PROGRAMS.lock().unwrap();
    programs.entry(name).or_insert_with(|| program_with(name, &FEATURES)).clone()
}

/// A television, or the part of one that serves timelines.
fn television(name: &'static str, engine: &Engine, id: &str, options: &[&str]) -> (Running, SocketAddr) {
    let mut command = Command::new(program(name));
    command.args(PLACE).args(["--loglevel", "warning", "--cluster", &engine.url(), "--node-id", id]);
    let running = Running::spawn(command.args(options));
    let address = running.address("http");
    while running.line().expect("it goes on") != "serving the cluster" {}
    (running, address)
}

/// A companion at one end point, and what it was told so far.
struct Companion(WebSocketStream<MaybeTlsStream<TcpStream>>, Value);

impl Companion {
    async fn connect(address: SocketAddr, path: &str) -> Self {
        Self(connect_async(format!("ws://{address}{path}")).await.unwrap().0, json!({}))
    }

    async fn of_timeline(address: SocketAddr) -> Self {
        let mut companion = Self::connect(address, "/ts").await;
        let setup = json!({"contentIdStem": "dvb://", "timelineSelector": TIMELINE});
        companion.0.send(Message::text(setup.to_string())).await.unwrap();
        companion
    }

    /// Reads on until this holds of all that was said.
    async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        while !holds(&self.1) {
            let message = timeout(PATIENCE, self.0.next()).await;
            let message = message.unwrap_or_else(|_| panic!("nothing more is said than {}", self.1));
            if let Message::Text(text) = message.expect("the connection stands").unwrap() {
                let news: Value = serde_json::from_str(&text).unwrap();
                for (property, value) in news.as_object().unwrap() {
                    self.1[property] = value.clone();
                }
            }
        }
        self.1.clone()
    }

    async fn told(&mut self, property: &str, value: impl Into<Value>) -> Value {
        let value = value.into();
        self.until(|said| said.get(property) == Some(&value)).await
    }
}

/// A member of a session at a timecode server.
struct Member(BufReader<TcpStream>);

impl Member {
    async fn connect(address: SocketAddr) -> Self {
        let mut member = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        member.told("welcome").await;
        member
    }

    async fn say(&mut self, message: Value) {
        self.0.get_mut().write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn told(&mut self, kind: &str) -> Value {
        loop {
            let mut line = String::new();
            timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("a line comes").unwrap();
            let message: Value = serde_json::from_str(&line).unwrap();
            assert_ne!(message["type"], "error", "{message}");
            if message["type"] == kind {
                return message;
            }
        }
    }
}

fn number(value: &Value) -> f64 {
    value.as_str().map_or_else(|| value.as_f64(), |text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// How many frames of 25 a second two control timestamps of one machine's clock lie apart.
fn frames_apart(a: &Value, b: &Value) -> f64 {
    let content = number(&a["contentTime"]) - number(&b["contentTime"]);
    let wall = number(&a["wallClockTime"]) - number(&b["wallClockTime"]);
    (content - wall * 25e-9).abs()
}

#[tokio::test(flavor = "multi_thread")]
async fn televisions_say_the_same_and_survive_each_other() {
    let Some(engine) = Engine::start(&[]) else { return };
    let mut command = Command::new(program("smpte-server"));
    command.args(["--host", "127.0.0.1", "--port", "0", "--no-status", "--cluster", &engine.url()]);
    let server = Running::spawn(command.args(["--node-id", "server"]));
    let mut member = Member::connect(server.address("tcp")).await;
    assert_eq!(server.line().as_deref(), Some("serving the cluster"));
    member.say(json!({"type": "create_session", "framerate": "25"})).await;
    let id = member.told("session_created").await["session_id"].as_str().unwrap().to_owned();
    member.say(json!({"type": "start_timecode"})).await;
    member.told("timecode_started").await;

    // one television has a file, the others say what it says
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let write = |content: &str| {
        // at once, as an editor does
        let new = folder.path().join("new");
        let state = json!({"cii": {"contentId": content, "contentIdStatus": "final"}});
        std::fs::write(&new, state.to_string()).unwrap();
        std::fs::rename(&new, &file).unwrap();
    };
    write("dvb://one");
    let timeline = format!("cluster:{}", &id[..8]);
    let with_file = ["--timeline", &timeline, "--state", file.to_str().unwrap()];
    let (first, at_first) = television("tv-device", &engine, "tv1", &with_file);
    let (_second, at_second) = television("tv-device", &engine, "tv2", &["--timeline", &timeline]);
    let (_third, at_third) = television("ts-server", &engine, "tv3", &["--timeline", &timeline]);
    let mut contents = Vec::new();
    for address in [at_first, at_second] {
        let mut companion = Companion::connect(address, "/cii").await;
        companion.told("contentId", "dvb://one").await;
        contents.push(companion);
    }
    write("dvb://number-two");
    for companion in &mut contents {
        companion.told("contentId", "dvb://number-two").await;
        // each names the timeline that it offers itself
        companion.until(|said| said["timelines"][0]["timelineSelector"] == TIMELINE).await;
    }
    // the timeline of the session is the same everywhere
    let mut timelines = Vec::new();
    let mut states = Vec::new();
    for address in [at_first, at_second, at_third] {
        let mut companion = Companion::of_timeline(address).await;
        states.push(companion.told("timelineSpeedMultiplier", 1.0).await);
        timelines.push(companion);
    }
    assert!(states.iter().all(|state| frames_apart(state, &states[0]) < 1.0), "{states:?}");

    // the death of one is nothing to the others
    first.signal("KILL");
    engine.put("css-default", "cii", br#"{"contentId": "dvb://three", "contentIdStatus": "final"}"#);
    contents[1].told("contentId", "dvb://three").await;
    engine.put("css-default", "cii", b"garbage");
    member.say(json!({"type": "stop_timecode"})).await;
    member.told("timecode_stopped").await;
    let mut halted = Vec::new();
    for companion in &mut timelines[1..] {
        halted.push(companion.told("timelineSpeedMultiplier", 0.0).await["contentTime"].clone());
    }
    // and whoever comes later says what they say
    engine.put("css-default", "cii", br#"{"contentId": "dvb://four", "contentIdStatus": "final"}"#);
    let (_again, at_again) = television("tv-device", &engine, "tv1", &["--timeline", &timeline]);
    let mut again = Companion::connect(at_again, "/cii").await;
    let said = again.told("contentId", "dvb://four").await;
    assert!(said["wcUrl"].as_str().is_some_and(|url| url.starts_with("udp://127.0.0.1:")), "{said}");
    contents[1].told("contentId", "dvb://four").await;
    let mut again = Companion::of_timeline(at_again).await;
    halted.push(again.told("timelineSpeedMultiplier", 0.0).await["contentTime"].clone());
    assert!(halted.iter().all(|label| *label == halted[0]), "{halted:?}");
    // they are no members: with the last of these the session ends
    member.say(json!({"type": "leave_session"})).await;
    again.told("contentTime", Value::Null).await;
    timelines[1].told("contentTime", Value::Null).await;
}

#[test]
fn what_is_wrong_at_the_start_is_said_in_one_line() {
    let Some(without_store) = Engine::with(&[]) else { return };
    let without_store = without_store.url();
    let nobody = format!("nats://127.0.0.1:{}", unused_port());
    let wrong: [(&[&str], i32); 4] = [
        (&["--timeline", "cluster:3f2a"], 2),
        (&["--timeline", "cluster:3f2a", "--cluster", &nobody], 1),
        (&["--cluster", &without_store], 1),
        (&["--cluster", &nobody, "--node-id", "a b"], 2),
    ];
    for (name, (options, code)) in
        ["tv-device", "ts-server"].into_iter().flat_map(|name| wrong.map(|case| (name, case)))
    {
        let output = Command::new(program(name)).args(PLACE).args(options).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{name} {options:?} {said}");
        assert!(said.starts_with("error: --") && said.trim_end().lines().count() == 1, "{said}");
    }
}
