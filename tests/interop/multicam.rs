//! Recording devices with foreign tools: chrony's time, clocks that libfaketime sets wrong, zeroconf, the validator of the
//! OpenAPI document. What takes long or needs quiet is in `scripts/multicam-*.sh` and `multicam-load clocks`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{PATIENCE, Running, in_time, libfaketime, peer, program, python, runs, unused_port};
use serde_json::{Value, json};

fn ask(device: &str, command: &Value) -> Value {
    let mut stream = TcpStream::connect(device).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(command.to_string().as_bytes()).unwrap();
    let mut reply = vec![0; 65_536];
    let n = stream.read(&mut reply).unwrap();
    serde_json::from_slice(&reply[..n]).unwrap()
}

fn device(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Running, String) {
    let mut command = Command::new(program("multicam-device"));
    command.args(["--host", "127.0.0.1", "--port", "0", "--no-mdns", "--dir"]).arg(dir).args(arguments);
    let device = Running::spawn(command.envs(environment.iter().copied()));
    let address = device.address("multicam").to_string();
    (device, address)
}

/// chrony on loopback, which takes 2.7 ms for each answer; `None` where it is missing.
fn slow_chrony(dir: &Path) -> Option<(Running, u16)> {
    let library = dir.join("slow.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/slow_recv.c");
    let works = || {
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]).status();
        runs("chronyd", &["--version"]) && built.is_ok_and(|status| status.success())
    };
    if !peer("chronyd (with a C compiler)", works) {
        return None;
    }
    let port = unused_port();
    let config = dir.join("chrony.conf");
    let pid = dir.join("chronyd.pid");
    let text = format!(
        "port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 5\ncmdport 0\npidfile {}\n",
        pid.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new("chronyd");
    command.args(["-d", "-x", "-U", "-f"]).arg(&config).env("LD_PRELOAD", &library);
    Some((Running::spawn(&mut command), port))
}

#[test]
fn the_time_of_a_chrony_that_is_slow() {
    let dir = tempfile::tempdir().unwrap();
    let Some((_chrony, port)) = slow_chrony(dir.path()) else { return };
    let mut n = 0;
    in_time(|| {
        n += 1;
        let ntp = format!("127.0.0.1:{port}");
        let (_device, address) =
            device(&dir.path().join(n.to_string()), &["--clock", "ntp", "--ntp", &ntp], &[]);
        let end = Instant::now() + PATIENCE;
        let clock = loop {
            let status = json!({"command": "DEVICE_STATUS", "timestamp": 1.5, "deviceId": "c"});
            let clock = ask(&address, &status)["clock"].clone();
            if clock["source"] == "ntp" {
                break clock;
            }
            assert!(Instant::now() < end, "{clock}");
            std::thread::sleep(Duration::from_millis(20));
        };
        let (offset, error) = (clock["offset"].as_f64().unwrap(), clock["error"].as_f64().unwrap());
        // Both read one clock: the offset is the error, and is within its bound however busy the machine is.
        assert!(offset.abs() <= error, "{clock}");
        // Who takes chrony's time for the network's cannot bind it closer than this.
        if error < 1.35e-3 { Ok(()) } else { Err(clock.to_string()) }
    });
}

#[test]
fn devices_whose_clocks_are_wrong_start_together() {
    let Some(library) = libfaketime() else { return };
    let library = library.to_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ahead = [("0", 0.0), ("+0.25", 0.25), ("+5", 5.0)];
    let devices: Vec<_> = ahead
        .iter()
        .map(|(text, _)| {
            let environment = [("LD_PRELOAD", library), ("FAKETIME", *text)];
            let environment = if *text == "0" { &[][..] } else { &environment };
            let name = format!("Ahead{text}").replace(['+', '.'], "-");
            device(&dir.path().join(&name), &["--clock", "system", "--device-id", &name], environment)
        })
        .collect();
    let controller = |arguments: &[&str]| {
        let mut command = Command::new(program("multicam-controller"));
        command.current_dir(dir.path()).arg("--json");
        for (_, address) in &devices {
            command.args(["--device", address]);
        }
        let output = command.args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    in_time(|| {
        let target = controller(&["start", "--in", "1"])[0]["targetStartNs"].as_i64().unwrap();
        let end = Instant::now() + PATIENCE;
        while !controller(&["status"]).iter().all(|d| d["status"] == "recording") {
            assert!(Instant::now() < end, "they do not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        let stopped = controller(&["stop"]);
        let mut wrong = Ok(());
        for (take, (text, ahead)) in stopped.iter().zip(ahead) {
            let actual = take["actualStartNs"].as_i64().unwrap();
            let late = (actual - target) as f64 / 1e9 - ahead;
            println!("{text} s ahead: {:.0} us late", late * 1e6);
            if late.abs() > 0.02 {
                wrong = Err(format!("{text} s ahead: {late} s late"));
            }
        }
        wrong
    });
}

/// A stream of H.264 that our server plays from a file and our device records: what comes out is an MP4 file that ffprobe
/// decodes to its end, as long as the recording was.
#[test]
fn a_stream_of_h264_is_recorded() {
    if !peer("ffmpeg", || runs("ffmpeg", &["-version"]) && runs("ffprobe", &["-version"])) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new("ffmpeg")
        .args("-v error -f lavfi -i testsrc2=s=160x128:r=25 -frames:v 100 -c:v libx264".split(' '))
        .args("-profile:v baseline -pix_fmt yuv420p -g 25 -f h264".split(' '))
        .arg(dir.path().join("film.h264"))
        .status();
    assert!(made.unwrap().success());
    let root = dir.path().to_str().unwrap();
    let server = Running::start("rtsp-server", &["--port", "0", "--media-root", root, "--loop"]);
    let url = format!("rtsp:rtsp://{}/film.h264", server.address("rtsp"));
    let takes = dir.path().join("takes");
    let (_device, address) =
        device(&takes, &["--clock", "system", "--device-id", "Dev-1", "--source", &url], &[]);
    ask(&address, &json!({"command": "START_RECORDING", "timestamp": 0, "deviceId": "c"}));
    // As long as the file that is being written grows.
    let size = |end: &str| {
        let files = std::fs::read_dir(&takes).unwrap().map(Result::unwrap);
        let with = |name: String| name.ends_with(end).then_some(name);
        files
            .filter_map(|f| with(f.file_name().into_string().unwrap()).and(f.metadata().ok()))
            .map(|m| m.len())
            .sum::<u64>()
    };
    let patient = Instant::now() + PATIENCE;
    while size(".recording") < 20_000 {
        assert!(Instant::now() < patient, "nothing is recorded");
        std::thread::sleep(Duration::from_millis(50));
    }
    let stopped = ask(&address, &json!({"command": "STOP_RECORDING", "timestamp": 0, "deviceId": "c"}));
    let name = stopped["fileName"].as_str().unwrap_or_else(|| panic!("{stopped}"));
    assert!(name.ends_with(".mp4"), "{name}");
    let shown = Command::new("ffprobe")
        .args("-v error -count_frames -select_streams v -show_entries stream=codec_name,nb_read_frames -of csv=p=0".split(' '))
        .arg(takes.join(name))
        .output()
        .unwrap();
    assert!(shown.status.success() && shown.stderr.is_empty(), "{}", String::from_utf8_lossy(&shown.stderr));
    let text = String::from_utf8(shown.stdout).unwrap();
    let (codec, frames) = text.trim().split_once(',').unwrap();
    assert_eq!(codec, "h264");
    assert!(frames.parse::<u32>().unwrap() > 5, "{frames}");
}

#[test]
fn the_openapi_document_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let validator = root.join("target/peers/openapi/bin/openapi-spec-validator");
    let document = root.join("specification/multicam-api.yaml");
    if peer("openapi-spec-validator", || validator.exists()) {
        let output = Command::new(validator).arg(document).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Both roles on loopback; between network namespaces, and with avahi: `scripts/multicam-mdns.sh`.
#[test]
fn zeroconf_finds_us_and_we_find_it() {
    if !peer("python-zeroconf", || runs(python(), &["-c", "import zeroconf"])) {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/zeroconf_peer.py");
    let dir = tempfile::tempdir().unwrap();
    // Others on this machine may test the same at this moment.
    let id = |role: &str| format!("{role}-{:08X}", std::process::id());
    let browser = Running::spawn(Command::new(python()).args([script, "browse", "127.0.0.1"]));
    let mut command = Command::new(program("multicam-device"));
    command.args(["--host", "127.0.0.1", "--port", "0", "--clock", "system", "--interface", "lo"]);
    command.args(["--device-id", &id("Tiger"), "--dir"]).arg(dir.path().join("announced"));
    let mut announced = Running::spawn(&mut command);
    let port = announced.address("multicam").port();
    let here =
        format!("here multiCam-{}._multicam._tcp.local. 127.0.0.1:{port} {}", id("Tiger"), id("Tiger"));
    while browser.line().expect("zeroconf browses") != here {}
    announced.signal("INT");
    announced.wait();
    let gone = format!("gone multiCam-{}._multicam._tcp.local.", id("Tiger"));
    while browser.line().expect("zeroconf browses") != gone {}

    let (_silent, address) =
        device(&dir.path().join("silent"), &["--clock", "system", "--device-id", &id("Falcon")], &[]);
    let port = address.rsplit(':').next().unwrap();
    let registered =
        Running::spawn(Command::new(python()).args([script, "register", "127.0.0.1", &id("Falcon"), port]));
    assert_eq!(registered.line().as_deref(), Some("registered"));
    let end = Instant::now() + PATIENCE;
    loop {
        let mut command = Command::new(program("multicam-controller"));
        let output = command.args(["--json", "--interface", "lo", "discover"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.lines().any(|line| line.contains(&id("Falcon")) && line.contains("\"ok\":true")) {
            break;
        }
        assert!(Instant::now() < end, "{text}");
    }
}
