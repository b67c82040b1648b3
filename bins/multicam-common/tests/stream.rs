//! Recording a stream: the file begins with the frame in which the instant of the start lies.

mod support;

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use multicam_programs::{avi, still};
use rtp_rtsp::config::ServerConfig;
use rtsp_programs::pattern::{Pattern, PatternSpec};
use rtsp_programs::serve;
use serde_json::Value;
use support::{Desk, Running, spawn};
use test_picture::Marks;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The test picture over RTSP, as long as the runtime runs.
fn serve_pattern(runtime: &Runtime) -> (String, Pattern) {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("rtsp://user:SECRET@{}/test", listener.local_addr().unwrap());
        let (server, mut events) = serve::start(ServerConfig::new([7; 32]));
        tokio::spawn(async move { while events.next().await.is_some() {} });
        let pattern = Pattern::start(&server, &PatternSpec::parse("test=640x480@25").unwrap()).unwrap();
        serve::serve_tcp(&server, listener);
        (url, pattern)
    })
}

fn device(dir: &Path, source: &str) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_multicam-device"));
    command.args([
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-mdns",
        "--clock",
        "system",
        "--device-id",
        "Dev-1",
    ]);
    spawn(command.args(["--source", source, "--dir"]).arg(dir))
}

/// What the pictures say, and what was said at STOP.
fn take(desk: &Desk, start: &[&str]) -> (Vec<Marks>, Value) {
    desk.ok(start);
    desk.wait_for("recording");
    std::thread::sleep(Duration::from_millis(400));
    let stopped = desk.ok(&["stop"]).remove(0);
    desk.ok(&["collect", "--out", "out"]);
    let name = stopped["file"].as_str().unwrap();
    let file = File::open(desk.dir.path().join("out/Dev-1").join(name)).unwrap();
    let marks = avi::frames(file).unwrap().map(|jpeg| still::read(&jpeg.unwrap()).unwrap()).collect();
    (marks, stopped)
}

#[test]
fn a_stream_is_trimmed_to_the_instant() {
    let runtime = Runtime::new().unwrap();
    let (url, _pattern) = serve_pattern(&runtime);
    let dir = tempfile::tempdir().unwrap();
    let device = device(dir.path(), &url);
    let desk = Desk::new([&device]);
    let mut exact = false;
    // A machine that stalls at the instant draws no frame then; it does not stall every time.
    for _ in 0..20 {
        let (marks, stopped) = take(&desk, &["start", "--in", "1.5"]);
        let ns = |key: &str| stopped[key].as_i64().unwrap().unsigned_abs();
        let (target, first_frame) = (ns("targetStartNs"), ns("firstFrameNs"));
        assert!(marks.is_sorted_by(|a, b| a.frame < b.frame && a.time_ns < b.time_ns));
        // It was drawn before it was sent, and it is not from after the instant.
        assert!(marks[0].time_ns <= first_frame && first_frame <= target, "{marks:?} {stopped}");
        // The next is: the picture that lies over the instant is this one.
        let near = target - marks[0].time_ns < 60_000_000 && marks[1].time_ns + 20_000_000 > target;
        if near && marks.len() >= 10 {
            exact = true;
            break;
        }
    }
    assert!(exact);
}

#[test]
fn a_start_at_once_begins_with_the_first_picture_there_is() {
    let runtime = Runtime::new().unwrap();
    let (url, _pattern) = serve_pattern(&runtime);
    let dir = tempfile::tempdir().unwrap();
    let device = device(dir.path(), &url);
    let desk = Desk::new([&device]);
    let (marks, stopped) = take(&desk, &["start", "--in", "0"]);
    assert!(!marks.is_empty());
    assert!(stopped["firstFrameNs"].as_i64() > stopped["actualStartNs"].as_i64(), "{stopped}");
}

#[test]
fn a_stream_that_is_not_there_is_said_at_stop() {
    let dir = tempfile::tempdir().unwrap();
    let device = device(dir.path(), "rtsp://127.0.0.1:1/nothing");
    let desk = Desk::new([&device]);
    desk.ok(&["start", "--in", "0.2"]);
    desk.wait_for("recording");
    let stopped = desk.run(&["stop"]);
    assert_eq!(stopped.status.code(), Some(1));
    let said = String::from_utf8_lossy(&stopped.stdout).into_owned();
    assert!(said.contains("no picture has come from the stream"), "{said}");
    assert_eq!(desk.ok(&["list"]).len(), 0);
}
