//! The session protocol: messages, and the fan-out of a frame. Beside what one gets with serde_json's derive and a
//! message encoded for each member.

use std::collections::VecDeque;
use std::hint::black_box;
use std::net::SocketAddr;

use bytes::BytesMut;
use machine::{ConnId, Input, Instant, Machine, Opened, Output, Peer, Service, Transport};
use serde::{Deserialize, Serialize};
use smpte_timecode::config::ServerConfig;
use smpte_timecode::message::{ClientMessage, ServerMessage, TimecodeKind, TimecodeMessage};
use smpte_timecode::server::Server;
use smpte_timecode::{Rate, Timecode};

use super::OURS;
use crate::contest::{Contest, Unit};

const SERDE_JSON: &str = "serde_json 1";

/// What clients say, as the original client writes it.
const REQUESTS: [&str; 8] = [
    r#"{"type": "create_session", "framerate": "29.97", "initial_timecode": "01:00:00:00"}"#,
    r#"{"type": "join_session", "session_id": "ab1dd792-aeca-4566-a575-9d267ea3664c"}"#,
    r#"{"type": "start_timecode"}"#,
    r#"{"type": "reset_timecode", "timecode": "10:00:00:00"}"#,
    r#"{"type": "stop_timecode"}"#,
    r#"{"type": "leave_session"}"#,
    r#"{"type":"reset_timecode","timecode":"23:59:59:29"}"#,
    r#"{"type":"start_timecode"}"#,
];

/// Updates in a pass.
const UPDATES: usize = 100;

/// Reading of messages, writing of updates, and a frame told to so many members.
pub fn session() -> Vec<Contest> {
    let mut contests = vec![read(), write()];
    contests.extend([1, 100, 1000, 5000].map(fan_out));
    contests
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only read")]
enum DerivedRequest<'a> {
    CreateSession {
        framerate: &'a str,
        #[serde(default)]
        initial_timecode: Option<&'a str>,
    },
    JoinSession {
        session_id: &'a str,
    },
    LeaveSession,
    StartTimecode,
    StopTimecode,
    ResetTimecode {
        #[serde(default)]
        timecode: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct DerivedUpdate<'a> {
    r#type: &'static str,
    timecode: &'a str,
}

fn read() -> Contest {
    Contest::new("session: read a request", Unit::Nanoseconds, REQUESTS.len())
        .entrant(OURS, || {
            for request in REQUESTS {
                _ = black_box(ClientMessage::parse(black_box(request)));
            }
        })
        .entrant(SERDE_JSON, || {
            for request in REQUESTS {
                _ = black_box(serde_json::from_str::<DerivedRequest<'_>>(black_box(request)));
            }
        })
}

fn write() -> Contest {
    let labels = labels();
    let same = labels.clone();
    Contest::new("session: write an update", Unit::Nanoseconds, UPDATES)
        .entrant(OURS, move || {
            for label in &labels {
                black_box(update(black_box(label)).to_line());
            }
        })
        .entrant(SERDE_JSON, move || {
            for label in &same {
                black_box(derived_update(black_box(label)));
            }
        })
}

fn fan_out(members: u64) -> Contest {
    let mut ours = Running::new(members);
    let mut queues: Vec<VecDeque<Vec<u8>>> = vec![VecDeque::with_capacity(4); members as usize];
    let mut label = Timecode::midnight(Rate::FPS_29_97);
    Contest::new(format!("session: a frame to {members} members, each"), Unit::Nanoseconds, members as usize)
        .entrant(OURS, move || assert_eq!(ours.tick(), members))
        .entrant("serde_json 1, written for each", move || {
            label.increment();
            for queue in &mut queues {
                queue.push_back(derived_update(&label.to_string()));
                black_box(queue.pop_front());
            }
        })
}

fn labels() -> Vec<String> {
    (0..UPDATES as i64).map(|k| Timecode::from_frame(Rate::FPS_29_97, 107_990 + k).to_string()).collect()
}

fn update(label: &str) -> ServerMessage<'_> {
    ServerMessage::Timecode(TimecodeMessage {
        kind: TimecodeKind::Update,
        timecode: label.into(),
        position: None,
    })
}

fn derived_update(label: &str) -> Vec<u8> {
    let update = DerivedUpdate { r#type: "timecode_update", timecode: label };
    let mut line = serde_json::to_vec(&update).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A server with one session that runs.
struct Running {
    server: Server,
}

impl Running {
    fn new(members: u64) -> Self {
        let mut running = Self { server: Server::new(ServerConfig::new([0; 32])) };
        let mut request = "{\"type\": \"create_session\", \"framerate\": \"29.97\"}\n".to_owned();
        for conn in 0..members {
            running.open(conn);
            let answer = running.say(conn, &request);
            if conn == 0 {
                let id = answer.split('"').nth(7).unwrap_or_default();
                request = format!("{{\"type\": \"join_session\", \"session_id\": \"{id}\"}}\n");
            }
        }
        running.say(0, "{\"type\": \"start_timecode\"}\n");
        assert_eq!(running.tick(), members, "every member gets an update");
        running
    }

    fn open(&mut self, conn: u64) {
        let local = SocketAddr::from(([127, 0, 0, 1], 8080));
        let opened = Opened { service: Service(0), local, remote: local, transport: Transport::Stream };
        self.server.handle_input(START, Peer::Conn(ConnId(conn)), Input::Opened(opened));
        while self.server.poll_output().is_some() {}
    }

    /// Says a line; what is answered.
    fn say(&mut self, conn: u64, line: &str) -> String {
        self.server.handle_input(START, Peer::Conn(ConnId(conn)), Input::Bytes(&mut BytesMut::from(line)));
        let mut answer = String::new();
        while let Some(output) = self.server.poll_output() {
            if let Output::Send { data, .. } = output {
                answer.push_str(&String::from_utf8_lossy(data.as_bytes()));
            }
        }
        answer
    }

    /// Lets a frame begin; how many members are told.
    fn tick(&mut self) -> u64 {
        if let Some(now) = self.server.poll_timeout() {
            self.server.handle_timeout(now);
        }
        let mut told = 0;
        while let Some(output) = self.server.poll_output() {
            told += u64::from(matches!(black_box(output), Output::Send { .. }));
        }
        told
    }
}

const START: Instant = Instant::from_nanos(1_000_000_000);
