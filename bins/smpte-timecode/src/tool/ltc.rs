//! `ltc encode` and `ltc decode`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};

use anyhow::Context;
use clap::Subcommand;
use driver::cli::{Progress, Reading};
use smpte_timecode::address::AddressError;
use smpte_timecode::ltc::{
    Continuity, DecodedWord, Decoder, EncodeError, Encoder, EncoderConfig, Level, RateEstimator,
};
use smpte_timecode::{Fields, Rate};

use super::failure::Failure;
use super::{output, parse};
use crate::wav::{WavError, WavReader, write_header};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write LTC as a WAV file: mono, 16 bits
    Encode {
        /// The file to write, or - for stdout
        #[arg(value_name = "OUT.wav")]
        out: String,
        /// The frame rate
        #[arg(long)]
        rate: String,
        /// The label of the first frame
        #[arg(long, value_name = "LABEL")]
        start: String,
        /// How many seconds, such as 60 or 1.5
        #[arg(long, value_name = "S", allow_negative_numbers = true)]
        duration: String,
        /// Samples a second
        #[arg(long, value_name = "N", default_value_t = 48_000)]
        sample_rate: u32,
        /// User bits, eight digits: group 8 first, group 1 last
        #[arg(long, value_name = "HEX", default_value = "00000000")]
        user_bits: String,
        /// Peak level, 0 or below
        #[arg(long, value_name = "DBFS", default_value = "-18", allow_negative_numbers = true)]
        level: String,
    },
    /// Print the words of LTC in a WAV file, one a line
    Decode {
        /// The file to read, or - for stdin
        #[arg(value_name = "IN.wav")]
        input: String,
        /// Print one JSON object a word: label, rate, user_bits, start_sample, end_sample, reverse, confidence
        #[arg(long)]
        json: bool,
        /// The frame rate, if it is known; it is found out otherwise, but 48 to 60 look like half of that
        #[arg(long)]
        rate: Option<String>,
        /// Which channel the LTC is on
        #[arg(long, value_name = "N", default_value_t = 1)]
        channel: u16,
    },
}

impl Command {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Encode { out: file, rate, start, duration, sample_rate, user_bits, level } => {
                let start = parse::label("--start", start, parse::rate("--rate", rate)?)?;
                let mut config = EncoderConfig::new(start, *sample_rate);
                config.user_bits = parse::user_bits("--user-bits", user_bits)?;
                config.level = self::level(level)?;
                let samples = samples(duration, *sample_rate)?;
                let encoder = Encoder::try_new(config).map_err(cannot_encode)?;
                let mut header = Vec::new();
                write_header(&mut header, *sample_rate, samples)
                    .map_err(|_| Failure::usage("--duration", "too long for a WAV file"))?;
                if file == "-" {
                    return Ok(encode(encoder, &header, samples, out)?);
                }
                let write = |file| encode(encoder, &header, samples, &mut BufWriter::new(file));
                File::create(file).and_then(write).with_context(|| file.clone())?;
                Ok(())
            }
            Self::Decode { input, json, rate, channel } => {
                let rate = rate.as_deref().map(|rate| parse::rate("--rate", rate)).transpose()?;
                let live = input == "-";
                let source: Box<dyn Read> = match live {
                    true => Box::new(io::stdin().lock()),
                    false => Box::new(shown(input).with_context(|| input.clone())?),
                };
                let name = if live { "stdin" } else { input.as_str() };
                decode(source, *channel, |sample_rate| Printer::new(out, *json, live, rate, sample_rate))
                    .map_err(|problem| problem.named(name))
            }
        }
    }
}

/// Seconds to samples, the nearest.
fn samples(duration: &str, sample_rate: u32) -> Result<u64, Failure> {
    let wrong =
        || Failure::usage("--duration", format_args!("'{duration}': not a number of seconds above 0"));
    let nanos = parse::decimal(duration, 9).and_then(|nanos| u64::try_from(nanos).ok()).ok_or_else(wrong)?;
    let samples = (u128::from(nanos) * u128::from(sample_rate) + 500_000_000) / 1_000_000_000;
    u64::try_from(samples).ok().filter(|&samples| samples > 0).ok_or_else(wrong)
}

fn level(dbfs: &str) -> Result<Level, Failure> {
    let wrong = || Failure::usage("--level", format_args!("'{dbfs}': not 0 to -96 dBFS in tenths"));
    let tenths =
        parse::decimal(dbfs, 1).and_then(i64::checked_neg).and_then(|tenths| u16::try_from(tenths).ok());
    tenths.filter(|&tenths| tenths <= 960).map(Level::below_full_scale).ok_or_else(wrong)
}

fn cannot_encode(error: EncodeError) -> Failure {
    let argument = match error {
        EncodeError::SampleRate { .. } => "--sample-rate",
        EncodeError::Address(AddressError::Rate { .. }) => "--rate",
        _ => "--start",
    };
    Failure::usage(argument, error)
}

fn encode(mut encoder: Encoder, header: &[u8], mut samples: u64, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(header)?;
    let (mut piece, mut bytes) = ([0_i16; 4096], Vec::with_capacity(8192));
    let all = samples;
    let mut progress = Progress::new("LTC", all);
    while samples > 0 {
        progress.at(all - samples);
        let length = usize::try_from(samples).unwrap_or(usize::MAX).min(piece.len());
        encoder.fill_i16(&mut piece[..length]);
        bytes.clear();
        bytes.extend(piece[..length].iter().flat_map(|sample| sample.to_le_bytes()));
        out.write_all(&bytes)?;
        samples -= length as u64;
    }
    out.flush()
}

/// A file that shows how far it has been read.
fn shown(path: &str) -> io::Result<Reading<File>> {
    let file = File::open(path)?;
    // Words on the same terminal show well enough how far it is.
    let length = if io::stdout().is_terminal() { 0 } else { file.metadata()?.len() };
    Ok(Reading::new(file, Progress::new("LTC", length)))
}

/// Why a file could not be decoded.
enum Problem {
    Wav(WavError),
    SampleRate(smpte_timecode::ltc::DecoderError),
    Output(io::Error),
}

impl Problem {
    /// A file that cannot be read could not be done; one that is not right was the wrong argument.
    fn named(self, file: &str) -> Failure {
        match self {
            Self::Wav(WavError::Io(error)) => {
                Failure::Failed(anyhow::Error::new(error).context(file.to_owned()))
            }
            Self::Wav(error @ WavError::Channel { .. }) => {
                Failure::usage("--channel", format_args!("{file}: {error}"))
            }
            Self::Wav(error) => Failure::usage(file, error),
            Self::SampleRate(error) => Failure::usage(file, format_args!("fmt chunk: {error}")),
            Self::Output(error) => error.into(),
        }
    }
}

fn decode<'a>(
    source: impl Read,
    channel: u16,
    printer: impl FnOnce(u32) -> Printer<'a>,
) -> Result<(), Problem> {
    let mut wav = WavReader::open(source, channel).map_err(Problem::Wav)?;
    let mut decoder = Decoder::try_new(wav.sample_rate()).map_err(Problem::SampleRate)?;
    let mut printer = printer(wav.sample_rate());
    // what came before the end of a file that is cut short is printed all the same
    let end = loop {
        match wav.next_samples() {
            Ok(Some(samples)) => decoder.decode(samples, |word| printer.push(word)),
            Ok(None) => break Ok(()),
            Err(error) => break Err(Problem::Wav(error)),
        }
        printer.passed().map_err(Problem::Output)?;
    };
    decoder.finish(|word| printer.push(word));
    printer.finish().map_err(Problem::Output)?;
    end
}

/// Words that are held back at most until their rate is clear.
const MOST_HELD: usize = 32;

/// Prints words as soon as their rate is clear, which takes a few of them.
struct Printer<'a> {
    out: &'a mut dyn Write,
    json: bool,
    /// Someone may be waiting for each word.
    live: bool,
    /// The rate that was given.
    rate: Option<Rate>,
    estimator: RateEstimator,
    held: Vec<DecodedWord>,
    found: bool,
    result: io::Result<()>,
}

impl<'a> Printer<'a> {
    fn new(out: &'a mut dyn Write, json: bool, live: bool, rate: Option<Rate>, sample_rate: u32) -> Self {
        let estimator = RateEstimator::new(sample_rate);
        Self { out, json, live, rate, estimator, held: Vec::new(), found: false, result: Ok(()) }
    }

    fn push(&mut self, word: DecodedWord) {
        if word.continuity == Continuity::Jump {
            self.print_held();
        }
        self.estimator.push(&word);
        self.held.push(word);
        let is_clear = self.estimator.estimate().is_some_and(|estimate| estimate.is_measured);
        if is_clear || self.rate.is_some() || self.held.len() >= MOST_HELD {
            self.print_held();
        }
    }

    /// All words so far have been pushed.
    fn passed(&mut self) -> io::Result<()> {
        if self.live && self.result.is_ok() {
            self.result = self.out.flush();
        }
        std::mem::replace(&mut self.result, Ok(()))
    }

    fn finish(mut self) -> io::Result<()> {
        self.print_held();
        if !self.found {
            eprintln!("no LTC found");
        }
        self.passed()
    }

    fn print_held(&mut self) {
        let rate = self.rate.or_else(|| self.estimator.estimate().map(|estimate| estimate.rate));
        self.found |= !self.held.is_empty();
        for word in std::mem::take(&mut self.held) {
            if self.result.is_ok() {
                self.result = self.print(&word, rate);
            }
        }
    }

    fn print(&mut self, word: &DecodedWord, rate: Option<Rate>) -> io::Result<()> {
        let label = label(word, rate);
        let (start, end) = (word.start.sample(), word.end.sample());
        if self.json {
            let fields = [
                ("label", label.into()),
                ("rate", rate.map(|rate| rate.to_string()).into()),
                ("user_bits", format!("{:08x}", word.user_bits()).into()),
                ("start_sample", start.into()),
                ("end_sample", end.into()),
                ("reverse", word.reverse.into()),
                ("confidence", word.confidence.into()),
            ];
            return output::json_line(self.out, &fields);
        }
        let rate = rate.map(|rate| format!("  {rate}")).unwrap_or_default();
        let reverse = if word.reverse { " R" } else { "" };
        writeln!(self.out, "{:08x}   {label} | {start:8} {end:8}{rate}{reverse}", word.user_bits())
    }
}

/// The label at the rate; if the rate has no such label, what was sent.
fn label(word: &DecodedWord, rate: Option<Rate>) -> String {
    if let Some(Ok(label)) = rate.map(|rate| word.timecode(rate)) {
        return label.to_string();
    }
    let Fields { hours, minutes, seconds, frames } = word.fields();
    let mark = if word.word.address().drop_frame() { ';' } else { ':' };
    format!("{hours:02}:{minutes:02}:{seconds:02}{mark}{frames:02}")
}
