//! The session server's edges: long lines, limits, floods, what the program can do, what it is told.

mod session_support;

use std::time::Duration;

use machine::{CloseReason, ConnId, Input, Machine, Transport};
use session_support::{SEED, START_LINE, STOP_LINE, Stage, error, integer_of, string_of, timecode};
use smpte_timecode::UsageError;
use smpte_timecode::config::ServerConfig;
use smpte_timecode::message::SessionId;
use smpte_timecode::server::{Event, SessionSpec};

const HELLO: &str = r#"{"type":"hello","extensions":["frame","clock","list","status"]}"#;

fn padded(length: usize) -> Vec<u8> {
    let mut line = br#"{"type":"ping"}"#.to_vec();
    line.resize(length, b' ');
    line
}

#[test]
fn lines_of_65536_bytes_are_answered_and_longer_ones_close() {
    for size in [1, 1000, usize::MAX] {
        let mut stage = Stage::with_defaults();
        let a = stage.client(1);
        let mut line = padded(65_536);
        line.push(b'\n');
        for piece in line.chunks(size.min(line.len())) {
            stage.bytes(a, piece);
        }
        assert_eq!(stage.take(a), [error("Unknown command")]);
        assert!(stage.closed.is_empty());

        // what came before the long line is answered, what comes after it is not
        let b = stage.client(2);
        stage.line(b, r#"{"type":"ping"}"#);
        let mut line = padded(65_537);
        line.extend(b"\n{\"type\":\"ping\"}\n");
        for piece in line.chunks(size.min(line.len())) {
            stage.bytes(b, piece);
        }
        assert_eq!(stage.take(b), [error("Unknown command")]);
        assert_eq!(stage.closed, [b]);
        assert!(stage.events.contains(&Event::ClientDisconnected { conn: b }));
    }
}

#[test]
fn a_long_line_closes_before_its_end_has_come() {
    let mut stage = Stage::with_defaults();
    let a = stage.client(1);
    stage.bytes(a, &padded(65_536));
    assert!(stage.closed.is_empty());
    stage.bytes(a, b" ");
    assert_eq!(stage.closed, [a]);
    // the last line without its end counts too
    let b = stage.client(2);
    stage.end(b, &padded(65_536));
    assert_eq!(stage.take(b), [error("Unknown command")]);
    let c = stage.client(3);
    stage.end(c, &padded(65_537));
    assert!(stage.take(c).is_empty());
    assert_eq!(stage.closed, [a, b, c]);
    let w = stage.open_as(4, Transport::WebSocket);
    stage.take(w);
    stage.bytes(w, &padded(65_536));
    assert_eq!(stage.take(w), [error("Unknown command")]);
    stage.bytes(w, &padded(65_537));
    assert!(stage.take(w).is_empty() && stage.closed.contains(&w));
}

#[test]
fn nesting_is_bounded_but_not_by_us_before_python() {
    let mut stage = Stage::with_defaults();
    let a = stage.client(1);
    assert_eq!(stage.ask(a, &"[".repeat(60_000)), [error("Internal server error")]);
    assert_eq!(
        stage.ask(a, &("{\"a\":".repeat(1000) + "1" + &"}".repeat(1000))),
        [error("Internal server error")]
    );
    assert_eq!(stage.ask(a, &"[".repeat(900)), [error("Invalid JSON message")]);
    let nested = format!(r#"{{"x": {}{}, "type": "start_timecode"}}"#, "[".repeat(900), "]".repeat(900));
    assert_eq!(stage.ask(a, &nested), [error("Not in a session")]);
    assert!(stage.closed.is_empty());
}

#[test]
fn clients_over_the_limit_are_told_and_closed() {
    for transport in [Transport::Stream, Transport::WebSocket] {
        let mut stage = Stage::new(ServerConfig::new(SEED).with_max_clients(2));
        let (a, _b) = (stage.client(1), stage.client(2));
        let c = stage.open_as(3, transport);
        assert_eq!(stage.take(c), [error("Server full")]);
        assert_eq!(stage.closed, [c]);
        // what it had sent before it knew
        stage.bytes(c, b"{\"type\":\"ping\"}\n");
        stage.close(c);
        assert!(stage.take(c).is_empty());
        stage.close(a);
        let d = stage.client(4);
        assert_eq!(stage.ask(d, r#"{"type":"ping"}"#), [error("Unknown command")]);
        assert!(matches!(stage.events[2], Event::ClientRefused { .. }));
    }
}

#[test]
fn sessions_over_the_limit_are_refused_but_one_can_be_replaced() {
    let mut stage = Stage::new(ServerConfig::new(SEED).with_max_sessions(2));
    let (a, b) = (stage.client(1), stage.client(2));
    let first = stage.create(a, "24", "00:00:00:00");
    let spec = SessionSpec::new("25").pinned();
    let pinned = stage.server.create_session(stage.now, spec).unwrap();
    assert_eq!(stage.ask(b, r#"{"type":"create_session","framerate":"24"}"#), [error("Too many sessions")]);
    assert_eq!(stage.server.create_session(stage.now, spec), Err(UsageError::TooManySessions { limit: 2 }));
    // the only member's old session goes away
    let second = stage.create(a, "25", "00:00:00:00");
    assert_ne!(first, second);
    // a pinned one does not
    stage.join(a, &pinned.to_string());
    stage.create(b, "25", "00:00:00:00");
    assert_eq!(stage.ask(a, r#"{"type":"create_session","framerate":"24"}"#), [error("Too many sessions")]);
    assert_eq!(stage.ask(a, START_LINE), [timecode("started", "00:00:00:00")]);
}

#[test]
fn ids_come_from_the_seed_and_never_twice() {
    let ids = |seed| {
        let mut stage = Stage::new(ServerConfig::new([seed; 32]));
        let a = stage.client(1);
        (0..1000).map(|_| stage.create(a, "24", "00:00:00:00")).collect::<Vec<_>>()
    };
    let first = ids(1);
    assert_eq!(first, ids(1));
    let mut all = [first, ids(2)].concat();
    assert!(all.iter().all(|id| SessionId::parse(id).is_some() && &id[14..15] == "4"));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 2000);
}

#[test]
fn ten_thousand_sessions_come_and_go_without_a_trace() {
    let mut stage = Stage::with_defaults();
    let (a, b) = (stage.client(1), stage.client(2));
    for round in 0..10_000 {
        let id = stage.create(a, "59.94", "00:00:00:00");
        stage.ask(a, START_LINE);
        stage.join(b, &id);
        match round % 3 {
            0 => stage.line(a, r#"{"type":"leave_session"}"#),
            1 => stage.run(20_000_000),
            _ => stage.wait(40_000_000),
        }
        stage.events.clear();
        stage.got.clear();
    }
    stage.line(a, r#"{"type":"leave_session"}"#);
    stage.line(b, r#"{"type":"leave_session"}"#);
    assert_eq!(stage.server.status().active_sessions, 0);
    assert_eq!(stage.server.poll_timeout(), None);
}

#[test]
fn a_lost_connection_harms_nobody_else() {
    let mut stage = Stage::with_defaults();
    let (a, b) = (stage.client(1), stage.client(2));
    let id = stage.create(a, "25", "00:00:00:00");
    stage.join(b, &id);
    stage.ask(a, START_LINE);
    stage.take(b);
    // due while the connection breaks: the other member gets it, the lost one nothing
    stage.pass(40_000_000);
    stage.input(a, Input::Closed(CloseReason::Failed));
    assert_eq!(stage.take(b), [timecode("update", "00:00:00:01")]);
    assert!(stage.take(a).is_empty());
    stage.wait(40_000_000);
    assert_eq!(stage.take(b), [timecode("update", "00:00:00:02")]);
}

#[test]
fn the_program_is_told_everything_in_order() {
    let mut stage = Stage::with_defaults();
    let (a, b) = (stage.client(1), stage.client(2));
    let id = stage.create(a, "25", "01:00:00:00");
    let session = SessionId::parse(&id).unwrap();
    stage.join(b, &id);
    stage.ask(a, START_LINE);
    stage.run(80_000_000);
    stage.ask(b, r#"{"type":"reset_timecode","timecode":"02:00:00:00"}"#);
    stage.ask(b, STOP_LINE);
    stage.close(a);
    stage.line(b, r#"{"type":"leave_session"}"#);
    let events: Vec<String> = stage
        .events
        .iter()
        .map(|event| match event {
            Event::ClientConnected { conn, remote } => format!("connected {} {remote}", conn.0),
            Event::ClientDisconnected { conn } => format!("disconnected {}", conn.0),
            Event::SessionCreated { id, by, label } => format!("created {} {by:?} {label}", *id == session),
            Event::SessionJoined { by, .. } => format!("joined {}", by.0),
            Event::SessionLeft { by, .. } => format!("left {}", by.0),
            Event::SessionStarted { by, label, .. } => format!("started {} {label}", by.unwrap().0),
            Event::SessionStopped { by, label, .. } => format!("stopped {} {label}", by.unwrap().0),
            Event::SessionReset { by, label, .. } => format!("reset {} {label}", by.unwrap().0),
            Event::SessionRemoved { label, uptime, .. } => format!("removed {label} {}", uptime.as_millis()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        events,
        [
            "connected 1 127.0.0.1:50000",
            "connected 2 127.0.0.1:50000",
            "created true Some(ConnId(1)) 01:00:00:00",
            "joined 2",
            "started 1 01:00:00:00",
            "reset 2 02:00:00:00",
            "stopped 2 02:00:00:00",
            "left 1",
            "disconnected 1",
            "left 2",
            "removed 02:00:00:00 80",
        ]
    );
}

#[test]
fn the_program_has_sessions_of_its_own() {
    let mut stage = Stage::with_defaults();
    let now = stage.now;
    let spec = SessionSpec::new("29.97df").with_label("00:00:59;28").with_name("Studio \"1\"").pinned();
    let id = stage.server.create_session(now, spec).unwrap();
    stage.server.start(now, id).unwrap();
    assert_eq!(stage.server.start(now, id), Err(UsageError::Running));
    // nobody listens: nothing to do
    assert_eq!(stage.server.poll_timeout(), None);
    stage.pass(3_600_000_000_000);
    let a = stage.client(1);
    let joined = stage.join(a, &id.to_string());
    assert_eq!(string_of(&joined[0], "current_timecode"), "01:00:59;28"); // 107 892 frames later
    stage.run(100_000_000);
    assert_eq!(stage.take(a).len(), 3);

    let info = stage.server.session(stage.now, id).unwrap();
    assert_eq!((info.name, info.pinned, info.client_count), (Some("Studio \"1\""), true, 1));
    assert_eq!(info.uptime, Duration::from_millis(3_600_100));
    assert_eq!(info.created_at, Some(1_795_252_445_123_456_789));
    assert_eq!(stage.server.status().to_string(), "Status: 1 clients, 1 sessions");

    stage.server.reset(stage.now, id, "10:00:00;00").unwrap();
    stage.server.stop(stage.now, id).unwrap();
    stage.drain();
    assert_eq!(stage.take(a), [timecode("reset", "10:00:00;00"), timecode("stopped", "10:00:00;00")]);
    assert_eq!(stage.server.stop(stage.now, id), Err(UsageError::NotRunning));
    assert_eq!(stage.server.reset(stage.now, id, "10:00"), Err(UsageError::LabelFormat));
    assert!(matches!(stage.server.reset(stage.now, id, "10:01:00;00"), Err(UsageError::Label(_))));
    assert_eq!(stage.server.create_session(stage.now, SessionSpec::new("31")), Err(UsageError::Framerate));

    // it stays without members, and goes when the program says so
    stage.line(a, r#"{"type":"leave_session"}"#);
    stage.join(a, &id.to_string());
    stage.server.start(stage.now, id).unwrap();
    stage.server.remove(stage.now, id).unwrap();
    stage.drain();
    assert_eq!(stage.take(a), [timecode("started", "10:00:00;00"), timecode("stopped", "10:00:00;00")]);
    assert_eq!(stage.ask(a, START_LINE), [error("Not in a session")]);
    assert_eq!(stage.server.remove(stage.now, id), Err(UsageError::NoSuchSession));
    assert_eq!(stage.server.poll_timeout(), None);
}

#[test]
fn a_session_follows_other_timecode() {
    let mut stage = Stage::with_defaults();
    let a = stage.client(1);
    let spec = SessionSpec::new("25").pinned();
    let id = stage.server.create_session(stage.now, spec).unwrap();
    stage.join(a, &id.to_string());
    let frame = 40_000_000;
    let base = stage.now.as_nanos();
    let at =
        |k: u64, jitter: i64| machine::Instant::from_nanos((base + k * frame).saturating_add_signed(jitter));
    let label = |k: u64| format!("10:00:{:02}:{:02}", k / 25, k % 25);
    // 200 frames whose instants are read up to 15 ms wrong, each told 5 ms after it was read
    let mut updates = Vec::new();
    for k in 0..200_u64 {
        let jitter = i64::try_from(k * 7_919 % 31).unwrap() * 1_000_000 - 15_000_000;
        let read = at(k, jitter);
        stage.run(read.as_nanos() + 5_000_000 - stage.now.as_nanos().min(read.as_nanos() + 5_000_000));
        stage.server.steer(stage.now, id, &label(k), read).unwrap();
        stage.drain();
        updates.extend(stage.take(a));
    }
    assert_eq!(updates[0], timecode("started", &label(0)));
    let labels: Vec<_> = updates[1..].iter().map(|line| string_of(line, "timecode")).collect();
    assert!(updates[1..].iter().all(|line| line.contains("timecode_update")));
    assert!(labels.windows(2).all(|pair| pair[0] < pair[1]), "an update went backwards");
    assert!(labels.len() >= 198 && labels.last().unwrap() >= &label(199));

    // members cannot pull at it
    for line in [START_LINE, STOP_LINE, r#"{"type":"reset_timecode"}"#] {
        assert_eq!(stage.ask(a, line), [error("Session follows other timecode")]);
    }
    // a cut is told at once
    let now = stage.now;
    stage.server.steer(now, id, "20:00:00:00", now).unwrap();
    stage.drain();
    assert_eq!(stage.take(a), [timecode("reset", "20:00:00:00")]);
    stage.run(frame);
    assert_eq!(stage.take(a), [timecode("update", "20:00:00:01")]);
    // the source is gone
    stage.server.stop(stage.now, id).unwrap();
    stage.drain();
    assert_eq!(stage.take(a), [timecode("stopped", "20:00:00:01")]);
    assert_eq!(stage.ask(a, START_LINE), [timecode("started", "20:00:00:01")]);
    assert_eq!(
        stage.server.steer(stage.now, SessionId::from_random([0; 16]), "x", now),
        Err(UsageError::NoSuchSession)
    );
}

#[test]
fn a_flood_of_commands_reaches_the_flooder_only() {
    let mut stage = Stage::new(ServerConfig::new(SEED).with_announcements(100, 200));
    let (flooder, other) = (stage.client(1), stage.client(2));
    let id = stage.create(flooder, "25", "00:00:00:00");
    stage.join(other, &id);
    stage.ask(flooder, START_LINE);
    stage.take(other);
    // one second of it, 2000 resets at once in each tenth
    let resets: String = (0..2000)
        .map(|k| format!("{{\"type\":\"reset_timecode\",\"timecode\":\"0{}:00:00:00\"}}\n", k % 10))
        .collect();
    for _ in 0..10 {
        stage.bytes(flooder, resets.as_bytes());
        stage.run(100_000_000);
    }
    let answers = stage.take(flooder);
    assert_eq!(answers.iter().filter(|line| line.contains("reset")).count(), 20_000);
    assert_eq!(answers.iter().filter(|line| line.contains("update")).count(), 25);
    let seen = stage.take(other);
    let resets = seen.iter().filter(|line| line.contains("timecode_reset")).count();
    assert!((100..=99 + 200 + 26).contains(&resets), "{resets}");
    assert_eq!(seen.iter().filter(|line| line.contains("update")).count(), 25);
    // all agree in the end
    stage.run(200_000_000);
    assert_eq!(stage.take(other), stage.take(flooder));
}

#[test]
fn who_is_behind_is_told_the_outcome() {
    // one announcement a second
    let mut stage = Stage::new(ServerConfig::new(SEED).with_announcements(1, 1));
    let (a, b) = (stage.client(1), stage.client(2));
    let id = stage.create(a, "25", "00:00:00:00");
    stage.join(b, &id);
    let reset = r#"{"type":"reset_timecode","timecode":"01:00:00:00"}"#;
    let outcome = |stage: &mut Stage, lines: &[&str]| {
        for line in lines {
            stage.line(a, line);
        }
        let missed = stage.take(b);
        stage.run(2_000_000_000);
        let own = stage.take(a);
        let told = stage.take(b);
        (missed, told[..told.len().min(2)].to_vec(), own)
    };
    // started, while a reset used up the second
    let (missed, told, own) = outcome(&mut stage, &[reset, START_LINE]);
    assert_eq!(missed, [timecode("reset", "01:00:00:00")]);
    assert_eq!(told, [timecode("started", "01:00:00:00"), timecode("update", "01:00:00:01")]);
    assert_eq!(own[1..3], [timecode("started", "01:00:00:00"), timecode("update", "01:00:00:01")]);
    // stopped and started again: it runs on
    let (missed, told, _) = outcome(&mut stage, &[reset, STOP_LINE, START_LINE]);
    assert_eq!(missed, [timecode("reset", "01:00:00:00")]);
    assert_eq!(told, [timecode("reset", "01:00:00:00"), timecode("update", "01:00:00:01")]);
    // stopped
    let (_, told, _) = outcome(&mut stage, &[reset, STOP_LINE]);
    assert_eq!(told, [timecode("stopped", "01:00:00:00")]);
    // at rest, started and stopped and reset: a reset
    let (_, told, own) = outcome(&mut stage, &[reset, START_LINE, STOP_LINE, r#"{"type":"reset_timecode"}"#]);
    assert_eq!(told, [timecode("reset", "00:00:00:00")]);
    assert_eq!(own.len(), 4);
    assert_eq!(stage.server.poll_timeout(), None);
}

#[test]
fn reports_have_a_budget() {
    let mut stage = Stage::with_defaults();
    let a = stage.client(1);
    stage.ask(a, HELLO);
    for _ in 0..50 {
        assert_eq!(
            stage.ask(a, r#"{"type":"list_sessions"}"#),
            [r#"{"type": "session_list", "sessions": []}"#]
        );
    }
    assert_eq!(stage.ask(a, r#"{"type":"get_status"}"#), [error("Too many requests")]);
    stage.pass(50_000_000);
    assert_eq!(integer_of(&stage.ask(a, r#"{"type":"get_status"}"#)[0], "connected_clients"), 1);
}

#[test]
fn lists_name_what_the_program_named() {
    let mut stage = Stage::with_defaults();
    let a = stage.client(1);
    stage.ask(a, HELLO);
    stage.server.create_session(stage.now, SessionSpec::new("25").with_name("Bühne")).unwrap();
    stage.pass(1);
    stage.create(a, "24", "00:00:00:00");
    let list = stage.ask(a, r#"{"type":"list_sessions"}"#);
    assert!(
        list[0]
            .contains(r#""framerate": "25", "timecode": "00:00:00:00", "running": false, "client_count": 0"#)
    );
    assert!(list[0].contains(r#""name": "B\u00fchne"}, {"#) && list[0].ends_with(r#""name": null}]}"#));
    stage.server.set_address("0.0.0.0", 9000);
    assert_eq!(integer_of(&stage.ask(a, r#"{"type":"get_status"}"#)[0], "port"), 9000);
}

#[test]
fn hello_counts_from_the_next_message_on() {
    let mut stage = Stage::with_defaults();
    let a = stage.client(1);
    stage.create(a, "25", "00:00:00:00");
    stage.line(a, START_LINE);
    stage.line(a, HELLO);
    stage.line(a, STOP_LINE);
    stage.line(a, r#"{"type":"hello","extensions":[]}"#);
    stage.line(a, START_LINE);
    let got = stage.take(a);
    assert_eq!(got[0], timecode("started", "00:00:00:00"));
    assert!(got[2].ends_with(r#""frame": 0, "rate": "25/1", "drop": false, "at_ns": 1000000000}"#));
    assert_eq!(got[4], timecode("started", "00:00:00:00"));
}

#[test]
fn what_makes_no_sense_is_passed_over() {
    let mut stage = Stage::with_defaults();
    let ghost = ConnId(99);
    let mut buffer = bytes::BytesMut::from("{\"type\":\"ping\"}\n");
    stage.input(ghost, Input::Bytes(&mut buffer));
    assert!(buffer.is_empty());
    stage.input(ghost, Input::End(&mut bytes::BytesMut::from("x")));
    stage.input(ghost, Input::Text("x"));
    stage.input(ghost, Input::Closed(CloseReason::Remote));
    assert!(stage.got.is_empty() && stage.closed.is_empty() && stage.events.is_empty());
}

#[test]
fn the_seed_is_not_shown() {
    let config = ServerConfig::new([0xA5; 32]);
    assert!(!format!("{config:?}{:?}", smpte_timecode::server::Server::new(config.clone())).contains("165"));
}
