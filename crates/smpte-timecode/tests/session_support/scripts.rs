//! What the two session machines are put through by the generic checks.
#![allow(dead_code, reason = "each test file uses a part")]

use std::time::Duration;

use machine::conformance::{Step, Suite};
use machine::{CloseReason, ConnId, Service};
use smpte_timecode::client::Client;
use smpte_timecode::config::{ClientConfig, ServerConfig};
use smpte_timecode::message::SessionId;
use smpte_timecode::server::{Server, SessionSpec};

const HELLO: &str = r#"{"type": "hello", "extensions": ["frame", "clock", "list", "status"]}"#;

/// The id of the `n`th session of a server with this seed, from 0.
fn id(n: usize) -> String {
    let mut server = Server::new(ServerConfig::new([42; 32]));
    let spec = SessionSpec::new("24");
    let ids = (0..=n).map(|_| server.create_session(machine::Instant::default(), spec).unwrap());
    ids.last().unwrap().to_string()
}

fn lines<M>(conn: u64, lines: &[&str]) -> Step<M> {
    Step::bytes(conn, lines.join("\n") + "\n")
}

/// Every message with every answer, two members on a stream and one on a WebSocket, and what the program can do.
pub(crate) fn server() -> Suite<Server> {
    let ms = Duration::from_millis;
    let join = |n: usize| format!(r#"{{"type": "join_session", "session_id": "{}"}}"#, id(n));
    let steer = |label: &'static str| {
        let first = SessionId::parse(&id(0)).unwrap();
        Step::call(move |server: &mut Server, now| {
            let _ = server.steer(now, first, label, now);
        })
    };
    let config =
        || ServerConfig::new([42; 32]).with_max_clients(4).with_max_sessions(4).with_announcements(5, 50);
    Suite::new(move || Server::new(config())).script([
        Step::WallClock(1_795_252_445_123_456_789),
        Step::stream(1, Service(0)),
        Step::stream(2, Service(0)),
        Step::web_socket(3, Service(0)),
        lines(
            1,
            &[
                r#"{"type": "create_session", "framerate": "29.97", "initial_timecode": "00:00:59;27"}"#,
                HELLO,
            ],
        ),
        lines(2, &["", "nonsense\r", "5", "{}", r#"{"type": "join_session", "session_id": "x"}"#, &join(0)]),
        Step::text(3, join(0)),
        lines(2, &[r#"{"type": "start_timecode"}"#, r#"{"type": "start_timecode"}"#]),
        Step::Wait(ms(150)),
        lines(
            1,
            &[
                r#"{"type": "reset_timecode", "timecode": "23:59:59:28"}"#,
                r#"{"type": "reset_timecode", "timecode": "é"}"#,
            ],
        ),
        Step::Wait(ms(70)),
        lines(
            1,
            &[r#"{"type": "ping", "t": 1.5}"#, r#"{"type": "list_sessions"}"#, r#"{"type": "get_status"}"#],
        ),
        // more than may be told at once
        lines(
            2,
            &[
                r#"{"type": "reset_timecode"}"#,
                r#"{"type": "stop_timecode"}"#,
                r#"{"type": "start_timecode"}"#,
            ]
            .repeat(5),
        ),
        Step::Timeout,
        Step::Timeout,
        Step::text(3, r#"{"type": "stop_timecode"}"#),
        Step::text(3, r#"{"type": "create_session", "framerate": "119.88df"}"#),
        Step::binary(3, &b"{\"type\": \"start_timecode\"}"[..]),
        Step::binary(3, &b"\xff"[..]),
        Step::Wait(ms(40)),
        Step::call(|server: &mut Server, now| {
            if let Ok(id) = server.create_session(now, SessionSpec::new("25").with_name("n").pinned()) {
                let _ = server.start(now, id);
            }
        }),
        lines(2, &[&join(2)]),
        Step::Wait(ms(100)),
        steer("10:00:00:00"),
        Step::Wait(ms(100)),
        steer("10:00:00:03"),
        steer("11:00:00:00"),
        Step::Wait(ms(60)),
        Step::stream(4, Service(0)),
        Step::stream(5, Service(0)),
        Step::bytes(4, [b"[".repeat(5000), b"\n".to_vec(), vec![b' '; 65_537]].concat()),
        lines(1, &[r#"{"type": "leave_session"}"#, r#"{"type": "leave_session"}"#]),
        lines(1, &[&join(2), r#"{"type": "stop_timecode"}"#, r#"{"type": "start_timecode"}"#]),
        Step::bytes(1, r#"{"type": "create_session", "framerate": "50"}"#),
        Step::end(1),
        Step::closed(3, CloseReason::Failed),
        Step::Dropped(ConnId(2), 1),
        Step::Wait(ms(50)),
        Step::closed(2, CloseReason::Remote),
    ])
}

const WELCOME: &str =
    r#"{"type": "welcome", "message": "Hi", "supported_framerates": ["24", "29.97", "25"]}"#;
const CREATED: &str = r#"{"type": "session_created", "session_id": "s1", "framerate": "25", "initial_timecode": "10:00:00:00"}"#;

/// A local call, whatever comes of it.
fn call<T>(act: impl Fn(&mut Client) -> T + 'static) -> Step<Client> {
    Step::call(move |client: &mut Client, _| {
        act(client);
    })
}

/// A server with extensions, then one without over a WebSocket, and every command.
pub(crate) fn client() -> Suite<Client> {
    let ms = Duration::from_millis;
    let update = |kind: &str, label: &str, frame: i64, at: i64| {
        format!(
            r#"{{"type": "timecode_{kind}", "timecode": "{label}", "frame": {frame}, "rate": "25/1", "drop": false, "at_ns": {at}}}"#
        )
    };
    Suite::new(|| Client::new(ClientConfig::new())).script([
        Step::stream(1, Service(0)),
        lines(1, &[WELCOME, r#"{"type": "hello", "extensions": ["clock", "frame", "list", "status", "x"], "server": "s"}"#]),
        Step::Wait(ms(250)),
        call(|client| client.create("25", Some("10:00:00:00"))),
        lines(1, &[CREATED, r#"{"type": "pong", "t": 200000000, "server_ns": 77}"#]),
        call(|client| client.start()),
        lines(1, &[&update("started", "10:00:00:00", 900_000, 1), &update("update", "10:00:00:01", 900_001, 2)]),
        Step::call(|client: &mut Client, now| {
            client.display(now);
        }),
        lines(1, &["nonsense", "[]", r#"{"type": "new", "x": [1]}"#, r#"{"type": "error", "message": "no"}"#]),
        call(|client| (client.stop(), client.reset(None), client.reset(Some("01:00:00;00")), client.leave())),
        lines(1, &[&update("update", "10:00:00:02", 900_002, 3)]),
        call(|client| (client.request_sessions(), client.request_status(), client.join("s"))),
        lines(1, &[
            r#"{"type": "session_list", "sessions": [{"session_id": "s1", "framerate": "25"}, 7]}"#,
            r#"{"type": "status", "host": "h", "port": 1, "sessions": [{"id": "s1"}]}"#,
            r#"{"type": "session_joined", "session_id": "s1", "framerate": "25", "current_timecode": "x", "running": true}"#,
        ]),
        Step::Wait(ms(5000)),
        Step::bytes(1, r#"{"type": "timecode_stopped", "timecode": "x"}"#),
        Step::end(1),
        Step::web_socket(2, Service(0)),
        Step::text(2, WELCOME),
        Step::text(2, r#"{"type": "error", "message": "Unknown command"}"#),
        Step::text(2, CREATED),
        call(|client| (client.join("s"), client.create("24", None))),
        Step::binary(2, &b"{\"type\": \"timecode_reset\", \"timecode\": \"\"}"[..]),
        Step::text(2, " "),
        Step::stream(3, Service(0)),
        lines(3, &[WELCOME]),
        call(Client::close),
    ])
}
