//! What is burnt in, as text.

use alloc::format;
use alloc::string::String;

use crate::Marks;

impl Marks {
    /// The timecode as it is written, `01:00:00:00`, with `;` before the frames of a drop-frame label; `None` if there is
    /// none.
    pub fn label(&self) -> Option<String> {
        if self.timecode == Self::NO_TIMECODE {
            return None;
        }
        let [h, m, s, f] = (self.timecode & 0x7fff_ffff).to_be_bytes();
        let mark = if self.timecode >> 31 == 1 { ';' } else { ':' };
        Some(format!("{h:02X}:{m:02X}:{s:02X}{mark}{f:02X}"))
    }
}

/// Timecode, frame number with settings, and wall-clock time.
pub(crate) fn lines(marks: &Marks) -> [String; 3] {
    let timecode = marks.label().unwrap_or_else(|| String::from("--:--:--:--"));
    let [a, b, c, d, e, f] = marks.settings;
    let frame = format!("FRAME {} SET {a:02X}{b:02X}{c:02X}{d:02X}{e:02X}{f:02X}", marks.frame);
    [timecode, frame, date(marks.time_ns)]
}

/// `2025-01-01T00:00:00.000Z`
fn date(time_ns: u64) -> String {
    let ms = time_ns / 1_000_000;
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar. Years are counted from March, so that the
/// leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(date(seconds * 1_000_000_000), text);
        }
    }

    #[test]
    fn labels() {
        let marks = Marks { timecode: 0x8109_5902, frame: 12, settings: [0xab; 6], ..Marks::default() };
        let [timecode, frame, _] = lines(&marks);
        assert_eq!(timecode, "01:09:59;02");
        assert_eq!(frame, "FRAME 12 SET ABABABABABAB");
    }
}
