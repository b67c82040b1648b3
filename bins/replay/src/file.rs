//! From the first line of a recording to its end, or to what is wrong with it.

use std::any::Any;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use driver::record::HEAD;
use machine::record::{Difference, Played, Problem, Unreadable};

use crate::machines::{self, Play};

/// What was played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The program that was recorded.
    pub program: String,
    /// Its version.
    pub version: String,
    /// Its machines.
    pub machines: Vec<&'static str>,
    /// What they were told.
    pub inputs: u64,
    /// What they said.
    pub outputs: u64,
    /// Time from the first input to the last.
    pub recorded: Duration,
    /// The last line has no end: what wrote it was cut off.
    pub is_cut: bool,
}

/// Why a recording was not played to its end.
#[derive(Debug)]
pub enum Failure {
    /// It cannot be read at all.
    File(io::Error),
    /// It does not begin as recordings do.
    NoRecording,
    /// It is of another version of the format.
    Version(String),
    /// A line that means nothing.
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        error: Unreadable,
    },
    /// A machine panicked over this line.
    Panicked {
        /// Counted from 1.
        line: u64,
        /// What it said.
        message: String,
    },
    /// A machine said something else.
    Differs {
        /// Of the recorded output, counted from 1.
        line: u64,
        /// The machine's name.
        machine: &'static str,
        /// Which of its outputs it is, counted from 1.
        output: u64,
        /// Time since its first input.
        after: Duration,
        /// Both outputs.
        difference: Box<Difference>,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NoRecording => write!(f, "not a recording: its first line does not begin with '{HEAD}'"),
            Self::Version(head) => write!(f, "recorded in a format that is not known here: '{head}'"),
            Self::Line { line, error } => write!(f, "line {line}: {error}"),
            Self::Panicked { line, message } => write!(f, "line {line}: the machine panics: {message}"),
            Self::Differs { line, machine, output, after, .. } => write!(
                f,
                "line {line}: output {output} of {machine} differs, {:.9} s after its first input",
                after.as_secs_f64()
            ),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// Plays a recording.
///
/// # Errors
/// What is wrong with it, or what differs.
pub fn replay(mut from: impl BufRead) -> Result<Summary, Failure> {
    let mut text = Vec::new();
    let mut summary = Summary::default();
    if !next_line(&mut from, &mut text, 1)? {
        return Err(Failure::NoRecording);
    }
    head(&text, &mut summary)?;
    let mut machines: Vec<Box<dyn Play>> = Vec::new();
    let mut line = 1;
    loop {
        line += 1;
        if !next_line(&mut from, &mut text, line)? {
            summary.is_cut = !text.is_empty();
            break;
        }
        let bad = |error| Failure::Line { line, error };
        let said = std::str::from_utf8(&text).map_err(|_| bad(Unreadable::Data))?;
        let (number, said) = said.split_once(' ').ok_or(bad(Unreadable::Ends))?;
        let number: usize = number.parse().map_err(|_| bad(Unreadable::Word))?;
        let known = machines.len();
        // What fells a server fells it here too.
        let played = catch_unwind(AssertUnwindSafe(|| match machines.get_mut(number) {
            Some(machine) => machine.line(said),
            None if number == known => {
                let described = said.strip_prefix("machine").ok_or(Unreadable::Machine)?;
                machines.push(machines::open(described)?);
                Ok(())
            }
            None => Err(Unreadable::Machine.into()),
        }));
        match played {
            Ok(Ok(())) => {}
            Ok(Err(Problem::Unreadable(error))) => return Err(bad(error)),
            Ok(Err(Problem::Differs(difference))) => {
                let Some(machine) = machines.get(number) else { return Err(bad(Unreadable::Machine)) };
                let played = machine.played();
                let (machine, output, after) = (machine.name(), played.outputs + 1, span(played));
                return Err(Failure::Differs { line, machine, output, after, difference });
            }
            Ok(Err(_)) => return Err(bad(Unreadable::Kind)),
            Err(panic) => return Err(Failure::Panicked { line, message: message(&*panic) }),
        }
    }
    for machine in &machines {
        let played = machine.played();
        summary.machines.push(machine.name());
        summary.inputs += played.inputs;
        summary.outputs += played.outputs;
        summary.recorded = summary.recorded.max(span(played));
    }
    Ok(summary)
}

/// Reads a line and takes its end off; `false`: there is none, or one without an end, which is left in `text`.
fn next_line(from: &mut impl BufRead, text: &mut Vec<u8>, line: u64) -> Result<bool, Failure> {
    text.clear();
    from.by_ref().take(MAX_LINE).read_until(b'\n', text)?;
    if text.len() as u64 == MAX_LINE {
        return Err(Failure::Line { line, error: Unreadable::TooLong });
    }
    Ok(text.pop_if(|last| *last == b'\n').is_some())
}

fn head(text: &[u8], summary: &mut Summary) -> Result<(), Failure> {
    let text = std::str::from_utf8(text).map_err(|_| Failure::NoRecording)?;
    let name = HEAD.split(' ').next().unwrap_or(HEAD);
    if !text.starts_with(name) {
        return Err(Failure::NoRecording);
    }
    let rest = text.strip_prefix(HEAD).and_then(|rest| rest.strip_prefix(' '));
    let (program, version) =
        rest.and_then(|rest| rest.rsplit_once(' ')).ok_or_else(|| Failure::Version(text.into()))?;
    (summary.program, summary.version) = (program.into(), version.into());
    Ok(())
}

fn span(played: Played) -> Duration {
    played.between.map_or(Duration::ZERO, |(first, last)| last.saturating_since(first))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word").into()
}

/// The longest line: four times what the largest frame of a stream takes.
const MAX_LINE: u64 = 64 << 20;
