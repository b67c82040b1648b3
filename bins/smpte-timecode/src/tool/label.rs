//! `info` and `label`.

use std::io::Write;

use clap::Args;
use smpte_timecode::{FeetFrames, FilmGauge, Rounding, Timecode};

use super::failure::Failure;
use super::{output, parse};

#[derive(Args)]
pub(super) struct Info {
    /// The label, such as 01:00:00:00
    label: String,
    /// Its frame rate
    #[arg(long)]
    rate: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Info {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let rate = parse::rate("--rate", &self.rate)?;
        let label = parse::label("LABEL", &self.label, rate)?;
        let [samples_48000, samples_44100] = [48_000, 44_100].map(|sr| label.samples(sr, Rounding::Floor));
        let feet_frames = FeetFrames::from_frames(label.frame().into(), FilmGauge::Mm35Perf4);
        let seconds = label.real_time();
        if self.json {
            let fields = [
                ("label", label.to_string().into()),
                ("rate", rate.to_string().into()),
                ("frame", label.frame().into()),
                ("seconds", seconds.to_string().into()),
                ("samples_48000", samples_48000.into()),
                ("samples_44100", samples_44100.into()),
                ("feet_frames", feet_frames.to_string().into()),
            ];
            output::json_line(out, &fields)?;
        } else {
            let (num, den) = (rate.numerator(), rate.denominator());
            writeln!(out, "label              {label}")?;
            writeln!(out, "rate               {rate} ({num}/{den})")?;
            writeln!(out, "frame              {}", label.frame())?;
            writeln!(out, "seconds            {seconds}")?;
            writeln!(out, "samples at 48000   {samples_48000}")?;
            writeln!(out, "samples at 44100   {samples_44100}")?;
            writeln!(out, "feet+frames        {feet_frames} (35 mm, 4 perforations)")?;
        }
        Ok(())
    }
}

#[derive(Args)]
pub(super) struct Label {
    /// The frame, counted from 0 at midnight; beyond a day, or below 0, it goes round
    #[arg(allow_negative_numbers = true)]
    frame: String,
    /// The frame rate
    #[arg(long)]
    rate: String,
}

impl Label {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let rate = parse::rate("--rate", &self.rate)?;
        let whole = |_| Failure::usage("FRAME", format_args!("'{}': not a whole number", self.frame));
        let frame: i64 = self.frame.parse().map_err(whole)?;
        writeln!(out, "{}", Timecode::from_frame(rate, frame))?;
        Ok(())
    }
}
