//! `vitc encode` and `vitc decode`.

use std::io::Write;

use clap::Subcommand;
use smpte_timecode::address::{Address, FlagLayout};
use smpte_timecode::vitc::Vitc;
use smpte_timecode::{Fields, Rate, Timecode};

use super::failure::Failure;
use super::{output, parse};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the 90 bits of a label, in the order in which they are sent
    Encode {
        /// The label, such as 01:02:03:04
        label: String,
        /// Its frame rate: 30 at most, or 47.952 to 60
        #[arg(long)]
        rate: String,
        /// User bits, eight digits: group 8 first, group 1 last
        #[arg(long, value_name = "HEX", default_value = "00000000")]
        user_bits: String,
        /// Which field of the frame; above 30 frames a second the label says it
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=2))]
        field: Option<u8>,
        /// Set the colour frame flag
        #[arg(long)]
        colour_frame: bool,
    },
    /// Print the label and user bits that 90 bits say
    Decode {
        /// 90 digits 0 or 1, in the order in which they were received; spaces are passed over
        bits: String,
        /// The frame rate; needed to know the field, and labels above 30 frames a second
        #[arg(long)]
        rate: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Encode { label, rate, user_bits, field, colour_frame } => {
                let rate = parse::rate("--rate", rate)?;
                let label = parse::label("LABEL", label, rate)?;
                let user_bits = parse::user_bits("--user-bits", user_bits)?;
                let address =
                    address(label, *field)?.with_user_bits(user_bits).with_colour_frame(*colour_frame);
                writeln!(out, "{}", Vitc::new(address))?;
                Ok(())
            }
            Self::Decode { bits, rate, json } => {
                let rate = rate.as_deref().map(|rate| parse::rate("--rate", rate)).transpose()?;
                let digits: String = bits.chars().filter(|c| !c.is_whitespace()).collect();
                let vitc: Vitc = digits.parse().map_err(|error| Failure::usage("BITS", error))?;
                print(vitc.address(), rate, *json, out)
            }
        }
    }
}

fn address(label: Timecode, field: Option<u8>) -> Result<Address, Failure> {
    let rate = label.rate();
    let address = Address::from_frame(label).map_err(|error| Failure::usage("--rate", error))?;
    let layout = FlagLayout::of(rate);
    match field {
        None => Ok(address),
        Some(field) if rate.nominal() <= 30 => Ok(address.with_field_mark(layout, field == 2)),
        Some(field) if address.field_mark(layout) == (field == 2) => Ok(address),
        Some(_) => Err(Failure::usage("--field", format_args!("{label} at {rate} is in the other field"))),
    }
}

fn print(address: Address, rate: Option<Rate>, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let label = match rate {
        Some(rate) => address.frame_timecode(rate).map(|label| label.to_string()),
        None => address.fields().map(|fields| as_coded(fields, address.drop_frame())),
    };
    let label = label.map_err(|error| Failure::usage("BITS", error))?;
    let user_bits = format!("{:08x}", address.user_bits());
    let field = rate.map(|rate| if address.field_mark(FlagLayout::of(rate)) { 2 } else { 1 });
    if !json {
        let field = field.map(|field| format!("  field {field}")).unwrap_or_default();
        let colour = if address.colour_frame() { "  colour frame" } else { "" };
        writeln!(out, "{label}  user bits {user_bits}{field}{colour}")?;
        return Ok(());
    }
    let fields = [
        ("label", label.into()),
        ("rate", rate.map(|rate| rate.to_string()).into()),
        ("user_bits", user_bits.into()),
        ("drop_frame", address.drop_frame().into()),
        ("colour_frame", address.colour_frame().into()),
        ("field", field.into()),
    ];
    output::json_line(out, &fields)?;
    Ok(())
}

/// The numbers as they stand in the bits: pairs of frames above 30 frames a second.
fn as_coded(fields: Fields, drop_frame: bool) -> String {
    let Fields { hours, minutes, seconds, frames } = fields;
    let mark = if drop_frame { ';' } else { ':' };
    format!("{hours:02}:{minutes:02}:{seconds:02}{mark}{frames:02}")
}
