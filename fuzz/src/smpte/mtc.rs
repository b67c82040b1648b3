use smpte_timecode::mtc::{
    Assembler, Direction, FullFrame, Generator, Message, Parser, QuarterFrame, UserBits, quarter_frames,
};
use smpte_timecode::{MtcError, Rate, Timecode};

use super::{take_hint, take_rate};
use crate::input::Input;

/// `hint, rate, frame, bytes`: a stream of MIDI, and a label sent as MIDI timecode.
pub fn mtc(data: &[u8]) {
    let mut input = Input::new(data);
    let hint = take_hint(&mut input);
    let label = Timecode::from_frame(take_rate(&mut input), input.u32().into());
    sent(label);
    received(input.rest(), hint);
}

fn received(bytes: &[u8], hint: Option<Rate>) {
    let messages = parsed(bytes.iter().copied(), hint);
    assert!(messages.len() * 2 <= bytes.len());
    // real-time bytes may stand anywhere and mean nothing here
    assert_eq!(parsed(bytes.iter().flat_map(|&byte| [0xf8, byte, 0xfe]), hint), messages);
    let mut assembler = Assembler::new(hint);
    for message in messages {
        match message {
            Ok(Message::QuarterFrame(quarter)) => {
                assert_eq!(again(&quarter.encode(), hint), message);
                if let Ok(Some(label)) = assembler.push(quarter) {
                    assert_eq!(assembled(label.timecode, Direction::Forward), Some(label.timecode));
                    let now = label.timecode + if label.direction == Direction::Forward { 2 } else { 0 };
                    assert_eq!(label.now(), now);
                }
            }
            Ok(Message::FullFrame(full)) => {
                assert_eq!(again(&full.encode(), hint), message);
                assembler.reset();
            }
            Ok(Message::UserBits(bits)) => assert_eq!(again(&bits.encode(), hint), message),
            Err(error) => assert!(matches!(error, MtcError::Label(_))),
        }
    }
}

type Found = Result<Message, MtcError>;

fn parsed(bytes: impl Iterator<Item = u8>, hint: Option<Rate>) -> Vec<Found> {
    let mut parser = Parser::new(hint);
    bytes.filter_map(|byte| parser.push(byte).transpose()).collect()
}

/// The one message that these bytes are.
fn again(bytes: &[u8], hint: Option<Rate>) -> Found {
    let messages = parsed(bytes.iter().copied(), hint);
    assert_eq!(messages.len(), 1);
    messages[0]
}

fn sent(label: Timecode) {
    let hint = Some(label.rate());
    let Ok(full) = FullFrame::try_new(label) else {
        assert_eq!(quarter_frames(label), Err(MtcError::Rate));
        return;
    };
    assert_eq!(again(&full.encode(), hint), Ok(Message::FullFrame(full)));
    assert_eq!(full.timecode(), label);
    let user_bits = UserBits { device: 0x7f, groups: label.frame(), flags: 1 };
    assert_eq!(again(&user_bits.encode(), hint), Ok(Message::UserBits(user_bits)));
    let pieces = quarter_frames(label).expect("the rate has a code");
    assert!(pieces.iter().enumerate().all(|(at, quarter)| usize::from(quarter.piece()) == at));
    for direction in [Direction::Forward, Direction::Reverse] {
        assert_eq!(assembled(label, direction).map(|found| found.rate()), hint);
    }
}

/// The label that comes out when the quarter frames from this one on are put together.
fn assembled(label: Timecode, direction: Direction) -> Option<Timecode> {
    // backwards the label sent first is the last one that lies wholly before
    let start = if direction == Direction::Forward { label } else { label + 2 };
    let generator = Generator::try_new(start, direction).ok()?;
    let mut assembler = Assembler::new(Some(label.rate()));
    let sent = generator.timecode();
    let quarters: Vec<QuarterFrame> = generator.take(8).collect();
    let labels: Vec<_> = quarters.iter().filter_map(|&quarter| assembler.push(quarter).transpose()).collect();
    assert_eq!(labels.len(), 1);
    let found = labels[0].expect("labels that are sent exist");
    assert_eq!((found.timecode, found.direction), (sent, direction));
    // only even frames are sent, but at 25
    let odd = label.rate().nominal().is_multiple_of(2) && !label.frame().is_multiple_of(2);
    assert!(odd || sent == label);
    Some(if odd { label } else { sent })
}
