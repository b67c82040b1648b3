//! The supervisor with stub programs: what they are told, and that they are kept running and never left behind.

mod common;

use std::io::Write;
use std::process::Command;

use common::{Program, Stubs, hex, kill, lives, read, until_true};

/// Writes for ever, as a camera does.
const CAMERA: &str = "exec sleep 1000";
const PUBLISHER: &str = "exec cat > /dev/null";

fn update(server: &Program, block: &str) {
    let mut request = hex(&format!("00 ff 02 01 00 06 {block}"));
    request.push(request.iter().fold(0, |a, b| a ^ b));
    let mut stream = server.connect("settings");
    stream.write_all(&[request, hex("00 ff 02 01 00 00 fc")].concat()).unwrap();
    assert_eq!(read(&mut stream, 16)[6..12], hex(block));
}

fn starts(stubs: &Stubs, name: &str) -> Vec<String> {
    stubs.lines(&format!("{name}.starts"))
}

#[test]
fn arguments_as_the_originals() {
    let stubs = Stubs::new();
    stubs.add("rpicam-vid", CAMERA).add("ffmpeg", PUBLISHER);
    let server = stubs.server(&["--source", "rpicam"]);
    let camera = |rest: &str| {
        format!(
            "-t 0 --width 640 --height 480 --framerate 24 --codec h264 --inline --profile baseline --level 4.2 \
             --vflip --nopreview {rest} -o -"
        )
    };
    let text = include_str!("../../../specification/vectors/camera-settings.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    let vectors = file["vectors"].as_array().unwrap().iter().filter(|v| v["argv"].is_string());
    let mut wanted = vec![camera(
        "--shutter 10000 --gain 1 --awbgains 1.00,1.00 --contrast 1.0 --brightness -0.0039215686274509665",
    )];
    until_true("the first start", || starts(&stubs, "rpicam-vid") == wanted);
    for vector in vectors {
        update(&server, vector["block"].as_str().unwrap());
        wanted.push(camera(vector["argv"].as_str().unwrap()));
        until_true("a start with these settings", || starts(&stubs, "rpicam-vid") == wanted);
    }
    until_true("the publisher's start", || !starts(&stubs, "ffmpeg").is_empty());
    assert_eq!(
        starts(&stubs, "ffmpeg")[0],
        "-fflags nobuffer -flags low_delay -probesize 32 -analyzeduration 0 -r 24 -f h264 -i - -c:v copy -f rtsp \
         rtsp://localhost:8554/ES_MTX"
    );
}

#[test]
fn many_updates_are_one_restart_and_the_last_wins() {
    let stubs = Stubs::new();
    stubs.add("libcamera-vid", CAMERA).add("ffmpeg", PUBLISHER);
    let server = stubs.server(&["--source", "rpicam"]);
    until_true("the first start", || starts(&stubs, "ffmpeg").len() == 1);
    let updates = (1..=50).flat_map(|gain| {
        let mut update = hex(&format!("00 ff 02 01 00 06 64 {gain:02x} 0a 0a 0a 7f"));
        update.push(update.iter().fold(0, |a, b| a ^ b));
        update
    });
    server.connect("settings").write_all(&updates.collect::<Vec<u8>>()).unwrap();
    until_true("the last gain", || {
        starts(&stubs, "libcamera-vid").last().is_some_and(|start| start.contains("--gain 50 "))
    });
    assert!(starts(&stubs, "libcamera-vid").len() < 50);
}

#[test]
fn nothing_is_left_behind() {
    // The camera ignores SIGTERM and has a child of its own.
    let stubborn = "trap '' TERM\nsleep 1000 &\necho $! > \"$D/grandchild\"\nwhile :; do sleep 1; done";
    let stubs = Stubs::new();
    stubs.add("rpicam-vid", stubborn).add("ffmpeg", PUBLISHER);
    let server = stubs.server(&["--source", "rpicam"]);
    let grandchild = || stubs.lines("grandchild").first().and_then(|pid| pid.parse::<u32>().ok());
    until_true("all started", || grandchild().is_some() && !starts(&stubs, "ffmpeg").is_empty());
    let all = [stubs.pid("rpicam-vid"), stubs.pid("ffmpeg"), grandchild().unwrap()];
    assert!(all.iter().all(|pid| lives(*pid)));
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    until_true("SIGTERM takes the whole group", || all.iter().all(|pid| !lives(*pid)));

    let stubs = Stubs::new();
    stubs.add("rpicam-vid", CAMERA).add("ffmpeg", PUBLISHER);
    let server = stubs.server(&["--source", "rpicam"]);
    until_true("all started", || !starts(&stubs, "ffmpeg").is_empty());
    let all = [stubs.pid("rpicam-vid"), stubs.pid("ffmpeg")];
    server.signal("-KILL");
    assert_eq!(server.wait().code(), None);
    until_true("SIGKILL of the server ends its children", || all.iter().all(|pid| !lives(*pid)));
}

#[test]
fn a_killed_publisher_is_healed() {
    let stubs = Stubs::new();
    stubs.add("rpicam-vid", CAMERA).add("ffmpeg", PUBLISHER);
    let _server = stubs.server(&["--source", "rpicam"]);
    until_true("the first start", || starts(&stubs, "ffmpeg").len() == 1);
    let (camera, publisher) = (stubs.pid("rpicam-vid"), stubs.pid("ffmpeg"));
    kill(publisher);
    until_true("the second start", || starts(&stubs, "ffmpeg").len() == 2);
    assert!(!lives(camera), "the old camera program is gone");
    assert!(stubs.log().contains("ffmpeg has ended by itself"));
}

#[test]
fn a_flood_of_messages_stops_nothing() {
    let stubs = Stubs::new();
    // A megabyte without a line end, then lines without end. It notes how far it has come.
    let noisy = "head -c 1000000 /dev/zero | tr '\\0' x >&2\ni=0\nwhile :; do yes noise | head -n 20000 >&2; \
                 i=$((i+1)); echo $i > \"$D/round\"; done";
    stubs.add("rpicam-vid", noisy).add("ffmpeg", PUBLISHER);
    let server = stubs.server(&["--source", "rpicam"]);
    let round = || stubs.lines("round").first().and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    until_true("megabytes are read", || round() >= 50);
    assert!(stubs.log().len() < 1 << 20, "and not all of them logged");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u32 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 60_000, "{resident}");
}

#[test]
fn without_a_camera_program_all_ports_are_served() {
    let stubs = Stubs::new();
    let server = stubs.server(&["--source", "rpicam"]);
    until_true("it says why", || stubs.log().contains("no camera program: rpicam-vid, libcamera-vid"));
    update(&server, "01 02 03 04 05 06");
    read(&mut server.connect("data"), 16);
    // It appears later: it is used.
    stubs.add("libcamera-vid", CAMERA).add("ffmpeg", PUBLISHER);
    until_true("it is started", || {
        starts(&stubs, "libcamera-vid").last().is_some_and(|a| a.contains("--gain 2 "))
    });
}

#[test]
fn a_command_of_ones_own() {
    let stubs = Stubs::new();
    stubs.add("mycam", CAMERA).add("ffmpeg", PUBLISHER);
    let server = stubs.server(&["--source", "command:mycam --name 'my cam' -g {gain}"]);
    until_true("the first start", || starts(&stubs, "mycam") == ["--name my cam -g 1"]);
    update(&server, "64 07 0a 0a 0a 7f");
    until_true("the second start", || starts(&stubs, "mycam").last().unwrap() == "--name my cam -g 7");
}

#[test]
fn filters_of_lavfi_act_without_a_restart() {
    let stubs = Stubs::new();
    stubs.add("ffmpeg", "exec cat > \"$D/commands\"");
    let server = stubs.server(&["--source", "lavfi"]);
    until_true("the first start", || starts(&stubs, "ffmpeg").len() == 1);
    update(&server, "64 01 14 0a 0f ff");
    let wanted = [
        "ceq -1 contrast 1.5",
        "ceq -1 brightness 1.0",
        "ccolorchannelmixer -1 rr 2.0",
        "ccolorchannelmixer -1 bb 1.0",
    ];
    until_true("commands", || stubs.lines("commands") == wanted);
    assert_eq!(starts(&stubs, "ffmpeg").len(), 1);
}

#[test]
fn controls_of_v4l2_act_without_a_restart() {
    let stubs = Stubs::new();
    let controls = "case \"$*\" in *--list-ctrls*) echo ' brightness 0x00980900 (int) : min=0 max=255 step=1 default=128 value=128';; esac";
    stubs.add("ffmpeg", CAMERA).add("v4l2-ctl", controls);
    let server = stubs.server(&["--source", "v4l2:/dev/video9"]);
    until_true("the first start", || starts(&stubs, "ffmpeg").len() == 1);
    assert!(starts(&stubs, "ffmpeg")[0].contains("-f v4l2 -framerate 24 -video_size 640x480 -i /dev/video9"));
    update(&server, "64 01 0a 0a 0a ff");
    until_true("the control", || {
        starts(&stubs, "v4l2-ctl").last().is_some_and(|a| a == "-d /dev/video9 --set-ctrl brightness=255")
    });
    assert_eq!(starts(&stubs, "ffmpeg").len(), 1);
}

/// ffmpeg itself, if it is there, takes our pattern.
#[test]
fn the_pattern_as_h264() {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        println!("skipped: ffmpeg is not installed");
        return;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("rtsp://127.0.0.1:{port}/ES_MTX");
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("luma");
    let mut receiver = Command::new("ffmpeg");
    receiver.args(["-nostdin", "-loglevel", "error", "-rtsp_flags", "listen", "-i", &url, "-frames:v", "12"]);
    receiver.args(["-f", "rawvideo", "-pix_fmt", "gray"]).arg(&raw);
    let mut receiver = receiver.spawn().unwrap();
    let _server = Program::server(&["--source", "test", "--rtsp-url", &url]);
    let status = common::until(|| receiver.try_wait().unwrap());
    let _ = receiver.kill();
    assert!(status.expect("twelve frames in time").success());
    let luma = std::fs::read(&raw).unwrap();
    let mut numbers = Vec::new();
    for frame in luma.chunks_exact(640 * 480) {
        let marks = test_picture::read(frame, 640, 640).marks().expect("H.264 leaves the marks readable");
        assert_eq!(marks.settings, [0x64, 1, 10, 10, 10, 127]);
        numbers.push(marks.frame);
    }
    assert!(numbers.len() == 12 && numbers.is_sorted(), "{numbers:?}");
}
