//! The session as MIDI timecode: quarter frames while it runs, a full frame whenever it is set to a place.

use std::io;

use anyhow::{Context, Result};
use smpte_timecode::mtc::{Direction, FullFrame, Generator};

use super::{IDLE, Place, Session, Target};

pub(super) fn feed(session: &Session, mut target: Target) -> Result<()> {
    match play(session, &mut target) {
        Err(error)
            if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        result => result,
    }
}

fn play(session: &Session, target: &mut Target) -> Result<()> {
    let mut clock: Option<(Generator, i64)> = None;
    let mut told = None;
    while !session.is_over() {
        let now = driver::now();
        let Some(place) = session.place() else {
            clock = None;
            session.sleep_until(now + IDLE);
            continue;
        };
        if !place.running {
            clock = None;
            if told != Some(place.timecode) {
                target.write(&full_frame(&place)?)?;
                told = Some(place.timecode);
            }
            session.sleep_until(now + IDLE);
            continue;
        }
        told = None;
        // The session's frame for the label of the next quarter, counted from where the clock was started.
        let due = match &mut clock {
            Some((generator, first)) => due(&place, generator, *first),
            None => None,
        };
        let Some((at, generator)) = due else {
            target.write(&full_frame(&place)?)?;
            let generator = Generator::try_new(place.timecode.next(), Direction::Forward)
                .with_context(|| format!("MIDI timecode at {} frames a second", place.rate()))?;
            let ahead = i64::from(generator.timecode().frame()) - i64::from(place.timecode.frame());
            let day = i64::from(place.rate().frames_per_day());
            let first = place.frame + ahead.rem_euclid(day) - i64::from(generator.timecode().frame());
            clock = Some((generator, first));
            continue;
        };
        if at > now {
            session.sleep_until(at);
            continue;
        }
        let mut next = generator;
        if let Some(quarter) = next.next() {
            target.write(&quarter.encode())?;
        }
        if let Some((generator, first)) = &mut clock {
            let before = i64::from(generator.timecode().frame());
            let after = i64::from(next.timecode().frame());
            if after < before {
                *first += i64::from(place.rate().frames_per_day());
            }
            *generator = next;
        }
    }
    Ok(())
}

/// When the next quarter is due. `None`: the session has jumped away from this clock.
fn due(place: &Place, generator: &Generator, first: i64) -> Option<(machine::Instant, Generator)> {
    let frame = first + i64::from(generator.timecode().frame());
    let quarters = i128::from(frame - place.frame) * 4 + i128::from(generator.due().part());
    // Two frames of a label, one on either side for a clock that was corrected.
    if generator.timecode().rate() != place.rate() || !(-16..=16).contains(&quarters) {
        return None;
    }
    let nanos = super::frame_nanos(place.rate(), quarters) / 4;
    let at = match u64::try_from(nanos) {
        Ok(nanos) => place.began + std::time::Duration::from_nanos(nanos),
        Err(_) => place.began.saturating_sub(std::time::Duration::from_nanos(nanos.unsigned_abs() as u64)),
    };
    Some((at, *generator))
}

fn full_frame(place: &Place) -> Result<[u8; 10]> {
    let message = FullFrame::try_new(place.timecode);
    Ok(message.with_context(|| format!("MIDI timecode at {} frames a second", place.rate()))?.encode())
}
