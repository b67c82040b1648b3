//! Speed of genlock's crates and programs, beside their peers.
//!
//! * `cargo run --release -p benches --bin report`: everything that README.md claims, in one go;
//! * `cargo bench -p benches`: the same contests under criterion, for work on one of them;
//! * `cargo run --release -p benches --bin camera-load -- --help`: loads a camera server's telemetry port;
//! * `cargo run --release -p benches --bin css-load -- --help`: loads the companion screen programs;
//! * `cargo run --release -p benches --bin multicam-load -- --help`: starts, transfers and kills recording devices;
//! * `cargo run --release -p benches --bin smpte-load -- --help`: loads a session server with many clients
//!   (`smpte-floor` is the least that such a server can do);
//! * `cargo run --release -p benches --bin cluster-load -- --help`: loads three session servers that share sessions;
//! * `cargo run --release -p benches --bin rtsp-load -- --help`: loads an RTSP server with many readers
//!   (`rtsp-floor` is the least that such a server can do, `rtsp_beside_gst.py` measures both beside GStreamer's).

pub mod camera;
pub mod contests;
#[cfg(target_os = "linux")]
pub mod css;
pub mod film;
mod libltc;
pub mod loads;
mod member;
#[cfg(target_os = "linux")]
pub mod multicam;
mod random;
pub mod rtsp_reader;
pub mod spawned;

pub use libltc::{Libltc, Work};
pub use measure::{Usage, contest, percentile, plot};
pub use member::Member;
pub use random::Random;

use serde_json::Value;

/// What a load program prints: one JSON object on a line where `json` is asked for, else a line for each of its members.
pub fn told(report: &Value, json: bool) -> String {
    if json {
        return report.to_string();
    }
    let lines = report.as_object().into_iter().flatten().map(|(key, value)| match value.as_f64() {
        Some(number) if !value.is_u64() => format!("{key:30} {number:.3}"),
        _ => format!("{key:30} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    });
    lines.collect::<Vec<_>>().join("\n")
}
