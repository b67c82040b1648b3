//! `smpte-client` and `smpte-server --chase`, as processes: scripts, feeds, bad input.

use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use e2e::{PATIENCE, Running, in_time, program};
use serde_json::Value;

/// Twenty seconds of LTC at 25 frames a second from 10:00:00:00 on.
const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bins/studio/data/ltc-25.wav");

fn server(options: &[&str]) -> (Running, String) {
    let all = [&["--host", "127.0.0.1", "--port", "0", "--no-status"], options].concat();
    let running = Running::start("smpte-server", &all);
    let port = running.address("tcp").port().to_string();
    (running, port)
}

fn client(port: &str, options: &[&str]) -> Output {
    let base = ["--host", "127.0.0.1", "--port", port];
    Command::new(program("smpte-client")).args(base).args(options).stdin(Stdio::null()).output().unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|l| serde_json::from_str(l).expect(l)).collect()
}

fn find<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|e| e["event"] == kind).unwrap_or_else(|| panic!("no {kind} in {events:?}"))
}

/// The session that follows the recording: it is there as soon as its rate is known.
fn chased(port: &str) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let list = events(&client(port, &["--json", "--exec", "list"]));
        if let Some(session) = find(&list, "sessions")["sessions"].get(0) {
            return session.clone();
        }
        assert!(Instant::now() < end, "no session: {list:?}");
    }
}

#[test]
fn a_script_runs_a_session_from_start_to_end() {
    let (_server, port) = server(&[]);
    let script = "create 29.97df 00:00:59;28; start; wait 0.3; stop; reset 23:59:59;29; leave; list; quit";
    in_time(|| {
        let output = client(&port, &["--json", "--exec", script]);
        assert!(output.status.success(), "{output:?}");
        let events = events(&output);
        assert_eq!(find(&events, "session_created")["timecode"], "00:00:59;28");
        let updates: Vec<_> = events
            .iter()
            .filter(|e| e["event"] == "timecode_update")
            .filter_map(|e| e["timecode"].as_str())
            .collect();
        assert_eq!(find(&events, "timecode_stopped")["timecode"], *updates.last().unwrap());
        assert_eq!(find(&events, "timecode_reset")["timecode"], "23:59:59;29");
        assert_eq!(find(&events, "sessions")["sessions"], Value::Array(vec![]));
        let first = ["00:00:59;29", "00:01:00;02", "00:01:00;03"];
        if updates.starts_with(&first) { Ok(()) } else { Err(format!("{updates:?}")) }
    });
}

#[test]
fn the_first_part_of_an_id_is_enough_to_join() {
    let (_server, port) = server(&["--chase", RECORDING]);
    let session = chased(&port);
    let id = session["session_id"].as_str().unwrap();
    assert_eq!(session["framerate"], "25");
    let output = client(&port, &["--json", "--exec", &format!("join {}; wait 1", &id[..5])]);
    let joined = events(&output);
    assert_eq!(find(&joined, "session_joined")["session_id"], id);
    assert!(find(&joined, "timecode_update")["timecode"].as_str().unwrap().starts_with("10:00:0"));
    let output = client(&port, &["--exec", "join zzz"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: Session not found\n");
}

/// LTC in, a session, LTC out: the labels and their places in time survive the way.
#[test]
fn a_chased_session_drives_ltc_again() {
    let (_server, port) = server(&["--chase", RECORDING]);
    let id = chased(&port)["session_id"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.wav");
    let mut feeding = Running::start(
        "smpte-client",
        &["--host", "127.0.0.1", "--port", &port, "--join", &id, "--ltc-out", file.to_str().unwrap()],
    );
    // Two labels on the display, a second apart: then there is more than a second of sound.
    let mut shown = Vec::new();
    while shown.len() < 3 {
        let line = feeding.line().expect("the client goes on");
        if line.ends_with(" (25 fps)") {
            shown.push(line);
        }
    }
    feeding.signal("INT");
    assert_eq!(feeding.wait().code(), Some(0));
    let decoded =
        Command::new(program("smpte-tool")).args(["ltc", "decode", "--json"]).arg(&file).output().unwrap();
    let words: Vec<Value> =
        String::from_utf8_lossy(&decoded.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(words.len() >= 25, "{} words", words.len());
    for pair in words.windows(2) {
        let frame = |w: &Value| {
            let parts: Vec<i64> =
                w["label"].as_str().unwrap().split(':').map(|p| p.parse().unwrap()).collect();
            ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 25 + parts[3]
        };
        assert_eq!(frame(&pair[1]) - frame(&pair[0]), 1, "{pair:?}");
        let length = pair[1]["start_sample"].as_i64().unwrap() - pair[0]["start_sample"].as_i64().unwrap();
        assert!((1919..=1921).contains(&length), "{pair:?}");
    }
}

/// MIDI timecode and Art-Net timecode of a session: where it stands at first, its labels while it runs, and the place that it
/// is set to at last.
#[test]
fn a_session_drives_midi_and_art_net_timecode() {
    let (_server, port) = server(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.mtc");
    let desk = UdpSocket::bind("127.0.0.1:0").unwrap();
    desk.set_nonblocking(true).unwrap();
    let address = desk.local_addr().unwrap().to_string();
    in_time(|| {
        let owner = Running::start(
            "smpte-client",
            &["--host", "127.0.0.1", "--port", &port, "--json", "--exec", "create 25 01:00:00:00; wait 60"],
        );
        let created =
            std::iter::from_fn(|| owner.line()).find(|line| line.contains("session_created")).unwrap();
        let created: Value = serde_json::from_str(&created).unwrap();
        let id = created["session_id"].as_str().unwrap();
        let script = "wait 0.2; start; wait 1; stop; wait 0.2; reset 10:00:00:00; wait 0.2";
        let outputs = ["--mtc-out", file.to_str().unwrap(), "--artnet", &address];
        let output = client(&port, &[&["--join", id, "--exec", script], &outputs[..]].concat());
        assert!(output.status.success(), "{output:?}");

        let mut packets = Vec::new();
        let mut packet = [0; 64];
        while let Ok(length) = desk.recv(&mut packet) {
            assert_eq!((length, &packet[..14]), (19, &b"Art-Net\0\x00\x97\x00\x0e\0\0"[..]));
            assert_eq!(packet[18], 1, "25 frames a second");
            packets.push([packet[17], packet[16], packet[15], packet[14]]);
        }
        consecutive(&packets, 1)?;

        let mut bytes = &std::fs::read(&file).unwrap()[..];
        let (mut set, mut quarters) = (Vec::new(), Vec::new());
        while let Some(&status) = bytes.first() {
            let length = if status == 0xf0 { 10 } else { 2 };
            let (message, rest) = bytes.split_at(length);
            bytes = rest;
            match *message {
                [0xf0, 0x7f, 0x7f, 1, 1, hours, minutes, seconds, frames, 0xf7] => {
                    assert_eq!(hours >> 5, 1, "25 frames a second");
                    set.push([hours & 0x1f, minutes, seconds, frames]);
                }
                [0xf1, data] => quarters.push(data),
                _ => panic!("no MIDI timecode: {message:02x?}"),
            }
        }
        // told of where it stands, where it starts, where it was stopped, and where it was set
        if set.len() != 4 {
            return Err(format!("{set:?}"));
        }
        assert_eq!((set[0], set[3]), ([1, 0, 0, 0], [10, 0, 0, 0]));
        for (place, data) in quarters.iter().enumerate() {
            assert_eq!(usize::from(data >> 4), place % 8, "{quarters:02x?}");
        }
        let whole = quarters.chunks_exact(8).map(|eight| {
            let byte = |low: usize| eight[low] & 0xf | (eight[low + 1] & 0xf) << 4;
            assert_eq!(byte(6) >> 5, 1, "25 frames a second");
            [byte(6) & 0x1f, byte(4), byte(2), byte(0)]
        });
        let labels: Vec<_> = [[1, 0, 0, 0]].into_iter().chain(whole).chain([[10, 0, 0, 0]]).collect();
        consecutive(&labels, 2)
    });
}

/// Labels at 25 frames a second: one at 01:00:00:00, then more of a second of them, `step` frames apart, and one at 10:00:00:00.
fn consecutive(labels: &[[u8; 4]], step: u32) -> Result<(), String> {
    let frame =
        |[h, m, s, f]: [u8; 4]| ((u32::from(h) * 60 + u32::from(m)) * 60 + u32::from(s)) * 25 + u32::from(f);
    let [first, running @ .., last] = labels else { return Err(format!("{labels:?}")) };
    assert_eq!((*first, *last), ([1, 0, 0, 0], [10, 0, 0, 0]), "{labels:?}");
    let begun = running.first().is_some_and(|begin| frame(*begin) - frame(*first) <= 2);
    let even = running.windows(2).all(|pair| frame(pair[1]) - frame(pair[0]) == step);
    if begun && even && running.len() >= 20 / step as usize { Ok(()) } else { Err(format!("{labels:?}")) }
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let (_server, port) = server(&[]);
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.wav");
    std::fs::write(&broken, b"RIFF\x10\0\0\0WAVEfmt ").unwrap();
    let broken = broken.to_str().unwrap();
    let run = |name: &str, arguments: &[&str]| {
        Command::new(program(name)).args(arguments).stdin(Stdio::null()).output().unwrap()
    };
    let base = ["--host", "127.0.0.1", "--port", &port];
    for (output, code, said) in [
        (
            run("smpte-client", &[&base[..], &["--exec", "create 29.9"]].concat()),
            1,
            "Invalid framerate. Supported: 23.976, 24",
        ),
        (run("smpte-client", &[&base[..], &["--exec", "create 24 1:2"]].concat()), 1, "Use HH:MM:SS:FF"),
        (run("smpte-client", &[&base[..], &["--exec", "start"]].concat()), 1, "Not in a session"),
        (run("smpte-client", &[&base[..], &["--exec", "dance"]].concat()), 2, "Unknown command: dance"),
        (run("smpte-client", &[&base[..], &["--join", "nobody"]].concat()), 1, "Session not found"),
        (run("smpte-client", &["--port", "1"]), 1, "cannot connect to localhost:1"),
        (run("smpte-client", &["--port", "x"]), 2, "--port"),
        (
            run("smpte-client", &[&base[..], &["--join", "nobody", "--ltc-out", "/nowhere/x.wav"]].concat()),
            1,
            "Session not found",
        ),
        (run("smpte-server", &["--port", &port, "--host", "127.0.0.1"]), 1, "choose another with --port"),
        (run("smpte-server", &["--host", "none.invalid"]), 1, "--host: cannot find the host 'none.invalid'"),
        (
            run("smpte-server", &["--port", "0", "--chase", broken]),
            2,
            "it ends before its data chunk is complete",
        ),
        (run("smpte-server", &["--port", "0", "--chase", "/nowhere.wav"]), 1, "/nowhere.wav"),
    ] {
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(said), "'{said}' is not in: {error}");
        // clap adds usage and a hint below its line.
        assert!(code == 2 || error.lines().count() == 1, "{error}");
    }
}
