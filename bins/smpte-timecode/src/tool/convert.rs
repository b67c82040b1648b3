//! `convert`.

use std::io::Write;

use clap::{Args, ValueEnum};
use smpte_timecode::{Rounding, Timecode};

use super::failure::Failure;
use super::parse;

#[derive(Args)]
pub(super) struct Convert {
    /// The label, such as 01:00:00:00
    label: String,
    /// Its frame rate
    #[arg(long)]
    rate: String,
    /// The frame rate to go to
    #[arg(long, value_name = "RATE")]
    to: String,
    /// What stays the same
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Keep::Time)]
    keep: Keep,
}

#[derive(Clone, Copy, ValueEnum)]
enum Keep {
    /// The four numbers
    Label,
    /// The instant: the frame that contains it
    Time,
    /// The frame number
    Frame,
}

impl Convert {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let rate = parse::rate("--rate", &self.rate)?;
        let to = parse::rate("--to", &self.to)?;
        let label = parse::label("LABEL", &self.label, rate)?;
        let converted = match self.keep {
            Keep::Label => Timecode::from_fields(to, label.fields()).map_err(|error| {
                Failure::usage("LABEL", format_args!("'{label}' does not exist at {to}: {error}"))
            })?,
            Keep::Time => Timecode::at_real_time(to, label.real_time(), Rounding::Floor),
            Keep::Frame => Timecode::from_frame(to, label.frame().into()),
        };
        writeln!(out, "{converted}")?;
        Ok(())
    }
}
