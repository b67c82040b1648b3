//! Seeds for the fuzzer, made of the vectors of `specification/vectors`, so that what is known to matter is where the
//! search begins.

mod camera;
mod cluster;
mod dvb;
mod multicam;
mod rtp;
mod rtsp;
mod smpte;
mod wav;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::stage::op;

/// Longer ones are left out: the fuzzer works on short inputs.
const MAX_LEN: usize = 4096;

/// Inputs by target and name.
#[derive(Debug, Default)]
pub struct Seeds(BTreeMap<(String, String), Vec<u8>>);

impl Seeds {
    /// All seeds that follow from the vectors.
    ///
    /// # Panics
    ///
    /// If a vector has not the form that its file describes.
    pub fn of_the_vectors() -> Self {
        let mut seeds = Self::default();
        camera::add(&mut seeds);
        cluster::add(&mut seeds);
        multicam::add(&mut seeds);
        rtp::add(&mut seeds);
        dvb::add(&mut seeds);
        smpte::add(&mut seeds);
        seeds
    }

    /// Target, name and input of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &[u8])> {
        self.0.iter().map(|((target, name), input)| (&**target, &**name, &**input))
    }

    /// Takes an input. Equal ones are taken once, longer ones than the fuzzer uses not at all.
    fn add(&mut self, target: &str, name: &str, input: Vec<u8>) {
        let known = self.iter().any(|(other, _, known)| other == target && known == input);
        if known || input.len() > MAX_LEN {
            return;
        }
        let name = slug(name);
        let names = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
        let key = names.map(|name| (target.to_owned(), name)).find(|key| !self.0.contains_key(key));
        self.0.extend(key.map(|key| (key, input)));
    }
}

/// Where the seeds are kept: a folder for each target.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

/// The vectors of one file.
fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specification/vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut file: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_value(file["vectors"].take()).expect("vectors are a list")
}

/// Bytes that a connection of a stage says.
fn said(conn: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a short message").to_le_bytes();
    [&[op::BYTES, conn][..], &length, bytes].concat()
}

/// A name as a file's.
fn slug(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let parts: String = letters.take(48).collect();
    parts.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}
