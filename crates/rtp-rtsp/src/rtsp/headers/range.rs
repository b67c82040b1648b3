//! `Range: npt=3.5-8` (RFC 2326 §12.29, §3.6): normal play time. The other units (`smpte`, `clock`) are not taken.

use core::fmt;

use crate::error::HeaderError;

/// Normal play time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Npt(pub u64);

/// Where playing begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// `npt=now-`: live.
    Now,
    /// `npt=a-b`, `npt=a-`, and `npt=-b`, which begins at 0.
    Npt {
        /// From here on.
        start: Npt,
        /// To here; `None`: to the end.
        end: Option<Npt>,
    },
}

impl Range {
    /// Everything.
    pub const ALL: Self = Self::Npt { start: Npt(0), end: None };

    /// Reads the value.
    ///
    /// # Errors
    /// When it is not in normal play time, or ends before it begins.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        let wrong = |offset: usize| HeaderError {
            header: "Range",
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
        };
        let range = text.split(';').next().unwrap_or_default().trim();
        let range = range.strip_prefix("npt").map(str::trim_start).and_then(|r| r.strip_prefix('='));
        let (start, end) = range.and_then(|r| r.split_once('-')).ok_or(wrong(0))?;
        let end = match end.trim() {
            "" => None,
            text => Some(Npt::parse(text).ok_or(wrong(5 + start.len()))?),
        };
        let start = match start.trim() {
            "now" => return Ok(Self::Now),
            "" => Npt(0),
            text => Npt::parse(text).ok_or(wrong(4))?,
        };
        if end.is_some_and(|e| e < start) {
            return Err(wrong(5));
        }
        Ok(Self::Npt { start, end })
    }
}

impl Npt {
    /// `12.345` or `1:02:03.4`.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut seconds: u64 = 0;
        let mut parts = 0;
        for part in whole.split(':') {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
            parts += 1;
        }
        if !matches!(parts, 1 | 3) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = fraction.bytes().chain([b'0'; 3]).take(3);
        let ms = digits.fold(0_u64, |n, b| n * 10 + u64::from(b - b'0'));
        seconds.checked_mul(1000)?.checked_add(ms).map(Self)
    }
}

impl fmt::Display for Npt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("npt=now-"),
            Self::Npt { start, end: None } => write!(f, "npt={start}-"),
            Self::Npt { start, end: Some(end) } => write!(f, "npt={start}-{end}"),
        }
    }
}

/// A factor in thousandths with a sign: `Scale` and `Speed` (RFC 2326 §12.34, §12.35).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scale(pub i64);

impl Scale {
    /// `-1.5`: thousandths.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let value = Npt::parse(digits).filter(|_| !digits.contains(':'))?;
        Some(Self(sign * i64::try_from(value.0).ok()?))
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", Npt(self.0.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ranges() {
        let npt = |start, end: Option<u64>| Range::Npt { start: Npt(start), end: end.map(Npt) };
        for (text, range, again) in [
            ("npt=0.000-", npt(0, None), "npt=0.000-"),
            ("npt=now-", Range::Now, "npt=now-"),
            ("npt=0.000-2.000", npt(0, Some(2000)), "npt=0.000-2.000"),
            ("npt = 1:02:03.4567-;time=x", npt(3_723_456, None), "npt=3723.456-"),
            ("npt=-5", npt(0, Some(5000)), "npt=0.000-5.000"),
        ] {
            assert_eq!(Range::parse(text), Ok(range), "{text}");
            assert_eq!(range.to_string(), again);
        }
        for bad in [
            "",
            "smpte=0:10:20-",
            "npt=5-3",
            "npt=x-",
            "npt=1",
            "npt=-1-2",
            "npt=1:2-",
            "npt=99999999999999999999-",
        ] {
            assert!(Range::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn factors() {
        assert_eq!(Scale::parse(" -1.5"), Some(Scale(-1500)));
        assert_eq!(Scale(-1500).to_string(), "-1.500");
        assert_eq!(Scale::parse("2"), Some(Scale(2000)));
        assert_eq!(Scale::parse("1:00:00"), None);
        assert_eq!(Scale::parse("x"), None);
    }
}
