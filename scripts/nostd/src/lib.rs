//! See Cargo.toml.
#![no_std]

pub use machine;
pub use rtp_rtsp;
pub use smpte_timecode;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
