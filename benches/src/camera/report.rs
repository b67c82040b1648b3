use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::follow::Arrivals;
use crate::percentile;

/// What came of a measurement.
#[derive(Clone, Debug, Default)]
pub struct Report(pub Map<String, Value>);

impl Report {
    /// Sums it up, for a server that sends so many frames a second.
    ///
    /// # Errors
    /// If a client heard nothing.
    pub fn of(arrivals: &Arrivals, rate: u16, seconds: f64) -> Result<Self> {
        let period_ns = 1e9 / f64::from(rate);
        let frames: usize = arrivals.clients.iter().map(Vec::len).sum();
        let (mut deviations, mut rates, mut expected) = (Vec::with_capacity(frames), Vec::new(), 0.0);
        for client in &arrivals.clients {
            let (Some(&first), Some(&last)) = (client.first(), client.last()) else {
                bail!("a client heard nothing; is --rate right?")
            };
            let span = (last - first) as f64;
            // The periods that really passed, whatever was left out.
            let periods = (span / period_ns).round();
            expected += periods + 1.0;
            rates.push(periods * 1e9 / span.max(1.0));
            deviations
                .extend(client.windows(2).map(|pair| ((pair[1] - pair[0]) as f64 - period_ns).abs() / 1e6));
        }
        deviations.sort_by(f64::total_cmp);
        let mut late: Vec<f64> = arrivals.read_late.iter().map(|ns| *ns as f64 / 1e6).collect();
        late.sort_by(f64::total_cmp);
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        let mut report = Self::default();
        report.put("frames", frames);
        report.put("delivered_percent", 100.0 * frames as f64 / expected);
        report.put("mean_rate_hz", mean);
        report.put("mean_rate_ppm", (mean / f64::from(rate) - 1.0) * 1e6);
        report.put("deviation_p50_ms", percentile(&deviations, 0.5));
        report.put("deviation_p99_ms", percentile(&deviations, 0.99));
        report.put("deviation_p99_9_ms", percentile(&deviations, 0.999));
        report.put("deviation_max_ms", percentile(&deviations, 1.0));
        report.put("read_late_p50_ms", percentile(&late, 0.5));
        report.put("read_late_p99_9_ms", percentile(&late, 0.999));
        if let Some((before, after)) = arrivals.usage {
            let cpu = (after.cpu - before.cpu).as_secs_f64();
            report.put("cpu_us_per_frame", cpu * 1e6 / frames.max(1) as f64);
            report.put("cores", cpu / seconds);
            report.put("resident_mib", after.resident_kib as f64 / 1024.0);
        }
        Ok(report)
    }

    /// Adds a figure.
    pub fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.into(), value.into());
    }

    /// Adds another report's figures under names that begin so.
    pub fn put_all(&mut self, prefix: &str, other: Self) {
        self.0.extend(other.0.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
    }
}
