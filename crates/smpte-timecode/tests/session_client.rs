//! The session client before servers whose lines are written here (sheet B2, B8).

use bytes::BytesMut;
use machine::{
    CloseReason, Closing, ConnId, Input, Instant, Machine, Opened, Output, Payload, Peer, Service, Transport,
};
use smpte_timecode::client::{Client, Event, Role};
use smpte_timecode::config::ClientConfig;
use smpte_timecode::message::{Extension, Extensions, TimecodeKind};
use smpte_timecode::{DecodeError, UsageError};

const WELCOME: &str = r#"{"type": "welcome", "message": "Connected to SMPTE Timecode Server", "supported_framerates": ["23.976", "24", "29.97", "30", "50", "59.94", "60"]}"#;
const ID: &str = "ab1dd792-aeca-4566-a575-9d267ea3664c";
const HELLO: &str = r#"{"type": "hello", "extensions": ["frame", "clock", "list", "status"]}"#;

struct Stage {
    client: Client,
    now: Instant,
    buffer: BytesMut,
    sent: Vec<String>,
    events: Vec<Event>,
    closed: Vec<(ConnId, Closing)>,
}

impl Stage {
    fn new(config: ClientConfig) -> Self {
        let (client, buffer) = (Client::new(config), BytesMut::new());
        let now = Instant::from_nanos(1_000_000_000);
        Self { client, now, buffer, sent: Vec::new(), events: Vec::new(), closed: Vec::new() }
    }

    /// Connected to the original server.
    fn original() -> Self {
        let mut stage = Self::new(ClientConfig::new());
        stage.open(1, Transport::Stream);
        stage.hears(WELCOME);
        stage.hears(r#"{"type": "error", "message": "Unknown command"}"#);
        assert_eq!(stage.take_sent(), [HELLO]);
        stage.events.clear();
        stage
    }

    /// Connected to a server with all extensions.
    fn extended() -> Self {
        let mut stage = Self::new(ClientConfig::new());
        stage.open(1, Transport::Stream);
        stage.hears(WELCOME);
        stage.hears(r#"{"type": "hello", "extensions": ["frame", "clock", "list", "status"], "server": "genlock/0.1.0"}"#);
        assert_eq!(stage.take_sent(), [HELLO, r#"{"type": "ping", "t": 1000000000}"#]);
        stage.events.clear();
        stage
    }

    fn open(&mut self, conn: u64, transport: Transport) {
        let (local, remote) = ("[::1]:50000".parse().unwrap(), "[::1]:8080".parse().unwrap());
        let opened = Opened { service: Service(0), local, remote, transport };
        self.input(conn, Input::Opened(opened));
    }

    fn input(&mut self, conn: u64, input: Input<'_>) {
        self.client.handle_input(self.now, Peer::Conn(ConnId(conn)), input);
        self.drain();
    }

    fn hears(&mut self, line: &str) {
        self.bytes(format!("{line}\n").as_bytes());
    }

    fn hears_from(&mut self, conn: u64, line: &str) {
        self.input(conn, Input::Bytes(&mut BytesMut::from(format!("{line}\n").as_str())));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(bytes);
        self.input(1, Input::Bytes(&mut buffer));
        self.buffer = buffer;
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Send { data: Payload::Bytes(line), .. } => {
                    self.sent
                        .push(std::str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap().to_owned());
                }
                Output::Send { data: Payload::Text(text), .. } => {
                    self.sent.push(String::from_utf8(text.to_vec()).unwrap());
                }
                Output::Close { conn, how } => self.closed.push((conn, how)),
                Output::Event(event) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
    }

    fn take_sent(&mut self) -> Vec<String> {
        self.drain();
        std::mem::take(&mut self.sent)
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.drain();
        std::mem::take(&mut self.events)
    }

    fn wait(&mut self, nanos: u64) {
        self.now = Instant::from_nanos(self.now.as_nanos() + nanos);
        self.client.handle_timeout(self.now);
        self.drain();
    }

    fn created(&mut self, rate: &str, label: &str) {
        self.hears(&format!(
            r#"{{"type": "session_created", "session_id": "{ID}", "framerate": "{rate}", "initial_timecode": "{label}"}}"#
        ));
    }
}

#[test]
fn commands_go_out_as_the_original_client_sends_them() {
    let mut stage = Stage::original();
    stage.client.create("29.97", Some("01:00:00:00")).unwrap();
    stage.client.join(ID).unwrap();
    stage.created("29.97", "01:00:00:00");
    stage.client.start().unwrap();
    stage.client.reset(None).unwrap();
    stage.client.reset(Some("02:00:00:00")).unwrap();
    stage.client.stop().unwrap();
    stage.client.leave().unwrap();
    stage.client.create("24", None).unwrap();
    assert_eq!(
        stage.take_sent(),
        [
            r#"{"type": "create_session", "framerate": "29.97", "initial_timecode": "01:00:00:00"}"#,
            r#"{"type": "join_session", "session_id": "ab1dd792-aeca-4566-a575-9d267ea3664c"}"#,
            r#"{"type": "start_timecode"}"#,
            r#"{"type": "reset_timecode", "timecode": "00:00:00:00"}"#,
            r#"{"type": "reset_timecode", "timecode": "02:00:00:00"}"#,
            r#"{"type": "stop_timecode"}"#,
            r#"{"type": "leave_session"}"#,
            r#"{"type": "create_session", "framerate": "24", "initial_timecode": "00:00:00:00"}"#,
        ]
    );
}

#[test]
fn what_cannot_be_is_refused_before_it_is_sent() {
    let mut stage = Stage::new(ClientConfig::new().with_extensions(Extensions::NONE));
    assert_eq!(stage.client.create("24", None), Err(UsageError::NotConnected));
    stage.open(1, Transport::Stream);
    assert_eq!(stage.client.join(ID), Err(UsageError::NotConnected));
    assert_eq!(stage.client.start(), Err(UsageError::NotConnected));
    stage.hears(WELCOME);
    assert!(stage.take_sent().is_empty());

    let error = stage.client.create("25", None).unwrap_err();
    let text = "Invalid framerate. Supported: 23.976, 24, 29.97, 30, 50, 59.94, 60";
    assert_eq!(stage.client.explain(error).to_string(), text);
    for label in [
        "1:00:00:00",
        "01:00:00",
        "01:00:00.00",
        "01:00:00:00:00",
        "aa:00:00:00",
        "",
        "01;00;00;00",
        "é1:00:00:0",
    ] {
        let error = stage.client.create("24", Some(label)).unwrap_err();
        assert_eq!(
            stage.client.explain(error).to_string(),
            "Invalid timecode format. Use HH:MM:SS:FF",
            "{label}"
        );
    }
    for error in [
        stage.client.leave(),
        stage.client.start(),
        stage.client.stop(),
        stage.client.reset(None),
        stage.client.reset(Some("x")),
    ] {
        assert_eq!(stage.client.explain(error.unwrap_err()).to_string(), "Not in a session");
    }
    assert_eq!(stage.client.request_sessions(), Err(UsageError::NotOffered("list")));
    assert_eq!(stage.client.request_status(), Err(UsageError::NotOffered("status")));
    stage.created("24", "00:00:00:00");
    assert_eq!(stage.client.reset(Some("x")), Err(UsageError::LabelFormat));
    assert!(stage.take_sent().is_empty());
    stage.client.create("29.97", Some("01:00:00;00")).unwrap();
}

#[test]
fn a_session_of_the_original_is_followed_in_every_split() {
    let lines = [
        WELCOME.to_owned(),
        r#"{"type": "error", "message": "Unknown command"}"#.into(),
        format!(
            r#"{{"type": "session_joined", "session_id": "{ID}", "framerate": "29.97", "current_timecode": "00:00:59:27", "running": false}}"#
        ),
        r#"{"type": "timecode_started", "timecode": "00:00:59:27"}"#.into(),
        r#"{"type": "timecode_update", "timecode": "00:00:59:28"}"#.into(),
        r#"{"type": "timecode_update", "timecode": "00:01:00:00"}"#.into(),
        r#"{"type": "error", "message": "Timecode already running"}"#.into(),
        r#"{"type": "timecode_reset", "timecode": "23:59:59:27"}"#.into(),
        r#"{"type": "timecode_stopped", "timecode": "00:00:11:22"}"#.into(),
    ];
    let stream = lines.join("\r\n") + "\n\n";
    let mut expected = None;
    for size in 1..=stream.len() {
        let mut stage = Stage::new(ClientConfig::new());
        stage.open(1, Transport::Stream);
        for piece in stream.as_bytes().chunks(size) {
            stage.bytes(piece);
        }
        let events = stage.take_events();
        assert_eq!(events.len(), 1 + lines.len());
        assert_eq!(expected.get_or_insert_with(|| events.clone()), &events);
        let session = stage.client.status().session.unwrap();
        assert_eq!((session.id, session.framerate, session.role), (ID, "29.97", Role::Participant));
        assert!(!session.running);
        // no flywheel here: the last label
        assert_eq!(&*stage.client.display(stage.now).unwrap(), "00:00:11:22");
        assert_eq!(stage.client.poll_timeout(), None);
    }
    let events = expected.unwrap();
    assert_eq!(events[2], Event::Extensions { granted: Extensions::NONE, server: String::new() });
    assert!(
        matches!(&events[5], Event::Timecode { kind: TimecodeKind::Update, label, .. } if &**label == "00:00:59:28")
    );
    assert_eq!(events[7], Event::ServerError { message: "Timecode already running".into() });
}

#[test]
fn the_originals_traps_are_gone_round() {
    let mut stage = Stage::original();
    stage.created("24", "00:00:00:00");
    // creating leaves
    stage.client.create("30", None).unwrap();
    let sent = stage.take_sent();
    assert_eq!(sent[0], r#"{"type": "leave_session"}"#);
    assert_eq!(sent.len(), 2);
    // joining one's own session would destroy it
    stage.take_events();
    stage.client.join("ab1d").unwrap();
    assert!(stage.take_sent().is_empty());
    assert!(
        matches!(&stage.take_events()[..], [Event::SessionJoined { id, running: false, .. }] if id == ID)
    );
    // a server with extensions needs neither
    let mut stage = Stage::extended();
    stage.created("24", "00:00:00:00");
    stage.client.create("30", None).unwrap();
    stage.client.join(ID).unwrap();
    assert_eq!(stage.take_sent().len(), 2);
}

#[test]
fn updates_that_were_on_their_way_when_we_left_are_dropped() {
    let mut stage = Stage::original();
    stage.created("24", "00:00:00:00");
    stage.client.leave().unwrap();
    stage.take_events();
    stage.hears(r#"{"type": "timecode_update", "timecode": "00:00:00:01"}"#);
    assert!(stage.take_events().is_empty());
    assert_eq!(stage.client.display(stage.now), None);
    assert_eq!(stage.client.start(), Err(UsageError::NotInSession));
}

#[test]
fn sessions_are_joined_by_the_beginning_of_their_id() {
    let list = r#"{"type": "session_list", "sessions": [{"session_id": "abc1"}, {"session_id": "abd2"}, {"session_id": "b"}, 5]}"#;
    let mut stage = Stage::extended();
    for (prefix, outcome) in [
        ("abc", Ok("abc1")),
        ("b", Ok("b")),
        ("ab", Err(UsageError::Ambiguous { matches: 2 })),
        ("c", Err(UsageError::NoSuchSession)),
    ] {
        stage.client.join(prefix).unwrap();
        assert_eq!(stage.take_sent(), [r#"{"type": "list_sessions"}"#]);
        stage.hears(list);
        match outcome {
            Ok(id) => {
                assert_eq!(
                    stage.take_sent(),
                    [format!(r#"{{"type": "join_session", "session_id": "{id}"}}"#)]
                );
                assert!(stage.take_events().is_empty());
            }
            Err(error) => {
                assert!(stage.take_sent().is_empty());
                assert_eq!(stage.take_events(), [Event::Refused(error)]);
            }
        }
    }
    // a list that the program asked for is its own
    stage.client.request_sessions().unwrap();
    stage.hears(list);
    assert!(matches!(&stage.take_events()[..], [Event::Sessions(sessions)] if sessions.len() == 4));
    stage.hears(list);
    assert!(stage.take_events().is_empty());
    // a whole id needs no list
    stage.client.join(ID).unwrap();
    assert_eq!(stage.take_sent()[1..], [format!(r#"{{"type": "join_session", "session_id": "{ID}"}}"#)]);

    // without lists, the sessions that one was in
    let mut stage = Stage::original();
    stage.created("24", "00:00:00:00");
    stage.client.leave().unwrap();
    stage.client.join("ab1d").unwrap();
    stage.client.join("cd").unwrap();
    let sent = stage.take_sent();
    assert_eq!(sent[1], format!(r#"{{"type": "join_session", "session_id": "{ID}"}}"#));
    assert_eq!(sent[2], r#"{"type": "join_session", "session_id": "cd"}"#);
}

#[test]
fn what_is_not_known_is_handed_on() {
    let mut stage = Stage::original();
    stage.hears(r#"{"type": "chat", "text": "hi"}"#);
    stage.hears("{}");
    stage.hears("nonsense");
    stage.hears("[]");
    stage.hears(r#"{"type": "timecode_update"}"#);
    stage.hears(r#"{"type": "session_created", "framerate": "24"}"#);
    stage.bytes(b"\xff\n");
    assert_eq!(
        stage.take_events(),
        [
            Event::Received(r#"{"type": "chat", "text": "hi"}"#.into()),
            Event::Received("{}".into()),
            Event::Unreadable(DecodeError::Syntax { offset: 1 }),
            Event::Unreadable(DecodeError::NotAnObject),
            Event::Unreadable(DecodeError::Missing { field: "timecode" }),
            Event::Unreadable(DecodeError::Missing { field: "session_id" }),
            Event::Unreadable(DecodeError::Utf8 { offset: 0 }),
        ]
    );
    // an Unknown command that no hello can have caused
    stage.hears(r#"{"type": "error", "message": "Unknown command"}"#);
    assert_eq!(stage.take_events(), [Event::ServerError { message: "Unknown command".into() }]);
}

#[test]
fn the_clock_is_asked_and_the_label_runs_on_it() {
    let mut stage = Stage::extended();
    // our clock reads 1 s, the server's 501 s; the way there takes 2 ms, the way back 2 ms
    stage.wait(4_000_000);
    stage.hears(r#"{"type": "pong", "t": 1000000000, "server_ns": 501002000000}"#);
    assert_eq!(stage.client.status().round_trip.unwrap().as_millis(), 4);
    stage.created("25", "10:00:00:00");
    let begin = stage.now;
    assert_eq!(&*stage.client.display(stage.now).unwrap(), "10:00:00:00");
    assert_eq!(stage.client.moment(stage.now), None);
    // frame 900 000 began 10 ms ago
    stage.hears(r#"{"type": "timecode_started", "timecode": "10:00:00:00", "frame": 900000, "rate": "25/1", "drop": false, "at_ns": 500994000000}"#);
    let moment = stage.client.moment(stage.now).unwrap();
    assert_eq!((moment.frame, moment.timecode.to_string()), (900_000, "10:00:00:00".into()));
    assert_eq!(begin.saturating_since(moment.began).as_millis(), 10);
    let next = stage.client.next_change(stage.now).unwrap();
    assert_eq!(next.saturating_since(begin).as_millis(), 30);
    assert_eq!(&*stage.client.display(Instant::from_nanos(next.as_nanos() - 1)).unwrap(), "10:00:00:00");
    assert_eq!(&*stage.client.display(next).unwrap(), "10:00:00:01");
    let later = |ms: u64| Instant::from_nanos(begin.as_nanos() + ms * 1_000_000);
    assert_eq!(&*stage.client.display(later(1000)).unwrap(), "10:00:01:00");
    // at most 5 s without a word
    assert_eq!(&*stage.client.display(later(60_000)).unwrap(), "10:00:05:00");
    assert_eq!(stage.client.next_change(later(60_000)), None);
    // an update brings it on its way again
    stage.now = later(60_000);
    stage.hears(r#"{"type": "timecode_update", "timecode": "10:00:59:24", "frame": 901499, "rate": "25/1", "drop": false, "at_ns": 560954000000}"#);
    assert_eq!(&*stage.client.display(stage.now).unwrap(), "10:01:00:00");
    stage.hears(r#"{"type": "timecode_stopped", "timecode": "10:01:00:00", "frame": 901500, "rate": "25/1", "drop": false, "at_ns": 560994000000}"#);
    assert_eq!(&*stage.client.display(later(70_000)).unwrap(), "10:01:00:00");
    assert_eq!(stage.client.next_change(stage.now), None);
    // a server that counts in another way is shown as it says
    stage.hears(r#"{"type": "timecode_update", "timecode": "00:00:01:00", "frame": 29, "rate": "30000/1001", "drop": false, "at_ns": 1}"#);
    assert_eq!(&*stage.client.display(later(70_000)).unwrap(), "00:00:01:00");
    assert_eq!(stage.client.moment(stage.now), None);
}

#[test]
fn pings_have_their_times() {
    let mut stage = Stage::extended();
    let mut pings = 0;
    for _ in 0..25 {
        let next = stage.client.poll_timeout().unwrap();
        stage.wait(next.as_nanos() - stage.now.as_nanos());
        let sent = stage.take_sent();
        assert_eq!(sent, [format!(r#"{{"type": "ping", "t": {}}}"#, next.as_nanos())]);
        pings += 1;
    }
    assert_eq!(pings, 25);
    // five more in the first half second, then one every two seconds
    assert_eq!(stage.now.as_nanos(), 1_000_000_000 + 500_000_000 + 20 * 2_000_000_000);
    stage.input(1, Input::Closed(CloseReason::Remote));
    assert_eq!(stage.client.poll_timeout(), None);
}

#[test]
fn a_new_connection_takes_the_place_of_the_old() {
    let mut stage = Stage::extended();
    stage.created("24", "00:00:00:00");
    stage.open(2, Transport::WebSocket);
    assert_eq!(stage.closed, [(ConnId(1), Closing::AfterFlush)]);
    assert_eq!(stage.take_sent(), [HELLO]);
    assert!(!stage.client.status().connected && stage.client.status().session.is_none());
    stage.events.clear();
    // the old one has nothing to say any more
    stage.hears(WELCOME);
    stage.input(1, Input::Closed(CloseReason::Local));
    assert!(stage.take_events().is_empty());
    stage.input(2, Input::Text(WELCOME));
    stage.input(2, Input::Binary(br#"{"type": "chat"}"#));
    assert!(matches!(&stage.take_events()[..], [Event::Welcome { .. }, Event::Received(_)]));
    stage.client.close();
    stage.drain();
    assert_eq!(stage.closed[1], (ConnId(2), Closing::AfterFlush));
    assert_eq!(stage.take_events(), [Event::Disconnected(CloseReason::Local)]);
}

#[test]
fn the_end_of_the_stream_is_read_to_its_last_byte() {
    let mut stage = Stage::original();
    stage.bytes(b"{\"type\": \"chat\"}\n{\"type\":");
    let mut buffer = std::mem::take(&mut stage.buffer);
    buffer.extend_from_slice(b" \"end\"}");
    stage.input(1, Input::End(&mut buffer));
    assert_eq!(
        stage.take_events(),
        [
            Event::Received(r#"{"type": "chat"}"#.into()),
            Event::Received(r#"{"type": "end"}"#.into()),
            Event::Disconnected(CloseReason::Remote)
        ]
    );
    assert_eq!(stage.closed, [(ConnId(1), Closing::AfterFlush)]);
}

#[test]
fn a_line_without_end_is_given_up() {
    let mut stage = Stage::original();
    for _ in 0..65 {
        stage.bytes(&vec![b' '; 1 << 16]);
    }
    assert_eq!(stage.closed, [(ConnId(1), Closing::Now)]);
    let events = stage.take_events();
    assert_eq!(events[0], Event::Unreadable(DecodeError::LineTooLong { limit: 4 << 20 }));
    assert_eq!(events[1], Event::Disconnected(CloseReason::Local));
}

#[test]
fn a_server_may_be_full() {
    let mut stage = Stage::new(ClientConfig::new());
    stage.open(1, Transport::Stream);
    stage.hears(r#"{"type": "error", "message": "Server full"}"#);
    stage.input(1, Input::Closed(CloseReason::Remote));
    let events = stage.take_events();
    assert_eq!(events[1], Event::ServerError { message: "Server full".into() });
    assert_eq!(events[2], Event::Disconnected(CloseReason::Remote));
}

#[test]
fn extensions_are_asked_as_configured() {
    let config = ClientConfig::new().with_extensions([Extension::Frame].into_iter().collect());
    let mut stage = Stage::new(config);
    stage.open(1, Transport::WebSocket);
    assert_eq!(stage.take_sent(), [r#"{"type": "hello", "extensions": ["frame"]}"#]);
}

#[test]
fn errors_are_small() {
    assert!(size_of::<UsageError>() <= 32 && size_of::<DecodeError>() <= 32);
}

#[test]
fn a_lost_session_runs_on_until_it_is_joined_elsewhere() {
    let config = ClientConfig::new().with_flywheel(std::time::Duration::from_secs(30));
    let mut stage = Stage::new(config);
    let greet = |stage: &mut Stage, conn: u64| {
        stage.open(conn, Transport::Stream);
        stage.take_sent();
        stage.hears_from(conn, WELCOME);
        stage.hears_from(conn, r#"{"type": "hello", "extensions": ["frame", "clock", "list", "status"], "server": "genlock/0.1.0"}"#);
        let ping = stage.take_sent().pop().unwrap();
        ping.split("\"t\": ").nth(1).unwrap().trim_end_matches('}').parse::<u64>().unwrap()
    };
    let joined = format!(
        r#"{{"type": "session_joined", "session_id": "{ID}", "framerate": "25", "current_timecode": "10:00:00:00", "running": true}}"#
    );
    let sent = greet(&mut stage, 1);
    // this server's clock is 500 s ahead
    stage.hears_from(1, &format!(r#"{{"type": "pong", "t": {sent}, "server_ns": 501000000000}}"#));
    stage.hears_from(1, &joined);
    stage.hears_from(1, r#"{"type": "timecode_update", "timecode": "10:00:00:00", "frame": 900000, "rate": "25/1", "drop": false, "at_ns": 501000000000}"#);
    let begin = stage.now;
    let shown = |stage: &mut Stage, ms: u64| {
        stage.now = Instant::from_nanos(begin.as_nanos() + ms * 1_000_000);
        let label = stage.client.display(stage.now).unwrap().to_string();
        assert_eq!(stage.client.moment(stage.now).unwrap().timecode.to_string(), label);
        label
    };
    assert_eq!(shown(&mut stage, 400), "10:00:00:10");
    stage.input(1, Input::Closed(CloseReason::Failed));
    assert_eq!(stage.client.status().session, None);
    assert_eq!(stage.client.flywheel().unwrap().id, ID);
    assert_eq!(stage.client.start(), Err(UsageError::NotConnected));
    assert_eq!(shown(&mut stage, 800), "10:00:00:20");
    // the other server's clock is 7 s ahead; it says what it knows, a little at a time
    let sent = greet(&mut stage, 2);
    assert_eq!(shown(&mut stage, 1200), "10:00:01:05");
    stage.hears_from(2, &joined);
    assert_eq!(shown(&mut stage, 1240), "10:00:01:06");
    stage.hears_from(2, r#"{"type": "timecode_update", "timecode": "10:00:01:07", "frame": 900032, "rate": "25/1", "drop": false, "at_ns": 9280000000}"#);
    assert_eq!(shown(&mut stage, 1280), "10:00:01:07");
    assert!(stage.client.flywheel().is_some());
    stage.now = Instant::from_nanos(sent);
    stage
        .hears_from(2, &format!(r#"{{"type": "pong", "t": {sent}, "server_ns": {}}}"#, sent + 7_000_000_000));
    assert_eq!(shown(&mut stage, 1300), "10:00:01:07");
    assert_eq!(stage.client.flywheel(), None);
    assert_eq!(shown(&mut stage, 2000), "10:00:02:00");
    // what is stopped has no flywheel, and one that is not joined again ends
    stage.hears_from(2, r#"{"type": "timecode_stopped", "timecode": "10:00:02:00", "frame": 900050, "rate": "25/1", "drop": false, "at_ns": 10000000000}"#);
    stage.input(2, Input::Closed(CloseReason::Failed));
    assert_eq!(stage.client.flywheel(), None);
    assert_eq!(stage.client.display(stage.now), None);
}
