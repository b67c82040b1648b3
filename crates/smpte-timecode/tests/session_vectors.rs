//! The conversations and messages of `specification/vectors/smpte-session*.json`.

mod session_support;

use std::collections::BTreeMap;

use bytes::BytesMut;
use machine::{ConnId, Transport};
use serde_json::Value;
use session_support::{SEED, Stage, string_of};
use smpte_timecode::config::ServerConfig;
use smpte_timecode::message::{ClientMessage, ServerMessage};

const CONVERSATIONS: &str = include_str!("../../../specification/vectors/smpte-session.json");
const MESSAGES: &str = include_str!("../../../specification/vectors/smpte-session-messages.json");

#[derive(Debug)]
enum Step {
    Open(char),
    Send(char, Vec<u8>),
    End(char, Vec<u8>),
    Wait(u64),
    Expect(Vec<char>, String),
    Closed(char),
}

struct Conversation {
    name: String,
    truncated_labels: bool,
    steps: Vec<Step>,
}

fn conversations() -> Vec<Conversation> {
    let file: Value = serde_json::from_str(CONVERSATIONS).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() > 100);
    let conversation = |vector: &Value| Conversation {
        name: vector["name"].as_str().unwrap().to_owned(),
        truncated_labels: vector["truncated_labels"] == Value::Bool(true),
        steps: vector["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| self::step(step.as_str().unwrap()))
            .collect(),
    };
    vectors.iter().map(conversation).collect()
}

fn step(text: &str) -> Step {
    let (who, rest) = text.split_once(' ').unwrap();
    if who == "wait" {
        return Step::Wait(rest.parse().unwrap());
    }
    let client = who.chars().next().unwrap();
    let (verb, line) = rest.split_once(' ').unwrap_or((rest, ""));
    match verb {
        "open" => Step::Open(client),
        ">" => Step::Send(client, format!("{line}\n").into_bytes()),
        "hex" => Step::Send(client, hex(line)),
        "end" => Step::End(client, line.as_bytes().to_vec()),
        "<" => Step::Expect(who.split(',').map(|name| name.parse().unwrap()).collect(), line.to_owned()),
        "closed" => Step::Closed(client),
        _ => panic!("{text}"),
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// How bytes get to the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    /// A line at a time.
    Lines,
    /// All that a client says before anything else happens, in pieces of this size.
    Pieces(usize),
}

/// Plays a conversation and says which ids the sessions got, in order of creation.
fn play(conversation: &Conversation, cut: Cut, transport: Transport, known: &[String]) -> Vec<String> {
    let config = ServerConfig::new(SEED).with_truncated_labels(conversation.truncated_labels);
    let mut play = Play {
        stage: Stage::new(config),
        transport,
        cut,
        ids: known.to_vec(),
        pending: None,
        expected: BTreeMap::new(),
    };
    for step in &conversation.steps {
        play.step(step);
    }
    play.flush();
    play.check(&conversation.name);
    play.ids
}

struct Play {
    stage: Stage,
    transport: Transport,
    cut: Cut,
    ids: Vec<String>,
    /// What a client has said that the server has not been given yet.
    pending: Option<(char, Vec<u8>)>,
    expected: BTreeMap<char, Vec<String>>,
}

impl Play {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Open(client) => {
                self.flush();
                self.stage.open_as(conn(*client).0, self.transport);
            }
            Step::Send(client, bytes) => {
                if self.cut == Cut::Lines || self.pending.as_ref().is_some_and(|(who, _)| who != client) {
                    self.flush();
                }
                let bytes = self.filled_in(bytes);
                self.pending.get_or_insert((*client, Vec::new())).1.extend(bytes);
                if self.cut == Cut::Lines {
                    self.flush();
                }
            }
            Step::End(client, tail) => {
                self.flush();
                let tail = self.filled_in(tail);
                self.stage.end(conn(*client), &tail);
            }
            Step::Wait(nanos) => {
                self.flush();
                self.stage.wait(*nanos);
            }
            Step::Expect(clients, line) => {
                for client in clients {
                    self.expected.entry(*client).or_default().push(line.clone());
                }
            }
            Step::Closed(client) => {
                self.flush();
                assert!(self.stage.closed.contains(&conn(*client)));
            }
        }
        if self.cut == Cut::Lines {
            self.learn_ids();
        }
    }

    fn flush(&mut self) {
        let Some((client, bytes)) = self.pending.take() else { return };
        let size = match self.cut {
            Cut::Lines => bytes.len().max(1),
            Cut::Pieces(size) => size,
        };
        for piece in bytes.chunks(size) {
            self.stage.bytes(conn(client), piece);
        }
    }

    fn learn_ids(&mut self) {
        for line in self.stage.got.values().flatten().filter(|line| line.contains("session_created")) {
            let id = string_of(line, "session_id");
            if !self.ids.contains(&id) {
                self.ids.push(id);
            }
        }
    }

    fn filled_in(&self, bytes: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
        let mut text = text.to_owned();
        for (at, id) in self.ids.iter().enumerate() {
            text = text
                .replace(&format!("${}", at + 1), id)
                .replace(&format!("$upper{}", at + 1), &id.to_uppercase());
        }
        text.into_bytes()
    }

    fn check(&mut self, name: &str) {
        let got: BTreeMap<char, Vec<String>> = std::mem::take(&mut self.stage.got)
            .into_iter()
            .map(|(conn, lines)| (char::from(u8::try_from(conn.0).unwrap()), lines))
            .collect();
        let fill = |line: &String| String::from_utf8(self.filled_in(line.as_bytes())).unwrap();
        let expected: BTreeMap<char, Vec<String>> =
            self.expected.iter().map(|(client, lines)| (*client, lines.iter().map(fill).collect())).collect();
        assert_eq!(got, expected, "{name}, {:?}, {:?}", self.cut, self.transport);
    }
}

fn conn(client: char) -> ConnId {
    ConnId(u64::from(client))
}

#[test]
fn conversations_go_as_written_in_every_split() {
    for conversation in &conversations() {
        let ids = play(conversation, Cut::Lines, Transport::Stream, &[]);
        let longest =
            conversation.steps.iter().map(|step| if let Step::Send(_, b) = step { b.len() } else { 0 }).max();
        for size in (1..=longest.unwrap_or(1) + 1).chain([usize::MAX]) {
            assert_eq!(play(conversation, Cut::Pieces(size), Transport::Stream, &ids), ids);
        }
    }
}

#[test]
fn conversations_go_as_written_over_web_sockets() {
    for conversation in &conversations() {
        play(conversation, Cut::Lines, Transport::WebSocket, &[]);
    }
}

#[test]
fn server_lines_of_conversations_are_read_and_written_again() {
    for conversation in conversations() {
        for step in conversation.steps {
            let Step::Expect(_, line) = step else { continue };
            let message = ServerMessage::parse(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!(message.to_line(), format!("{line}\n"));
        }
    }
}

#[test]
fn messages_are_read_and_written_again() {
    let file: Value = serde_json::from_str(MESSAGES).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() > 30);
    for vector in vectors {
        let line = vector["line"].as_str().unwrap();
        let mut out = BytesMut::new();
        match vector["side"].as_str().unwrap() {
            "client" => ClientMessage::parse(line).unwrap().encode(&mut out),
            "server" => ServerMessage::parse(line).unwrap().encode(&mut out),
            side => panic!("{side}"),
        }
        assert_eq!(out, line);
        for end in 0..line.len() {
            if let Some(prefix) = line.get(..end) {
                assert!(ClientMessage::parse(prefix).is_err() && ServerMessage::parse(prefix).is_err());
            }
        }
    }
}
