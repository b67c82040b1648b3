//! Replays every seed, and damages them: what a fuzzer does, in a few seconds and always the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fuzz::seeds::{Seeds, folder};
use fuzz::{TARGETS, Target};

/// Damaged inputs of each target.
const MUTATIONS: u32 = 20_000;
/// Damaged inputs of those targets that take a millisecond each: a decoder looks for a signal, or time passes.
const SLOW_MUTATIONS: u32 = 500;
const SLOW: [&str; 4] = ["smpte_cluster", "smpte_ltc_runs", "smpte_ltc_samples", "smpte_ltc_signal"];
/// Damage does not make inputs longer than this.
const MAX_LEN: usize = 4096;

/// A test for each target.
macro_rules! replay {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
    };
}

replay! {
    camera_client
    camera_decoder
    camera_server
    multicam_command
    multicam_controller
    multicam_device
    multicam_file
    multicam_name
    multicam_ntp
    multicam_reply
    multicam_scan
    rtp_annex_b
    rtp_h264
    rtp_image
    rtp_jpeg
    rtp_lab
    rtp_mjpeg
    rtp_packet
    rtp_receiver
    rtp_relay
    rtp_rtcp
    rtp_sps
    rtsp_client
    rtsp_headers
    rtsp_sdp
    rtsp_server
    rtsp_stream
    dvb_cii
    dvb_clients
    dvb_ts
    dvb_tv_server
    dvb_wc
    dvb_wc_client
    dvb_wc_json
    dvb_wc_server
    smpte_address
    smpte_artnet
    smpte_atc
    smpte_client
    smpte_client_message
    smpte_cluster
    smpte_feet
    smpte_files
    smpte_label_lenient
    smpte_label_session
    smpte_label_strict
    smpte_lines
    smpte_ltc_runs
    smpte_ltc_samples
    smpte_ltc_signal
    smpte_ltc_word
    smpte_mtc
    smpte_packed
    smpte_rate
    smpte_server
    smpte_server_message
    smpte_subframes
    smpte_timecode
    smpte_vitc
    smpte_wav
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    let seeds = committed(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for (seed, input) in &seeds {
        assert!(passes(*target, input), "seed {seed} fails");
    }
    let inputs: Vec<&[u8]> = seeds.values().map(Vec::as_slice).collect();
    let mut random = Random::new(name);
    let mutations = if SLOW.contains(&name) { SLOW_MUTATIONS } else { MUTATIONS };
    for _ in 0..mutations {
        let input = random.damaged(&inputs);
        assert!(passes(*target, &input), "it fails on {}", hex(&input));
    }
}

/// A panic prints its own message.
fn passes(target: Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input))).is_ok()
}

#[test]
fn seeds_are_those_of_the_vectors() {
    let mut made = BTreeMap::<&str, BTreeMap<String, Vec<u8>>>::new();
    let seeds = Seeds::of_the_vectors();
    for (target, name, input) in seeds.iter() {
        made.entry(target).or_default().insert(name.into(), input.into());
    }
    for (target, _) in TARGETS {
        let mut kept = committed(target);
        kept.retain(|name, _| !name.starts_with("found"));
        let made = made.remove(target).unwrap_or_default();
        let names = |seeds: &BTreeMap<String, Vec<u8>>| seeds.keys().cloned().collect::<BTreeSet<_>>();
        let differ: Vec<_> = names(&kept).symmetric_difference(&names(&made)).cloned().collect();
        assert!(differ.is_empty(), "{target}: run make-seeds (see src/lib.rs); not in both: {differ:?}");
        assert!(kept == made, "{target}: run make-seeds (see src/lib.rs); contents differ");
    }
    assert!(made.is_empty(), "seeds for no target: {:?}", made.keys());
}

#[test]
fn every_target_can_be_fuzzed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml");
    for (target, _) in TARGETS {
        let path = format!("fuzz_targets/{target}.rs");
        assert!(root.join(&path).is_file(), "{path} is missing");
        assert!(manifest.contains(&format!("path = \"{path}\"")), "Cargo.toml has no {path}");
        assert!(REPLAYED.contains(target), "{target} is not replayed");
    }
    let folders = fs::read_dir(folder()).expect("seeds").map(|entry| entry.expect("a folder").file_name());
    let known: BTreeSet<_> = TARGETS.iter().map(|(target, _)| *target).collect();
    for folder in folders {
        assert!(known.contains(&*folder.to_string_lossy()), "seeds of no target: {folder:?}");
    }
}

/// The seeds of a target in the folder.
fn committed(target: &str) -> BTreeMap<String, Vec<u8>> {
    let files =
        fs::read_dir(folder().join(target)).unwrap_or_else(|error| panic!("seeds of {target}: {error}"));
    let seed = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("a file");
        (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a seed"))
    };
    files.map(seed).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Repeatable randomness: splitmix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    /// The numbers that belong to a name.
    fn new(name: &str) -> Self {
        Self(name.bytes().fold(0, |seed, byte| seed.wrapping_mul(131) + u64::from(byte)))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// One of the inputs, changed in one to five ways.
    fn damaged(&mut self, inputs: &[&[u8]]) -> Vec<u8> {
        let mut data = inputs[self.below(inputs.len())].to_vec();
        for _ in 0..=self.below(5) {
            self.damage(&mut data, inputs);
        }
        data.truncate(MAX_LEN);
        data
    }

    fn damage(&mut self, data: &mut Vec<u8>, inputs: &[&[u8]]) {
        let (a, b) = (self.below(data.len() + 1), self.below(data.len() + 1));
        let (start, end) = (a.min(b), a.max(b));
        match self.below(10) {
            0 | 1 => {
                let bit = self.below(8);
                if let Some(byte) = data.get_mut(a) {
                    *byte ^= 1 << bit;
                }
            }
            2 | 3 => {
                let telling = self.telling_byte();
                if let Some(byte) = data.get_mut(a) {
                    *byte = telling;
                }
            }
            4 => {
                let telling = self.telling_byte();
                data.insert(a, telling);
            }
            5 => drop(data.drain(start..end.min(start + 16))),
            6 => {
                let part = data[start..end.min(start + 64)].to_vec();
                data.splice(b..b, part);
            }
            7 => {
                let number = [0, 1, u64::MAX, 1 << 63, u64::MAX >> 1, 1 << 32, self.bits()][self.below(7)];
                let width = [1, 2, 4, 8][self.below(4)];
                let room = data.len().saturating_sub(width);
                let at = self.below(room + 1);
                data.iter_mut()
                    .skip(at)
                    .zip(&number.to_le_bytes()[..width])
                    .for_each(|(to, from)| *to = *from);
            }
            8 => {
                // the head of this one and the tail of another
                let other = inputs[self.below(inputs.len())];
                let from = self.below(other.len() + 1);
                data.truncate(a);
                data.extend(&other[from..]);
            }
            _ => data.truncate(a),
        }
    }

    fn telling_byte(&mut self) -> u8 {
        const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\n\r \"'\\{}[]:;,.-+0123459eE/dfn$\xf0\xf1\xf7\xf8";
        match self.below(3) {
            0 => self.below(256) as u8,
            _ => TELLING[self.below(TELLING.len())],
        }
    }
}
