//! Where a device has the time from, and what it does not believe.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Running, spawn, start};
use multicam_common::UnixTime;
use multicam_common::ntp::respond;
use serde_json::{Value, json};

fn device(dir: &Path, arguments: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_multicam-device"));
    command.args(["--host", "127.0.0.1", "--port", "0", "--no-mdns", "--device-id", "Dev-1"]);
    spawn(command.arg("--dir").arg(dir).args(arguments))
}

fn ask(device: &Running, command: &Value) -> Value {
    let mut stream = TcpStream::connect(&device.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(command.to_string().as_bytes()).unwrap();
    let mut reply = vec![0; 65_536];
    let n = stream.read(&mut reply).unwrap();
    serde_json::from_slice(&reply[..n]).unwrap()
}

fn clock(device: &Running) -> Value {
    ask(device, &json!({"command": "DEVICE_STATUS", "timestamp": 1.5, "deviceId": "c"}))["clock"].clone()
}

/// A start an hour ahead: accepted, or refused for want of a clock. It is called off again.
fn plan(device: &Running) -> String {
    let at = (driver::unix_now() / 1_000_000_000 + 3600) as f64;
    let reply = ask(device, &json!({"command": "START_RECORDING", "timestamp": at, "deviceId": "c"}));
    ask(device, &json!({"command": "STOP_RECORDING", "timestamp": 1.5, "deviceId": "c"}));
    reply["status"].as_str().unwrap().to_owned()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What is done to an answer.
type Spoil = fn(&mut [u8; 48]);

/// A time server that spoils its answers.
struct Server {
    port: u16,
    answers: std::sync::mpsc::Receiver<()>,
}

impl Server {
    fn start(spoil: Spoil) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let (said, answers) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut question = [0; 100];
            while let Ok((n, from)) = socket.recv_from(&mut question) {
                let now = UnixTime::from_nanos(driver::unix_now() + 3_000_000_000);
                if let Some(mut answer) = respond(&question[..n], now, now) {
                    spoil(&mut answer);
                    let _ = socket.send_to(&answer, from);
                    let _ = said.send(());
                }
            }
        });
        Self { port, answers }
    }

    fn device(&self, dir: &Path) -> Running {
        device(dir, &["--clock", "ntp", "--ntp", &format!("127.0.0.1:{}", self.port)])
    }
}

#[test]
fn answers_that_are_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let spoilers: [(&str, Spoil); 5] = [
        ("no transmit timestamp", |a| a[40..48].fill(0)),
        ("of another question", |a| a[31] ^= 1),
        ("stratum 0", |a| a[1] = 0),
        ("LI 3", |a| a[0] |= 0xc0),
        ("a question", |a| a[0] = a[0] & !7 | 3),
    ];
    for (n, (what, spoil)) in spoilers.into_iter().enumerate() {
        let server = Server::start(spoil);
        let device = server.device(&dir.path().join(n.to_string()));
        // After stratum 0 it does not ask again.
        for _ in 0..if what == "stratum 0" { 1 } else { 3 } {
            server.answers.recv_timeout(PATIENCE).expect(what);
        }
        // What was answered before this one has been read.
        assert_eq!(clock(&device)["source"], "system", "{what}");
        assert_eq!(plan(&device), "time_not_synchronized", "{what}");
    }
    // The same unspoilt: three seconds ahead of this machine's clock.
    let server = Server::start(|_| {});
    let device = server.device(&dir.path().join("good"));
    until("synchronised", || clock(&device)["source"] == "ntp");
    let clock = clock(&device);
    let (offset, error) = (clock["offset"].as_f64().unwrap(), clock["error"].as_f64().unwrap());
    assert!((offset - 3.0).abs() <= error, "{clock}");
    assert_eq!(plan(&device), "scheduled_recording_accepted");
}

#[test]
fn without_ntp_a_controller_is_asked_and_else_the_system_serves() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody answers there.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ntp = format!("127.0.0.1:{}", silent.local_addr().unwrap().port());
    let any = device(&dir.path().join("any"), &["--ntp", &ntp]);
    let controllers = device(&dir.path().join("controllers"), &["--clock", "controller"]);
    assert_eq!(clock(&any)["source"], "system");
    assert_eq!(plan(&any), "scheduled_recording_accepted");
    assert_eq!(plan(&controllers), "time_not_synchronized");

    let mut arguments = vec!["--json"];
    for device in [&any, &controllers] {
        arguments.extend(["--device", &device.address]);
    }
    arguments.push("serve-time");
    let serving = start(env!("CARGO_BIN_EXE_multicam-controller"), &arguments);
    for device in [&any, &controllers] {
        until("served", || clock(device)["source"] == "controller");
        let clock = clock(device);
        let (offset, error) = (clock["offset"].as_f64().unwrap(), clock["error"].as_f64().unwrap());
        assert!(offset.abs() <= error + 0.000_1, "{clock}");
        assert_eq!(clock["schedulesOn"], "synced");
        assert_eq!(plan(device), "scheduled_recording_accepted");
    }
    drop(serving);
}
