//! Whole cycles of the real programs: ours with ours, with each original device, with each original controller.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Desk, Running, device, start};
use multicam_programs::emulate::content;
use multicam_programs::{avi, still};
use serde_json::Value;

fn emulated(peer: &str) -> Running {
    start(env!("CARGO_BIN_EXE_multicam-tool"), &["emulate", "--peer", peer, "--device-id", peer])
}

#[test]
fn ours_with_ours() {
    let dir = tempfile::tempdir().unwrap();
    let devices: Vec<_> =
        (0..10).map(|n| device(&dir.path().join(n.to_string()), &format!("Dev-{n}"))).collect();
    let desk = Desk::new(&devices);
    assert_eq!(desk.ok(&["discover"]).len(), 10);
    let started = desk.ok(&["start", "--in", "1"]);
    assert!(started[1..].iter().all(|d| d["status"] == "scheduled_recording_accepted"), "{started:?}");
    desk.wait_for("recording");
    let stopped = desk.ok(&["stop"]);
    assert_eq!(stopped.iter().filter(|d| d["file"].is_string()).count(), 10);
    assert_eq!(desk.ok(&["list"]).len(), 10);
    desk.ok(&["collect", "--out", "out"]);
    // The first frames lie within half a frame of each other, read back from the pictures.
    let mut first = Vec::new();
    for entry in desk.manifest() {
        assert_eq!(entry["complete"], true);
        let copy = desk.dir.path().join(entry["path"].as_str().unwrap());
        let id = entry["device"].as_str().unwrap();
        let original = dir.path().join(&id[4..]).join(entry["fileName"].as_str().unwrap());
        assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(original).unwrap(), "byte for byte");
        let frames: Vec<_> = avi::frames(std::fs::File::open(copy).unwrap()).unwrap().collect();
        let marks = still::read(frames[0].as_ref().unwrap()).unwrap();
        assert_eq!(marks.frame, 0);
        first.push(marks.time_ns);
        let target = entry["targetStart"].as_f64().unwrap();
        let begins = marks.time_ns as f64 / 1e9;
        assert!((target - begins).abs() < 1e-6, "it is at the instant: {target} {begins}");
        let told = entry["firstFrame"].as_f64().unwrap();
        assert!((told - begins).abs() < 1e-6, "and that is told: {told} {begins}");
    }
    let spread = first.iter().max().unwrap() - first.iter().min().unwrap();
    assert!(spread <= 20_000_000, "{spread} ns");
    // Nothing is fetched twice, and what was fetched can be deleted, which nothing else can.
    desk.ok(&["collect", "--out", "out"]);
    assert_eq!(desk.manifest().len(), 10);
    let file = desk.manifest()[0]["fileName"].as_str().unwrap().to_owned();
    let wrong = desk.run(&["delete", &file, "--sha256", &"0".repeat(64)]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(desk.ok(&["list"]).len(), 10);
    desk.ok(&["delete", &file]);
    assert_eq!(desk.ok(&["list"]).len(), 9);
}

#[test]
fn ours_with_each_original_device() {
    for peer in ["oak-g2", "oak-g0", "ios", "android"] {
        let device = emulated(peer);
        let desk = Desk::new([&device]);
        desk.ok(&["discover"]);
        // There is nothing to stop: that is said, also by the one that says nothing.
        let nothing = desk.run(&["stop"]);
        assert_eq!(nothing.status.code(), Some(1), "{peer}");
        desk.ok(&["start", "--in", "0.5"]);
        // A planned start does not show on an OAK, and STOP before it would be refused.
        let end = Instant::now() + Duration::from_secs(60);
        let stopped = loop {
            let output = desk.run(&["stop"]);
            if output.status.success() {
                break output;
            }
            assert!(Instant::now() < end, "{peer}");
            std::thread::sleep(Duration::from_millis(100));
        };
        let stopped: Value = serde_json::from_slice(&stopped.stdout).unwrap();
        let file = stopped["file"].as_str().unwrap().to_owned();
        desk.ok(&["collect", "--out", "out"]);
        let manifest = desk.manifest();
        assert_eq!(manifest.len(), 1, "{peer}: {manifest:?}");
        let copy = desk.dir.path().join(manifest[0]["path"].as_str().unwrap());
        let name = copy.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name == file || multicam_common::stem(&name) == file);
        assert_eq!(std::fs::read(&copy).unwrap(), content(&name), "{peer}");
        let missing = desk.run(&["get", "nope.mp4"]);
        assert_eq!(missing.status.code(), Some(1), "{peer}");
        assert!(!desk.dir.path().join("nope.mp4").exists());
    }
}

#[test]
fn our_device_with_each_original_controller() {
    for peer in ["controller-g0", "controller-g2"] {
        let dir = tempfile::tempdir().unwrap();
        let device = device(&dir.path().join("device"), "Mountain-A1B2C3D4");
        let out = dir.path().join("out");
        let output = Command::new(env!("CARGO_BIN_EXE_multicam-tool"))
            .args([
                "emulate",
                "--peer",
                peer,
                "--device",
                &device.address,
                "--lead",
                "0.3",
                "--record",
                "0.3",
                "--out",
            ])
            .arg(&out)
            .output()
            .unwrap();
        assert!(output.status.success(), "{peer}: {}", String::from_utf8_lossy(&output.stderr));
        let copy = std::fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
        let name = copy.file_name().unwrap().to_str().unwrap().to_owned();
        let name = if name.ends_with(".avi") { name } else { format!("{name}.avi") };
        assert_eq!(
            std::fs::read(copy).unwrap(),
            std::fs::read(dir.path().join("device").join(name)).unwrap()
        );
    }
}

#[test]
fn what_a_person_types_wrongly() {
    let controller = env!("CARGO_BIN_EXE_multicam-controller");
    let device = env!("CARGO_BIN_EXE_multicam-device");
    for (program, arguments) in [
        (controller, &["--device", "x:y", "status"][..]),
        (controller, &["--device", ":1", "status"]),
        (controller, &["start", "--at", "soon"]),
        (controller, &["dance"]),
        (device, &["--source", "wish"]),
        (device, &["--device-id", "../x"]),
        (device, &["--ntp", "a:b"]),
    ] {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
