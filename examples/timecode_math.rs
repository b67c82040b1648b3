//! cargo run --example timecode_math
//!
//! Labels, rates and LTC words: exact, without a float, and without std if need be.

use anyhow::Result;
use smpte_timecode::ltc::Word;
use smpte_timecode::{FeetFrames, FilmGauge, FrameCount, Rate, Rounding, Timecode};

fn main() -> Result<()> {
    // A label and the frame that it names. At 29.97 drop-frame an hour has 108 labels less than at 29.97.
    let drop: Rate = "29.97df".parse()?;
    let hour = Timecode::parse("01:00:00;00", drop)?;
    println!("{hour} at {drop} is frame {}", hour.frame());
    println!(
        "{hour} begins after {} s, at sample {}",
        hour.real_time(),
        hour.samples(48_000, Rounding::Floor)
    );

    // The labels ;00 and ;01 are left out at the beginning of each minute but every tenth.
    for label in ["00:00:59;29", "00:09:59;29", "23:59:59;29"] {
        let label = Timecode::parse(label, drop)?;
        println!("{label} is followed by {}", label.next());
    }
    match Timecode::parse("00:01:00;00", drop) {
        Ok(label) => println!("{label} exists"),
        Err(error) => println!("00:01:00;00: {error}"),
    }

    // The same instant at another rate: the frame that is shown then.
    let film = Timecode::at_real_time(Rate::FPS_24, hour.real_time(), Rounding::Floor);
    println!("at {} that is {film}", film.rate());
    println!("as 35 mm film: {} feet", FeetFrames::from_frames(film.frame().into(), FilmGauge::Mm35Perf4));

    // Counts do not wrap at midnight, and can be negative.
    let (start, end) =
        (Timecode::parse("23:59:50:00", Rate::FPS_25)?, Timecode::parse("00:00:10:00", Rate::FPS_25)?);
    let over_midnight = i64::from(end.frame()) - i64::from(start.frame());
    println!("from {start} to {end}: {}", FrameCount::new(Rate::FPS_25, over_midnight).timecode());
    println!("or, without midnight in between: {}", FrameCount::new(Rate::FPS_25, over_midnight));

    // The 80 bits that say a label in LTC, and back.
    let label = Timecode::parse("00:01:00;02", drop)?;
    let bytes = Word::from_timecode(label)?.to_bytes();
    println!("{label} as LTC: {}", bytes.map(|byte| format!("{byte:02x}")).join(" "));
    println!("read back: {}", Word::from_bytes(bytes)?.timecode(drop)?);
    Ok(())
}
