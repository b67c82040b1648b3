//! What a controller prints: lines for people, or one JSON object for each answer.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use multicam_common::client::{DeviceView, Failure};
use multicam_common::codec::Reply;
use serde_json::{Value, json};

use super::collect::name_of;
use super::fetch::Progress;

/// How answers are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    /// JSON instead of text.
    pub(super) json: bool,
}

impl Show {
    /// Prints a line; the text for people, the object for programs.
    pub(super) fn line(self, text: &str, object: &Value) {
        let mut out = std::io::stdout().lock();
        let _ = if self.json { writeln!(out, "{object}") } else { writeln!(out, "{text}") };
        let _ = out.flush();
    }

    /// An answer, or the lack of one; true if all is well.
    pub(super) fn outcome(self, what: &str, view: &DeviceView, outcome: &Result<Reply, Failure>) -> bool {
        let device = name_of(view);
        let mut object = json!({ "what": what, "device": device, "address": view.address.to_string() });
        let (ok, text) = match outcome {
            Ok(Reply::Stopped(r)) => {
                let ns = |t: Option<multicam_common::UnixTime>| json!(t.map(|t| t.as_nanos()));
                object["file"] = json!(r.file());
                object["size"] = json!(r.file_size);
                object["targetStartNs"] = ns(r.times.target_start);
                object["actualStartNs"] = ns(r.times.actual_start);
                object["firstFrameNs"] = ns(r.times.first_frame);
                let file = printable(r.file().unwrap_or("without a name"));
                (true, format!("stopped, {file}, {} bytes", r.file_size.unwrap_or(0)))
            }
            Ok(Reply::Error(e)) => {
                object["error"] = json!(e.message);
                (false, format!("{}: {}", e.status, printable(&e.message)))
            }
            Ok(reply) => (!reply.status().is_error(), printable(reply.status().as_str())),
            Err(why) => {
                object["error"] = json!(why.to_string());
                (false, why.to_string())
            }
        };
        object["ok"] = json!(ok);
        object["status"] = json!(outcome.as_ref().ok().map(|r| r.status().as_str()));
        self.line(&format!("{device:<24} {text}"), &object);
        ok
    }

    /// How a device is.
    pub(super) fn device(self, view: &DeviceView) {
        let mut text = format!("{:<24} {:<21} ", name_of(view), view.address.to_string());
        let state = match (view.up, &view.failure, &view.status) {
            (Some(true), _, Some(status)) => printable(status.as_str()),
            (_, Some(why), _) => why.to_string(),
            _ => "not asked yet".into(),
        };
        let _ = write!(text, "{state:<24}");
        let ms = |ns: i64| ns as f64 / 1e6;
        if let Some((offset, error)) = view.offset_ns.zip(view.offset_error_ns) {
            let _ = write!(text, " clock {:+.3} ms +-{:.3}", ms(offset), ms(error.cast_signed()));
        }
        if let Some(clock) = &view.clock {
            let _ = write!(text, " from {}", printable(&clock.source));
        }
        if let Some(battery) = view.battery {
            let _ = write!(text, " battery {battery:.0} %");
        }
        let object = json!({
            "what": "device",
            "device": name_of(view),
            "address": view.address.to_string(),
            "ok": view.up == Some(true),
            "status": view.status.as_ref().map(|s| s.as_str()),
            "recording": view.recording,
            "type": view.device_type,
            "battery": view.battery,
            "offsetNs": view.offset_ns,
            "offsetErrorNs": view.offset_error_ns,
            "clock": view.clock.as_ref().map(|c| c.source.clone()),
            "clockErrorNs": view.clock.as_ref().and_then(|c| c.error_ns),
            "error": view.failure.map(|f| f.to_string()),
        });
        self.line(text.trim_end(), &object);
    }
}

/// Bars of what is being fetched, on stderr where that is a terminal.
#[derive(Clone, Debug, Default)]
pub(super) struct Bars(Arc<Mutex<Vec<Bar>>>);

/// A name, and how far it is.
type Bar = (String, Arc<Progress>);

impl Bars {
    pub(super) fn add(&self, name: String, progress: &Arc<Progress>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name, progress.clone()));
    }

    /// Calls all off.
    pub(super) fn cancel(&self) {
        for (_, progress) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            progress.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Draws until it is dropped.
    pub(super) async fn draw(&self) -> std::convert::Infallible {
        if !std::io::stderr().is_terminal() {
            return std::future::pending().await;
        }
        let mut drawn = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let bars = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut text = if drawn > 0 { format!("\x1b[{drawn}A") } else { String::new() };
            for (name, progress) in &bars {
                let (have, total) =
                    (progress.have.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed));
                let done = usize::try_from(have.saturating_mul(30) / total.max(1)).unwrap_or(30).min(30);
                let _ =
                    writeln!(text, "\x1b[2K{name:<48} [{:<30}] {:>7} MB", "=".repeat(done), have / 1_000_000);
            }
            drawn = bars.len();
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}

/// A stranger's text without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(200).collect()
}
