//! Transfers that are cut off, and that have no room: what arrives is whole, and what is at the device stays.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Desk, PATIENCE, Running, device, device_command, spawn};
use multicam_programs::emulate::content;

const NAME: &str = "Dev-1_1729000000123.mp4";
const SIZE: usize = 1 << 20;

/// A device that has one file of a MiB, which no two parts of are alike.
fn stage(dir: &Path) -> (Running, PathBuf, Vec<u8>) {
    let folder = dir.join("device");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join(NAME);
    let bytes: Vec<u8> = (0..11).flat_map(|n| content(&format!("part {n}"))).take(SIZE).collect();
    std::fs::write(&file, &bytes).unwrap();
    (device(&folder, "Dev-1"), file, bytes)
}

/// Carries files up to a place that it is told, where it waits until all before that is on the controller's disk, says so,
/// and carries nothing more.
struct Network {
    address: String,
    device: Arc<Mutex<String>>,
    /// Places of the file, each for one connection.
    places: Sender<usize>,
    /// Bytes of the file that a connection carried.
    carried: Receiver<usize>,
    /// Ends the connection that waits.
    cut: Sender<()>,
}

impl Network {
    fn start(device: &str, part: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let device = Arc::new(Mutex::new(device.to_owned()));
        let (places, next) = channel();
        let (said, carried) = channel();
        let (cut, cuts) = channel();
        let to = device.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // While the device is away connections end as they begin.
                let Ok(far) = TcpStream::connect(&*to.lock().unwrap()) else {
                    continue;
                };
                let mut command = vec![0; 4096];
                let mut reader = near.try_clone().unwrap();
                let n = reader.read(&mut command).unwrap_or(0);
                let mut writer = far.try_clone().unwrap();
                let _ = writer.write_all(&command[..n]);
                let text = String::from_utf8_lossy(&command[..n]);
                if text.contains("GET_VIDEO") {
                    carry_file(far, near, next.recv().unwrap_or(SIZE), &part, &said, &cuts);
                } else {
                    std::thread::spawn(move || std::io::copy(&mut reader, &mut writer));
                    std::thread::spawn(move || carry(far, near));
                }
            }
        });
        Self { address, device, places, carried, cut }
    }
}

fn carry(mut far: TcpStream, mut near: TcpStream) {
    let _ = std::io::copy(&mut far, &mut near);
    let _ = near.shutdown(Shutdown::Both);
    let _ = far.shutdown(Shutdown::Both);
}

/// One at a time: there is one file.
fn carry_file(
    mut far: TcpStream,
    mut near: TcpStream,
    place: usize,
    part: &Path,
    said: &Sender<usize>,
    cuts: &Receiver<()>,
) {
    let mut length = [0; 4];
    far.read_exact(&mut length).unwrap();
    let mut header = vec![0; u32::from_be_bytes(length) as usize];
    far.read_exact(&mut header).unwrap();
    near.write_all(&[&length[..], &header].concat()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let begin = header["offset"].as_u64().unwrap_or(0) as usize;
    let mut at = begin;
    let mut buffer = vec![0; 16 << 10];
    while at < place {
        let most = buffer.len().min(place - at);
        let n = far.read(&mut buffer[..most]).unwrap();
        near.write_all(&buffer[..n]).unwrap();
        at += n;
    }
    let end = Instant::now() + PATIENCE;
    let there = || std::fs::metadata(part).map_or(SIZE, |m| m.len() as usize);
    while place < SIZE && there() < place {
        assert!(Instant::now() < end, "the controller does not store what comes");
        std::thread::sleep(Duration::from_millis(1));
    }
    said.send(at - begin).unwrap();
    let _ = cuts.recv();
    let _ = near.shutdown(Shutdown::Both);
    let _ = far.shutdown(Shutdown::Both);
}

#[test]
fn killed_at_twenty_places_a_file_arrives_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut running, file, bytes) = stage(dir.path());
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    let mut desk = Desk::new([]);
    let part = desk.dir.path().join("out/Dev-1").join(format!("{NAME}.part"));
    let network = Network::start(&running.address, part);
    desk.devices.push(network.address.clone());
    let collect = || desk.command(&["collect", "--out", "out"]).stdout(Stdio::null()).spawn().unwrap();
    // As random as can be without being different every time: steps of a golden section.
    let mut places: Vec<usize> = (1..=20).map(|n| n * 648_055 % SIZE).collect();
    places.sort_unstable();
    let mut controller = collect();
    let mut moved = 0;
    for (n, place) in places.into_iter().enumerate() {
        network.places.send(place).unwrap();
        moved += network.carried.recv_timeout(PATIENCE).unwrap();
        // The controller, both, and at times the device alone, after which the controller waits a second.
        let (ours, theirs) = [(true, false), (true, true), (true, false), (true, true), (false, true)][n % 5];
        if theirs {
            running.child.kill().unwrap();
            running.child.wait().unwrap();
        }
        if ours {
            controller.kill().unwrap();
            controller.wait().unwrap();
        }
        network.cut.send(()).unwrap();
        if theirs {
            running = device(file.parent().unwrap(), "Dev-1");
            network.device.lock().unwrap().clone_from(&running.address);
        }
        if ours {
            controller = collect();
        }
    }
    network.places.send(SIZE).unwrap();
    moved += network.carried.recv_timeout(PATIENCE).unwrap();
    assert!(controller.wait().unwrap().success());
    network.cut.send(()).unwrap();
    assert!(moved * 100 <= SIZE * 105, "{moved} bytes were moved for {SIZE}");
    let manifest = desk.manifest();
    assert_eq!(manifest[0]["complete"], true);
    assert_eq!(std::fs::read(manifest[0]["path"].as_str().unwrap()).unwrap(), bytes);
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the device's own is as it was");
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written);
}

/// The same command with so many KiB at most for each file.
fn limited(command: &Command, kib: usize) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    shell
}

#[test]
fn a_full_disk_leaves_nothing_under_the_final_name() {
    let dir = tempfile::tempdir().unwrap();
    let (running, file, bytes) = stage(dir.path());
    let desk = Desk::new([&running]);
    let failed = limited(&desk.command(&["collect", "--out", "out"]), SIZE / 2048).output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", String::from_utf8_lossy(&failed.stderr));
    let said = String::from_utf8_lossy(&failed.stdout);
    assert!(said.contains("cannot write"), "{said}");
    let folder = desk.dir.path().join("out/Dev-1");
    assert!(!folder.join(NAME).exists());
    let part = std::fs::metadata(folder.join(format!("{NAME}.part"))).unwrap().len() as usize;
    assert!((1..=SIZE / 2).contains(&part), "{part}");
    assert_eq!(desk.manifest()[0]["complete"], false);
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    // With room it goes on where it was.
    desk.ok(&["collect", "--out", "out"]);
    assert_eq!(std::fs::read(folder.join(NAME)).unwrap(), bytes);
    assert!(!folder.join(format!("{NAME}.part")).exists());
    assert_eq!(desk.manifest()[0]["complete"], true);
}

#[test]
fn a_device_without_room_says_so_at_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = device_command(dir.path());
    command.args(["--device-id", "Full"]);
    let running = spawn(&mut limited(&command, 20));
    let desk = Desk::new([&running]);
    desk.ok(&["start", "--in", "0.2"]);
    desk.wait_for("error");
    let stopped = desk.run(&["stop"]);
    assert_eq!(stopped.status.code(), Some(1));
    let left = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| !name.starts_with('.')).count(), 0);
    assert_eq!(desk.ok(&["list"]).len(), 0);
}

#[test]
fn the_same_name_twice_and_the_same_id_twice() {
    let dir = tempfile::tempdir().unwrap();
    let twins: Vec<Running> = ["a", "b"]
        .into_iter()
        .map(|text| {
            let folder = dir.path().join(text);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("take.mp4"), text).unwrap();
            device(&folder, "Twin")
        })
        .collect();
    let desk = Desk::new(&twins);
    desk.ok(&["collect", "--out", "out"]);
    let mut copies: Vec<_> = desk
        .manifest()
        .iter()
        .map(|entry| std::fs::read_to_string(entry["path"].as_str().unwrap()).unwrap())
        .collect();
    copies.sort_unstable();
    assert_eq!(copies, ["a", "b"]);
    // Another file of that name is kept beside it.
    let one = Desk { devices: vec![twins[0].address.clone()], ..desk };
    std::fs::create_dir(one.dir.path().join("here")).unwrap();
    std::fs::write(one.dir.path().join("here/take.mp4"), "mine").unwrap();
    let fetched = one.ok(&["get", "take", "--out", "here"]);
    assert!(fetched[0]["path"].as_str().unwrap().ends_with("take-2.mp4"), "{fetched:?}");
    assert_eq!(std::fs::read(one.dir.path().join("here/take.mp4")).unwrap(), b"mine");
    assert_eq!(std::fs::read(one.dir.path().join("here/take-2.mp4")).unwrap(), b"a");
    // And the very same is not kept twice.
    let again = one.ok(&["get", "take", "--out", "here"]);
    assert_eq!(again[0]["path"], fetched[0]["path"], "{again:?}");
}

#[test]
fn a_restart_forgets_nothing_of_a_take() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("device");
    let first = device(&folder, "Dev-1");
    let desk = Desk::new([&first]);
    desk.ok(&["start", "--in", "0.2"]);
    desk.wait_for("recording");
    let stopped = desk.ok(&["stop"]);
    // The hash follows the answer to STOP.
    let end = Instant::now() + PATIENCE;
    while desk.ok(&["list"])[0]["sha256"].is_null() {
        assert!(Instant::now() < end, "no hash");
        std::thread::sleep(Duration::from_millis(20));
    }
    let noted = desk.ok(&["list"]);
    drop(first);
    let second = device(&folder, "Dev-1");
    let desk = Desk::new([&second]);
    assert_eq!(desk.ok(&["list"])[0]["sha256"], noted[0]["sha256"]);
    desk.ok(&["collect", "--out", "out"]);
    let entry = &desk.manifest()[0];
    for (key, ns) in
        [("targetStart", "targetStartNs"), ("actualStart", "actualStartNs"), ("firstFrame", "firstFrameNs")]
    {
        let (seconds, ns) = (entry[key].as_f64().unwrap(), stopped[0][ns].as_i64().unwrap());
        assert!((seconds - ns as f64 / 1e9).abs() < 1e-6, "{key}: {entry}");
    }
}
