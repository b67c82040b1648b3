//! The crate `smpte-timecode`, and the WAV reader of its programs.

mod address;
mod artnet;
mod atc;
mod client;
mod cluster;
mod codec;
mod files;
pub(crate) mod label;
mod ltc;
mod mtc;
mod outputs;
mod rate;
mod server;
mod timecode;
mod vitc;
mod wav;

use smpte_timecode::Rate;

pub use address::address;
pub use artnet::artnet;
pub use atc::atc;
pub use client::client;
pub use cluster::cluster;
pub use codec::{client_message, lines, server_message};
pub use files::files;
pub use label::{feet, label_lenient, label_session, label_strict, packed, subframes};
pub use ltc::{ltc_runs, ltc_samples, ltc_signal, ltc_word};
pub use mtc::mtc;
pub use rate::rate;
pub use server::server;
pub use timecode::timecode;
pub use vitc::vitc;
pub use wav::wav;

// what seeds are made with
pub(crate) use client::op as client_op;
pub(crate) use cluster::op as cluster_op;
pub(crate) use server::op as server_op;

use crate::input::Input;

/// A rate is one byte: the place in this table in the low six bits, and [`TRUNCATED`].
pub(crate) const RATES: [Rate; 28] = [
    Rate::FPS_25,
    Rate::FPS_29_97_DF,
    Rate::FPS_23_976,
    Rate::FPS_24,
    Rate::FPS_24_98,
    Rate::FPS_29_97,
    Rate::FPS_30,
    Rate::FPS_30_DF,
    Rate::FPS_47_952,
    Rate::FPS_48,
    Rate::FPS_50,
    Rate::FPS_59_94,
    Rate::FPS_59_94_DF,
    Rate::FPS_60,
    Rate::FPS_60_DF,
    Rate::FPS_72,
    Rate::FPS_90,
    Rate::FPS_95_904,
    Rate::FPS_96,
    Rate::FPS_100,
    Rate::FPS_119_88,
    Rate::FPS_119_88_DF,
    Rate::FPS_120,
    Rate::FPS_120_DF,
    odd(1, 1),
    odd(1000, 1),
    odd(15_000, 1001),
    odd(4_294_967_295, 4_294_967),
];

/// Marks a rate that counts as the original server does.
pub(crate) const TRUNCATED: u8 = 0x40;

/// A rate without a name.
const fn odd(num: u32, den: u32) -> Rate {
    match Rate::try_new(num, den, false) {
        Ok(rate) => rate,
        Err(_) => panic!("no rate"),
    }
}

fn take_rate(input: &mut Input<'_>) -> Rate {
    let byte = input.byte();
    let rate = RATES[usize::from(byte & 0x3f) % RATES.len()];
    if byte & TRUNCATED != 0 { rate.truncated() } else { rate }
}

/// No rate, or one that a receiver was told of.
fn take_hint(input: &mut Input<'_>) -> Option<Rate> {
    input.flag().then(|| take_rate(input))
}
