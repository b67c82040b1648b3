//! That reading and writing camera frames allocates nothing. One test, as nothing else may allocate meanwhile.

mod heap;

use std::hint::black_box;

use bytes::BytesMut;
use camera_packet::codec::{Bounds, Decoder, DecoderConfig, Event};
use camera_packet::message::{Message, Telemetry};
use camera_packet::settings::SettingsBlock;
use heap::allocated;
use machine::Instant;

#[test]
fn frames_allocate_nothing() {
    assert!(allocated(|| drop(black_box(vec![0_u8; 100]))) >= 100, "allocations are counted");

    const FRAMES: usize = 1000;
    let telemetry =
        |n: usize| Telemetry { value: (n % 11) as u8, timestamp_ms: 1_795_245_736_856 + n as u64 };
    let settings = Message::SettingsUpdate(SettingsBlock::DEFAULT);
    let mut stream = BytesMut::with_capacity(FRAMES * (Telemetry::FRAME_LEN + 13));
    let encoding = allocated(|| {
        stream.clear();
        for n in 0..FRAMES {
            telemetry(n).encode(&mut stream);
            settings.encode(&mut stream).unwrap();
        }
    });
    assert_eq!(encoding, 0, "encoding");

    for size in [1, 7, 16, 64, 1460, 65_536] {
        let mut decoder = Decoder::new(DecoderConfig::new(Bounds::ANY));
        let mut frames = 0;
        let decoding = allocated(|| {
            for piece in stream.chunks(size) {
                let mut feed = decoder.feed(Instant::default(), piece);
                while let Some(event) = feed.next() {
                    let Event::Frame(frame) = event else { panic!("{event:?}") };
                    frames += usize::from(Message::parse(&frame).is_ok());
                }
            }
        });
        assert_eq!(decoding, 0, "decoding in pieces of {size}");
        assert_eq!(frames, 8 * 2 * FRAMES);
    }
}
