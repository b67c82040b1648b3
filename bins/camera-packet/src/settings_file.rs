//! `camera_settings.json`: the six settings, and their bytes (sheet §9).
//!
//! ```json
//! { "shutter": 10000, "gain": 1, "awb_red": 1.0, "awb_blue": 1.0, "contrast": 1.0, "brightness": 0.0,
//!   "raw": "64010a0a0a7f" }
//! ```
//!
//! `raw` counts as long as the values are those that it stands for, so that no step of brightness is lost; who edits a
//! value is heeded.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use camera_packet::settings::{SettingsBlock, Values};
use serde_json::{Map, Value, json};

/// Why a file of settings cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read.
    Read(io::Error),
    /// It is not JSON.
    Json {
        /// What is wrong, and where.
        error: serde_json::Error,
        /// The last key before that place.
        key: Option<String>,
    },
    /// It is JSON, but not an object.
    NotAnObject,
    /// A key has a value of another type than it should.
    Type {
        /// The key.
        key: String,
        /// What it should be.
        wanted: &'static str,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot be read: {error}"),
            Self::Json { error, key: None } => write!(f, "is not JSON: {error}"),
            Self::Json { error, key: Some(key) } => write!(f, "is not JSON at key '{key}': {error}"),
            Self::NotAnObject => f.write_str("is not a JSON object"),
            Self::Type { key, wanted } => write!(f, "key '{key}' is not {wanted}"),
        }
    }
}

impl std::error::Error for FileError {}

/// Reads a JSON object; a byte order mark and an empty file are put up with (the latter with a warning).
pub(crate) fn object(text: &[u8], warnings: &mut Vec<String>) -> Result<Map<String, Value>, FileError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.trim_ascii().is_empty() {
        warnings.push("is empty: the defaults hold".into());
        return Ok(Map::new());
    }
    let wrong = |error: serde_json::Error| {
        let before: usize =
            text.split_inclusive(|b| *b == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
        let key = last_key(text.get(..before + error.column()).unwrap_or(text));
        FileError::Json { error, key }
    };
    match serde_json::from_slice(text).map_err(wrong)? {
        Value::Object(map) => Ok(map),
        _ => Err(FileError::NotAnObject),
    }
}

/// The last string with a colon after it.
fn last_key(text: &[u8]) -> Option<String> {
    let (mut key, mut string, mut within, mut escaped) = (None, None, None, false);
    for (at, c) in text.iter().enumerate() {
        match (within, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(from), b'"') => (string, within) = (text.get(from..at), None),
            (Some(_), _) => {}
            (None, b'"') => within = Some(at + 1),
            (None, b':') => key = string.take(),
            (None, _) if c.is_ascii_whitespace() => {}
            (None, _) => string = None,
        }
    }
    key.map(|key| String::from_utf8_lossy(key).into_owned())
}

/// Settings from a JSON object, with warnings. Missing keys are as in `base`.
///
/// # Errors
/// [`FileError::Type`], naming the key.
pub fn parse(
    map: &Map<String, Value>,
    base: SettingsBlock,
    warnings: &mut Vec<String>,
) -> Result<SettingsBlock, FileError> {
    let raw = match map.get("raw") {
        None => None,
        Some(raw) => {
            let block = raw.as_str().and_then(block_from_hex);
            Some(block.ok_or_else(|| wrong("raw", "12 hexadecimal digits"))?)
        }
    };
    let start = raw.unwrap_or(base);
    let mut values = start.values();
    let mut given = [false; 6];
    for (key, value) in map {
        let Some(place) = KEYS.iter().position(|k| k == key) else {
            match key.as_str() {
                "raw" => {}
                "exposure" | "awb_green" => {
                    warnings.push(format!("key '{key}' of an older version is ignored"))
                }
                _ => warnings.push(format!("unknown key '{key}' is ignored")),
            }
            continue;
        };
        given[place] = true;
        match key.as_str() {
            "shutter" => values.shutter_us = integer(key, value, warnings)?,
            "gain" => values.gain = integer(key, value, warnings)?,
            "awb_red" => values.awb_red = float(key, value)?,
            "awb_blue" => values.awb_blue = float(key, value)?,
            "contrast" => values.contrast = float(key, value)?,
            _ => values.brightness = float(key, value)?,
        }
    }
    if raw.is_some_and(|raw| values == raw.values()) {
        return Ok(start);
    }
    // Only what the file says, so that bytes which nobody has touched stay as they are.
    let from_file = SettingsBlock::from_values(&values);
    warn_of_others(&values, from_file, given, warnings);
    let mut block = start.0;
    for ((byte, new), given) in block.iter_mut().zip(from_file.0).zip(given) {
        if given {
            *byte = new;
        }
    }
    Ok(SettingsBlock(block))
}

/// Says which values do not fit a byte.
fn warn_of_others(values: &Values, block: SettingsBlock, given: [bool; 6], warnings: &mut Vec<String>) {
    let all = |v: &Values| {
        let (shutter, gain) = (f64::from(v.shutter_us), f64::from(v.gain));
        [shutter, gain, v.awb_red, v.awb_blue, v.contrast, v.brightness]
    };
    let steps = [100.0, 1.0, 0.1, 0.1, 0.1, 1.0 / 127.5];
    let (wanted, used) = (all(values), all(&block.values()));
    for (place, key) in KEYS.into_iter().enumerate().filter(|(place, _)| given[*place]) {
        if (wanted[place] - used[place]).abs() > steps[place] * 1.001 {
            warnings.push(format!("key '{key}' is {}, {} is used", plain(wanted[place]), plain(used[place])));
        }
    }
}

/// A whole number without decimals, unless it is a very long one.
fn plain(value: f64) -> String {
    if value.abs() < 1e15 { value.to_string() } else { format!("{value:?}") }
}

/// Reads a file of settings; `None` if there is none.
///
/// # Errors
/// [`FileError`]; the file stays as it is.
pub fn load(
    path: &Path,
    base: SettingsBlock,
    warnings: &mut Vec<String>,
) -> Result<Option<SettingsBlock>, FileError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::Read(error)),
    };
    let map = object(&text, warnings)?;
    if map.is_empty() {
        return Ok(None);
    }
    parse(&map, base, warnings).map(Some)
}

/// Writes a file of settings so that there is always a whole one: temporary file, fsync, rename.
///
/// # Errors
/// Those of the file system; the file is as it was then.
pub fn save(path: &Path, block: SettingsBlock) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(name);
    let written = (|| {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(to_text(block).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        std::fs::File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// The six values by their names, and the bytes as `raw`.
pub fn to_json(block: SettingsBlock) -> Map<String, Value> {
    let Values { shutter_us, gain, awb_red, awb_blue, contrast, brightness } = block.values();
    let entries = [
        ("shutter", json!(shutter_us)),
        ("gain", json!(gain)),
        ("awb_red", json!(awb_red)),
        ("awb_blue", json!(awb_blue)),
        ("contrast", json!(contrast)),
        ("brightness", json!(brightness)),
        ("raw", json!(hex(block))),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The six bytes as 12 hexadecimal digits.
pub fn hex(block: SettingsBlock) -> String {
    block.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 12 hexadecimal digits as six bytes.
pub fn block_from_hex(text: &str) -> Option<SettingsBlock> {
    let digits = text.as_bytes();
    if digits.len() != 12 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let bytes = u64::from_str_radix(text, 16).ok()?.to_be_bytes();
    let [_, _, block @ ..] = bytes;
    Some(SettingsBlock(block))
}

/// In the order of the bytes, indented by two as the original saves it.
fn to_text(block: SettingsBlock) -> String {
    let map = to_json(block);
    let lines: Vec<String> = KEYS
        .iter()
        .chain(&["raw"])
        .map(|key| format!("  \"{key}\": {}", map.get(*key).unwrap_or(&Value::Null)))
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast truncates and saturates"
)]
fn integer(key: &str, value: &Value, warnings: &mut Vec<String>) -> Result<u32, FileError> {
    if let Some(n) = value.as_u64() {
        return Ok(u32::try_from(n).unwrap_or(u32::MAX));
    }
    let number = value.as_f64().ok_or_else(|| wrong(key, "a whole number"))?;
    let kept = number as u32;
    warnings.push(format!("key '{key}' is {number}, {kept} is used"));
    Ok(kept)
}

fn float(key: &str, value: &Value) -> Result<f64, FileError> {
    value.as_f64().ok_or_else(|| wrong(key, "a number"))
}

fn wrong(key: &str, wanted: &'static str) -> FileError {
    FileError::Type { key: key.into(), wanted }
}

/// In the order of the bytes.
pub const KEYS: [&str; 6] = ["shutter", "gain", "awb_red", "awb_blue", "contrast", "brightness"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, usize), String> {
        let mut warnings = Vec::new();
        let map = object(text.as_bytes(), &mut warnings).map_err(|e| e.to_string())?;
        let block = parse(&map, SettingsBlock::DEFAULT, &mut warnings).map_err(|e| e.to_string())?;
        Ok((hex(block), warnings.len()))
    }

    #[test]
    fn what_files_hold() {
        let good = |text: &str| read(text).unwrap();
        assert_eq!(good("{}"), ("64010a0a0a7f".into(), 0));
        assert_eq!(good(""), ("64010a0a0a7f".into(), 1));
        assert_eq!(good("\u{feff}{\"gain\": 7}"), ("64070a0a0a7f".into(), 0));
        assert_eq!(
            good(r#"{"shutter":33333,"gain":1.7,"awb_red":1.26,"awb_blue":2.6,"brightness":0.25}"#),
            ("ff010c1a0a9f".into(), 2)
        );
        assert_eq!(
            good(r#"{"shutter":1e308,"contrast":1e308,"brightness":-1e308}"#),
            ("ff010a0aff00".into(), 4)
        );
        assert_eq!(good(r#"{"gain":300,"shutter":-5}"#), ("00ff0a0a0a7f".into(), 2));
        // An older version, and a key nobody knows.
        assert_eq!(
            good(r#"{"exposure":5,"gain":3,"awb_red":2,"awb_green":1,"awb_blue":1.5,"x":1}"#),
            ("6403140f0a7f".into(), 3)
        );
        for (text, key) in [
            (r#"{"gain":"7"}"#, "'gain'"),
            (r#"{"contrast":null}"#, "'contrast'"),
            (r#"{"shutter":true}"#, "'shutter'"),
            (r#"{"brightness":[0]}"#, "'brightness'"),
            (r#"{"raw":"64010a0a0a7"}"#, "'raw'"),
            (r#"{"raw":7}"#, "'raw'"),
            (r#"{"gain":NaN}"#, "not JSON at key 'gain'"),
            ("{\"gain\": 1,\n \"awb_red\": 1e999,\n \"shutter\": 3}", "at key 'awb_red'"),
            (r#"{"gain":1 "x":2}"#, "at key 'gain'"),
            ("[1]", "object"),
            ("{", "not JSON"),
        ] {
            assert!(read(text).unwrap_err().contains(key), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn nothing_is_lost_on_the_way_through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/camera_settings.json");
        for k in 0..=255 {
            let block = SettingsBlock([k, 3, k, 4, k, k]);
            save(&path, block).unwrap();
            let mut warnings = Vec::new();
            assert_eq!(load(&path, SettingsBlock::DEFAULT, &mut warnings).unwrap(), Some(block));
            assert!(warnings.is_empty());
        }
        // Edited by hand: the value counts, and only that one.
        save(&path, SettingsBlock([1, 2, 3, 4, 5, 1])).unwrap();
        let text = std::fs::read_to_string(&path).unwrap().replace("\"gain\": 2", "\"gain\": 9");
        std::fs::write(&path, text).unwrap();
        let read = load(&path, SettingsBlock::DEFAULT, &mut Vec::new()).unwrap().unwrap();
        assert_eq!(read.0[..5], [1, 9, 3, 4, 5]);
        assert_eq!(std::fs::read_dir(folder.path().join("config")).unwrap().count(), 1);
        // A folder in its place: an error, and nothing damaged.
        assert!(save(folder.path(), SettingsBlock::DEFAULT).is_err());
    }
}
