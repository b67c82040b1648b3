//! rtsp-server and rtsp-client with the players and servers of the field: ffmpeg, GStreamer, and the classroom labs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use e2e::{Running, in_time, peer, python, runs};

const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/rtsp_lab.py");
const GST_SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/rtsp_gst_server.py");

fn ffmpeg() -> bool {
    peer("ffmpeg", || runs("ffmpeg", &["-version"]) && runs("ffprobe", &["-version"]))
}

fn gstreamer() -> bool {
    let elements = ["rtspsrc", "rtpjpegdepay", "jpegdec", "rtph264depay", "avdec_h264"];
    peer("GStreamer with its plugins", || elements.iter().all(|e| runs("gst-inspect-1.0", &[e])))
}

fn has_python() -> bool {
    peer("python3", || runs(python(), &["--version"]))
}

/// Runs to the end; no tool here takes longer than a minute.
fn run(command: &mut Command) -> Output {
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(command.get_program()).args(command.get_args());
    limited.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{limited:?}: {e}"))
}

fn run_well(command: &mut Command) -> String {
    let output = run(command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {} {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// 50 pictures in each of the formats, small enough that no buffer runs over on a busy machine.
fn media(folder: &Path) {
    let make = |name: &str, arguments: &str| {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x128:r=25", "-frames:v", "50"]);
        run_well(ffmpeg.args(arguments.split(' ')).arg(folder.join(name)));
    };
    make("raw.mjpeg", "-c:v mjpeg -huffman default -pix_fmt yuvj420p -q:v 6 -f mjpeg");
    make("clip.h264", "-c:v libx264 -profile:v baseline -pix_fmt yuv420p -g 25 -f h264");
    let raw = std::fs::read(folder.join("raw.mjpeg")).unwrap();
    let starts: Vec<_> = (0..raw.len() - 2).filter(|i| raw[*i..*i + 3] == [0xff, 0xd8, 0xff]).collect();
    let ends = starts.iter().skip(1).copied().chain([raw.len()]);
    let mut lab = Vec::new();
    for (start, end) in starts.iter().zip(ends) {
        lab.extend_from_slice(format!("{:05}", end - start).as_bytes());
        lab.extend_from_slice(&raw[*start..end]);
    }
    std::fs::write(folder.join("movie.Mjpeg"), lab).unwrap();
}

struct Server {
    _program: std::sync::Mutex<Running>,
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("films");
        std::fs::create_dir(&root).unwrap();
        media(&root);
        let root = root.to_str().unwrap();
        let program = Running::start("rtsp-server", &[&["--port", "0", "--media-root", root], more].concat());
        let port = program.address("rtsp").port();
        Self { _program: program.into(), folder, port }
    }

    fn url(&self, name: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{name}", self.port)
    }
}

fn ffmpeg_frames(transport: &str, url: &str, more: &[&str]) -> u32 {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-stats", "-rtsp_transport", transport, "-i", url]);
    let output = run(ffmpeg.args(more).args(["-f", "null", "-"]));
    let said = String::from_utf8_lossy(&output.stderr).replace('\r', "\n");
    assert!(output.status.success(), "{transport} {url}: {said}");
    let last = said.lines().rev().find_map(|l| l.split_once("frame=")).expect("ffmpeg counts frames").1;
    last.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}

fn gst_plays(protocol: &str, url: &str, decode: &str, buffers: u32) {
    let launch = format!(
        "rtspsrc location={url} protocols={protocol} latency=200 ! {decode} ! fakesink num-buffers={buffers}"
    );
    // A film may end before a busy machine has started to show it.
    in_time(|| {
        let output = run(Command::new("gst-launch-1.0").arg("-q").args(launch.split(' ')));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("{launch}: {said}")) }
    });
}

const JPEG: &str = "rtpjpegdepay ! jpegdec";
const H264: &str = "rtph264depay ! avdec_h264";

/// What ffprobe says of a stream: `codec,width,height`.
fn probed(transport: &str, url: &str) -> Result<String, String> {
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-rtsp_transport", transport]);
    probe.args(["-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", url]);
    let output = run(&mut probe);
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said.trim().to_owned()) } else { Err(wrong.into_owned()) }
}

/// As it has to be. A film may end before a busy machine has looked at it.
fn probes_as(transport: &str, url: &str, expected: &str) {
    in_time(|| match probed(transport, url)? {
        said if said == expected => Ok(()),
        said => Err(format!("{url} over {transport}: {said}")),
    });
}

/// Every format over both transports, all at once, by ffmpeg and GStreamer.
#[test]
fn players_play_everything() {
    if !ffmpeg() || !gstreamer() {
        return;
    }
    let server = Server::start(&["--test-pattern", "test=640x480@25", "--test-pattern", "large=2560x1440@2"]);
    let server = &server;
    // What is served, what it is, and how many frames it has in all.
    let mounts = [
        ("test", "mjpeg,640,480", JPEG, None),
        ("movie.Mjpeg", "mjpeg,160,128", JPEG, Some(50)),
        ("raw.mjpeg", "mjpeg,160,128", JPEG, Some(50)),
        ("clip.h264", "h264,160,128", H264, Some(50)),
    ];
    let each = || mounts.into_iter().flat_map(|mount| ["udp", "tcp"].map(|transport| (transport, mount)));
    std::thread::scope(|scope| {
        for (transport, (name, kind, _, frames)) in each() {
            let url = server.url(name);
            scope.spawn(move || match frames {
                None => assert_eq!(ffmpeg_frames(transport, &url, &["-frames:v", "30"]), 30),
                Some(expected) => in_time(|| match ffmpeg_frames(transport, &url, &[]) {
                    frames if frames.abs_diff(expected) <= 1 => Ok(()),
                    frames => Err(format!("{name} over {transport}: {frames} of {expected} frames")),
                }),
            });
            let url = server.url(name);
            scope.spawn(move || probes_as(transport, &url, kind));
        }
    });
    std::thread::scope(|scope| {
        for (transport, (name, _, decode, _)) in each() {
            scope.spawn(move || gst_plays(transport, &server.url(name), decode, 15));
        }
        // More than the payload header can say.
        scope.spawn(|| gst_plays("tcp", &server.url("large"), JPEG, 3));
    });
}

/// What is not there, must not be seen, or cannot be carried.
#[test]
fn refusals_are_told() {
    if !ffmpeg() {
        return;
    }
    let server = Server::start(&[]);
    let mended = Server::start(&["--reencode"]);
    std::fs::write(server.folder.path().join("outside.mjpeg"), b"secret").unwrap();
    let odd = [
        ("dense.mjpeg", "-huffman default -pix_fmt yuvj444p"),
        ("own.mjpeg", "-huffman optimal -pix_fmt yuvj420p"),
    ];
    for (name, how) in odd {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args("-v error -f lavfi -i testsrc2=s=160x128:r=25 -frames:v 12 -c:v mjpeg -q:v 6".split(' '));
        let file = server.folder.path().join("films").join(name);
        run_well(ffmpeg.args(how.split(' ')).args(["-f", "mjpeg"]).arg(&file));
        std::fs::copy(&file, mended.folder.path().join("films").join(name)).unwrap();
    }
    for (name, code) in [
        ("nothing.mjpeg", "404"),
        ("../outside.mjpeg", "404"),
        ("%2e%2e/outside.mjpeg", "404"),
        ("dense.mjpeg", "415"),
        ("own.mjpeg", "415"),
    ] {
        let output = run(Command::new("ffprobe").args(["-v", "error"]).arg(server.url(name)));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(code), "{name}: {said}");
    }
    // The same pictures, made anew.
    for (name, _) in odd {
        assert_eq!(ffmpeg_frames("tcp", &mended.url(name), &["-frames:v", "10"]), 10, "{name}");
    }
}

#[test]
fn credentials_are_asked_for() {
    if !ffmpeg() {
        return;
    }
    let server = Server::start(&["--user", "u", "--password", "p"]);
    let with = |who: &str| format!("rtsp://{who}@127.0.0.1:{}/raw.mjpeg", server.port);
    assert_eq!(ffmpeg_frames("tcp", &with("u:p"), &["-frames:v", "5"]), 5);
    let output = run(Command::new("ffprobe").args(["-v", "error"]).arg(with("u:wrong")));
    assert!(String::from_utf8_lossy(&output.stderr).contains("401"));
    let client = e2e::program("rtsp-client");
    run_well(Command::new(&client).args([&with("u:p"), "--duration", "0.2"]));
    let output = run(Command::new(&client).arg(with("u:wrong")));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("credentials"));
}

fn publish(url: &str, codec: &str, transport: &str) -> Running {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args("-v error -re -f lavfi -i testsrc2=s=320x240:r=24 -t 120".split(' '));
    ffmpeg.args(codec.split(' ')).args(["-f", "rtsp", "-rtsp_transport", transport, url]);
    Running::spawn(&mut ffmpeg)
}

const PUBLISH_H264: &str = "-c:v libx264 -profile:v baseline -pix_fmt yuv420p -tune zerolatency -g 12";
const PUBLISH_JPEG: &str = "-c:v mjpeg -huffman default -pix_fmt yuvj420p -q:v 6";

/// Runs our client until it has seen frames; waits for a publisher first.
fn client_sees(url: &str, transport: &str) -> serde_json::Value {
    let client = e2e::program("rtsp-client");
    let until = std::time::Instant::now() + e2e::PATIENCE;
    loop {
        let mut command = Command::new(&client);
        command.args([url, "--transport", transport, "--duration", "1.5", "--json"]);
        let output = run(&mut command);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if let Some(last) = said.lines().last().filter(|_| output.status.success()) {
            return serde_json::from_str(last).expect("JSON");
        }
        // The publisher takes its time.
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(std::time::Instant::now() < until, "{url}: {error}");
    }
}

#[test]
fn what_ffmpeg_publishes_is_played() {
    if !ffmpeg() || !gstreamer() {
        return;
    }
    let server = Server::start(&["--allow-publish", "ES_MTX,cam"]);
    let (h264, jpeg) = (server.url("ES_MTX"), server.url("cam"));
    let _publishers = [publish(&h264, PUBLISH_H264, "udp"), publish(&jpeg, PUBLISH_JPEG, "tcp")];
    for transport in ["udp", "tcp"] {
        for (url, codec) in [(&h264, "H264"), (&jpeg, "JPEG")] {
            let seen = client_sees(url, transport);
            assert_eq!((seen["codec"].as_str(), seen["transport"].as_str()), (Some(codec), Some(transport)));
            assert!(seen["frames"].as_u64().unwrap() > 5, "{seen}");
        }
    }
    std::thread::scope(|scope| {
        for transport in ["udp", "tcp"] {
            for (url, kind, decode) in [(&h264, "h264,320,240", H264), (&jpeg, "mjpeg,320,240", JPEG)] {
                scope.spawn(move || probes_as(transport, url, kind));
                scope.spawn(move || assert_eq!(ffmpeg_frames(transport, url, &["-frames:v", "24"]), 24));
                scope.spawn(move || gst_plays(transport, url, decode, 12));
            }
        }
    });
    // Nowhere else.
    let output = run(Command::new("ffmpeg").args(
        format!("-v error -f lavfi -i testsrc2 -t 1 {PUBLISH_JPEG} -f rtsp {}", server.url("other"))
            .split(' '),
    ));
    assert!(String::from_utf8_lossy(&output.stderr).contains("403"));
}

/// Four variants of the labs' clients play a file and the test picture, while ffmpeg plays the same.
#[test]
fn lab_clients_play() {
    if !ffmpeg() || !has_python() {
        return;
    }
    for fragments in ["same", "per-fragment", "whole"] {
        let server = Server::start(&["--lab-fragments", fragments, "--loop", "--test-pattern", "test"]);
        let server = &server;
        std::thread::scope(|scope| {
            for variant in ["A", "B", "C", "J"] {
                scope.spawn(move || {
                    let port = server.port.to_string();
                    let arguments = [LAB, "client", variant, "127.0.0.1", &port, "movie.Mjpeg", "12"];
                    let said = run_well(Command::new(python()).args(arguments));
                    assert_eq!(said.trim(), "frames 12", "variant {variant}, {fragments}");
                });
            }
            scope.spawn(|| ffmpeg_frames("udp", &server.url("movie.Mjpeg"), &["-frames:v", "10"]));
        });
        let status = |name: &str| {
            let port = server.port.to_string();
            run_well(Command::new(python()).args([LAB, "client", "A", "127.0.0.1", &port, name, "1"]))
        };
        assert_eq!(status("nothing.Mjpeg").trim(), "status 404");
        // The name after the last slash is what counts, and there is no such file.
        assert_eq!(status("../../etc/passwd").trim(), "status 404");
    }
}

#[test]
fn our_client_plays_from_a_lab_server() {
    if !ffmpeg() || !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    media(folder.path());
    let server =
        Running::spawn(Command::new(python()).args([LAB, "server"]).arg(folder.path().join("movie.Mjpeg")));
    let line = server.line().expect("the lab server says its port");
    let port = line.strip_prefix("port ").expect("a port");
    let saved: PathBuf = folder.path().join("saved");
    let url = format!("rtsp://127.0.0.1:{port}/movie.Mjpeg");
    let mut client = Command::new(e2e::program("rtsp-client"));
    client.args([&url, "--lab", "--duration", "0.6", "--json", "--save-frames"]).arg(&saved);
    let said = run_well(&mut client);
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let frames = last["frames"].as_u64().unwrap();
    assert!(frames > 3, "{last}");
    assert_eq!(std::fs::read_dir(&saved).unwrap().count() as u64, frames);
}

#[test]
fn our_client_plays_from_gstreamer() {
    let bindings =
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer";
    if !gstreamer() || !peer("gst-rtsp-server with Python bindings", || runs(python(), &["-c", bindings])) {
        return;
    }
    for security in ["", "basic", "digest"] {
        let mut command = Command::new(python());
        command.arg(GST_SERVER).args((!security.is_empty()).then_some(security));
        let server = Running::spawn(&mut command);
        let line = server.line().expect("the server says its port");
        let port = line.strip_prefix("port ").expect("a port");
        let who = if security.is_empty() { "" } else { "u:p@" };
        for (name, codec) in [("420", "JPEG"), ("422", "JPEG"), ("h264", "H264")] {
            let url = format!("rtsp://{who}127.0.0.1:{port}/{name}");
            let transport = if name == "420" { "tcp" } else { "udp" };
            let seen = client_sees(&url, transport);
            assert_eq!(seen["codec"].as_str(), Some(codec));
            assert!(seen["frames"].as_u64().unwrap() > 5, "{name} {security}: {seen}");
            if !security.is_empty() {
                break;
            }
        }
    }
}

/// The camera's video without a second server: H.264 from ffmpeg as an encoder, JPEG of the test source, to players.
#[test]
fn the_camera_serves_its_video_itself() {
    if !ffmpeg() || !gstreamer() {
        return;
    }
    for (source, codec, decode) in [("lavfi", "h264", H264), ("test", "mjpeg", JPEG)] {
        let ports = ["--data-port", "0", "--settings-port", "0", "--auth-port", "0", "--rtsp-port", "0"];
        let camera = Running::start(
            "camera-server",
            &[&ports[..], &["--config-dir", "/nonexistent", "--rtsp", "builtin", "--source", source]]
                .concat(),
        );
        let url = format!("rtsp://{}/ES_MTX", camera.address("rtsp"));
        let url = &url;
        // ffmpeg takes its time to begin.
        client_sees(url, "tcp");
        std::thread::scope(|scope| {
            for transport in ["udp", "tcp"] {
                scope.spawn(move || probes_as(transport, url, &format!("{codec},640,480")));
                scope.spawn(move || assert_eq!(ffmpeg_frames(transport, url, &["-frames:v", "24"]), 24));
                scope.spawn(move || gst_plays(transport, url, decode, 12));
            }
        });
    }
}
