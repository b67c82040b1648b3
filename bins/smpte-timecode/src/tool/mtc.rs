//! `mtc encode` and `mtc decode`.

use std::io::Write;

use clap::Subcommand;
use smpte_timecode::mtc::{self, Assembler, Direction, FullFrame, Message, Parser};
use smpte_timecode::{MtcError, Rate, Timecode};

use super::failure::Failure;
use super::{output, parse};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a label as MIDI bytes: its eight quarter frames, or one full frame message
    Encode {
        /// The label, such as 01:02:03:04
        label: String,
        /// Its frame rate: 23.976, 24, 25, 29.97, 29.97df or 30
        #[arg(long)]
        rate: String,
        /// Print the full frame message
        #[arg(long)]
        full: bool,
    },
    /// Print the labels that MIDI bytes say
    Decode {
        /// The bytes, with or without spaces; without status bytes they are quarter frames' data
        #[arg(required = true, value_name = "HEX")]
        hex: Vec<String>,
        /// The frame rate, where the bytes cannot say it: 23.976 goes as 24, 29.97 as 30
        #[arg(long)]
        rate: Option<String>,
        /// Print one JSON object a message
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Encode { label, rate, full } => {
                let rate = parse::rate("--rate", rate)?;
                let label = parse::label("LABEL", label, rate)?;
                let bytes = encode(label, *full)
                    .map_err(|error| Failure::usage("--rate", format_args!("{rate}: {error}")))?;
                writeln!(out, "{}", output::hex(bytes))?;
                Ok(())
            }
            Self::Decode { hex, rate, json } => {
                let hint = rate.as_deref().map(|rate| parse::rate("--rate", rate)).transpose()?;
                let messages = decode(&bytes(&hex.concat())?, hint)
                    .map_err(|error| Failure::usage("HEX", format_args!("no such label: {error}")))?;
                if messages.is_empty() {
                    return Err(Failure::usage(
                        "HEX",
                        "no whole label: eight quarter frames or a full frame are needed",
                    ));
                }
                messages.iter().try_for_each(|message| message.write(out, *json))?;
                Ok(())
            }
        }
    }
}

fn encode(label: Timecode, full: bool) -> Result<Vec<u8>, MtcError> {
    if full {
        return Ok(FullFrame::try_new(label)?.encode().to_vec());
    }
    Ok(mtc::quarter_frames(label)?.iter().flat_map(|quarter| quarter.encode()).collect())
}

/// What there is to print.
enum Decoded {
    Full(FullFrame),
    Quarters(Timecode, Direction),
    UserBits(mtc::UserBits),
}

impl Decoded {
    fn write(&self, out: &mut dyn Write, json: bool) -> std::io::Result<()> {
        let (label, message) = match self {
            Self::Full(full) => (full.timecode(), "full_frame"),
            Self::Quarters(label, Direction::Forward) => (*label, "quarter_frames"),
            Self::Quarters(label, Direction::Reverse) => (*label, "quarter_frames_reverse"),
            Self::UserBits(bits) if json => {
                let user_bits = format!("{:08x}", bits.groups).into();
                return output::json_line(out, &[("user_bits", user_bits), ("message", "user_bits".into())]);
            }
            Self::UserBits(bits) => return writeln!(out, "user bits {:08x}", bits.groups),
        };
        if !json {
            return writeln!(out, "{label}");
        }
        let fields = [
            ("label", label.to_string().into()),
            ("rate", label.rate().to_string().into()),
            ("message", message.into()),
        ];
        output::json_line(out, &fields)
    }
}

fn decode(bytes: &[u8], hint: Option<Rate>) -> Result<Vec<Decoded>, MtcError> {
    let (mut parser, mut assembler) = (Parser::new(hint), Assembler::new(hint));
    let bare = bytes.iter().all(u8::is_ascii);
    let mut decoded = Vec::new();
    for &byte in bytes {
        if bare {
            parser.push(0xf1)?;
        }
        match parser.push(byte)? {
            Some(Message::QuarterFrame(quarter)) => {
                let label = assembler.push(quarter)?;
                decoded.extend(label.map(|label| Decoded::Quarters(label.timecode, label.direction)));
            }
            Some(Message::FullFrame(full)) => decoded.push(Decoded::Full(full)),
            Some(Message::UserBits(bits)) => decoded.push(Decoded::UserBits(bits)),
            None => {}
        }
    }
    Ok(decoded)
}

fn bytes(text: &str) -> Result<Vec<u8>, Failure> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
    let pair = |pair: &[char]| match pair {
        [high, low] => u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<_>> = digits.chunks(2).map(pair).collect();
    bytes.ok_or_else(|| Failure::usage("HEX", "not pairs of hexadecimal digits"))
}
