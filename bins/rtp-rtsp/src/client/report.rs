//! How it goes: a line for people, or JSON.

use std::time::Duration;

use bytes::Bytes;
use rtp_rtsp::client::Track;
use rtp_rtsp::media::Codec;
use rtp_rtsp::receiver::{ReceivedFrame, Statistics};
use serde_json::json;
use tokio::time::Instant;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::RtspClient;
use super::record::Recorder;

#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    stats: bool,
    track: usize,
    codec: String,
    started: Option<Instant>,
    over_tcp: bool,
    last: (Instant, Statistics),
    /// Between capture and arrival of the last frame that says when it was captured; negative where clocks differ.
    delay_ns: Option<i64>,
    /// The last picture and when it was there, by the wall clock.
    picture: Option<(Bytes, i64)>,
}

impl Report {
    pub(super) fn new(json: bool, stats: bool) -> Self {
        let last = (Instant::now(), Statistics::default());
        Self {
            json,
            stats,
            track: 0,
            codec: "JPEG".into(),
            started: None,
            over_tcp: false,
            last,
            delay_ns: None,
            picture: None,
        }
    }

    pub(super) fn described(&mut self, tracks: &[Track], recorder: &mut Recorder) {
        let chosen = tracks.iter().position(|t| matches!(t.codec, Codec::Jpeg | Codec::H264)).unwrap_or(0);
        if let Some(track) = tracks.get(chosen) {
            self.track = chosen;
            self.codec.clone_from(&track.encoding);
            recorder.described(chosen, track);
            let all: Vec<_> = tracks.iter().map(|t| format!("{} {}", t.media.kind, t.encoding)).collect();
            self.say(&all.join(", "));
        }
    }

    /// The track that is looked at.
    pub(super) const fn track(&self) -> usize {
        self.track
    }

    pub(super) const fn is_over_tcp(&self) -> bool {
        self.over_tcp
    }

    pub(super) fn playing(&mut self, over_tcp: bool) {
        self.started.get_or_insert_with(Instant::now);
        self.over_tcp = over_tcp;
        self.last.0 = Instant::now();
        self.say(if over_tcp { "plays over TCP" } else { "plays over UDP" });
    }

    pub(super) fn frame(&mut self, track: usize, frame: &ReceivedFrame) {
        if track != self.track {
            return;
        }
        let now = driver::unix_now();
        if let Some(sampled) = frame.unix_ns {
            self.delay_ns = Some(now - sampled);
        }
        if self.stats || self.json {
            // The classroom dialect names no codec.
            let jpeg = frame.frame.data.starts_with(&[0xff, 0xd8]);
            self.picture = jpeg.then(|| (frame.frame.data.clone(), now));
        }
    }

    pub(super) fn say(&self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }

    pub(super) fn second(&mut self, client: &RtspClient) {
        if self.started.is_some() && (self.stats || self.json) {
            self.show(client);
        }
    }

    /// What came since the last time.
    pub(super) fn show(&mut self, client: &RtspClient) {
        let Some(now) = self.statistics(client) else { return };
        let (at, before) = self.last;
        self.print(now, before, at.elapsed(), false);
        self.last = (Instant::now(), now);
    }

    /// What came in all.
    pub(super) fn end(&mut self, client: &RtspClient) {
        let (Some(now), Some(started)) = (self.statistics(client).or(Some(self.last.1)), self.started) else {
            return;
        };
        self.print(now, Statistics::default(), started.elapsed(), true);
    }

    pub(super) fn statistics(&self, client: &RtspClient) -> Option<Statistics> {
        client.call(|machine, _| machine.statistics(self.track))
    }

    fn print(&self, now: Statistics, before: Statistics, time: Duration, end: bool) {
        let seconds = time.as_secs_f64().max(1e-3);
        let fps = now.frames.saturating_sub(before.frames) as f64 / seconds;
        let bitrate = now.bytes.saturating_sub(before.bytes) as f64 * 8.0 / seconds;
        let jitter_ms = now.jitter_ns as f64 / 1e6;
        let transport = if self.over_tcp { "tcp" } else { "udp" };
        let delay_ms = self.delay_ns.map(|ns| ns as f64 / 1e6);
        let glass_ms = self.picture.as_ref().and_then(|(jpeg, at)| glass_to_glass_ms(jpeg, *at));
        if self.json {
            let object = json!({
                "end": end,
                "packets": now.packets,
                "bytes": now.bytes,
                "frames": now.frames,
                "incomplete": now.incomplete_frames,
                "lost": now.lost,
                "reordered": now.reordered,
                "jitter_ms": (jitter_ms * 1000.0).round() / 1000.0,
                "fps": (fps * 100.0).round() / 100.0,
                "bitrate_bps": bitrate.round(),
                "delay_ms": delay_ms,
                "glass_to_glass_ms": glass_ms,
                "transport": transport,
                "codec": self.codec,
            });
            println!("{object}");
            return;
        }
        let delay = delay_ms.map_or_else(String::new, |ms| format!(", {ms:.1} ms after capture"));
        let glass = glass_ms.map_or_else(String::new, |ms| format!(", {ms:.1} ms after it was drawn"));
        println!(
            "{} frames, {fps:.2} a second, {:.2} Mbit/s, {} packets, {} lost, {} reordered, jitter {jitter_ms:.2} ms, {transport}{delay}{glass}",
            now.frames,
            bitrate / 1e6,
            now.packets,
            now.lost,
            now.reordered,
        );
    }
}

/// How old a test picture is, by the time that is burnt into it and the wall clock: right where that is the same, or kept
/// the same, at both ends. `None` for other pictures.
fn glass_to_glass_ms(jpeg: &[u8], at: i64) -> Option<f64> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let luma = decoder.decode().ok()?;
    let (width, _) = decoder.dimensions()?;
    let marks = test_picture::read(&luma, width, width).marks().ok()?;
    let drawn = i64::try_from(marks.time_ns).ok().filter(|ns| *ns > 0)?;
    Some((at - drawn) as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_picture::{Frame, Marks, Picture};

    #[test]
    fn the_time_in_the_picture_is_read() {
        let mut frame = Frame::new(Picture::try_new(640, 480).unwrap());
        frame.draw(&Marks { time_ns: 1_700_000_000_000_000_000, ..Marks::default() });
        let mut jpeg = Vec::new();
        frame.encode_jpeg(85, &mut jpeg);
        assert_eq!(glass_to_glass_ms(&jpeg, 1_700_000_000_012_500_000), Some(12.5));
        assert_eq!(glass_to_glass_ms(b"no picture", 1), None);
    }
}
