use crate::mtc::RateCode;
use crate::{Fields, MtcError, Rate, Subframes, Timecode};

/// An eighth of a label.
///
/// | piece | data | piece | data |
/// |---|---|---|---|
/// | 0 | frames, low four bits | 4 | minutes, low four bits |
/// | 1 | frames, bit 4 | 5 | minutes, bits 4 and 5 |
/// | 2 | seconds, low four bits | 6 | hours, low four bits |
/// | 3 | seconds, bits 4 and 5 | 7 | `0rrh`: rate code and hours, bit 4 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuarterFrame {
    /// Below 128.
    data: u8,
}

impl QuarterFrame {
    /// The quarter frame with this data byte, `0ppp dddd`. `None`: 128 and up is no data.
    pub const fn from_data(data: u8) -> Option<Self> {
        if data < 0x80 { Some(Self { data }) } else { None }
    }

    /// The data byte.
    pub const fn data(self) -> u8 {
        self.data
    }

    /// Both bytes.
    pub const fn encode(self) -> [u8; 2] {
        [0xf1, self.data]
    }

    /// Which eighth, 0 to 7.
    pub const fn piece(self) -> u8 {
        self.data >> 4
    }

    /// Its four bits.
    pub const fn nibble(self) -> u8 {
        self.data & 0xf
    }
}

/// The eight quarter frames of a label, pieces 0 to 7.
///
/// # Errors
///
/// [`MtcError::Rate`] if there is no code for the rate.
pub fn quarter_frames(timecode: Timecode) -> Result<[QuarterFrame; 8], MtcError> {
    let code = RateCode::of(timecode.rate()).ok_or(MtcError::Rate)?;
    Ok(pieces(timecode, code))
}

/// Which way the time runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Pieces 0 to 7, labels going up.
    #[default]
    Forward,
    /// Pieces 7 to 0, labels going down.
    Reverse,
}

/// The endless quarter frames of a running clock.
///
/// Piece p of a label is due p quarters of a frame after that frame begins, in either direction. At rates with an
/// even N only even labels are sent.
///
/// ```
/// use smpte_timecode::mtc::{Direction, Generator};
/// use smpte_timecode::{Rate, Timecode};
///
/// let start = Timecode::parse("01:02:03:04", Rate::FPS_25)?;
/// let mut clock = Generator::try_new(start, Direction::Forward)?;
/// assert_eq!(clock.due().to_string(), "01:02:03:04.0");
/// assert_eq!(clock.next().map(|quarter| quarter.encode()), Some([0xf1, 0x04]));
/// assert_eq!(clock.due().to_string(), "01:02:03:04.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generator {
    /// The label being sent.
    timecode: Timecode,
    code: RateCode,
    /// The piece to send next.
    piece: u8,
    direction: Direction,
}

impl Generator {
    /// A clock that runs from the beginning of frame `at`. Forward the first label sent is this one, or the next if
    /// it has to be an even one; in reverse it is the last one that lies wholly before.
    ///
    /// # Errors
    ///
    /// [`MtcError::Rate`] if there is no code for the rate.
    pub fn try_new(at: Timecode, direction: Direction) -> Result<Self, MtcError> {
        let code = RateCode::of(at.rate()).ok_or(MtcError::Rate)?;
        let odd = i64::from(at.rate().nominal().is_multiple_of(2) && !at.frame().is_multiple_of(2));
        let (timecode, piece) = match direction {
            Direction::Forward => (at + odd, 0),
            Direction::Reverse => (at - 2 - odd, 7),
        };
        Ok(Self { timecode, code, piece, direction })
    }

    /// When the next quarter frame is to be sent: this frame and so many quarters of it.
    pub fn due(&self) -> Subframes {
        Subframes::quarters(self.timecode, self.piece)
    }

    /// The label of which the next quarter frame is a piece.
    pub const fn timecode(&self) -> Timecode {
        self.timecode
    }
}

/// Never ends.
impl Iterator for Generator {
    type Item = QuarterFrame;

    fn next(&mut self) -> Option<QuarterFrame> {
        let quarter = pieces(self.timecode, self.code).get(usize::from(self.piece)).copied();
        match (self.direction, self.piece) {
            (Direction::Forward, 7) => (self.timecode, self.piece) = (self.timecode + 2, 0),
            (Direction::Forward, _) => self.piece += 1,
            (Direction::Reverse, 0) => (self.timecode, self.piece) = (self.timecode - 2, 7),
            (Direction::Reverse, _) => self.piece -= 1,
        }
        quarter
    }
}

/// A label put together from its eight pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// The label that was sent: that of the frame at whose beginning piece 0 is due.
    pub timecode: Timecode,
    /// Which way the pieces came.
    pub direction: Direction,
}

impl Assembled {
    /// The frame to show now that the last piece is here: two on from the label when running forward, as saying it
    /// took that long; the label itself when running in reverse, as piece 0 comes last.
    pub fn now(self) -> Timecode {
        match self.direction {
            Direction::Forward => self.timecode + 2,
            Direction::Reverse => self.timecode,
        }
    }
}

/// Puts labels together from quarter frames. A piece out of order, as after a jump or a change of direction, makes it
/// begin again, so a label is never mixed of two.
#[derive(Clone, Copy, Debug, Default)]
pub struct Assembler {
    hint: Option<Rate>,
    nibbles: [u8; 8],
    /// How many pieces from 0 up came one after the other.
    forward: u8,
    /// How many pieces from 7 down came one after the other.
    reverse: u8,
}

impl Assembler {
    /// One that knows nothing yet. `hint` tells 23.976 from 24 and 29.97 from 30, and is used where it fits.
    pub const fn new(hint: Option<Rate>) -> Self {
        Self { hint, nibbles: [0; 8], forward: 0, reverse: 0 }
    }

    /// Takes one quarter frame; gives the label when it was the last of eight.
    ///
    /// # Errors
    ///
    /// [`MtcError::Label`] if the eight make a label that does not exist.
    pub fn push(&mut self, quarter: QuarterFrame) -> Result<Option<Assembled>, MtcError> {
        let piece = quarter.piece();
        if let Some(nibble) = self.nibbles.get_mut(usize::from(piece)) {
            *nibble = quarter.nibble();
        }
        self.forward = if piece == self.forward { self.forward + 1 } else { u8::from(piece == 0) };
        self.reverse = if piece == 7 - self.reverse { self.reverse + 1 } else { u8::from(piece == 7) };
        let direction = match (self.forward, self.reverse) {
            (8, _) => {
                self.forward = 0;
                Direction::Forward
            }
            (_, 8) => {
                self.reverse = 0;
                Direction::Reverse
            }
            _ => return Ok(None),
        };
        Ok(Some(Assembled { timecode: self.timecode()?, direction }))
    }

    /// Forgets what it has, as after a locate.
    pub const fn reset(&mut self) {
        *self = Self::new(self.hint);
    }

    fn timecode(&self) -> Result<Timecode, MtcError> {
        let [f0, f1, s0, s1, m0, m1, h0, h1] = self.nibbles;
        // never None: two bits
        let code = RateCode::from_number(h1 >> 1 & 3).unwrap_or(RateCode::Smpte);
        let fields = Fields {
            hours: h0 | (h1 & 1) << 4,
            minutes: m0 | (m1 & 3) << 4,
            seconds: s0 | (s1 & 3) << 4,
            frames: u16::from(f0 | (f1 & 1) << 4),
        };
        Ok(Timecode::from_fields(code.rate_or(self.hint), fields)?)
    }
}

fn pieces(timecode: Timecode, code: RateCode) -> [QuarterFrame; 8] {
    let Fields { hours, minutes, seconds, frames } = timecode.fields();
    // at most 29 at a rate with a code
    let frames = u8::try_from(frames).unwrap_or_default();
    let data = [
        frames & 0xf,
        0x10 | frames >> 4,
        0x20 | seconds & 0xf,
        0x30 | seconds >> 4,
        0x40 | minutes & 0xf,
        0x50 | minutes >> 4,
        0x60 | hours & 0xf,
        0x70 | code.number() << 1 | hours >> 4,
    ];
    data.map(|data| QuarterFrame { data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, LabelError};

    fn feed(assembler: &mut Assembler, data: &[u8]) -> alloc::vec::Vec<Result<Assembled, MtcError>> {
        let push = |&data: &u8| assembler.push(QuarterFrame::from_data(data).unwrap()).transpose();
        data.iter().filter_map(push).collect()
    }

    /// 01:02:03:04 at 25
    const PIECES: [u8; 8] = [0x04, 0x10, 0x23, 0x30, 0x42, 0x50, 0x61, 0x72];

    #[test]
    fn a_missing_piece_costs_its_label_and_no_other() {
        for missing in 0..8 {
            let mut data = PIECES.to_vec();
            data.remove(missing);
            data.extend(PIECES);
            let labels = feed(&mut Assembler::new(None), &data);
            assert_eq!(labels.len(), 1, "without piece {missing}");
            assert_eq!(labels[0].unwrap().timecode, Timecode::try_new(Rate::FPS_25, 1, 2, 3, 4).unwrap());
        }
    }

    #[test]
    fn a_turn_in_the_middle_makes_no_label_of_two() {
        let mut assembler = Assembler::new(None);
        assert_eq!(feed(&mut assembler, &[0x04, 0x10, 0x23, 0x30, 0x42]), []);
        assert_eq!(feed(&mut assembler, &[0x30, 0x23, 0x10, 0x04]), []);
        let mut reversed = PIECES;
        reversed.reverse();
        let labels = feed(&mut assembler, &reversed);
        assert_eq!(labels[0].unwrap().direction, Direction::Reverse);
        assert_eq!(labels[0].unwrap().now(), labels[0].unwrap().timecode);
    }

    #[test]
    fn labels_that_do_not_exist_are_said_so() {
        // 25 frames at 25
        let labels = feed(&mut Assembler::new(None), &[0x09, 0x11, 0x23, 0x30, 0x42, 0x50, 0x61, 0x72]);
        let error = LabelError::OutOfRange { field: Field::Frames, value: 25, max: 24 };
        assert_eq!(labels, [Err(MtcError::Label(error))]);
        // 00:01:00;00
        let labels = feed(&mut Assembler::new(None), &[0x00, 0x10, 0x20, 0x30, 0x41, 0x50, 0x60, 0x74]);
        assert_eq!(labels, [Err(MtcError::Label(LabelError::Dropped { minutes: 1, frames: 0, first: 2 }))]);
    }

    #[test]
    fn a_hint_is_used_where_it_fits() {
        let ntsc =
            feed(&mut Assembler::new(Some(Rate::FPS_29_97)), &[0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x76]);
        assert_eq!(ntsc[0].unwrap().timecode.rate(), Rate::FPS_29_97);
        let other = feed(&mut Assembler::new(Some(Rate::FPS_29_97)), &PIECES);
        assert_eq!(other[0].unwrap().timecode.rate(), Rate::FPS_25);
    }

    #[test]
    fn rates_without_a_code() {
        for rate in [Rate::FPS_48, Rate::FPS_59_94_DF, Rate::FPS_29_97.truncated()] {
            assert_eq!(quarter_frames(Timecode::midnight(rate)), Err(MtcError::Rate));
            assert!(Generator::try_new(Timecode::midnight(rate), Direction::Forward).is_err());
        }
    }

    #[test]
    fn odd_frames_wait_for_an_even_one_except_at_25() {
        let due = |rate, direction| {
            let start = Timecode::from_frame(rate, 101);
            Generator::try_new(start, direction).unwrap().due().real_time()
        };
        assert_eq!(
            due(Rate::FPS_24, Direction::Forward),
            Timecode::from_frame(Rate::FPS_24, 102).real_time()
        );
        assert_eq!(
            due(Rate::FPS_25, Direction::Forward),
            Timecode::from_frame(Rate::FPS_25, 101).real_time()
        );
        // piece 7 of 98 lies 7 quarters on, piece 7 of 99 just before 101
        assert_eq!(due(Rate::FPS_24, Direction::Reverse), crate::RealTime::of_part(Rate::FPS_24, 99, 3, 4));
        assert_eq!(due(Rate::FPS_25, Direction::Reverse), crate::RealTime::of_part(Rate::FPS_25, 100, 3, 4));
    }
}
