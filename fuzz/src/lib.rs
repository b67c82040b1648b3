//! The bodies of the fuzz targets, as plain functions: `cargo test` replays their seeds and thousands of damaged ones
//! on stable Rust, and `cargo fuzz` looks for more.
//!
//! ```text
//! cargo test -p fuzz
//! scripts/fuzz.py smpte_server
//! cargo run -p fuzz --features make-seeds --bin make-seeds
//! ```
//!
//! Each target reads its input as it documents and checks what has to hold whatever the bytes are: no panic, what is
//! read is written and read as the same, equal results however a stream is cut, and bounded outputs. A new finding
//! becomes a seed whose name begins with `found`; the others are made of the vectors by `make-seeds`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// A panic is how a target says what is wrong.
#![allow(clippy::missing_panics_doc)]

pub mod camera;
pub mod dvb;
mod input;
pub mod multicam;
pub mod rtp;
pub mod seeds;
pub mod smpte;
mod stage;

/// A target's body.
pub type Target = fn(&[u8]);

/// All targets and their names, which are those of the folders of their seeds.
pub const TARGETS: &[(&str, Target)] = &[
    ("camera_client", camera::client),
    ("camera_decoder", camera::decoder),
    ("camera_server", camera::server),
    ("multicam_command", multicam::command),
    ("multicam_controller", multicam::controller),
    ("multicam_device", multicam::device),
    ("multicam_file", multicam::file),
    ("multicam_name", multicam::name),
    ("multicam_ntp", multicam::ntp),
    ("multicam_reply", multicam::reply),
    ("multicam_scan", multicam::scan),
    ("rtp_annex_b", rtp::annex_b),
    ("rtp_h264", rtp::h264),
    ("rtp_image", rtp::image),
    ("rtp_jpeg", rtp::jpeg),
    ("rtp_lab", rtp::lab),
    ("rtp_mjpeg", rtp::mjpeg),
    ("rtp_packet", rtp::packet),
    ("rtp_receiver", rtp::receiver),
    ("rtp_relay", rtp::relay),
    ("rtp_rtcp", rtp::rtcp),
    ("rtp_sps", rtp::sps),
    ("rtsp_client", rtp::client),
    ("rtsp_headers", rtp::headers),
    ("rtsp_sdp", rtp::sdp),
    ("rtsp_server", rtp::server),
    ("rtsp_stream", rtp::stream),
    ("dvb_cii", dvb::cii),
    ("dvb_clients", dvb::clients),
    ("dvb_ts", dvb::ts),
    ("dvb_tv_server", dvb::tv_server),
    ("dvb_wc", dvb::wc),
    ("dvb_wc_client", dvb::wc_client),
    ("dvb_wc_json", dvb::wc_json),
    ("dvb_wc_server", dvb::wc_server),
    ("smpte_address", smpte::address),
    ("smpte_artnet", smpte::artnet),
    ("smpte_atc", smpte::atc),
    ("smpte_client", smpte::client),
    ("smpte_client_message", smpte::client_message),
    ("smpte_cluster", smpte::cluster),
    ("smpte_feet", smpte::feet),
    ("smpte_files", smpte::files),
    ("smpte_label_lenient", smpte::label_lenient),
    ("smpte_label_session", smpte::label_session),
    ("smpte_label_strict", smpte::label_strict),
    ("smpte_lines", smpte::lines),
    ("smpte_ltc_runs", smpte::ltc_runs),
    ("smpte_ltc_samples", smpte::ltc_samples),
    ("smpte_ltc_signal", smpte::ltc_signal),
    ("smpte_ltc_word", smpte::ltc_word),
    ("smpte_mtc", smpte::mtc),
    ("smpte_packed", smpte::packed),
    ("smpte_rate", smpte::rate),
    ("smpte_server", smpte::server),
    ("smpte_server_message", smpte::server_message),
    ("smpte_subframes", smpte::subframes),
    ("smpte_timecode", smpte::timecode),
    ("smpte_vitc", smpte::vitc),
    ("smpte_wav", smpte::wav),
];
