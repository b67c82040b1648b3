//! The real client and the real server on one machine, whose clock is that of both: the offset is the error.

use std::io::{BufRead, Read};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::percentile;
use crate::spawned::Spawned;

/// Lets a client follow a server for ten seconds, then measures it for so long, while another process keeps a core busy.
///
/// # Errors
/// When a program cannot be started.
pub fn accuracy(
    server: &str,
    client: &str,
    algorithm: &str,
    seconds: f64,
    busy: bool,
    plot: Option<&str>,
) -> Result<Value> {
    let mut server = Spawned::start(server, &["127.0.0.1", "0", "--mfe", "50", "--loglevel", "error"])?;
    let port = server.address("wc")?.port().to_string();
    let load = busy.then(|| Spawned::again(&["burn"])).transpose()?;
    let mut arguments = vec!["127.0.0.1", &port, "--json", "--mfe", "50", "--loglevel", "error"];
    arguments.extend(["--algorithm", algorithm]);
    arguments.extend(plot.iter().flat_map(|file| ["--plot", file]));
    let mut client = Spawned::start(client, &arguments)?;
    let (mut errors, mut bounds, mut outside) = (Vec::new(), Vec::new(), 0);
    let mut begin = None;
    for line in client.out.by_ref().lines() {
        let line: Value = serde_json::from_str(&line?)?;
        let at = line["monotonic_ns"].as_i64().context("monotonic_ns")?;
        let passed = (at - *begin.get_or_insert(at)) as f64 / 1e9;
        if passed >= 10.0 {
            let error = line["offset_ns"].as_i64().context("no estimate after ten seconds")?.unsigned_abs();
            let bound = line["dispersion_ns"].as_u64().unwrap_or(u64::MAX);
            outside += usize::from(error > bound);
            errors.push(error as f64 / 1e3);
            bounds.push(bound as f64 / 1e3);
        }
        if passed >= 10.0 + seconds {
            break;
        }
    }
    drop(load);
    ensure!(!errors.is_empty(), "the client ended too early");
    errors.sort_by(f64::total_cmp);
    bounds.sort_by(f64::total_cmp);
    Ok(json!({
        "algorithm": algorithm,
        "samples": errors.len(),
        "error_p50_us": percentile(&errors, 0.5),
        "error_p95_us": percentile(&errors, 0.95),
        "error_max_us": percentile(&errors, 1.0),
        "bound_p50_us": percentile(&bounds, 0.5),
        "bound_max_us": percentile(&bounds, 1.0),
        "errors_outside_the_bound": outside,
    }))
}
