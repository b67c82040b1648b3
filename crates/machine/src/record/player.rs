//! Recordings played back.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;

use bytes::BytesMut;

use super::field::Field;
use super::line::{Outputs, Told, read_input};
use super::text::{Fields, Unreadable};
use super::{Line, NOTHING_MORE, Recordable};
use crate::{Input, Instant, Peer};

/// A machine that is told what a recording says, and compared with it.
#[derive(Debug)]
pub struct Player<M> {
    machine: M,
    /// What the machine has left of each stream.
    streams: BTreeMap<Peer, BytesMut>,
    outputs: Outputs,
    line: Line,
    played: Played,
}

/// How much has been played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Things that the machine was told, local calls too.
    pub inputs: u64,
    /// Things that it said, all of them as recorded.
    pub outputs: u64,
    /// When it was told the first, and the last.
    pub between: Option<(Instant, Instant)>,
}

/// Why a recording was not played to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A line cannot be read.
    Unreadable(Unreadable),
    /// The machine says something else than it did.
    Differs(Box<Difference>),
}

/// The first output that is another. Both are lines as recordings have them; `.` is nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What was said when it was recorded.
    pub recorded: String,
    /// What is said now.
    pub replayed: String,
}

impl From<Unreadable> for Problem {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Differs(difference) => {
                write!(f, "recorded: {}; replayed: {}", difference.recorded, difference.replayed)
            }
        }
    }
}

impl core::error::Error for Problem {}

impl<M: Recordable> Player<M> {
    /// A machine as the line `machine` describes it; `fields` is what follows its name there.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn open(mut fields: Fields<'_>) -> Result<Self, Unreadable> {
        let config = M::Config::read(&mut fields)?;
        fields.end()?;
        Ok(Self {
            machine: M::from_config(config),
            streams: BTreeMap::new(),
            outputs: Outputs::default(),
            line: Line::new(),
            played: Played::default(),
        })
    }

    /// Plays one line of those that follow, without its end.
    ///
    /// # Errors
    /// [`Problem`]. There is no going on after one.
    pub fn line(&mut self, line: &str) -> Result<(), Problem> {
        let (kind, rest) = line.split_at_checked(line.find(' ').unwrap_or(line.len())).unwrap_or((line, ""));
        let mut fields = Fields::new(rest);
        match kind {
            "input" => {
                let (now, from, told) = read_input(&mut fields)?;
                self.told(now);
                self.input(now, from, told);
            }
            "timeout" => {
                let now = Instant::read(&mut fields)?;
                fields.end()?;
                self.told(now);
                self.machine.handle_timeout(now);
            }
            "wall" => {
                let (now, unix_ns) = (Instant::read(&mut fields)?, fields.parse()?);
                fields.end()?;
                self.told(now);
                self.machine.handle_wall_clock(now, unix_ns);
            }
            "call" => {
                let now = Instant::read(&mut fields)?;
                let name = fields.word()?;
                self.told(now);
                self.machine.local_call(now, name, &mut fields)?;
            }
            "send" | "sendfile" | "datagram" | "close" | "event" | NOTHING_MORE => self.compare(line)?,
            _ => return Err(Unreadable::Kind.into()),
        }
        Ok(())
    }

    /// How far it has come.
    pub fn played(&self) -> Played {
        self.played
    }

    /// The machine as it is now.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    fn told(&mut self, now: Instant) {
        self.played.inputs += 1;
        let first = self.played.between.map_or(now, |(first, _)| first);
        self.played.between = Some((first, now));
    }

    fn input(&mut self, now: Instant, from: Peer, told: Told) {
        let machine = &mut self.machine;
        let mut tell = |input: Input<'_>| machine.handle_input(now, from, input);
        match told {
            Told::Bytes(data) => tell(Input::Bytes(stream(&mut self.streams, from, &data))),
            Told::End(data) => tell(Input::End(stream(&mut self.streams, from, &data))),
            Told::Opened(opened) => tell(Input::Opened(opened)),
            Told::Text(text) => tell(Input::Text(&text)),
            Told::Binary(data) => tell(Input::Binary(&data)),
            Told::Datagram(data, received) => tell(Input::Datagram { data: &data, received }),
            Told::DatagramSent(tag, left) => tell(Input::DatagramSent { tag, left }),
            Told::FileSent(file) => tell(Input::FileSent(file)),
            Told::Dropped(count) => tell(Input::Dropped(count)),
            Told::Closed(reason) => {
                tell(Input::Closed(reason));
                self.streams.remove(&from);
            }
        }
    }

    fn compare(&mut self, recorded: &str) -> Result<(), Problem> {
        let output = self.machine.poll_output();
        match &output {
            Some(output) => self.outputs.write(&mut self.line, output),
            None => {
                self.line.clear();
                self.line.push_str(NOTHING_MORE);
            }
        }
        if self.line == recorded {
            self.played.outputs += u64::from(output.is_some());
            return Ok(());
        }
        let (recorded, replayed) = (recorded.into(), core::mem::take(&mut self.line));
        Err(Problem::Differs(Box::new(Difference { recorded, replayed })))
    }
}

/// The buffer of a stream, with this at its end.
fn stream<'a>(streams: &'a mut BTreeMap<Peer, BytesMut>, from: Peer, data: &[u8]) -> &'a mut BytesMut {
    let buffer = streams.entry(from).or_default();
    buffer.extend_from_slice(data);
    buffer
}
