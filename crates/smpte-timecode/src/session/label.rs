//! Rates and labels as the session protocol writes them (sheet B3, B4; B7 Q1, Q5, Q9).

use core::fmt;

use crate::codec::python::{Repr, int};
use crate::{Field, Fields, LabelError, Rate, Timecode};

/// A rate under the name it has on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRate {
    name: &'static str,
    rate: Rate,
    counting: Counting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counting {
    Standard,
    /// As the original counts.
    Original,
}

/// The rates of `welcome`: the original's seven in its order, then ours.
const RATES: [(&str, Rate); 16] = [
    ("23.976", Rate::FPS_23_976),
    ("24", Rate::FPS_24),
    ("29.97", Rate::FPS_29_97),
    ("30", Rate::FPS_30),
    ("50", Rate::FPS_50),
    ("59.94", Rate::FPS_59_94),
    ("60", Rate::FPS_60),
    ("25", Rate::FPS_25),
    ("29.97df", Rate::FPS_29_97_DF),
    ("59.94df", Rate::FPS_59_94_DF),
    ("47.952", Rate::FPS_47_952),
    ("48", Rate::FPS_48),
    ("100", Rate::FPS_100),
    ("119.88", Rate::FPS_119_88),
    ("119.88df", Rate::FPS_119_88_DF),
    ("120", Rate::FPS_120),
];

/// How many of [`RATES`] the original has.
const ORIGINAL_RATES: usize = 7;

impl SessionRate {
    /// Every rate that a session can have.
    pub fn all() -> impl Iterator<Item = Self> {
        RATES.into_iter().map(|(name, rate)| Self { name, rate, counting: Counting::Standard })
    }

    /// The rates of the original, counted as it counts: 29 labels a second at 29.97, any integers in labels.
    pub fn original() -> impl Iterator<Item = Self> {
        let rates = RATES.into_iter().take(ORIGINAL_RATES);
        rates.map(|(name, rate)| Self { name, rate: rate.truncated(), counting: Counting::Original })
    }

    /// Its name in `welcome` and `create_session`.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Frames a second and labels a second.
    pub const fn rate(self) -> Rate {
        self.rate
    }

    /// 00:00:00:00.
    pub const fn midnight(self) -> Label {
        match self.counting {
            Counting::Standard => Label { frame: 0, rate: self.rate, form: Form::Standard },
            Counting::Original => Label { frame: 0, rate: self.rate, form: Form::Original([0; 4]) },
        }
    }

    /// Reads a label as clients write it: four numbers of one or two digits (the last of up to three) with `:` between
    /// them. At the 1000/1001 rates with N of 30, 60 and 120, `;` before the last means that labels are dropped; with
    /// `:` they are if the rate's name says so.
    ///
    /// # Errors
    ///
    /// Displayed, they are what follows `Invalid timecode format: ` in the reply.
    pub fn label(self, text: &str) -> Result<Label, WireLabelError<'_>> {
        let (parts, drop) = self.split(text).ok_or(WireLabelError::PartCount)?;
        let mut numbers = [0; 4];
        for (number, part) in numbers.iter_mut().zip(parts) {
            *number = int(part).ok_or(WireLabelError::NotAnInteger(part))?;
        }
        match self.counting {
            Counting::Standard => {
                let rate = self.rate.with_drop(drop || self.rate.is_drop()).unwrap_or(self.rate);
                Ok(standard(parts, rate)?)
            }
            Counting::Original => Ok(original(numbers, self.rate)?),
        }
    }

    /// The four parts of a label, and whether a `;` stands before the last.
    fn split(self, text: &str) -> Option<([&str; 4], bool)> {
        let last = text.rfind(|c| c == ':' || (c == ';' && self.takes_semicolon()))?;
        let (head, tail) = text.split_at_checked(last)?;
        let mut parts = head.split(':');
        let parts = match [parts.next(), parts.next(), parts.next(), parts.next()] {
            [Some(hours), Some(minutes), Some(seconds), None] => [hours, minutes, seconds, tail.get(1..)?],
            _ => return None,
        };
        Some((parts, tail.starts_with(';')))
    }

    /// 30 and 60 frames a second with dropped labels are in no standard; they are not on the wire either.
    const fn takes_semicolon(self) -> bool {
        matches!(self.counting, Counting::Standard) && self.rate.can_drop() && self.rate.denominator() == 1001
    }
}

/// Four parts that Python takes for integers as a label that exists.
fn standard(parts: [&str; 4], rate: Rate) -> Result<Label, LabelError> {
    let mut numbers = [0; 4];
    let mut at = 0;
    for ((number, part), digits) in numbers.iter_mut().zip(parts).zip([2, 2, 2, 3]) {
        let wrong = part.bytes().enumerate().position(|(i, byte)| i >= digits || !byte.is_ascii_digit());
        if let Some(wrong) = wrong {
            return Err(LabelError::Syntax { offset: u16::try_from(at + wrong).unwrap_or(u16::MAX) });
        }
        *number = part.bytes().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
        at += part.len() + 1;
    }
    let [hours, minutes, seconds, frames] = numbers;
    let small = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
    let fields = Fields { hours: small(hours), minutes: small(minutes), seconds: small(seconds), frames };
    let timecode = Timecode::from_fields(rate, fields)?;
    Ok(Label { frame: i64::from(timecode.frame()), rate, form: Form::Standard })
}

/// Any four integers as a label of the original; it has no bounds, ours are nine digits.
fn original(numbers: [i64; 4], rate: Rate) -> Result<Label, LabelError> {
    const MAX: u32 = 999_999_999;
    let mut fields = [0; 4];
    let names = [Field::Hours, Field::Minutes, Field::Seconds, Field::Frames];
    for ((field, number), name) in fields.iter_mut().zip(numbers).zip(names) {
        *field = i32::try_from(number).ok().filter(|number| number.unsigned_abs() <= MAX).ok_or(
            LabelError::OutOfRange {
                field: name,
                value: u32::try_from(number.unsigned_abs()).unwrap_or(u32::MAX),
                max: MAX,
            },
        )?;
    }
    let [hours, minutes, seconds, frames] = fields.map(i64::from);
    let frame = ((hours * 60 + minutes) * 60 + seconds) * i64::from(rate.nominal()) + frames;
    Ok(Label { frame, rate, form: Form::Original(fields) })
}

/// A label of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Counted from 00:00:00:00, past midnight.
    frame: i64,
    rate: Rate,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Standard,
    /// Hours, minutes, seconds and frames, which may be out of their ranges until they carry.
    Original([i32; 4]),
}

impl Label {
    /// Frames from 00:00:00:00 on, counted past midnight.
    pub const fn frame(self) -> i64 {
        self.frame
    }

    /// The rate at which the label counts.
    pub const fn rate(self) -> Rate {
        self.rate
    }

    /// The label as a time of day; `None` for one that only the original has.
    pub fn timecode(self) -> Option<Timecode> {
        match self.form {
            Form::Standard => Some(Timecode::from_frame(self.rate, self.frame)),
            Form::Original(_) => None,
        }
    }

    /// 00:00:00:00, counted in the same way.
    #[must_use]
    pub const fn midnight(self) -> Self {
        let form = match self.form {
            Form::Standard => Form::Standard,
            Form::Original(_) => Form::Original([0; 4]),
        };
        Self { frame: 0, form, ..self }
    }

    /// The label `frames` frames later.
    #[must_use]
    pub fn after(self, frames: i64) -> Self {
        let form = match self.form {
            Form::Original(fields) if frames > 0 => Form::Original(carried(fields, frames, self.rate)),
            // labels of the original are not counted backwards
            form => form,
        };
        Self { frame: self.frame.saturating_add(frames), form, ..self }
    }

    /// How many frames `self` is after `other` on the shorter way round the day; `None` if they count differently.
    pub(crate) fn frames_since(self, other: Self) -> Option<i64> {
        if self.rate != other.rate {
            return None;
        }
        let day = i64::from(self.rate.frames_per_day());
        let ahead = (self.frame - other.frame).rem_euclid(day);
        Some(if ahead > day / 2 { ahead - day } else { ahead })
    }
}

/// The four fields `frames` ticks later. A field past its range goes to 0 when it is counted up the next time.
fn carried(fields: [i32; 4], frames: i64, rate: Rate) -> [i32; 4] {
    let mut count = frames;
    let mut out = fields;
    for (field, range) in out.iter_mut().rev().zip([i64::from(rate.nominal()), 60, 60, 24]) {
        if count == 0 {
            break;
        }
        let sum = i64::from(*field).min(range - 1).saturating_add(count);
        // a negative field counts up to 0 without a carry
        let (left, carry) = if sum < range { (sum, 0) } else { (sum % range, sum / range) };
        *field = i32::try_from(left).unwrap_or_default();
        count = carry;
    }
    out
}

/// `HH:MM:SS:FF`, as Python writes each number: with at least two digits.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Standard => fmt::Display::fmt(&Timecode::from_frame(self.rate, self.frame), f),
            Form::Original([hours, minutes, seconds, frames]) => {
                write!(f, "{hours:02}:{minutes:02}:{seconds:02}:{frames:02}")
            }
        }
    }
}

/// Why a label of a client cannot be taken. Displayed, it is what follows `Invalid timecode format: ` in the reply:
/// the first two are the original's words (sheet B4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireLabelError<'a> {
    /// Not four parts.
    PartCount,
    /// A part that Python does not take for an integer.
    NotAnInteger(&'a str),
    /// Four integers, but not a label of this rate.
    Label(LabelError),
}

impl From<LabelError> for WireLabelError<'_> {
    fn from(error: LabelError) -> Self {
        Self::Label(error)
    }
}

impl fmt::Display for WireLabelError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartCount => f.write_str("Invalid timecode format. Use HH:MM:SS:FF"),
            Self::NotAnInteger(part) => write!(f, "invalid literal for int() with base 10: {}", Repr(part)),
            Self::Label(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for WireLabelError<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    fn rate(name: &str) -> SessionRate {
        SessionRate::all().find(|rate| rate.name() == name).unwrap()
    }

    fn original_rate(name: &str) -> SessionRate {
        SessionRate::original().find(|rate| rate.name() == name).unwrap()
    }

    fn read(rate: SessionRate, text: &str) -> String {
        rate.label(text).map_or_else(|error| error.to_string(), |label| label.to_string())
    }

    const FORM: &str = "Invalid timecode format. Use HH:MM:SS:FF";

    #[test]
    fn the_original_rates_come_first() {
        let names: alloc::vec::Vec<_> = SessionRate::all().map(SessionRate::name).collect();
        assert_eq!(names[..7], ["23.976", "24", "29.97", "30", "50", "59.94", "60"]);
        assert!(SessionRate::original().map(SessionRate::name).eq(names[..7].iter().copied()));
        for rate in SessionRate::all() {
            assert_eq!(rate.name().parse(), Ok(rate.rate()));
        }
    }

    #[test]
    fn labels_are_brought_to_their_usual_form() {
        for (name, text, label) in [
            ("24", "1:2:3:4", "01:02:03:04"),
            ("24", "01:02:03:004", "01:02:03:04"),
            ("29.97", "00:01:00:00", "00:01:00:00"),
            ("29.97", "00:00:59;28", "00:00:59;28"),
            ("29.97df", "00:00:59:28", "00:00:59;28"),
            ("59.94", "1:0:0;4", "01:00:00;04"),
            ("119.88", "00:00:00;119", "00:00:00;119"),
            ("120", "00:00:00:7", "00:00:00:007"),
            ("100", "23:59:59:99", "23:59:59:99"),
        ] {
            assert_eq!(read(rate(name), text), label, "{name} {text}");
        }
    }

    #[test]
    fn faults_are_told_in_the_original_words_where_it_has_any() {
        for (name, text, detail) in [
            ("24", "", FORM),
            ("24", "00:00:00", FORM),
            ("24", "00:00:00:00:00", FORM),
            ("24", "00:00:00;00", FORM),
            ("24", "00:00:00:00;00", "invalid literal for int() with base 10: '00;00'"),
            ("30", "00:00:00;00", FORM),
            ("29.97", "00;00;00;00", FORM),
            ("29.97", "00:00:00;00;00", "invalid literal for int() with base 10: '00;00'"),
            ("29.97", "00:00:00:00;00", FORM),
            ("24", "aa:00:00:00", "invalid literal for int() with base 10: 'aa'"),
            ("24", "-1:00:1.5:x", "invalid literal for int() with base 10: '1.5'"),
            ("24", ":::", "invalid literal for int() with base 10: ''"),
            ("24", "00:00:00:24", "frames 24 out of range 0 to 23"),
            ("24", "99:99:99:99", "hours 99 out of range 0 to 23"),
            (
                "29.97df",
                "00:01:00:00",
                "frames 00 at second 00 of minute 01 is a dropped label, the first there is 02",
            ),
            ("24", "-1:00:00:00", "label cannot be read at character 1"),
            ("24", "00:1_0:00:00", "label cannot be read at character 5"),
            ("24", "00:00:00: 1", "label cannot be read at character 10"),
            ("24", "001:00:00:00", "label cannot be read at character 3"),
            ("24", "00:00:00:\u{661}", "label cannot be read at character 10"),
            ("24", "00:00:00:0001", "label cannot be read at character 13"),
        ] {
            assert_eq!(read(rate(name), text), detail, "{name} {text}");
        }
    }

    #[test]
    fn labels_of_the_original_are_any_integers_and_carry_when_counted() {
        let rate = original_rate("29.97");
        for (text, next) in [
            ("00:00:00:27", "00:00:00:28"),
            ("00:00:00:28", "00:00:01:00"),
            ("23:59:59:28", "00:00:00:00"),
            ("99:99:99:99", "00:00:00:00"),
            ("00:00:75:00", "00:00:75:01"),
            ("00:00:75:28", "00:01:00:00"),
            ("-1:00:00:00", "-1:00:00:01"),
            ("-1:59:59:28", "00:00:00:00"),
            ("00:00:00:-1", "00:00:00:00"),
            ("100:200:300:400", "00:00:00:00"),
            (" 1: +2:1_0:\u{661}", "01:02:10:02"),
        ] {
            assert_eq!(rate.label(text).unwrap().after(1).to_string(), next, "{text}");
        }
        assert_eq!(read(rate, "100:200:300:400"), "100:200:300:400");
        assert_eq!(read(rate, "-1:00:00:00"), "-1:00:00:00");
        assert_eq!(read(rate, "00:00:00;00"), FORM);
        assert_eq!(read(rate, "0:0:0:1000000000"), "frames 1000000000 out of range 0 to 999999999");
    }

    #[test]
    fn labels_of_the_original_can_be_asked_for_far_ahead() {
        let rate = original_rate("23.976");
        for start in ["00:00:00:00", "-3:-70:-2:-40", "1:61:75:99", "22:59:59:22"] {
            let first = rate.label(start).unwrap();
            let (mut label, mut ticks) = (first, 0);
            while ticks < 23 * 60 * 60 * 3 {
                label = label.after(1);
                ticks += 1;
                assert_eq!(first.after(ticks), label, "{start} {ticks}");
            }
        }
    }

    #[test]
    fn the_way_round_the_day_is_the_short_one() {
        let (first, last) =
            (rate("25").label("00:00:00:00").unwrap(), rate("25").label("23:59:59:24").unwrap());
        assert_eq!(first.frames_since(last), Some(1));
        assert_eq!(last.frames_since(first), Some(-1));
        assert_eq!(first.frames_since(rate("29.97").midnight()), None);
    }
}
