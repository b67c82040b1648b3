use crate::{Fields, LabelError, Rate, Timecode};

/// The strict reader behind [`Timecode::parse`].
#[inline]
pub(crate) fn parse_strict(text: &[u8], rate: Rate) -> Result<Timecode, LabelError> {
    let Some((&head, tail)) = text.split_first_chunk::<8>() else { return Err(misfit(text, rate)) };
    let (sep, hundreds, tens, units) = match *tail {
        [sep, tens, units] => (sep, b'0', tens, units),
        [sep, hundreds, tens, units] if rate.frame_digits() == 3 => (sep, hundreds, tens, units),
        _ => return Err(misfit(text, rate)),
    };
    let [hundreds, tens, units] = [hundreds, tens, units].map(|digit| u16::from(digit.wrapping_sub(b'0')));
    let (Some([hours, minutes, seconds]), true, true) =
        (clock(head), matches!(sep, b':' | b';'), hundreds <= 9 && tens <= 9 && units <= 9)
    else {
        return Err(misfit(text, rate));
    };
    if sep == b';' && !rate.is_drop() {
        return Err(LabelError::DropSeparator);
    }
    Timecode::from_fields(
        rate,
        Fields { hours, minutes, seconds, frames: hundreds * 100 + tens * 10 + units },
    )
}

/// The three numbers of `HH:MM:SS`.
// All eight bytes at once: after the exclusive or, digits are 0 to 9 and colons 0, which the addition brings up to
// 0x7f at most; anything else sets the high bit of its byte. The product puts ten times each digit plus the next one
// in the digit's place, at most 99, so no byte runs over.
#[inline]
const fn clock(text: [u8; 8]) -> Option<[u8; 3]> {
    let digits = u64::from_le_bytes(text) ^ u64::from_le_bytes(*b"00:00:00");
    let too_high = digits.wrapping_add(0x7676_7f76_767f_7676) | digits;
    if too_high & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let [hours, _, _, minutes, _, _, seconds, _] = (digits * 10 + (digits >> 8)).to_le_bytes();
    Some([hours, minutes, seconds])
}

/// Where a text stops being a strict label.
#[cold]
fn misfit(text: &[u8], rate: Rate) -> LabelError {
    let offset = text
        .iter()
        .enumerate()
        .position(|(at, byte)| match at {
            2 | 5 => *byte != b':',
            8 => !matches!(byte, b':' | b';'),
            11 => rate.frame_digits() < 3 || !byte.is_ascii_digit(),
            12.. => true,
            _ => !byte.is_ascii_digit(),
        })
        .unwrap_or(text.len());
    LabelError::Syntax { offset: u16::try_from(offset).unwrap_or(u16::MAX) }
}
