use smpte_timecode::Timecode;
use smpte_timecode::address::Address;
use smpte_timecode::atc::{AtcKind, AtcPacket, DATA_COUNT, PACKET_LEN, VitcPlace};

use super::take_rate;
use crate::input::Input;

/// `kind, ..`: words as they are; words with parity and checksum put right; a packet made of its parts.
pub fn atc(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 3 {
        0 => read(&words(&mut input)),
        1 => {
            let mut words: Vec<u16> = words(&mut input).iter().map(|&word| with_parity(word as u8)).collect();
            if let Some(packet) = words.get_mut(..PACKET_LEN) {
                let sum = packet[..PACKET_LEN - 1].iter().fold(0, |sum, word| (sum + (word & 0x1ff)) & 0x1ff);
                packet[PACKET_LEN - 1] = if sum & 0x100 != 0 { sum } else { sum | 0x200 };
            }
            read(&words);
        }
        _ => made(&mut input),
    }
}

fn words(input: &mut Input<'_>) -> Vec<u16> {
    input
        .rest()
        .chunks(2)
        .map(|word| u16::from(word[0]) | u16::from(*word.get(1).unwrap_or(&0)) << 8)
        .collect()
}

fn read(words: &[u16]) {
    if let Ok(packet) = AtcPacket::from_packet(words) {
        round_trip(packet);
    }
    if let Some(Ok(packet)) = words.first_chunk::<DATA_COUNT>().map(AtcPacket::from_user_data) {
        round_trip(packet);
    }
}

/// `kind, DBB2, address, rate, frame`
fn made(input: &mut Input<'_>) {
    let kind = input.pick(&[AtcKind::Ltc, AtcKind::Vitc1, AtcKind::Vitc2]);
    let dbb2 = input.byte();
    assert_eq!(VitcPlace::from_code(dbb2).code(), dbb2);
    round_trip(AtcPacket { kind, dbb2, address: Address::from_bits(input.u64()) });
    let label = Timecode::from_frame(take_rate(input), input.i64());
    if let Ok(packet) = AtcPacket::for_frame(label) {
        round_trip(packet);
        assert_eq!(packet.timecode(label.rate()), Ok(label));
    }
}

fn round_trip(packet: AtcPacket) {
    assert_eq!(AtcPacket::from_packet(&packet.to_packet()), Ok(packet));
    assert_eq!(AtcPacket::from_user_data(&packet.to_user_data()), Ok(packet));
    assert!(packet.to_packet().iter().all(|&word| (4..0x3fc).contains(&word)), "no reserved word");
}

/// A byte as a 10-bit word (ST 291).
fn with_parity(byte: u8) -> u16 {
    u16::from(byte) | if byte.count_ones() % 2 == 1 { 0x100 } else { 0x200 }
}
