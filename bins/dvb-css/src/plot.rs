//! A picture of an estimate over time: offset as a line, the bound as a band around it.

use std::fmt::Write;
use std::path::Path;

/// Samples of an estimate, thinned so that a day fits.
#[derive(Clone, Debug, Default)]
pub struct Plot {
    samples: Vec<Sample>,
    /// Every so many samples one is kept.
    stride: usize,
    seen: usize,
}

/// One moment of an estimate.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When, in nanoseconds of the local clock.
    pub at_ns: i64,
    /// Server minus client.
    pub offset_ns: i64,
    /// How far that may be off.
    pub dispersion_ns: i64,
}

const MAX_SAMPLES: usize = 4000;
const WIDTH: i64 = 960;
const HEIGHT: i64 = 360;
const LEFT: i64 = 90;
const MARGIN: i64 = 30;

impl Plot {
    /// Adds a moment.
    pub fn add(&mut self, sample: Sample) {
        self.stride = self.stride.max(1);
        if self.seen.is_multiple_of(self.stride) {
            self.samples.push(sample);
        }
        self.seen += 1;
        if self.samples.len() >= MAX_SAMPLES {
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
        }
    }

    /// Writes the picture, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let part = path.with_extension("svg.part");
        std::fs::write(&part, self.svg())?;
        std::fs::rename(&part, path)
    }

    /// The picture: offsets against the median of all, in microseconds.
    pub fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) else {
            svg.push_str("<text x=\"90\" y=\"60\">no samples</text>\n</svg>\n");
            return svg;
        };
        let mut offsets: Vec<i64> = self.samples.iter().map(|s| s.offset_ns).collect();
        offsets.sort_unstable();
        let base = offsets[offsets.len() / 2];
        // the first moments, with their wide bounds, would flatten all others
        let mut reaches: Vec<i64> =
            self.samples.iter().map(|s| (s.offset_ns - base).abs().saturating_add(s.dispersion_ns)).collect();
        reaches.sort_unstable();
        let reach = reaches[reaches.len() * 95 / 100].max(1000) * 5 / 4;
        let span = (last.at_ns - first.at_ns).max(1);
        let x = |s: &Sample| LEFT + (s.at_ns - first.at_ns).saturating_mul(WIDTH - LEFT - MARGIN) / span;
        let y = |ns: i64| {
            let clamped = i128::from(ns.clamp(-reach, reach));
            let half = i128::from(HEIGHT / 2 - MARGIN);
            i128::from(HEIGHT / 2) - clamped * half / i128::from(reach)
        };
        let (mut upper, mut lower, mut line) = (String::new(), String::new(), String::new());
        for sample in &self.samples {
            let (x, offset) = (x(sample), sample.offset_ns - base);
            let _ = write!(line, "{x},{} ", y(offset));
            let _ = write!(upper, "{x},{} ", y(offset.saturating_add(sample.dispersion_ns)));
            lower.insert_str(0, &format!("{x},{} ", y(offset.saturating_sub(sample.dispersion_ns))));
        }
        let _ = writeln!(svg, "<polygon points=\"{upper}{lower}\" fill=\"#cfe3f7\"/>");
        for part in -2..=2_i64 {
            let ns = reach * part / 2;
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ccc\"/>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}{}.{:01} µs</text>",
                WIDTH - MARGIN,
                LEFT - 6,
                y(ns) + 4,
                if ns < 0 { "-" } else { "" },
                ns.abs() / 1000,
                ns.abs() % 1000 / 100,
                y = y(ns),
            );
        }
        let _ = writeln!(
            svg,
            "<polyline points=\"{line}\" fill=\"none\" stroke=\"#0b62a4\" stroke-width=\"1.5\"/>"
        );
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"18\">offset of the wall clock less {base} ns, and its bound</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} s</text>",
            WIDTH - MARGIN,
            HEIGHT - 8,
            span / 1_000_000_000
        );
        svg.push_str("</svg>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_is_thinned_and_stays_inside_the_picture() {
        let mut plot = Plot::default();
        assert!(plot.svg().contains("no samples"));
        for i in 0..100_000_i64 {
            let dispersion_ns = if i == 0 { i64::MAX } else { 50_000 + i % 1000 };
            plot.add(Sample { at_ns: i * 200_000_000, offset_ns: 7_000_000_000 + i % 77, dispersion_ns });
        }
        assert!(plot.samples.len() < MAX_SAMPLES);
        let svg = plot.svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("<polygon"));
        for pair in
            svg.split("points=\"").skip(1).flat_map(|s| s.split('"').next().unwrap().split_whitespace())
        {
            let (x, y) = pair.split_once(',').unwrap();
            let (x, y): (i64, i64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((LEFT..=WIDTH).contains(&x) && (0..=HEIGHT).contains(&y), "{pair}");
        }
    }
}
