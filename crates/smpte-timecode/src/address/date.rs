//! Date and time zone in the user bits (ST 309).
//!
//! ```text
//! group      1     2      3       4        5      6      7                8
//! calendar   day units,tens  month units,tens  year units,tens   zone bits 0-3   zone 4-5, daylight saving, 0
//! MJD        units ... hundred thousands                         zone bits 0-3   zone 4-5, daylight saving, 1
//! ```
//!
//! The label is local time with a calendar date, and UTC with a modified Julian date.
//!
//! Never rely on the binary group flags to tell that a date is there: libltc leaves them clear when it packs one.

use core::fmt;

use thiserror::Error;

/// User bits that are no date, or a date that has no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DateError {
    /// A binary group that should be a decimal digit.
    #[error("binary group {group} is {value:x}, not a decimal digit")]
    Digit {
        /// 1 to 6.
        group: u8,
        /// 10 to 15.
        value: u8,
    },
    /// There is no such day in the calendar; "00" is the year 2000.
    #[error("there is no day {day}, month {month}, year {year:02}")]
    Calendar {
        /// Two digits of the year.
        year: u8,
        /// As given.
        month: u8,
        /// As given.
        day: u8,
    },
    /// A modified Julian date of more than six digits.
    #[error("modified Julian date {days} has more than six digits")]
    Mjd {
        /// As given.
        days: u32,
    },
    /// A distance from UTC that the table of zones does not have.
    #[error("no time zone code for {minutes} minutes from UTC")]
    Offset {
        /// As given; east is positive.
        minutes: i16,
    },
}

/// A day, in one of the two forms that ST 309 has, and where its clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    day: Day,
    zone: TimeZone,
    daylight_saving: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Day {
    Calendar { year: u8, month: u8, day: u8 },
    Mjd(u32),
}

impl Date {
    /// A calendar date; `year` is the last two digits, 0 to 99.
    ///
    /// # Errors
    ///
    /// If there is no such day. 29 February is taken in every fourth year, "00" included.
    pub const fn try_new(year: u8, month: u8, day: u8, zone: TimeZone) -> Result<Self, DateError> {
        if year > 99 || month == 0 || month > 12 || day == 0 || day > days_in_month(year, month) {
            return Err(DateError::Calendar { year, month, day });
        }
        Ok(Self { day: Day::Calendar { year, month, day }, zone, daylight_saving: false })
    }

    /// A modified Julian date: days since 17 November 1858, 0 to 999 999.
    ///
    /// # Errors
    ///
    /// If it has more than six digits.
    pub const fn try_from_mjd(days: u32, zone: TimeZone) -> Result<Self, DateError> {
        if days > 999_999 {
            return Err(DateError::Mjd { days });
        }
        Ok(Self { day: Day::Mjd(days), zone, daylight_saving: false })
    }

    /// Says whether the clock is on daylight saving time.
    #[must_use]
    pub const fn with_daylight_saving(self, daylight_saving: bool) -> Self {
        Self { daylight_saving, ..self }
    }

    /// Two digits of the year, the month and the day; `None` for a modified Julian date.
    pub const fn calendar(self) -> Option<(u8, u8, u8)> {
        match self.day {
            Day::Calendar { year, month, day } => Some((year, month, day)),
            Day::Mjd(_) => None,
        }
    }

    /// The modified Julian date; `None` for a calendar date.
    pub const fn mjd(self) -> Option<u32> {
        match self.day {
            Day::Calendar { .. } => None,
            Day::Mjd(days) => Some(days),
        }
    }

    /// The time zone.
    pub const fn zone(self) -> TimeZone {
        self.zone
    }

    /// Whether the clock is on daylight saving time; the zone's offset has it in already.
    pub const fn daylight_saving(self) -> bool {
        self.daylight_saving
    }

    /// The day after: what is sent once the label has passed midnight. After 99-12-31 comes 00-01-01, after the last
    /// modified Julian date the first.
    #[must_use]
    pub const fn next_day(self) -> Self {
        let day = match self.day {
            Day::Mjd(days) => Day::Mjd((days + 1) % 1_000_000),
            Day::Calendar { year, month, day } if day < days_in_month(year, month) => {
                Day::Calendar { year, month, day: day + 1 }
            }
            Day::Calendar { year, month, .. } if month < 12 => {
                Day::Calendar { year, month: month + 1, day: 1 }
            }
            Day::Calendar { year, .. } => Day::Calendar { year: (year + 1) % 100, month: 1, day: 1 },
        };
        Self { day, ..self }
    }

    /// The user bits that say this; set [`BinaryGroups::DATE_TIME_ZONE`](super::BinaryGroups::DATE_TIME_ZONE) with
    /// them.
    pub const fn to_user_bits(self) -> u32 {
        let (digits, mjd) = match self.day {
            Day::Calendar { year, month, day } => {
                (day as u32 + month as u32 * 100 + year as u32 * 10_000, false)
            }
            Day::Mjd(days) => (days, true),
        };
        let (mut rest, mut groups, mut at) = (digits, 0, 0);
        while at < 24 {
            groups |= (rest % 10) << at;
            rest /= 10;
            at += 4;
        }
        let flags = (self.daylight_saving as u32) << 2 | (mjd as u32) << 3;
        groups | ((self.zone.code() & 0xf) as u32) << 24 | ((self.zone.code() >> 4) as u32 | flags) << 28
    }

    /// Reads user bits as date and time zone.
    ///
    /// # Errors
    ///
    /// Names the group that is no digit, or the day that is not in the calendar.
    pub const fn from_user_bits(user_bits: u32) -> Result<Self, DateError> {
        let (mut digits, mut group) = (0, 6_u8);
        while group > 0 {
            let value = user_bits >> (4 * (group - 1)) & 0xf;
            if value > 9 {
                return Err(DateError::Digit { group, value: value as u8 });
            }
            digits = digits * 10 + value;
            group -= 1;
        }
        let zone = TimeZone::from_code((user_bits >> 24 & 0x3f) as u8);
        let date = if user_bits >> 31 != 0 {
            Self::try_from_mjd(digits, zone)
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "two decimal digits each")]
            let [year, month, day] =
                [(digits / 10_000) as u8, (digits / 100 % 100) as u8, (digits % 100) as u8];
            Self::try_new(year, month, day, zone)
        };
        match date {
            Ok(date) => Ok(date.with_daylight_saving(user_bits >> 30 & 1 != 0)),
            Err(error) => Err(error),
        }
    }
}

/// A six-bit code of ST 309's table of time zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeZone(u8);

impl TimeZone {
    /// Code 00.
    pub const UTC: Self = Self(0x00);
    /// Code 38: defined by the users.
    pub const USER_DEFINED: Self = Self(0x38);

    /// The zone with this code; its upper two bits are not looked at.
    pub const fn from_code(code: u8) -> Self {
        Self(code & 0x3f)
    }

    /// The code, 0 to 3F hexadecimal.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Minutes east of UTC; `None` for codes that are no zone: the user's own, the four classes of precision
    /// (28, 29, 30, 31) and the reserved ones.
    pub const fn offset_minutes(self) -> Option<i16> {
        let (row, column) = ((self.0 >> 4) as i16, (self.0 & 0xf) as i16);
        match (row, column) {
            (3, 2) => Some(12 * 60 + 45),
            // whole hours: the code's two digits as a decimal number, west to 12, east counted down from 25
            (0..=2, 0..=9) => match row * 10 + column {
                west @ 0..=12 => Some(-60 * west),
                13 => Some(13 * 60),
                east @ 14..=25 => Some(60 * (26 - east)),
                _ => None,
            },
            // half hours: west in rows 0 and 1, east counted down in rows 2 and 3
            (0 | 1, 10..) => Some(-30 - 60 * (column - 10 + 6 * row)),
            (2 | 3, 10..) => Some(30 + 60 * (15 - column + 6 * (3 - row))),
            _ => None,
        }
    }

    /// The zone that is this many minutes east of UTC.
    ///
    /// # Errors
    ///
    /// If the table has none: it has whole hours from -12 to +13, half hours from -11:30 to +11:30, and +12:45.
    pub const fn from_offset_minutes(minutes: i16) -> Result<Self, DateError> {
        let mut code = 0;
        while code <= 0x3f {
            let zone = Self(code);
            if matches!(zone.offset_minutes(), Some(offset) if offset == minutes) {
                return Ok(zone);
            }
            code += 1;
        }
        Err(DateError::Offset { minutes })
    }
}

/// `+05:30`, or the code (`code 38`) where it is no offset.
impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset_minutes() {
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
            None => write!(f, "code {:02x}", self.0),
        }
    }
}

/// `26-11-21 +05:30`, `MJD 61365 +00:00`, with ` DST` on daylight saving time.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day {
            Day::Calendar { year, month, day } => write!(f, "{year:02}-{month:02}-{day:02}")?,
            Day::Mjd(days) => write!(f, "MJD {days}")?,
        }
        write!(f, " {}{}", self.zone, if self.daylight_saving { " DST" } else { "" })
    }
}

const fn days_in_month(year: u8, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_zones() {
        let offset = |code| TimeZone::from_code(code).offset_minutes();
        assert_eq!(
            (1..=9).map(offset).collect::<Vec<_>>(),
            (1..=9).map(|h| Some(-60 * h)).collect::<Vec<_>>()
        );
        assert_eq!([0x10, 0x11, 0x12, 0x13].map(offset), [Some(-600), Some(-660), Some(-720), Some(780)]);
        assert_eq!([0x14, 0x19, 0x20, 0x25].map(offset), [Some(720), Some(420), Some(360), Some(60)]);
        assert_eq!([0x0a, 0x0f, 0x1a, 0x1f].map(offset), [Some(-30), Some(-330), Some(-390), Some(-690)]);
        assert_eq!([0x2a, 0x2f, 0x3a, 0x3f].map(offset), [Some(690), Some(390), Some(330), Some(30)]);
        assert_eq!([0x00, 0x32].map(offset), [Some(0), Some(765)]);
        for none in [0x26, 0x27, 0x28, 0x29, 0x30, 0x31, 0x33, 0x37, 0x38, 0x39] {
            assert_eq!(offset(none), None, "{none:02x}");
        }
    }

    #[test]
    fn offsets_find_their_code() {
        for code in 0..0x40 {
            let zone = TimeZone::from_code(code);
            if let Some(minutes) = zone.offset_minutes() {
                assert_eq!(TimeZone::from_offset_minutes(minutes), Ok(zone));
            }
        }
        assert_eq!(TimeZone::from_offset_minutes(345), Err(DateError::Offset { minutes: 345 }));
    }

    #[test]
    fn a_date_of_the_sheet() {
        let zone = TimeZone::from_offset_minutes(330).unwrap();
        let date = Date::try_new(26, 11, 21, zone).unwrap();
        assert_eq!(date.to_user_bits(), 0x3a26_1121);
        assert_eq!(Date::from_user_bits(0x3a26_1121), Ok(date));
        assert_eq!(date.to_string(), "26-11-21 +05:30");
    }

    #[test]
    fn julian_dates_and_daylight_saving() {
        let date = Date::try_from_mjd(61_365, TimeZone::UTC).unwrap().with_daylight_saving(true);
        assert_eq!(date.to_user_bits(), 0xc006_1365);
        assert_eq!(Date::from_user_bits(0xc006_1365), Ok(date));
        assert_eq!(date.next_day().mjd(), Some(61_366));
    }

    #[test]
    fn what_is_no_date() {
        assert_eq!(Date::from_user_bits(0x0026_11a1), Err(DateError::Digit { group: 2, value: 10 }));
        assert_eq!(
            Date::from_user_bits(0x0026_1321),
            Err(DateError::Calendar { year: 26, month: 13, day: 21 })
        );
        assert_eq!(Date::from_user_bits(0), Err(DateError::Calendar { year: 0, month: 0, day: 0 }));
        assert!(Date::try_new(25, 2, 29, TimeZone::UTC).is_err());
        assert!(Date::try_new(24, 2, 29, TimeZone::UTC).is_ok());
        assert_eq!(Date::try_from_mjd(1_000_000, TimeZone::UTC), Err(DateError::Mjd { days: 1_000_000 }));
    }

    #[test]
    fn days_follow_each_other() {
        let after = |y, m, d| Date::try_new(y, m, d, TimeZone::UTC).unwrap().next_day().calendar().unwrap();
        assert_eq!(after(26, 11, 21), (26, 11, 22));
        assert_eq!(after(26, 2, 28), (26, 3, 1));
        assert_eq!(after(28, 2, 28), (28, 2, 29));
        assert_eq!(after(99, 12, 31), (0, 1, 1));
    }
}
