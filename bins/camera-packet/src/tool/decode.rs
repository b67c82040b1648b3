//! Frames of a byte stream, and what was skipped and why.

use std::io::{self, Write};

use anyhow::{Result, bail};
use camera_packet::codec::{Bounds, Decoder, DecoderConfig, Event, Feed, Resync, Stats};
use camera_packet::message::Message;
use camera_packet::packet::Frame;
use machine::Instant;
use serde_json::json;

use super::pcap;

/// How to decode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The input is hexadecimal text.
    pub hex: bool,
    /// The input is a capture of network packets.
    pub pcap: bool,
    /// The stream is joined in the middle.
    pub unsynced: bool,
    /// After a wrong checksum.
    pub resync: Resync,
    /// One JSON object a line.
    pub json: bool,
}

/// Decodes `input` and writes what it finds.
///
/// # Errors
/// When the input is not what the options say, or nothing can be written.
pub fn run(input: &[u8], options: Options, out: &mut impl Write) -> Result<()> {
    let text;
    let input = if options.hex {
        text = unhex(input)?;
        &text
    } else {
        input
    };
    let mut report = Report { out, json: options.json, stream: None, skipped: 0, bad: 0, left: 0 };
    if !options.pcap {
        report.stream(input, options.unsynced, options)?;
        return Ok(report.summary()?);
    }
    for (name, pieces) in pcap::streams(input)? {
        report.stream = Some(name);
        // A hole in the capture: what comes behind it begins anywhere.
        for (i, piece) in pieces.iter().enumerate() {
            report.stream(piece, options.unsynced || i > 0, options)?;
        }
    }
    Ok(report.summary()?)
}

/// Where the last frame ended.
#[derive(Default)]
struct Seen {
    end: u64,
}

struct Report<'a, W> {
    out: &'a mut W,
    json: bool,
    stream: Option<String>,
    skipped: u64,
    bad: u64,
    left: u64,
}

impl<W: Write> Report<'_, W> {
    fn stream(&mut self, input: &[u8], unsynced: bool, options: Options) -> io::Result<()> {
        let mut config = DecoderConfig::new(Bounds::ANY).with_resync(options.resync);
        if unsynced {
            config = config.unsynced();
        }
        let mut decoder = Decoder::new(config);
        let mut seen = Seen::default();
        // In pieces, as a stream comes; the time is always the same, so nothing times out.
        for piece in input.chunks(64 << 10) {
            self.events(decoder.feed(Instant::default(), piece), &mut seen)?;
        }
        self.events(decoder.end(Instant::default()), &mut seen)?;
        self.gap(&mut seen, input.len() as u64 - decoder.held() as u64)?;
        self.reasons(decoder.stats())?;
        self.skipped += decoder.stats().skipped;
        self.bad += decoder.stats().bad;
        self.left += decoder.held() as u64;
        Ok(())
    }

    fn events(&mut self, mut feed: Feed<'_>, seen: &mut Seen) -> io::Result<()> {
        loop {
            let Some(event) = feed.next() else { return Ok(()) };
            match event {
                Event::Frame(frame) => self.frame("frame", &frame, seen)?,
                Event::UnexpectedLength(frame) => self.frame("unexpected-length", &frame, seen)?,
                Event::Unknown(frame) => self.frame("unknown", &frame, seen)?,
                Event::BadChecksum { offset, kind, len } => {
                    if self.json {
                        let mut line = json!({"event": "bad-checksum", "offset": offset, "id": kind.id,
                            "type": kind.ty, "len": len});
                        self.line(&mut line)?;
                    } else {
                        writeln!(self.out, "{offset:8}  {kind}  wrong checksum, LEN {len}")?;
                    }
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, event: &str, frame: &Frame<'_>, seen: &mut Seen) -> io::Result<()> {
        self.gap(seen, frame.offset)?;
        seen.end = frame.offset + frame.payload.len() as u64 + 7;
        let payload: String = frame.payload.iter().map(|b| format!("{b:02x}")).collect();
        if self.json {
            let mut line = json!({"event": event, "offset": frame.offset, "id": frame.kind.id,
                "type": frame.kind.ty, "payload": payload});
            return self.line(&mut line);
        }
        let meaning = match Message::parse(frame) {
            _ if event != "frame" => event.to_owned(),
            Ok(Message::Password(_)) => "a password".into(),
            Ok(message) => format!("{message:?}"),
            Err(error) => error.to_string(),
        };
        let payload = if frame.kind.is_secret() { "" } else { payload.as_str() };
        writeln!(self.out, "{:8}  {}  {meaning}  {payload}", frame.offset, frame.kind)
    }

    /// Bytes between two frames.
    fn gap(&mut self, seen: &mut Seen, next: u64) -> io::Result<()> {
        if next > seen.end {
            let (offset, len) = (seen.end, next - seen.end);
            if self.json {
                self.line(&mut json!({"event": "skipped", "offset": offset, "len": len}))?;
            } else {
                writeln!(self.out, "{offset:8}  skipped {len} bytes that are no frame")?;
            }
        }
        Ok(())
    }

    /// Why bytes of a stream were skipped.
    fn reasons(&mut self, stats: Stats) -> io::Result<()> {
        let Stats { skipped, bad, implausible, false_frames, .. } = stats;
        if skipped == 0 {
            return Ok(());
        }
        if self.json {
            return self.line(&mut json!({"event": "reasons", "skipped": skipped, "bad": bad,
                "implausible": implausible, "false_frames": false_frames}));
        }
        writeln!(
            self.out,
            "          skipped {skipped} bytes of this stream: {bad} wrong checksums, {implausible} impossible headers, \
             {false_frames} frames by chance"
        )
    }

    fn summary(&mut self) -> io::Result<()> {
        self.stream = None;
        let (skipped, bad, left) = (self.skipped, self.bad, self.left);
        if self.json {
            self.line(&mut json!({"event": "summary", "skipped": skipped, "bad": bad, "left": left}))
        } else {
            writeln!(self.out, "skipped {skipped}, bad {bad}, left {left}")
        }
    }

    fn line(&mut self, line: &mut serde_json::Value) -> io::Result<()> {
        if let (Some(stream), Some(map)) = (&self.stream, line.as_object_mut()) {
            map.insert("stream".into(), stream.as_str().into());
        }
        writeln!(self.out, "{line}")
    }
}

/// Hexadecimal text, with blanks anywhere.
fn unhex(text: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for (at, c) in text.iter().enumerate() {
        if c.is_ascii_whitespace() {
            continue;
        }
        let Some(digit) = char::from(*c).to_digit(16).and_then(|d| u8::try_from(d).ok()) else {
            bail!("byte {at} of the input is not a hexadecimal digit");
        };
        match high.take() {
            None => high = Some(digit),
            Some(high) => out.push(high << 4 | digit),
        }
    }
    if high.is_some() {
        bail!("the input has an odd number of hexadecimal digits");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(input: &str, options: Options) -> Vec<String> {
        let mut out = Vec::new();
        run(input.as_bytes(), Options { hex: true, ..options }, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn frames_gaps_and_a_summary() {
        let json = Options { json: true, ..Options::default() };
        let lines = decoded("55 00ff02010000fc 00ff0201 0000 55 00ff 0001 0004 31313131 fa 00ff", json);
        assert_eq!(
            lines,
            [
                r#"{"event":"skipped","len":1,"offset":0}"#,
                r#"{"event":"frame","id":2,"offset":1,"payload":"","type":1}"#,
                r#"{"event":"bad-checksum","id":2,"len":0,"offset":8,"type":1}"#,
                r#"{"event":"skipped","len":7,"offset":8}"#,
                r#"{"event":"frame","id":0,"offset":15,"payload":"31313131","type":1}"#,
                r#"{"bad":1,"event":"reasons","false_frames":0,"implausible":0,"skipped":8}"#,
                r#"{"bad":1,"event":"summary","left":2,"skipped":8}"#,
            ]
        );
        let text = decoded("00ff 0001 0004 31313131 fa", Options::default()).join("\n");
        assert!(text.contains("a password") && !text.contains("3131"), "{text}");
        assert!(run(b"0g", Options { hex: true, ..Options::default() }, &mut Vec::new()).is_err());
        assert!(run(b"000", Options { hex: true, ..Options::default() }, &mut Vec::new()).is_err());
    }
}
