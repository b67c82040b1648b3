//! Recording a stream: the file begins with the frame in which the instant of the start lies.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Desk, PATIENCE, Running, device_command, spawn};
use multicam_programs::{avi, still};
use rtp_rtsp::config::ServerConfig;
use rtsp_programs::pattern::{Pattern, PatternSpec};
use rtsp_programs::serve;
use serde_json::Value;
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
    spawn(device_command(dir).args(["--device-id", "Dev-1", "--source", source]))
}

/// What the pictures say, and what was said at STOP.
pub(crate) fn take(dir: &Path, desk: &Desk, start: &[&str]) -> (Vec<Marks>, Value) {
    desk.ok(start);
    begun(dir);
    std::thread::sleep(Duration::from_millis(400));
    let stopped = desk.ok(&["stop"]).remove(0);
    (collected(desk, &stopped), stopped)
}

/// Waits until pictures come: there is a file that is not finished.
pub(crate) fn begun(dir: &Path) {
    let end = Instant::now() + PATIENCE;
    let begun = || {
        let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.into_iter().any(|name| name.ends_with(".recording"))
    };
    while !begun() {
        assert!(Instant::now() < end, "no picture comes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the pictures of a take say, once it is here.
pub(crate) fn collected(desk: &Desk, stopped: &Value) -> Vec<Marks> {
    desk.ok(&["collect", "--out", "out"]);
    let name = stopped["file"].as_str().unwrap();
    let file = File::open(desk.dir.path().join("out/Dev-1").join(name)).unwrap();
    avi::frames(file).unwrap().map(|jpeg| still::read(&jpeg.unwrap()).unwrap()).collect()
}

#[test]
fn a_stream_is_trimmed_to_the_instant() {
    let runtime = Runtime::new().unwrap();
    let (url, _pattern) = serve_pattern(&runtime);
    let dir = tempfile::tempdir().unwrap();
    let device = device(dir.path(), &url);
    let desk = Desk::new([&device]);
    // A machine that stalls at the instant draws no picture then, or sends it late; it does not stall every time.
    let mut wrong = String::new();
    for _ in 0..20 {
        let (marks, stopped) = take(dir.path(), &desk, &["start", "--in", "1.5"]);
        assert!(marks.is_sorted_by(|a, b| a.frame < b.frame && a.time_ns < b.time_ns));
        let ns = |key: &str| stopped[key].as_i64().unwrap().unsigned_abs();
        let (target, first_frame) = (ns("targetStartNs"), ns("firstFrameNs"));
        // It is the last that was drawn before the instant, and it says so itself.
        let [first, second] = [0, 1].map(|n| marks.get(n).map_or(0, |m| m.time_ns));
        let holds = first <= target && target - first < 60_000_000 && second + 20_000_000 > target;
        if holds && first_frame <= target && first_frame.abs_diff(first) < 40_000_000 && marks.len() >= 5 {
            return;
        }
        wrong = format!("{stopped} {marks:?}");
    }
    panic!("{wrong}");
}

#[test]
fn a_start_at_once_begins_with_the_first_picture_there_is() {
    let runtime = Runtime::new().unwrap();
    let (url, _pattern) = serve_pattern(&runtime);
    let dir = tempfile::tempdir().unwrap();
    let device = device(dir.path(), &url);
    let desk = Desk::new([&device]);
    let (marks, stopped) = take(dir.path(), &desk, &["start", "--in", "0"]);
    assert!(!marks.is_empty());
    assert!(stopped["firstFrameNs"].as_i64() > stopped["actualStartNs"].as_i64(), "{stopped}");
    assert!(stopped["targetStartNs"].is_null());
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
