use crate::mtc::{FullFrame, Message, QuarterFrame, UserBits};
use crate::{MtcError, Rate};

/// What a user bits message has between `F0` and `F7`, the longest of them.
const LONGEST: usize = 13;

/// Finds MIDI timecode in a stream of MIDI bytes, cut anywhere. Other messages are passed over; real-time bytes may
/// stand in the middle of one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parser {
    hint: Option<Rate>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Not in a message of ours.
    #[default]
    Between,
    /// After `F1`.
    Quarter,
    /// After `F0`: so many data bytes, of which as many as can be ours are kept.
    Exclusive { data: [u8; LONGEST], length: usize },
}

impl Parser {
    /// A parser. `hint` tells 23.976 from 24 and 29.97 from 30, and is used where it fits.
    pub const fn new(hint: Option<Rate>) -> Self {
        Self { hint, state: State::Between }
    }

    /// Takes one byte; gives the message that it ends.
    ///
    /// # Errors
    ///
    /// [`MtcError::Label`] for a full frame with a label that does not exist.
    pub fn push(&mut self, byte: u8) -> Result<Option<Message>, MtcError> {
        match byte {
            // real time: may come anywhere and changes nothing
            0xf8.. => Ok(None),
            0xf1 => self.enter(State::Quarter),
            0xf0 => self.enter(State::Exclusive { data: [0; LONGEST], length: 0 }),
            0xf7 => {
                let ended = core::mem::take(&mut self.state);
                self.exclusive(ended)
            }
            0x80.. => self.enter(State::Between),
            data => Ok(self.data(data)),
        }
    }

    fn enter(&mut self, state: State) -> Result<Option<Message>, MtcError> {
        self.state = state;
        Ok(None)
    }

    fn data(&mut self, byte: u8) -> Option<Message> {
        match &mut self.state {
            State::Between => None,
            State::Quarter => {
                self.state = State::Between;
                QuarterFrame::from_data(byte).map(Message::QuarterFrame)
            }
            State::Exclusive { data, length } => {
                match data.get_mut(*length) {
                    Some(place) => {
                        *place = byte;
                        *length += 1;
                    }
                    // too long to be ours
                    None => self.state = State::Between,
                }
                None
            }
        }
    }

    fn exclusive(&self, ended: State) -> Result<Option<Message>, MtcError> {
        let State::Exclusive { data, length } = ended else { return Ok(None) };
        match *data.get(..length).unwrap_or_default() {
            [0x7f, device, 0x01, 0x01, hours, minutes, seconds, frames] => {
                let full = FullFrame::decode(device, [hours, minutes, seconds, frames], self.hint)?;
                Ok(Some(Message::FullFrame(full)))
            }
            [0x7f, device, 0x01, 0x02, u1, u2, u3, u4, u5, u6, u7, u8, flags] => {
                let groups = [u1, u2, u3, u4, u5, u6, u7, u8];
                Ok(Some(Message::UserBits(UserBits::decode(device, groups, flags))))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timecode;
    use alloc::vec::Vec;

    fn messages(bytes: &[u8]) -> Vec<Message> {
        let mut parser = Parser::new(None);
        bytes.iter().filter_map(|&byte| parser.push(byte).unwrap()).collect()
    }

    #[test]
    fn other_messages_are_passed_over() {
        // a note, a sysex of another maker, one that is too long, one cut short by a status byte
        let mut bytes = [0x90, 0x40, 0x7f, 0xf0, 0x43, 0x01, 0xf7].to_vec();
        bytes.extend([0xf0, 0x7f, 0x7f, 0x01, 0x01]);
        bytes.extend([0; 20]);
        bytes.push(0xf7);
        bytes.extend([0xf0, 0x7f, 0x7f, 0x01, 0x01, 0x21, 0xb0, 0x02, 0x03, 0x04, 0xf7]);
        assert_eq!(messages(&bytes), []);
        bytes.extend([0xf1, 0xf8, 0x04, 0x10]);
        assert_eq!(messages(&bytes), [Message::QuarterFrame(QuarterFrame::from_data(0x04).unwrap())]);
    }

    #[test]
    fn user_bits_in_order() {
        let bits = UserBits { device: 0x7f, groups: 0x8765_4321, flags: 1 };
        let bytes = [0xf0, 0x7f, 0x7f, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0xf7];
        assert_eq!(bits.encode(), bytes);
        assert_eq!(messages(&bytes), [Message::UserBits(bits)]);
    }

    #[test]
    fn a_full_frame_with_a_wrong_label_is_said_so() {
        let mut parser = Parser::new(None);
        let results: Vec<_> =
            [0xf0, 0x7f, 0x7f, 1, 1, 0x38, 0, 0, 0, 0xf7].iter().map(|&byte| parser.push(byte)).collect();
        assert!(matches!(results.last(), Some(Err(MtcError::Label(_)))));
        let full = FullFrame::try_new(Timecode::midnight(Rate::FPS_25)).unwrap().for_device(5);
        assert_eq!(messages(&full.encode()), [Message::FullFrame(full)]);
    }
}
