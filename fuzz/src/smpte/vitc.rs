use smpte_timecode::address::Address;
use smpte_timecode::vitc::{LineShape, Vitc};

use crate::input::Input;

/// `kind, ..`: 90 bits; 90 digits; a line of luma; a line that is drawn and read.
pub fn vitc(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => bits(u128::from_le_bytes(input.array())),
        1 => digits(&input.text()),
        2 => {
            // what is found in any line is a line of VITC
            if let Ok(vitc) = Vitc::read(input.rest()) {
                bits(vitc.bits());
            }
        }
        _ => drawn(&mut input),
    }
}

fn bits(bits: u128) {
    if let Ok(vitc) = Vitc::from_bits(bits) {
        assert_eq!(vitc.bits(), bits);
        assert_eq!(Vitc::new(vitc.address()), vitc);
        digits(&vitc.to_string());
    }
    // with sync bits and CRC put right
    let right = Vitc::new(Address::from_bits(bits as u64));
    assert_eq!(Vitc::from_bits(right.bits()), Ok(right));
    // any wrong bit is found
    for bit in 0..Vitc::BITS {
        assert!(Vitc::from_bits(right.bits() ^ 1 << bit).is_err());
    }
}

fn digits(text: &str) {
    if let Ok(vitc) = text.parse::<Vitc>() {
        assert_eq!(vitc.to_string(), text);
        assert_eq!(Vitc::from_bits(vitc.bits()), Ok(vitc));
    }
}

/// `address, bit width, start, low, contrast`
fn drawn(input: &mut Input<'_>) {
    let vitc = Vitc::new(Address::from_bits(input.u64()));
    // from 2 to 9 pixels a bit, and one before, so that there is a first edge
    let bit_width = 512 + u32::from(input.u16()) % 1793;
    let start = 256 + u32::from(input.u16()) % (256 * 40);
    let low = input.byte() % 128;
    let high = low + 64 + input.byte() % 64;
    let mut line = vec![0; 880];
    vitc.draw(LineShape { start, bit_width, low, high }, &mut line);
    let end = start + 90 * bit_width;
    if end <= 256 * 880 {
        assert_eq!(Vitc::read(&line), Ok(vitc), "start {start}, width {bit_width}, {low} to {high}");
    } else {
        let _ = Vitc::read(&line);
    }
}
