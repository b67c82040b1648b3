//! From label to frame number and back (ST 12-1 clause 5.2.2).
//!
//! At N of 30, 60 or 120 with drop, the labels with frame numbers 0 to D-1 (D = N/15) do not exist at second 0 of
//! each minute that is not a multiple of ten. No frame is lost, only labels:
//!
//! ```text
//! minute    0                1                2                     9                10
//! frame     0 .. 1799        1800 .. 3597     3598 ..          .. 17981              17982     at N = 30
//! label     0:00;00 .. 59;29 1:00;02 .. 59;29 2:00;02 ..       .. 9:59;29            10:00;00
//! ```

use crate::{Field, LabelError, Rate};

/// The four numbers of a label, not yet checked against a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fields {
    /// 0 to 23.
    pub hours: u8,
    /// 0 to 59.
    pub minutes: u8,
    /// 0 to 59.
    pub seconds: u8,
    /// 0 to N - 1.
    pub frames: u16,
}

impl Fields {
    /// Whether these are a label of this rate.
    ///
    /// # Errors
    ///
    /// The first number that is out of its range, or that the label is one of those dropped.
    #[inline]
    pub const fn check(self, rate: Rate) -> Result<(), LabelError> {
        let nominal = rate.nominal();
        if self.hours > 23 {
            Err(out_of_range(Field::Hours, self.hours as u32, 23))
        } else if self.minutes > 59 {
            Err(out_of_range(Field::Minutes, self.minutes as u32, 59))
        } else if self.seconds > 59 {
            Err(out_of_range(Field::Seconds, self.seconds as u32, 59))
        } else if self.frames as u32 >= nominal {
            Err(out_of_range(Field::Frames, self.frames as u32, nominal - 1))
        } else if self.is_dropped(rate) {
            #[expect(clippy::cast_possible_truncation, reason = "at most 8")]
            let first = rate.dropped_per_minute() as u16;
            Err(LabelError::Dropped { minutes: self.minutes, frames: self.frames, first })
        } else {
            Ok(())
        }
    }

    /// Whether these are one of the labels that this rate leaves out.
    #[inline]
    pub const fn is_dropped(self, rate: Rate) -> bool {
        self.seconds == 0
            && (self.frames as u32) < rate.dropped_per_minute()
            && !self.minutes.is_multiple_of(10)
    }

    /// The frame's number from midnight, counted straight on for numbers out of their range; a dropped label gets
    /// the number of a frame that has another label.
    #[inline]
    pub const fn frame_unchecked(self, rate: Rate) -> u32 {
        let minutes = self.hours as u32 * 60 + self.minutes as u32;
        let labels = (minutes * 60 + self.seconds as u32) * rate.nominal() + self.frames as u32;
        labels - rate.dropped_per_minute() * (minutes - minutes / 10)
    }

    /// The label of frame `frame`, which is below [`Rate::frames_per_day`].
    #[inline]
    pub(crate) const fn of_frame(frame: u32, rate: Rate) -> Self {
        // Division by a constant is some four times faster than by a variable, and these are nearly all rates in use.
        match (rate.nominal(), rate.is_drop()) {
            (24, _) => split(frame, 24),
            (25, _) => split(frame, 25),
            (30, false) => split(frame, 30),
            (30, true) => split(relabel(frame, 30), 30),
            (50, _) => split(frame, 50),
            (60, false) => split(frame, 60),
            (60, true) => split(relabel(frame, 60), 60),
            (120, true) => split(relabel(frame, 120), 120),
            (nominal, _) => split(frame, nominal),
        }
    }
}

/// The number that frame `frame` would have were no labels dropped.
#[inline(always)]
const fn relabel(frame: u32, nominal: u32) -> u32 {
    let dropped = nominal / 15;
    let (per_ten, per_one) = (600 * nominal - 9 * dropped, 60 * nominal - dropped);
    let (tens, rest) = (frame / per_ten, frame % per_ten);
    let minutes = if rest < dropped { 0 } else { (rest - dropped) / per_one };
    frame + 9 * dropped * tens + dropped * minutes
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "remainders by 60 and by N <= 1000; a day has 24 hours")]
const fn split(label: u32, nominal: u32) -> Fields {
    let (seconds, frames) = (label / nominal, label % nominal);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    Fields { hours: hours as u8, minutes: minutes as u8, seconds: seconds as u8, frames: frames as u16 }
}

const fn out_of_range(field: Field, value: u32, max: u32) -> LabelError {
    LabelError::OutOfRange { field, value, max }
}
