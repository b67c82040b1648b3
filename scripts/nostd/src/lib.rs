//! See Cargo.toml.
#![no_std]

pub use camera_packet;
pub use dvb_css;
pub use machine;
pub use multicam_common;
pub use rtp_rtsp;
pub use smpte_timecode;
pub use test_picture;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The camera's codec as a microcontroller uses it: bytes from a UART in, the last value out, nothing allocated.
pub fn last_value(
    decoder: &mut camera_packet::codec::Decoder,
    now: machine::Instant,
    uart: &[u8],
) -> Option<u8> {
    let mut last = None;
    let mut feed = decoder.feed(now, uart);
    while let Some(event) = feed.next() {
        if let camera_packet::codec::Event::Frame(frame) = event
            && let Ok(camera_packet::message::Message::Telemetry(item)) =
                camera_packet::message::Message::parse(&frame)
        {
            last = Some(item.value);
        }
    }
    last
}
