//! The lenient readers.

use crate::{Field, FrameCount, LabelError, Rate, Rounding, Timecode};

/// Who decides whether a label is drop-frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separators {
    /// The rate. `;` is an error at a rate that does not drop, `:` is fine at one that does.
    Rate,
    /// The rate, but `;` turns dropping on where it is defined: `00:01:00;02` at 29.97 is read at 29.97df.
    Promote,
    /// The text: `;` is drop-frame and `:` is not, whatever the rate says.
    Text,
}

/// What a dot before the last number means. Programs disagree, so it is an error unless one of these is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dot {
    /// The same as `;` (ffmpeg, ltcdump).
    Drop,
    /// The same as `:` (GStreamer 1.22).
    NonDrop,
    /// What follows is a decimal fraction of a second, and frames are counted from the label's second on (Python
    /// `timecode`).
    Fraction(Rounding),
    /// Hours, minutes, seconds and fraction are real time, not a label (time strings of OpenTimelineIO).
    ClockTime(Rounding),
}

/// How many digits a number may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// Two; at rates above 100 two or three for the frames; with [`Reader::unwrapped`] two or more for the hours.
    Two,
    /// One or two; one to three for the frames; with [`Reader::unwrapped`] any for the hours.
    Few,
    /// One to nine.
    Any,
}

/// What to do with a number above its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfRange {
    /// It is an error.
    Reject,
    /// Take the highest that the range has: 00:00:59:28 at 24 is read as 00:00:59:23.
    Clamp,
    /// Count straight on: 00:00:59:28 at 24 is read as 00:01:00:04.
    Carry,
}

/// What to do with a label that drop-frame counting leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It is an error.
    Reject,
    /// Take the next label that exists: 00:01:00;00 is read as 00:01:00;02 (as libltc does for ;00).
    Forward,
    /// Count on from the minute before: 00:01:00;00 is read as frame 1798, which is 00:00:59;28 (as ffmpeg,
    /// OpenTimelineIO and Python `timecode` do).
    Linear,
}

/// A reader of labels that is told what to take beyond the strict form.
///
/// Begin with one of the constants and change what differs:
///
/// ```
/// use smpte_timecode::notation::{Digits, OutOfRange, Reader};
/// use smpte_timecode::Rate;
///
/// let mut reader = Reader::STRICT;
/// reader.digits = Digits::Few;
/// assert_eq!(reader.read("1:2:3:4", Rate::FPS_25)?.to_string(), "01:02:03:04");
///
/// let count = Reader::WRAP_CARRY.read("00:00:59:28", Rate::FPS_24)?;
/// assert_eq!(count.to_string(), "00:01:00:04");
/// # Ok::<(), smpte_timecode::LabelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reader {
    /// Who decides about drop-frame.
    pub separators: Separators,
    /// What `.` before the last number means; `None`: an error.
    pub dot: Option<Dot>,
    /// Whether `,` before the frames is taken, as `;`.
    pub comma: bool,
    /// Whether `HH;MM;SS;FF` is taken.
    pub semicolons: bool,
    /// How many digits.
    pub digits: Digits,
    /// Whether numbers may be missing on the left: `3:04` is three seconds and four frames, `4` is four frames.
    pub partial: bool,
    /// Whether a count may be negative (`-` first), or have any number of hours.
    pub unwrapped: bool,
    /// Whether a number of days may come first, with a space after it.
    pub days: bool,
    /// Numbers above their range.
    pub out_of_range: OutOfRange,
    /// Labels that are left out.
    pub dropped: Dropped,
}

impl Reader {
    /// As [`Timecode::parse`].
    pub const STRICT: Self = Self {
        separators: Separators::Rate,
        dot: None,
        comma: false,
        semicolons: false,
        digits: Digits::Two,
        partial: false,
        unwrapped: false,
        days: false,
        out_of_range: OutOfRange::Reject,
        dropped: Dropped::Reject,
    };

    /// Strict, but a count: with a sign, and hours without end.
    pub const UNWRAPPED: Self = Self { unwrapped: true, ..Self::STRICT };

    /// Numbers above their range become the highest of it.
    pub const CLAMP: Self = Self { out_of_range: OutOfRange::Clamp, ..Self::STRICT };

    /// Numbers above their range carry over.
    pub const WRAP_CARRY: Self = Self { out_of_range: OutOfRange::Carry, ..Self::STRICT };

    /// Labels left out become the next one that exists.
    pub const DROP_FORWARD: Self = Self { dropped: Dropped::Forward, ..Self::STRICT };

    /// Labels left out are counted on from the minute before.
    pub const DROP_LINEAR: Self = Self { dropped: Dropped::Linear, ..Self::STRICT };

    /// What a person may type: `1:2:3:4`, `3:04`, `4`, `-10:00`, `123:00:00:00`.
    pub const TYPED: Self = Self { digits: Digits::Few, partial: true, unwrapped: true, ..Self::STRICT };

    /// Takes a label for the frame that ffmpeg 5.1 takes it for.
    pub const FFMPEG: Self = Self {
        separators: Separators::Text,
        dot: Some(Dot::Drop),
        comma: true,
        digits: Digits::Any,
        unwrapped: true,
        out_of_range: OutOfRange::Carry,
        dropped: Dropped::Linear,
        ..Self::STRICT
    };

    /// Takes a label for the frame that `from_timecode` of OpenTimelineIO 0.18 takes it for.
    pub const OPEN_TIMELINE_IO: Self = Self {
        separators: Separators::Text,
        semicolons: true,
        unwrapped: true,
        dropped: Dropped::Linear,
        ..Self::STRICT
    };

    /// Takes a label for the frame that Python `timecode` 1.5 takes it for, if the rate is told apart as there:
    /// 29.97 and 59.94 always drop.
    pub const PYTHON_TIMECODE: Self = Self {
        dot: Some(Dot::Fraction(Rounding::HalfEven)),
        digits: Digits::Any,
        unwrapped: true,
        out_of_range: OutOfRange::Carry,
        dropped: Dropped::Linear,
        ..Self::STRICT
    };

    /// Takes those labels that GStreamer 1.22 finds valid.
    pub const GSTREAMER: Self =
        Self { separators: Separators::Text, dot: Some(Dot::NonDrop), comma: true, ..Self::STRICT };

    /// Takes what ltcdump prints and, with a drop-frame rate, 00:01:00;00 as libltc sends it.
    pub const LIBLTC: Self = Self { dot: Some(Dot::Drop), dropped: Dropped::Forward, ..Self::STRICT };

    /// Reads a label as a frame count. Its rate is `rate`, but for the drop flag if the [text decides](Separators).
    ///
    /// # Errors
    ///
    /// Says which byte does not fit, which number is out of range, or that the label is one that is left out.
    pub fn read(&self, text: &str, rate: Rate) -> Result<FrameCount, LabelError> {
        let (text, mut at) = (text.as_bytes(), 0);
        let negative = self.unwrapped && take(text, &mut at, b'-');
        let days = if self.days { days(text, &mut at) } else { 0 };
        let tokens = Tokens::scan(text, at)?;
        let mark = self.mark(&tokens)?;
        self.check_digits(&tokens, mark, rate)?;
        if tokens.count < 4 && !self.partial {
            return Err(misfit(text.len()));
        }
        let rate = self.decide_drop(mark, rate)?;
        let frames = self.count(days, tokens.numbers.map(|number| number.value), mark, rate)?;
        Ok(FrameCount::new(rate, if negative { -frames } else { frames }))
    }

    /// Reads a label as a time of day: [`read`](Self::read) modulo 24 hours.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_timecode(&self, text: &str, rate: Rate) -> Result<Timecode, LabelError> {
        self.read(text, rate).map(FrameCount::timecode)
    }

    /// What the separators say.
    fn mark(&self, tokens: &Tokens) -> Result<Mark, LabelError> {
        let [first, second, last] = tokens.separators;
        let all_semicolons = self.semicolons && last.byte == b';';
        for separator in [first, second] {
            match separator.byte {
                0 | b':' => {}
                b';' if all_semicolons => {}
                _ => return Err(misfit(separator.at)),
            }
        }
        let [.., fraction] = tokens.numbers;
        match (last.byte, self.dot) {
            (0 | b':', _) | (b'.', Some(Dot::NonDrop)) => Ok(Mark::Colon),
            (b';', _) | (b'.', Some(Dot::Drop)) => Ok(Mark::Drop),
            (b',', _) if self.comma => Ok(Mark::Drop),
            (b'.', Some(Dot::Fraction(rounding))) => Ok(Mark::Fraction(scale(fraction.digits), rounding)),
            (b'.', Some(Dot::ClockTime(rounding))) => Ok(Mark::ClockTime(scale(fraction.digits), rounding)),
            _ => Err(misfit(last.at)),
        }
    }

    fn decide_drop(&self, mark: Mark, rate: Rate) -> Result<Rate, LabelError> {
        let drop = match (mark, self.separators) {
            (Mark::Drop, Separators::Rate) => {
                return rate.is_drop().then_some(rate).ok_or(LabelError::DropSeparator);
            }
            (Mark::Drop, Separators::Promote | Separators::Text) => true,
            (Mark::Colon, Separators::Text) => false,
            _ => rate.is_drop(),
        };
        rate.with_drop(drop).map_err(|_| LabelError::DropSeparator)
    }

    fn check_digits(&self, tokens: &Tokens, mark: Mark, rate: Rate) -> Result<(), LabelError> {
        let [hours, minutes, seconds, frames] = tokens.numbers;
        let (least, most) = match self.digits {
            Digits::Two => (2, 2),
            Digits::Few => (1, 2),
            Digits::Any => (1, 9),
        };
        let most_hours = if self.unwrapped { 9 } else { most };
        let (least_frames, most_frames) = match (mark, self.digits) {
            (Mark::Fraction(..) | Mark::ClockTime(..), _) | (_, Digits::Any) => (1, 9),
            (_, Digits::Few) => (1, 3),
            (_, Digits::Two) => (2, if rate.frame_digits() == 3 { 3 } else { 2 }),
        };
        let fits = |number: Number, least, most| {
            let digits = number.digits;
            // none at all: this number is missing
            if digits == 0 || (least <= digits && digits <= most) {
                return Ok(());
            }
            Err(misfit(number.at + usize::from(digits.min(most))))
        };
        fits(hours, least, most_hours)?;
        fits(minutes, least, most)?;
        fits(seconds, least, most)?;
        fits(frames, least_frames, most_frames)
    }

    fn count(&self, days: u32, numbers: [u32; 4], mark: Mark, rate: Rate) -> Result<i64, LabelError> {
        let [hours, minutes, seconds, frames] = numbers;
        let hours = if self.unwrapped { hours } else { self.within(Field::Hours, hours, 23)? };
        let minutes = self.within(Field::Minutes, minutes, 59)?;
        let seconds = self.within(Field::Seconds, seconds, 59)?;
        let (nominal, dropped) = (rate.nominal(), rate.dropped_per_minute());
        // each number is below 10^9: nothing here comes near the end of an i64
        let total_minutes = (i64::from(days) * 24 + i64::from(hours)) * 60 + i64::from(minutes);
        let total_seconds = total_minutes * 60 + i64::from(seconds);
        let mut frames = match mark {
            Mark::ClockTime(scale, rounding) => {
                return Ok(clock_time(total_seconds, frames, scale, rate, rounding));
            }
            Mark::Fraction(scale, rounding) => fraction(frames, scale, rate, rounding),
            Mark::Colon | Mark::Drop => self.within(Field::Frames, frames, nominal - 1)?,
        };
        if seconds == 0 && frames < dropped && total_minutes % 10 != 0 {
            match self.dropped {
                Dropped::Reject => return Err(left_out(minutes, frames, dropped)),
                Dropped::Forward => frames = dropped,
                Dropped::Linear => {}
            }
        }
        let labels = total_seconds * i64::from(nominal) + i64::from(frames);
        Ok(labels - i64::from(dropped) * (total_minutes - total_minutes / 10))
    }

    fn within(&self, field: Field, value: u32, max: u32) -> Result<u32, LabelError> {
        match self.out_of_range {
            _ if value <= max => Ok(value),
            OutOfRange::Reject => Err(LabelError::OutOfRange { field, value, max }),
            OutOfRange::Clamp => Ok(max),
            OutOfRange::Carry => Ok(value),
        }
    }
}

/// What the separator before the last number says of it.
#[derive(Clone, Copy)]
enum Mark {
    Colon,
    Drop,
    /// It counts parts of a label's second, so many of them.
    Fraction(u32, Rounding),
    /// It counts parts of a real second, so many of them.
    ClockTime(u32, Rounding),
}

/// Numbers and separators as they stand in the text, set to the right: what is missing on the left is zero.
#[derive(Default)]
struct Tokens {
    numbers: [Number; 4],
    separators: [Separator; 3],
    /// How many numbers there are.
    count: u8,
}

#[derive(Clone, Copy, Default)]
struct Number {
    /// Below 10^9.
    value: u32,
    /// At most nine.
    digits: u8,
    at: usize,
}

#[derive(Clone, Copy, Default)]
struct Separator {
    byte: u8,
    at: usize,
}

impl Tokens {
    fn scan(text: &[u8], mut at: usize) -> Result<Self, LabelError> {
        let mut tokens = Self::default();
        tokens.push(Number::scan(text, &mut at)?);
        while let Some(&byte) = text.get(at) {
            if tokens.count == 4 || !matches!(byte, b':' | b';' | b'.' | b',') {
                return Err(misfit(at));
            }
            let [_, first, second] = tokens.separators;
            tokens.separators = [first, second, Separator { byte, at }];
            at += 1;
            tokens.push(Number::scan(text, &mut at)?);
        }
        Ok(tokens)
    }

    fn push(&mut self, number: Number) {
        let [_, first, second, third] = self.numbers;
        self.numbers = [first, second, third, number];
        self.count += 1;
    }
}

impl Number {
    fn scan(text: &[u8], at: &mut usize) -> Result<Self, LabelError> {
        let mut number = Self { at: *at, ..Self::default() };
        while let Some(digit @ b'0'..=b'9') = text.get(*at) {
            if number.digits == 9 {
                return Err(misfit(*at));
            }
            number.value = number.value * 10 + u32::from(digit - b'0');
            number.digits += 1;
            *at += 1;
        }
        if number.digits == 0 { Err(misfit(*at)) } else { Ok(number) }
    }
}

/// A number of days and the space after it, if both are here; else 0 and nothing is taken.
fn days(text: &[u8], at: &mut usize) -> u32 {
    let mut after = *at;
    match Number::scan(text, &mut after) {
        Ok(number) if take(text, &mut after, b' ') => {
            *at = after;
            number.value
        }
        _ => 0,
    }
}

fn take(text: &[u8], at: &mut usize, byte: u8) -> bool {
    let there = text.get(*at) == Some(&byte);
    *at += usize::from(there);
    there
}

/// Ten to the number of a fraction's digits, of which there are one to nine.
fn scale(digits: u8) -> u32 {
    10_u32.saturating_pow(digits.into())
}

/// `parts / scale` of a second, which is below one, in frames.
fn fraction(parts: u32, scale: u32, rate: Rate, rounding: Rounding) -> u32 {
    // at most one frame more than a second has
    u32::try_from(clock_time(0, parts, scale, rate, rounding)).unwrap_or(u32::MAX)
}

/// Seconds and `parts / scale` of one, in frames.
fn clock_time(seconds: i64, parts: u32, scale: u32, rate: Rate, rounding: Rounding) -> i64 {
    let units = i128::from(seconds) * i128::from(scale) + i128::from(parts);
    let (num, den) = (i128::from(rate.numerator()), i128::from(rate.denominator()));
    // seconds are below 2^48, so the count of frames is below 2^58
    i64::try_from(rounding.divide(units * num, i128::from(scale) * den)).unwrap_or(i64::MAX)
}

fn left_out(minutes: u32, frames: u32, first: u32) -> LabelError {
    let narrow = |number| u16::try_from(number).unwrap_or(u16::MAX);
    LabelError::Dropped {
        minutes: u8::try_from(minutes).unwrap_or(u8::MAX),
        frames: narrow(frames),
        first: narrow(first),
    }
}

fn misfit(at: usize) -> LabelError {
    LabelError::Syntax { offset: u16::try_from(at).unwrap_or(u16::MAX) }
}
