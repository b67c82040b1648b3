//! What the frames of a recording of the test source say of themselves.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{avi, still};

/// Prints, for the first so many frames, one line each: number and time of capture, or both and the timecode as JSON.
///
/// # Errors
/// With one line, when it is no such recording, or has no frames.
pub fn print(file: &Path, most: usize, json: bool) -> Result<()> {
    let open = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let frames = avi::frames(open).with_context(|| format!("{}: not of the test source", file.display()))?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut any = false;
    for jpeg in frames.take(most) {
        let marks = still::read(&jpeg?)?;
        let written = if json {
            let line = json!({"frame": marks.frame, "unixNanos": marks.time_ns, "timecode": marks.label()});
            writeln!(out, "{line}")
        } else {
            let (seconds, nanos) = (marks.time_ns / 1_000_000_000, marks.time_ns % 1_000_000_000);
            writeln!(out, "{} {seconds}.{nanos:09}", marks.frame)
        };
        any = true;
        if stopped_reading(written)? {
            return Ok(());
        }
    }
    if !any {
        bail!("{}: no frames", file.display());
    }
    stopped_reading(out.flush())?;
    Ok(())
}

/// Whether whoever reads the output has had enough, which is no error.
fn stopped_reading(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        written => written.map(|()| false),
    }
}
