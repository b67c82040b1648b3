//! camera-server as a program: its ports byte for byte, its configuration, its limits.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Program, Stubs, hex, read, rest, until_true};

/// Tries what the server has a deadline for, again if the machine was too busy to meet it.
fn in_time(mut attempt: impl FnMut() -> bool) {
    loop {
        let start = Instant::now();
        if attempt() {
            return;
        }
        assert!(start.elapsed() > Duration::from_millis(900), "it was in time and not right");
    }
}

const READY: &str = "00 ff 00 00 00 05 72 65 61 64 79 91";
const FAILED: &str = "00 ff 00 02 00 00 fd";
const LOGIN: &str = "00 ff 00 01 00 04 31 31 31 31 fa";
const QUERY: &str = "00 ff 02 01 00 00 fc";

#[test]
fn authentication_byte_for_byte() {
    let server = Program::server(&[]);
    let answer = |request: &[u8]| {
        let mut stream = server.connect("auth");
        stream.write_all(request).unwrap();
        rest(&mut stream)
    };
    assert_eq!(answer(&hex(LOGIN)), hex(READY));
    assert_eq!(answer(&[hex(LOGIN), hex(LOGIN)].concat()), hex(READY));
    assert_eq!(answer(&hex("00 ff 00 01 00 04 32 32 32 32 fa")), hex(FAILED));
    for silent in ["00 ff 00 01 00 04 31 31 31 31 fb", "00 ff 00 01 00 00 fe", "16 03 01 02 00 01", QUERY] {
        assert_eq!(answer(&hex(silent)), Vec::<u8>::new(), "{silent}");
    }
    let login = hex(LOGIN);
    for cut in 1..login.len() {
        in_time(|| {
            let mut stream = server.connect("auth");
            stream.write_all(&login[..cut]).unwrap();
            // A connection that was made after these bytes and has been served: they have been looked at by now or will
            // be together with the rest, and either is right.
            assert_eq!(answer(&login), hex(READY));
            stream.write_all(&login[cut..]).unwrap();
            let mut answered = Vec::new();
            let _ = stream.read_to_end(&mut answered);
            answered == hex(READY)
        });
    }
    // A client that ends its side is answered all the same.
    let mut stream = server.connect("auth");
    stream.write_all(&login).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut stream), hex(READY));
}

#[test]
fn settings_in_any_segments() {
    let server = Program::server(&[]);
    let mut stream = server.connect("settings");
    stream.write_all(&hex(QUERY)).unwrap();
    assert_eq!(read(&mut stream, 16), hex("00 ff 02 00 00 09 64 01 0a 0a 0a 7f 00 00 00 e4"));
    // A query behind an update, then one byte at a time.
    let both = [hex("00 ff 02 01 00 06 64 40 0f 0c 0a 7f a8"), hex(QUERY)].concat();
    let reply = hex("00 ff 02 00 00 09 64 40 0f 0c 0a 7f 00 00 00 a6");
    stream.write_all(&both).unwrap();
    assert_eq!(read(&mut stream, 16), reply);
    in_time(|| {
        let mut stream = server.connect("settings");
        for byte in &both {
            stream.write_all(&[*byte]).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        rest(&mut stream) == reply
    });
    for brightness in 0..=255_u8 {
        let mut update = hex("00 ff 02 01 00 06 64 40 0f 0c 0a");
        update.push(brightness);
        update.push(update.iter().fold(0, |a, b| a ^ b));
        stream.write_all(&[update, hex(QUERY)].concat()).unwrap();
        assert_eq!(read(&mut stream, 16)[11], brightness);
    }
}

/// The original client: a short read is the end of the connection for it.
#[test]
fn exact_reads_never_come_short() {
    let server = Program::server(&["--rate", "1000"]);
    let mut stream = server.connect("data");
    for n in 0..3000 {
        let mut header = [0; 6];
        assert_eq!(stream.read(&mut header).unwrap(), 6, "header {n}");
        assert_eq!(header, [0, 0xff, 1, 0, 0, 9]);
        let mut body = [0; 10];
        assert_eq!(stream.read(&mut body).unwrap(), 10, "payload {n}");
    }
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    let server = Program::server(&[]);
    drop(["data", "settings", "auth"].map(|role| server.connect(role)));
    let tasks = || std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().count();
    until_true("quiet at the start", || server.descriptors() < 40);
    let (descriptors, threads) = (server.descriptors(), tasks());
    for role in ["data", "settings", "auth"] {
        for _ in 0..1000 {
            drop(TcpStream::connect(server.address(role)).unwrap());
        }
    }
    // Threads of the server's own may have begun only now; what connections leave would be a thousand.
    until_true("as before", || server.descriptors() <= descriptors + 4 && tasks() <= threads + 4);
    // Nothing goes round in circles either: in the time of a second's telemetry it is idle for most of it.
    let mut stream = server.connect("data");
    read(&mut stream, 16);
    let (cpu, start) = (server.cpu(), Instant::now());
    read(&mut stream, 24 * 16);
    let (used, took) = (server.cpu() - cpu, start.elapsed());
    assert!(used * 4 < took, "{used:?} of processor time in {took:?}");
    // And it still serves.
    let mut stream = server.connect("auth");
    stream.write_all(&hex(LOGIN)).unwrap();
    assert_eq!(rest(&mut stream), hex(READY));
}

#[test]
fn no_more_than_max_clients_on_each_port() {
    let server = Program::server(&["--max-clients", "2"]);
    let mut kept = [server.connect("data"), server.connect("data")];
    for stream in &mut kept {
        read(stream, 16);
    }
    let mut extra = server.connect("data");
    let mut bytes = Vec::new();
    let _ = extra.read_to_end(&mut bytes);
    assert!(bytes.is_empty());
    let mut other = server.connect("settings");
    other.write_all(&hex(QUERY)).unwrap();
    read(&mut other, 16);
}

#[test]
fn settings_are_kept_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let block = "ff 00 01 02 03 01";
    {
        let server = Program::server(&["--config-dir", dir, "--persist"]);
        let mut update = hex(&format!("00 ff 02 01 00 06 {block}"));
        update.push(update.iter().fold(0, |a, b| a ^ b));
        let mut stream = server.connect("settings");
        stream.write_all(&[update, hex(QUERY)].concat()).unwrap();
        read(&mut stream, 16);
        server.signal("-TERM");
        assert_eq!(server.wait().code(), Some(0));
    }
    let text = std::fs::read_to_string(folder.path().join("camera_settings.json")).unwrap();
    assert!(text.contains("\"raw\": \"ff0001020301\""), "{text}");
    let server = Program::server(&["--config-dir", dir]);
    let mut stream = server.connect("settings");
    stream.write_all(&hex(QUERY)).unwrap();
    assert_eq!(read(&mut stream, 16)[6..12], hex(block));
}

#[test]
fn a_hashed_password_and_no_password_in_the_log() {
    use argon2::PasswordHasher;
    // Cheap, as it is made for this test only.
    let params = argon2::Params::new(64, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = argon2.hash_password(b"sesam-hashed").unwrap().to_string();
    let stubs = Stubs::new();
    for option in [["--password-hash", hash.as_str()], ["--password", "sesam-hashed"]] {
        let server = stubs.server(&[option[0], option[1], "--host", "127.0.0.1", "--log-level", "TRACE"]);
        let options = server.options();
        let right = common::client(&["login", "--password", "sesam-hashed"], &options);
        assert_eq!(common::stdout(&right), "ready\n");
        let wrong = common::client(&["login", "--password", "sesam-wrong"], &options);
        assert_eq!(wrong.status.code(), Some(1));
        let log = stubs.log();
        assert!(log.contains("logged in") && !log.contains("sesam"), "{log}");
    }
}

/// What does not start says why, and names the key.
#[test]
fn what_cannot_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let settings = folder.path().join("camera_settings.json");
    let start = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_camera-server"));
        command.args(args).args(["--print-config", "--source", "none"]);
        for variable in
            ["SERVER_HOST", "DATA_PORT", "SETTINGS_PORT", "AUTH_PORT", "AUTH_PASSWORD", "LOG_LEVEL"]
        {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(start(&["--config-dir", dir]).0, Some(0));
    for (text, key) in [
        (r#"{"gain": NaN}"#, "camera_settings.json: is not JSON at key 'gain'"),
        (r#"{"gain": "4"}"#, "'gain'"),
        (r#"{"contrast": []}"#, "'contrast'"),
        (r#"{"raw": "xyz"}"#, "'raw'"),
        ("{", "camera_settings.json"),
        ("[]", "camera_settings.json"),
    ] {
        std::fs::write(&settings, text).unwrap();
        let (code, error) = start(&["--config-dir", dir]);
        assert!(code == Some(1) && error.contains(key), "{text}: {code:?} {error}");
        assert_eq!(std::fs::read_to_string(&settings).unwrap(), text, "the file stays as it is");
    }
    for text in ["", "\u{feff}{}", "{}", r#"{"gain": 1e308, "unheard": 1}"#] {
        std::fs::write(&settings, text).unwrap();
        assert_eq!(start(&["--config-dir", dir]).0, Some(0), "{text}");
    }
    let (code, error) = start(&["--host", "0.0.0.0"]);
    assert!(code == Some(1) && error.contains("--allow-default-password"), "{error}");
    assert_eq!(start(&["--host", "0.0.0.0", "--allow-default-password"]).0, Some(0));
    for wrong in [
        ["--data-port", "x"],
        ["--auth-port", "65536"],
        ["--rate", "0"],
        ["--log-level", "loud"],
        ["--password", ""],
        ["--password-hash", "1111"],
        ["--source", "film"],
        ["--max-clients", "0"],
    ] {
        let (code, error) = start(&wrong);
        assert!(
            code == Some(2) && error.contains(wrong[0]) && error.lines().count() == 1,
            "{wrong:?}: {error}"
        );
    }
}

#[test]
fn every_port_takes_an_address_of_its_own() {
    let server = Program::server(&["--password", "other", "--host", "127.0.0.1"]);
    assert!(server.address("data").ip().is_loopback());
    let mut command = Command::new(env!("CARGO_BIN_EXE_camera-server"));
    command.args([
        "--print-config",
        "--data-port",
        "127.0.0.2:7",
        "--source",
        "none",
        "--settings-port",
        "[::1]:8",
    ]);
    let output = command.output().unwrap();
    let config: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let address =
        |key: &str| config["server"][key].as_str().unwrap().parse::<SocketAddr>().unwrap().to_string();
    assert_eq!((address("data_port"), address("settings_port")), ("127.0.0.2:7".into(), "[::1]:8".into()));
}
