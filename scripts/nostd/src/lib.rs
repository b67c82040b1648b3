//! See Cargo.toml.
#![no_std]

pub use camera_packet;
pub use dvb_css;
pub use machine;
pub use rtp_rtsp;
pub use multicam_common;
pub use smpte_timecode;
pub use test_picture;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
