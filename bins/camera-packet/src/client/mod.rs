//! The commands of camera-client.

mod command;
mod password;
mod session;
mod shell;

pub use command::{Assignment, CommandError, Line};
pub use password::ask_password;
pub use session::Session;
pub use shell::shell;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use camera_packet::client::{AUTH, DATA, Event, LoginFailure, SETTINGS};
use camera_packet::dialect::{Dialect, OldSettings, SettingsForm};
use camera_packet::settings::SettingsBlock;
use serde_json::{Value, json};

use crate::settings_file;

/// What a login that succeeded is as JSON.
pub const LOGGED_IN: &str = r#"{"login":true}"#;

/// How long an answer may take in all, repeats and a new connection included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a login succeeded; `Err` when nobody answered.
///
/// # Errors
/// With one line that says why nobody knows.
pub async fn login(session: &mut Session, password: &[u8]) -> Result<bool> {
    session.call(|client, now| client.login(now, password))?;
    session.connect(AUTH).await?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match session.next(deadline).await? {
            Event::LoggedIn(_) => return Ok(true),
            Event::LoginFailed(LoginFailure::Refused(_)) => return Ok(false),
            Event::LoginFailed(LoginFailure::Downgrade) => {
                bail!("the server does not know SCRAM; --allow-plaintext sends the password as it is")
            }
            Event::LoginFailed(LoginFailure::Scram(error)) => return Err(error.into()),
            Event::LoginFailed(why) => bail!("no answer to the password: {why:?}"),
            Event::Reconnect(AUTH) => session.connect(AUTH).await?,
            _ => {}
        }
    }
}

/// Logs in, with a password that is asked for if none is given.
///
/// # Errors
/// When the password is wrong, or nobody answered.
pub async fn log_in(session: &mut Session, password: Option<&str>) -> Result<()> {
    let password = match password {
        Some(password) => password.to_owned(),
        None => ask_password().context("no password")?,
    };
    if !login(session, password.as_bytes()).await? {
        bail!("the password is wrong");
    }
    Ok(())
}

/// The settings of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settings {
    /// Six bytes.
    Six(SettingsBlock),
    /// Of G3 and G4.
    Old(OldSettings),
}

impl Settings {
    /// By their JSON names, and the bytes as `raw`.
    pub fn to_json(self) -> Value {
        match self {
            Self::Six(block) => Value::Object(settings_file::to_json(block)),
            Self::Old(OldSettings(bytes)) => {
                let [gain, exposure, red, green, blue] = bytes;
                let tenth = |b: u8| f64::from(b) / 10.0;
                let raw: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                json!({"gain": gain, "exposure": tenth(exposure), "awb_red": tenth(red), "awb_green": tenth(green),
                    "awb_blue": tenth(blue), "raw": raw})
            }
        }
    }

    /// To standard output, as text or as one line of JSON.
    pub fn print(self, json: bool) {
        println!("{}", if json { self.to_json().to_string() } else { self.to_text() });
    }

    /// One `name value` a line.
    pub fn to_text(self) -> String {
        let json = self.to_json();
        let order = [
            "shutter",
            "gain",
            "exposure",
            "awb_red",
            "awb_green",
            "awb_blue",
            "contrast",
            "brightness",
            "raw",
        ];
        let lines = order.iter().filter_map(|key| {
            let value = json.get(key)?;
            Some(value.as_str().map_or_else(|| format!("{key} {value}"), |text| format!("{key} {text}")))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Asks for the settings.
///
/// # Errors
/// When no answer comes.
pub async fn get(session: &mut Session) -> Result<Settings> {
    session.stand(SETTINGS).await?;
    session.call(|client, now| client.query(now))?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match session.next(deadline).await? {
            Event::Settings(block) => return Ok(Settings::Six(block)),
            Event::OldSettings(old) => return Ok(Settings::Old(old)),
            Event::Reconnect(SETTINGS) | Event::Closed(SETTINGS, _) => session.connect(SETTINGS).await?,
            Event::AttachRefused(SETTINGS) => bail!("the server does not accept our token"),
            _ => {}
        }
    }
}

/// Changes some settings, the others stay to the byte; returns what the server says then.
///
/// # Errors
/// When no answer comes, or the server's generation has no such settings.
pub async fn set(
    session: &mut Session,
    dialect: Dialect,
    changes: &[Assignment],
    raw: bool,
) -> Result<Settings> {
    let now = get(session).await?;
    match now {
        Settings::Six(block) => {
            let wanted = Assignment::apply(changes, block, raw);
            session.call(|client, now| client.update(now, wanted))?;
        }
        Settings::Old(old) if dialect.settings() == SettingsForm::Old => {
            if changes.iter().any(|change| !change.is_old()) {
                bail!("{dialect} has gain, awb_red and awb_blue only");
            }
            let wanted = Assignment::apply(changes, old.to_block(SettingsBlock::DEFAULT), raw);
            session.call(|client, now| client.update_old(now, old.with_block(wanted)))?;
        }
        Settings::Old(_) => bail!("settings of {dialect} can only be read"),
    }
    get(session).await
}

/// Shows telemetry until the program is ended, or `count` items have come.
///
/// # Errors
/// When the first connection cannot be made; later ones are tried again each second.
pub async fn watch(session: &mut Session, count: Option<u64>, json: bool) -> Result<()> {
    session.connect(DATA).await?;
    let mut left = count;
    while left != Some(0) {
        match session.next_event().await? {
            Event::Telemetry(telemetry, stats) => {
                show(telemetry.value, telemetry.timestamp_ms, &stats, json)?;
                left = left.map(|n| n - 1);
            }
            Event::Stale if !json => println!("no data"),
            Event::AttachRefused(DATA) => bail!("the server does not accept our token"),
            Event::Closed(DATA, reason) => {
                tracing::warn!(?reason, "telemetry ended; trying again");
                while let Err(error) = session.connect(DATA).await {
                    tracing::info!("{error:#}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn show(
    value: u8,
    timestamp_ms: u64,
    stats: &camera_packet::stats::StreamStats,
    json: bool,
) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let offset = milli(stats.offset_ns);
    let (rate, jitter) =
        (thousandth(stats.rate_mhz), milli(i64::try_from(stats.jitter_ns).unwrap_or(i64::MAX)));
    if json {
        // Decimals made of integers: a JSON number as it is.
        writeln!(
            out,
            "{{\"value\":{value},\"timestamp_ms\":{timestamp_ms},\"offset_ms\":{offset},\"rate_hz\":{rate},\"jitter_ms\":{jitter}}}"
        )
    } else {
        writeln!(out, "value {value:3}  offset {offset} ms  rate {rate} Hz  jitter {jitter} ms")
    }
}

/// Nanoseconds as milliseconds with three digits.
fn milli(ns: i64) -> String {
    let us = ns / 1000;
    format!("{}{}.{:03}", if us < 0 { "-" } else { "" }, us.unsigned_abs() / 1000, us.unsigned_abs() % 1000)
}

fn thousandth(n: u64) -> String {
    format!("{}.{:03}", n / 1000, n % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        assert_eq!(
            (milli(-1_500_000), milli(999), milli(12_345_678)),
            ("-1.500".into(), "0.000".into(), "12.345".into())
        );
        assert_eq!(thousandth(23_976), "23.976");
    }

    #[test]
    fn settings_as_text() {
        let text = Settings::Six(SettingsBlock::DEFAULT).to_text();
        assert_eq!(
            text,
            "shutter 10000\ngain 1\nawb_red 1.0\nawb_blue 1.0\ncontrast 1.0\nbrightness -0.0039215686274509665\nraw 64010a0a0a7f"
        );
        assert!(
            Settings::Old(OldSettings([4, 30, 12, 10, 21])).to_text().starts_with("gain 4\nexposure 3.0\n")
        );
    }
}
