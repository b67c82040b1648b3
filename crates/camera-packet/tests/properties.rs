//! Streams of frames and junk: the decoder's result does not depend on cuts, and frames come back as they were sent.

use bytes::BytesMut;
use camera_packet::codec::{Bounds, Checksum, Decoder, DecoderConfig, Event, MAX_HELD, Resync, Stats};
use camera_packet::packet::{self, Kind};
use machine::Instant;
use proptest::collection::vec;
use proptest::prelude::*;

/// A piece of a stream: a frame, a damaged frame, a header with nothing behind it, or bytes that favour the mark's.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => Just(0_u8), 3 => Just(0xff), 2 => 0_u8..6, 1 => any::<u8>()];
    let frame = (0_u8..4, 0_u8..4, vec(byte.clone(), 0..40)).prop_map(|(id, ty, payload)| {
        let mut out = BytesMut::new();
        packet::encode(Kind::new(id, ty), &payload, &mut out).unwrap();
        out.to_vec()
    });
    let damaged = (frame.clone(), any::<prop::sample::Index>(), 1_u8..).prop_map(|(mut frame, at, flip)| {
        let at = at.index(frame.len());
        frame[at] ^= flip;
        frame
    });
    let header = (0_u8..6, 0_u8..20, 0_u16..1200)
        .prop_map(|(id, ty, len)| [&[0, 0xff, id, ty][..], &len.to_be_bytes()].concat());
    prop_oneof![4 => frame, 2 => damaged, 2 => header, 2 => vec(byte, 0..60)]
}

fn config() -> impl Strategy<Value = DecoderConfig> {
    let checksum = prop_oneof![Just(Checksum::Required), Just(Checksum::Optional), Just(Checksum::Absent)];
    let resync = prop_oneof![Just(Resync::Rescan), Just(Resync::Discard)];
    (checksum, resync, any::<bool>()).prop_map(|(checksum, resync, in_sync)| {
        let config = DecoderConfig::new(Bounds::ANY).with_checksum(checksum).with_resync(resync);
        if in_sync { config } else { config.unsynced() }
    })
}

fn decode<'a>(config: DecoderConfig, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Stats, usize) {
    let mut decoder = Decoder::new(config);
    let mut events = Vec::new();
    for piece in pieces {
        let mut feed = decoder.feed(Instant::default(), piece);
        while let Some(event) = feed.next() {
            events.push(format!("{event:?}"));
        }
        assert!(decoder.held() <= MAX_HELD);
    }
    let mut feed = decoder.end(Instant::default());
    while let Some(event) = feed.next() {
        events.push(format!("{event:?}"));
    }
    (events, decoder.stats(), decoder.held())
}

proptest! {
    #[test]
    fn cuts_change_nothing(config in config(), pieces in vec(piece(), 0..30), sizes in vec(1_usize..100, 1..20)) {
        let stream = pieces.concat();
        let whole = decode(config, std::iter::once(&stream[..]));
        let mut rest = &stream[..];
        let mut cuts = sizes.iter().cycle();
        let cut = std::iter::from_fn(|| {
            let (piece, after) = rest.split_at((*cuts.next()?).min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&decode(config, cut), &whole);
        prop_assert_eq!(&decode(config, stream.chunks(1)), &whole);
        // Every byte is part of a frame, skipped, or left.
        if config.checksum == Checksum::Required {
            let mut decoder = Decoder::new(config);
            let mut in_frames = 0;
            for last in [false, true] {
                let now = Instant::default();
                let mut feed = if last { decoder.end(now) } else { decoder.feed(now, &stream) };
                while let Some(event) = feed.next() {
                    if let Event::Frame(f) | Event::UnexpectedLength(f) | Event::Unknown(f) = event {
                        in_frames += f.payload.len() + packet::OVERHEAD;
                    }
                }
            }
            let (_, stats, left) = whole;
            prop_assert_eq!(in_frames + usize::try_from(stats.skipped).unwrap() + left, stream.len());
        }
    }

    #[test]
    fn frames_come_back(id in 0_u8..0x20, ty in 0_u8..0x20, payload in vec(any::<u8>(), 0..65)) {
        let kind = Kind::new(id, ty);
        let mut out = BytesMut::new();
        packet::encode(kind, &payload, &mut out).unwrap();
        prop_assert_eq!(out.len(), packet::OVERHEAD + payload.len());
        let mut decoder = Decoder::new(DecoderConfig::new(Bounds::ANY));
        let mut feed = decoder.feed(Instant::default(), &out);
        let Some(Event::Frame(f) | Event::UnexpectedLength(f) | Event::Unknown(f)) = feed.next() else {
            return Err(TestCaseError::fail("no frame"));
        };
        prop_assert_eq!((f.kind, f.payload, f.offset), (kind, &payload[..], 0));
    }
}
