//! Peers that lie, and people and strangers that ask for what they shall not have.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Desk, PATIENCE, device, device_command, spawn};
use multicam_programs::controller::Line;
use serde_json::{Value, json};

/// A device that lists one file and answers every GET_VIDEO with these bytes and the end of the connection.
fn liar(listed: &str, answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let list = json!({
        "deviceId": "Liar", "status": "ready", "timestamp": 1.5,
        "files": [{"fileId": listed, "fileName": listed, "fileSize": 5, "creationDate": 1.0, "modificationDate": 1.0}],
    });
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (list, answer) = (list.to_string(), answer.clone());
            std::thread::spawn(move || {
                let mut command = vec![0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut command) {
                    let text = String::from_utf8_lossy(&command[..n]).into_owned();
                    if text.contains("GET_VIDEO") {
                        let _ = stream.write_all(&answer);
                        return;
                    }
                    let _ = stream.write_all(list.as_bytes());
                }
            });
        }
    });
    address
}

fn framed(header: &Value, body: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&u32::try_from(header.len()).unwrap().to_be_bytes()[..], header.as_bytes(), body].concat()
}

/// All files below a directory but those that a collection makes of itself.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else if !matches!(name.as_str(), "manifest.json" | "multicam-state.json") {
            found.push(name);
        }
    }
    found
}

#[test]
fn a_device_that_lies_gets_no_file_made() {
    let long = "x".repeat(300);
    let header = |name: &str, size: Value| json!({"deviceId": "d", "fileName": name, "fileSize": size, "status": "ready"});
    let absent = json!({"deviceId": "d", "fileName": "a.mp4", "status": "ready"});
    let missing = json!({"deviceId": "d", "fileName": "a.mp4", "fileSize": 0, "status": "file_not_found"});
    let mut cases: Vec<(String, Vec<u8>)> = [
        0_u32.to_be_bytes().to_vec(),
        1_u32.to_be_bytes().to_vec(),
        0x8000_0000_u32.to_be_bytes().to_vec(),
        u32::MAX.to_be_bytes().to_vec(),
        framed(&header("a.mp4", json!(-1)), b"hello"),
        framed(&header("a.mp4", json!("5")), b"hello"),
        framed(&header("a.mp4", json!(null)), b"hello"),
        framed(&header("a.mp4", json!(1_u64 << 63)), b"hello"),
        framed(&absent, b"hello"),
        framed(&missing, b""),
        // More is promised than comes: that stays a partial file.
        framed(&header("a.mp4", json!(50)), b"hello"),
        b"{\"status\": \"error\"}".to_vec(),
    ]
    .map(|answer| ("a.mp4".to_owned(), answer))
    .into();
    for name in ["../evil", "/tmp/evil", "a\0b", "a\nb", "..", ".", "", "C:\\evil", "a/b", &long] {
        cases.push(("a.mp4".into(), framed(&header(name, json!(5)), b"hello")));
        cases.push((name.into(), framed(&header("a.mp4", json!(5)), b"hello")));
    }
    let count = cases.len();
    std::thread::scope(|all| {
        for (name, answer) in cases {
            all.spawn(move || {
                let shown = String::from_utf8_lossy(&answer).into_owned();
                let desk = Desk { dir: tempfile::tempdir().unwrap(), devices: vec![liar(&name, answer)] };
                let output = desk.run(&["collect", "--out", "out"]);
                assert_eq!(output.status.code(), Some(1), "{name:?}: {shown}");
                let left: Vec<_> = files(desk.dir.path());
                let partial = left.iter().all(|n| n == "a.mp4.part");
                assert!(partial, "{name:?}: {shown}: {left:?}");
            });
        }
    });
    assert_eq!(count, 32);
}

fn ask(address: &str, command: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(command.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply
}

#[test]
fn a_device_gives_only_what_is_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own");
    std::fs::create_dir_all(own.join("below")).unwrap();
    std::fs::write(dir.path().join("secret.mp4"), "secret").unwrap();
    std::fs::write(own.join("below/secret.mp4"), "secret").unwrap();
    std::fs::write(own.join(".hidden.mp4"), "secret").unwrap();
    let device = device(&own, "Dev-1");
    let outside = dir.path().join("secret.mp4");
    let long = "x".repeat(300);
    #[rustfmt::skip]
    let names = [
        "../secret.mp4", outside.to_str().unwrap(), "below/secret.mp4", ".", "..", ".hidden.mp4", ".device-id", ".a.mp4.take",
        "a\0b", "secret.mp4\0", "..\\secret.mp4", "C:\\secret.mp4", &long,
    ];
    for name in names {
        for key in ["fileName", "fileId"] {
            let command = json!({"command": "GET_VIDEO", "timestamp": 1.5, "deviceId": "c", key: name});
            // The connection ends, or the read would not.
            let reply: Value = serde_json::from_slice(&ask(&device.address, &command.to_string())).unwrap();
            assert_eq!(reply["status"], "file_not_found", "{key} {name:?}: {reply}");
        }
    }
}

#[test]
fn strangers_lock_nobody_out() {
    driver::cli::raise_descriptor_limit();
    let dir = tempfile::tempdir().unwrap();
    let device = device(dir.path(), "Dev-1");
    let desk = Desk::new([&device]);
    // Each begins a command and goes no further.
    let strangers: Vec<TcpStream> = (0..1000)
        .map(|_| {
            let mut stream = TcpStream::connect(&device.address).unwrap();
            let _ = stream.write_all(b"{\"comm");
            stream
        })
        .collect();
    desk.ok(&["start", "--in", "1"]);
    let more: Vec<_> = (0..100).map(|_| TcpStream::connect(&device.address).unwrap()).collect();
    desk.wait_for("recording");
    let stopped = desk.ok(&["stop"]);
    assert!(stopped[0]["file"].is_string());
    let late = stopped[0]["actualStartNs"].as_i64().unwrap() - stopped[0]["targetStartNs"].as_i64().unwrap();
    println!("{} us late beside {} strangers", late / 1000, strangers.len() + more.len());
    // The oldest made room.
    let closed = strangers.iter().filter(|s| {
        s.set_read_timeout(Some(PATIENCE)).unwrap();
        !matches!((&**s).read(&mut [0]), Ok(n) if n > 0)
    });
    assert_eq!(closed.count(), 1000);
}

#[test]
fn credentials_are_in_no_log_and_no_reply() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.mp4"), "film").unwrap();
    let mut command = device_command(dir.path());
    command.args(["--auth", "SECRET-word", "--log", "trace"]).stderr(Stdio::piped());
    let mut running = spawn(&mut command);
    let mut log = running.child.stderr.take().unwrap();
    // Nobody listens there: the upload fails.
    let upload = json!({
        "command": "UPLOAD_TO_CLOUD", "timestamp": 1.5, "deviceId": "c", "fileName": "a.mp4", "auth": "SECRET-word",
        "uploadUrl": "http://127.0.0.1:1/SECRET-url?X-Amz-Signature=SECRET",
    });
    let signed = json!({
        "command": "UPLOAD_TO_CLOUD", "timestamp": 1.5, "deviceId": "c", "fileName": "a.mp4", "auth": "SECRET-word",
        "s3Bucket": "SECRET-bucket.127.0.0.1:1", "s3Key": "SECRET-key", "awsAccessKeyId": "SECRET-id",
        "awsSecretAccessKey": "SECRET-secret", "awsSessionToken": "SECRET-token", "awsRegion": "SECRET-region",
    });
    let status =
        json!({"command": "DEVICE_STATUS", "timestamp": 1.5, "deviceId": "c", "auth": "SECRET-word"});
    let mut replies = String::new();
    for command in [upload, signed] {
        replies += &one_reply(&running.address, &command);
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let reply = one_reply(&running.address, &status);
            replies += &reply;
            if reply.contains("\"failedUploadQueue\": [{") && !reply.contains("\"uploading\"") {
                break;
            }
            assert!(std::time::Instant::now() < end, "{reply}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(replies.contains("upload_queued"), "{replies}");
    running.child.kill().unwrap();
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert!(text.contains("an upload failed"), "{text}");
    assert!(!text.contains("SECRET") && !replies.contains("SECRET"), "{text}{replies}");
}

fn one_reply(address: &str, command: &Value) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(command.to_string().as_bytes()).unwrap();
    let mut reply = vec![0; 65_536];
    let n = stream.read(&mut reply).unwrap();
    String::from_utf8_lossy(&reply[..n]).into_owned()
}

#[test]
fn a_missing_file_fails_soon() {
    let dir = tempfile::tempdir().unwrap();
    let device = device(dir.path(), "Dev-1");
    let desk = Desk::new([&device]);
    let output = desk.run(&["get", "nope.mp4"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("File not found: nope.mp4"));
    assert!(files(desk.dir.path()).is_empty());
}

#[test]
fn the_shell_takes_the_command_lines() {
    let dir = tempfile::tempdir().unwrap();
    let device = device(dir.path(), "Dev-1");
    let desk = Desk::new([&device]);
    let mut shell = desk.command(&["shell"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    let mut say = |line: &str| writeln!(input, "{line}").unwrap();
    say("discover");
    say("dance");
    say("");
    say("start --in 0.2");
    desk.wait_for("recording");
    say("stop");
    say("list");
    say("collect --out out");
    say("quit");
    let output = shell.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let said: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line.trim_start_matches("multicam> ")).ok())
        .collect();
    let what: Vec<_> = said.iter().map(|v| v["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["device", "target", "start", "stop", "file", "file"], "{said:?}");
    assert_eq!(desk.manifest()[0]["complete"], true);
    // Lines are the command line's words, whatever the command.
    use clap::Parser;
    for line in [
        "get a.mp4 --out x",
        "delete a.mp4",
        "upload a.mp4 http://x",
        "start --at 1.5",
        "serve-time",
        "status",
    ] {
        assert!(Line::try_parse_from(line.split_whitespace()).is_ok(), "{line}");
    }
}
