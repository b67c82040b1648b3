//! A state that is read from a file, and again when the file changes. A broken file keeps the old state.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use dvb_css::Ratio;
use dvb_css::message::CiiMessage;
use serde_json::Value;

use crate::serve::EndPoints;

/// What a television shows, as its state file says.
#[derive(Clone, Debug, PartialEq)]
pub struct TvState {
    /// Content identification.
    pub cii: CiiMessage,
    /// Timelines, which run from 0 at the program's start.
    pub timelines: Vec<TimelineSpec>,
    /// Names of end points that are shut.
    pub disabled: Vec<String>,
}

/// One timeline of a state file.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineSpec {
    /// Its name in CSS-TS.
    pub selector: String,
    /// Ticks in a second.
    pub tick_rate: Ratio,
    /// 1 is normal.
    pub speed: Ratio,
}

/// Reads a file of one CII message.
///
/// # Errors
/// With one line that says what is wrong.
pub fn read_cii(text: &str) -> anyhow::Result<CiiMessage> {
    Ok(CiiMessage::parse(text)?)
}

/// Reads a television's state file: `{"cii": {…}, "timelines": [{"selector", "unitsPerTick", "unitsPerSecond",
/// "speed"}], "disabled": ["cii"]}`. Only `cii` has to be there.
///
/// # Errors
/// With one line that says what is wrong.
pub fn read_tv(text: &str) -> anyhow::Result<TvState> {
    let file: Value = serde_json::from_str(text)?;
    let cii = file.get("cii").context("\"cii\" is missing")?;
    let cii = CiiMessage::parse(&cii.to_string()).context("in \"cii\"")?;
    let timelines = array(&file, "timelines")?.iter().enumerate().map(|(index, timeline)| {
        timeline_spec(timeline).with_context(|| format!("in \"timelines\", number {}", index + 1))
    });
    let disabled = array(&file, "disabled")?.iter().map(|name| match name.as_str() {
        Some(name) if EndPoints::NAMES.contains(&name) => Ok(name.to_owned()),
        _ => bail!("in \"disabled\": {name} is none of {}", EndPoints::NAMES.join(", ")),
    });
    Ok(TvState {
        cii,
        timelines: timelines.collect::<Result<_, _>>()?,
        disabled: disabled.collect::<Result<_, _>>()?,
    })
}

/// A member of the file that is an array, or not there.
fn array<'a>(file: &'a Value, name: &str) -> anyhow::Result<&'a [Value]> {
    match file.get(name) {
        None => Ok(&[]),
        Some(Value::Array(all)) => Ok(all),
        Some(_) => bail!("{name:?} is not an array"),
    }
}

fn timeline_spec(timeline: &Value) -> anyhow::Result<TimelineSpec> {
    let selector = timeline.get("selector").and_then(Value::as_str).context("\"selector\" is missing")?;
    let number = |name: &str, default: Option<Ratio>| match (timeline.get(name), default) {
        (None, Some(default)) => Ok(default),
        (None, None) => bail!("{name:?} is missing"),
        (Some(value), _) => {
            let number = value.is_number().then(|| value.to_string().parse::<Ratio>().ok()).flatten();
            number.with_context(|| format!("{name:?} is not a number"))
        }
    };
    let per_second = number("unitsPerSecond", None)?;
    let per_tick = number("unitsPerTick", Some(Ratio::ONE))?;
    let tick_rate = per_second.over(per_tick).filter(|rate| rate.signum() > 0);
    Ok(TimelineSpec {
        selector: selector.into(),
        tick_rate: tick_rate.context("a tick rate has to be more than 0")?,
        speed: number("speed", Some(Ratio::ONE))?,
    })
}

/// A file that is looked at from time to time.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    seen: Option<(SystemTime, u64)>,
}

/// Time between two looks.
pub const LOOK: Duration = Duration::from_millis(250);

impl Watched {
    /// Reads a file for the first time.
    ///
    /// # Errors
    /// When it cannot be read, or not be understood.
    pub fn open<T>(path: &Path, read: fn(&str) -> anyhow::Result<T>) -> anyhow::Result<(Self, T)> {
        let mut watched = Self { path: path.into(), seen: None };
        watched.seen = watched.stamp();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let value = read(&text).with_context(|| format!("{}", path.display()))?;
        Ok((watched, value))
    }

    /// Reads it again if it has changed. What is wrong with it is logged.
    pub fn look<T>(&mut self, read: fn(&str) -> anyhow::Result<T>) -> Option<T> {
        let stamp = self.stamp();
        if stamp.is_none() || stamp == self.seen {
            return None;
        }
        self.seen = stamp;
        let result =
            std::fs::read_to_string(&self.path).map_err(anyhow::Error::from).and_then(|text| read(&text));
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::error!(target: "state", "{}: {error:#}; the old state stays", self.path.display());
                None
            }
        }
    }

    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_files_say_what_is_wrong_with_them() {
        let good = r#"{"cii": {"contentId": "dvb://1"}, "timelines": [
            {"selector": "a", "unitsPerTick": 1001, "unitsPerSecond": 30000, "speed": 0.5}, {"selector": "b", "unitsPerSecond": 25}]}"#;
        let state = read_tv(good).unwrap();
        assert_eq!(state.timelines[0].tick_rate, Ratio::new(30_000, 1001));
        assert_eq!(state.timelines[0].speed, Ratio::new(1, 2));
        assert_eq!((state.timelines[1].tick_rate, state.timelines[1].speed), (Ratio::from(25), Ratio::ONE));
        let wrong = |text: &str| format!("{:#}", read_tv(text).unwrap_err());
        assert_eq!(wrong("{}"), "\"cii\" is missing");
        assert_eq!(
            wrong(r#"{"cii": {"contentIdStatus": "x"}}"#),
            "in \"cii\": property contentIdStatus has a wrong value"
        );
        let timeline = wrong(r#"{"cii": {}, "timelines": [{"selector": "a", "unitsPerSecond": 0}]}"#);
        assert_eq!(timeline, "in \"timelines\", number 1: a tick rate has to be more than 0");
        assert!(wrong("{").contains("EOF"));
        assert_eq!(wrong(r#"{"cii": {}, "timelines": {}}"#), "\"timelines\" is not an array");
        let disabled = wrong(r#"{"cii": {}, "disabled": ["ts", "te"]}"#);
        assert_eq!(disabled, "in \"disabled\": \"te\" is none of cii, ts, wc");
    }

    #[test]
    fn a_broken_file_keeps_the_old_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert!(Watched::open(&path, read_cii).is_err());
        std::fs::write(&path, "{\"mrsUrl\":\"http://a\"}").unwrap();
        let (mut watched, first) = Watched::open(&path, read_cii).unwrap();
        assert_eq!(first.mrs_url.value().map(String::as_str), Some("http://a"));
        assert_eq!(watched.look(read_cii), None, "nothing has changed");
        std::fs::write(&path, "{\"mrsUrl\":").unwrap();
        assert_eq!(watched.look(read_cii), None, "broken");
        std::fs::write(&path, "{\"mrsUrl\":\"http://bb\"}").unwrap();
        let second = watched.look(read_cii).unwrap();
        assert_eq!(second.mrs_url.value().map(String::as_str), Some("http://bb"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(watched.look(read_cii), None, "gone for a while");
    }
}
