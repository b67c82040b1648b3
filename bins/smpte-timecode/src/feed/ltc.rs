//! The session as LTC.
//!
//! The samples keep the session's time, not this machine's: of each frame exactly its share is made, so the sound
//! neither drifts from the session nor jumps to catch up with it. While the session stands still there is silence.

use std::io;
use std::time::Duration;

use anyhow::{Context, Result};
use machine::Instant;
use smpte_timecode::ltc::{Encoder, EncoderConfig};

use super::{IDLE, Place, Session, Target};
use crate::wav;

const SAMPLE_RATE: u32 = 48_000;
/// A session that is off by more than this was reset, or its clock was corrected.
const JUMP: Duration = Duration::from_millis(20);

pub(super) fn feed(session: &Session, target: Target) -> Result<()> {
    let mut sound = Sound { target, samples: 0, buffer: Vec::new() };
    sound.header()?;
    let result = play(session, &mut sound);
    // Whatever ended it, what is there is a file that can be read.
    sound.header()?;
    match result {
        // Whoever listened has gone.
        Err(error)
            if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// The running encoder and where it began.
struct Running {
    encoder: Encoder,
    /// Made of it so far.
    samples: i128,
    /// The frame that its first word is of.
    first: Place,
}

fn play(session: &Session, sound: &mut Sound) -> Result<()> {
    let mut running: Option<Running> = None;
    let mut silent_since = driver::now();
    while !session.is_over() {
        let now = driver::now();
        match session.place().filter(|place| place.running) {
            Some(place) => {
                let wanted = running.as_ref().map(|r| r.first.samples_until(&place, now));
                let (current, wanted) = match (&mut running, wanted) {
                    (Some(r), Some(wanted)) if r.first.rate() == place.rate() && near(wanted - r.samples) => {
                        (r, wanted)
                    }
                    _ => {
                        let (begun, skip) = begin(&place, now)?;
                        (running.insert(begun), skip)
                    }
                };
                let missing = usize::try_from(wanted - current.samples).unwrap_or(0);
                sound.play(missing, |out| current.encoder.fill_i16(out))?;
                current.samples += missing as i128;
                silent_since = now;
            }
            None => {
                running = None;
                let quiet = now.saturating_since(silent_since);
                let samples = quiet.as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000;
                sound.play(usize::try_from(samples)?, |out| out.fill(0))?;
                // What was made, not what was wanted: no sample is lost to rounding.
                silent_since = silent_since
                    + Duration::from_nanos(u64::try_from(samples * 1_000_000_000 / u128::from(SAMPLE_RATE))?);
            }
        }
        session.sleep_until(now + IDLE);
    }
    Ok(())
}

fn near(missing: i128) -> bool {
    let jump = JUMP.as_millis() as i128 * i128::from(SAMPLE_RATE) / 1000;
    // Behind by what one round makes is normal; ahead is not, but for jitter of the clock's estimate.
    (-jump / 2..=jump * 8).contains(&missing)
}

/// An encoder in the middle of the present frame.
fn begin(place: &Place, now: Instant) -> Result<(Running, i128)> {
    // A word of the high rates is of a pair of frames and begins with the first.
    let odd = place.rate().nominal() > 30 && place.timecode.frame() % 2 == 1;
    let mut first = *place;
    if odd {
        first.frame -= 1;
        first.began = place.begin_of(first.frame);
        first.timecode = place.timecode.previous();
    }
    let config = EncoderConfig::new(first.timecode, SAMPLE_RATE);
    let encoder =
        Encoder::try_new(config).with_context(|| format!("LTC at {} frames a second", place.rate()))?;
    let wanted = first.samples_until(place, now);
    let mut running = Running { encoder, samples: wanted, first };
    let mut passed = vec![0; usize::try_from(wanted).unwrap_or(0)];
    running.encoder.fill_i16(&mut passed);
    Ok((running, wanted))
}

impl Place {
    /// Samples from the beginning of this frame to `now`, when the session is at `place`.
    fn samples_until(&self, place: &Place, now: Instant) -> i128 {
        let frames = super::frame_nanos(self.rate(), i128::from(place.frame) - i128::from(self.frame));
        let nanos = frames + now.saturating_since(place.began).as_nanos() as i128;
        nanos * i128::from(SAMPLE_RATE) / 1_000_000_000
    }
}

struct Sound {
    target: Target,
    /// Made in all.
    samples: u64,
    buffer: Vec<i16>,
}

impl Sound {
    fn play(&mut self, samples: usize, fill: impl FnOnce(&mut [i16])) -> io::Result<()> {
        if samples == 0 {
            return Ok(());
        }
        self.buffer.clear();
        self.buffer.resize(samples, 0);
        fill(&mut self.buffer);
        let bytes: Vec<u8> = self.buffer.iter().flat_map(|s| s.to_le_bytes()).collect();
        self.target.write(&bytes)?;
        self.samples += samples as u64;
        Ok(())
    }

    /// The file's header, for as many samples as there are; standard output gets none.
    fn header(&mut self) -> io::Result<()> {
        let mut header = Vec::new();
        wav::write_header(&mut header, SAMPLE_RATE, self.samples)?;
        self.target.write_head(&header)
    }
}
