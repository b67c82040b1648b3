use smpte_timecode::artnet::ArtTimeCode;
use smpte_timecode::{ArtNetError, Timecode};

use super::{take_hint, take_rate};
use crate::input::Input;

/// `hint, rate, frame, stream, datagram`: Art-Net timecode.
pub fn artnet(data: &[u8]) {
    let mut input = Input::new(data);
    let hint = take_hint(&mut input);
    let label = Timecode::from_frame(take_rate(&mut input), input.u32().into());
    let stream = input.byte();
    match ArtTimeCode::try_new(label) {
        Ok(packet) => {
            let packet = packet.for_stream(stream);
            assert_eq!(ArtTimeCode::parse(&packet.encode(), Some(label.rate())), Ok(packet));
        }
        Err(error) => assert_eq!(error, ArtNetError::Rate),
    }
    let datagram = input.rest();
    if let Ok(packet) = ArtTimeCode::parse(datagram, hint) {
        let again = packet.encode();
        assert_eq!(ArtTimeCode::parse(&again, hint), Ok(packet));
        // label and type; the version may be a later one, and the filler anything
        assert_eq!(datagram[13..ArtTimeCode::LEN], again[13..]);
    }
}
