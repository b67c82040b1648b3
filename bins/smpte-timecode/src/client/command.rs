//! What can be typed at the client, as data.

use std::time::Duration;

/// One line of the client (sheet B8).
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `create RATE [LABEL]`
    Create {
        /// As typed.
        rate: String,
        /// As typed.
        label: Option<String>,
    },
    /// `join ID`, or the beginning of an id.
    Join {
        /// As typed.
        id: String,
    },
    /// `leave`
    Leave,
    /// `start`
    Start,
    /// `stop`
    Stop,
    /// `reset [LABEL]`
    Reset {
        /// As typed.
        label: Option<String>,
    },
    /// `status`
    Status,
    /// `list`
    List,
    /// `connect HOST PORT`
    Connect {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// `wait SECONDS`
    Wait(Duration),
    /// `help`
    Help,
    /// `quit` or `exit`
    Quit,
}

/// A line that is no command, and how to write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotACommand(String);

impl std::fmt::Display for NotACommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotACommand {}

/// What `help` prints.
pub const HELP: &str = "\
create RATE [LABEL]   create a session, such as: create 29.97 01:00:00:00
join ID               join a session by its id, or by the beginning of it
leave                 leave the session
start                 start the timecode
stop                  stop the timecode
reset [LABEL]         set the timecode, to 00:00:00:00 without a label
status                show session and connection
list                  show the server's sessions, where it tells
connect HOST PORT     move to another server
wait SECONDS          do nothing for a while
help                  show this
quit                  disconnect and end";

impl Command {
    /// Whether the server answers it, with what was asked for or an error.
    pub fn is_answered(&self) -> bool {
        match self {
            Self::Create { .. }
            | Self::Join { .. }
            | Self::Start
            | Self::Stop
            | Self::Reset { .. }
            | Self::List => true,
            Self::Leave | Self::Status | Self::Connect { .. } | Self::Wait(_) | Self::Help | Self::Quit => {
                false
            }
        }
    }

    /// Reads a line; `None`: it is empty.
    ///
    /// # Errors
    /// When it is no command, with what to type instead.
    pub fn parse(line: &str) -> Result<Option<Self>, NotACommand> {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { return Ok(None) };
        let words: Vec<&str> = words.collect();
        let usage = |how: &str| Err(NotACommand(format!("Usage: {how}")));
        let command = match (first.to_lowercase().as_str(), words.as_slice()) {
            ("create", [rate]) => Self::Create { rate: (*rate).into(), label: None },
            ("create", [rate, label]) => Self::Create { rate: (*rate).into(), label: Some((*label).into()) },
            ("create", _) => return usage("create RATE [HH:MM:SS:FF]"),
            ("join", [id]) => Self::Join { id: (*id).into() },
            ("join", _) => return usage("join ID"),
            ("leave", []) => Self::Leave,
            ("start", []) => Self::Start,
            ("stop", []) => Self::Stop,
            ("reset", []) => Self::Reset { label: None },
            ("reset", [label]) => Self::Reset { label: Some((*label).into()) },
            ("reset", _) => return usage("reset [HH:MM:SS:FF]"),
            ("status", []) => Self::Status,
            ("list", []) => Self::List,
            ("connect", [host, port]) => match port.parse() {
                Ok(port) if port > 0 => Self::Connect { host: (*host).into(), port },
                _ => return usage("connect HOST PORT, with a port from 1 to 65535"),
            },
            ("connect", _) => return usage("connect HOST PORT"),
            ("wait", [seconds]) => match seconds.parse().map(Duration::try_from_secs_f64) {
                Ok(Ok(time)) => Self::Wait(time),
                _ => return usage("wait SECONDS"),
            },
            ("wait", _) => return usage("wait SECONDS"),
            ("help" | "?", _) => Self::Help,
            ("quit" | "exit", []) => Self::Quit,
            (word @ ("leave" | "start" | "stop" | "status" | "list" | "quit" | "exit"), _) => {
                return usage(&format!("{word}, with nothing behind it"));
            }
            _ => return Err(NotACommand(format!("Unknown command: {first}. Type 'help' for the commands"))),
        };
        Ok(Some(command))
    }

    /// Reads commands with `;` between them. A label may have one too: `01:00:00;00` is one word.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), for the first that is none.
    pub fn parse_all(script: &str) -> Result<Vec<Self>, NotACommand> {
        let mut commands = Vec::new();
        let mut line = String::new();
        for (at, c) in script.char_indices() {
            let between_digits = script[..at].ends_with(|c: char| c.is_ascii_digit())
                && script[at..].chars().nth(1).is_some_and(|c| c.is_ascii_digit());
            match c {
                ';' | '\n' if !between_digits => commands.extend(Self::parse(&std::mem::take(&mut line))?),
                _ => line.push(c),
            }
        }
        commands.extend(Self::parse(&line)?);
        Ok(commands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_commands() {
        let create = |rate: &str, label: Option<&str>| Command::Create {
            rate: rate.into(),
            label: label.map(Into::into),
        };
        for (line, command) in [
            ("  create 29.97   01:00:00:00 ", create("29.97", Some("01:00:00:00"))),
            ("CREATE 24", create("24", None)),
            ("join abc", Command::Join { id: "abc".into() }),
            ("Leave", Command::Leave),
            ("start", Command::Start),
            ("reset", Command::Reset { label: None }),
            ("wait 0.5", Command::Wait(Duration::from_millis(500))),
            ("connect ::1 8081", Command::Connect { host: "::1".into(), port: 8081 }),
            ("exit", Command::Quit),
        ] {
            assert_eq!(Command::parse(line), Ok(Some(command)), "{line}");
        }
        assert_eq!(Command::parse(" \t"), Ok(None));
        for wrong in [
            "creat 24",
            "create",
            "create 24 1 2",
            "join",
            "wait",
            "wait -1",
            "wait 1e99",
            "connect h 0",
            "start now",
        ] {
            assert!(Command::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn scripts_keep_drop_frame_labels_whole() {
        let script = Command::parse_all("create 29.97df 01:00:00;00; start;wait 2;stop;;quit;").unwrap();
        assert_eq!(script.len(), 5);
        assert_eq!(script[0], Command::Create { rate: "29.97df".into(), label: Some("01:00:00;00".into()) });
        assert_eq!(script[4], Command::Quit);
        // Digits on both sides of a command's end need a space there.
        assert_eq!(Command::parse_all("wait 1 ; wait 2").unwrap().len(), 2);
    }
}
