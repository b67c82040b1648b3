//! camera-client against our server and against the original's behaviour, and camera-tool.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{Program, client, hex, read, stdout, tool};

fn raw(output: &std::process::Output) -> String {
    let json: serde_json::Value = serde_json::from_str(&stdout(output)).unwrap();
    json["raw"].as_str().unwrap().to_owned()
}

#[test]
fn against_our_server() {
    let server = Program::server(&[]);
    let options = server.options();
    assert_eq!(stdout(&client(&["login", "--password", "1111"], &options)), "ready\n");
    assert_eq!(
        stdout(&client(&["login", "--scram", "--password", "1111", "--json"], &options)),
        "{\"login\":true}\n"
    );
    assert_eq!(client(&["login", "--password", "2222"], &options).status.code(), Some(1));
    assert_eq!(client(&["login", "--password", "2222", "--scram"], &options).status.code(), Some(1));
    assert_eq!(client(&["fly"], &options).status.code(), Some(2));

    let text = stdout(&client(&["get"], &options));
    assert!(text.starts_with("shutter 10000\ngain 1\n") && text.ends_with("raw 64010a0a0a7f\n"), "{text}");
    assert_eq!(raw(&client(&["set", "gain=99", "contrast=1.5", "--json"], &options)), "64100a0a0f7f");
    assert_eq!(raw(&client(&["set", "raw=000000000001", "--json"], &options)), "000000000001");
    // Only what is named changes, also at a byte that the original would make 0 of.
    assert_eq!(raw(&client(&["set", "gain=200", "--raw", "--json"], &options)), "00c800000001");

    let items = stdout(&client(&["watch", "--count", "30", "--json"], &options));
    assert_eq!(items.lines().count(), 30);
    for line in items.lines() {
        let item: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(item["value"].as_u64().unwrap() <= 10);
        assert!(item["timestamp_ms"].as_u64().unwrap() > 1_700_000_000_000);
        for key in ["offset_ms", "rate_hz", "jitter_ms"] {
            assert!(item[key].is_number(), "{line}");
        }
    }

    let mut shell = Command::new(env!("CARGO_BIN_EXE_camera-client"));
    shell.args(["shell", "--password", "1111", "--json"]).args(&options);
    let mut shell =
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(b"login\nset gain=4\nfly\nset gain=x\nget\nquit\n").unwrap();
    let output = shell.wait_with_output().unwrap();
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0] == r#"{"login":true}"# && lines.len() == 3 && lines[2].contains("\"raw\":\"000400000001\""),
        "{text}"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 2);
}

#[test]
fn with_a_token_only() {
    let server = Program::server(&["--access", "token"]);
    let options = server.options();
    let settings = client(&["get", "--json", "--scram", "--password", "1111"], &options);
    assert_eq!(raw(&settings), "64010a0a0a7f");
    let items = stdout(&client(&["watch", "--count", "3", "--scram", "--password", "1111"], &options));
    assert_eq!(items.lines().count(), 3);
}

#[test]
fn nobody_there() {
    // A port that nobody has had for decades.
    let output = client(&["get", "--settings-port", "1"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot connect to 127.0.0.1:"));
}

#[test]
fn against_the_original() {
    let server = Program::emulation("G7", 3);
    let options = server.options();
    assert_eq!(stdout(&client(&["login", "--password", "1111"], &options)), "ready\n");
    assert_eq!(client(&["login", "--password", "1112"], &options).status.code(), Some(1));
    // It closes on SCRAM without a word.
    assert_eq!(client(&["login", "--scram", "--password", "1111"], &options).status.code(), Some(1));
    let plain = client(&["login", "--scram", "--allow-plaintext", "--password", "1111"], &options);
    assert_eq!(stdout(&plain), "ready\n");
    // In step by the rules of patience, and without the checksum.
    assert_eq!(raw(&client(&["set", "gain=4", "--json"], &options)), "64040a0a0a7f");
    assert_eq!(raw(&client(&["set", "gain=5", "--json", "--legacy-server"], &options)), "64050a0a0a7f");
    assert_eq!(stdout(&client(&["watch", "--count", "5"], &options)).lines().count(), 5);

    // Its quirks: of three pipelined queries one is answered, without checksums all are; it accepts odd passwords.
    let mut stream = server.connect("settings");
    stream.write_all(&hex("00ff02010000fc").repeat(3)).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(common::rest(&mut stream).len(), 16);
    let mut stream = server.connect("settings");
    stream.write_all(&hex("00ff02010000").repeat(3)).unwrap();
    assert_eq!(read(&mut stream, 48).len(), 48);
    let mut stream = server.connect("auth");
    let mut request = hex("00 ff 00 01 00 06 31 ff 31 31 80 31");
    request.push(request.iter().fold(0, |a, b| a ^ b));
    stream.write_all(&request).unwrap();
    assert_eq!(read(&mut stream, 12), hex("00 ff 00 00 00 05 72 65 61 64 79 91"));
}

#[test]
fn against_earlier_generations() {
    for (generation, ports) in [("G1", 1), ("G1b", 1), ("G2", 1)] {
        let server = Program::emulation(generation, ports);
        let items = client(&["watch", "--count", "3", "--json", "--dialect", generation], &server.options());
        assert_eq!(stdout(&items).lines().count(), 3, "{generation}");
    }
    let server = Program::emulation("G4", 2);
    let settings = client(&["set", "gain=4", "awb_blue=2.1", "--json", "--dialect", "G4"], &server.options());
    assert_eq!(raw(&settings), "04640a0a15");
    assert_eq!(client(&["set", "contrast=1", "--dialect", "G4"], &server.options()).status.code(), Some(1));
    let server = Program::emulation("G3", 2);
    assert_eq!(raw(&client(&["get", "--json", "--dialect", "G3"], &server.options())), "01640a0a0a");
    assert_eq!(client(&["set", "gain=4", "--dialect", "G3"], &server.options()).status.code(), Some(1));
}

/// The decoder's vectors through the program.
#[test]
fn the_tool_decodes() {
    let text = include_str!("../../../specification/vectors/camera-decoder.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    for v in file["vectors"].as_array().unwrap() {
        let mut args = vec!["decode", "--hex", "--json", "-"];
        if v["unsynced"] == true {
            args.push("--unsynced");
        }
        let output = tool(&args, v["input"].as_str().unwrap().as_bytes());
        let lines: Vec<serde_json::Value> =
            stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = lines.last().unwrap();
        for key in ["skipped", "bad", "left"] {
            assert_eq!(summary[key], v[key], "{}: {key}", v["name"]);
        }
        let frames: Vec<_> = lines.iter().filter(|l| l["payload"].is_string()).collect();
        for (frame, wanted) in frames.iter().zip(v["events"].as_array().unwrap()) {
            assert_eq!(
                (&frame["event"], &frame["payload"]),
                (&wanted["as"], &wanted["payload"]),
                "{}",
                v["name"]
            );
        }
        assert_eq!(frames.len(), v["events"].as_array().unwrap().len());
    }
    assert_eq!(tool(&["decode", "--hex", "-"], b"xyz").status.code(), Some(1));
}
