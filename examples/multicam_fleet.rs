//! cargo run --example multicam_fleet -- 127.0.0.1:8091 127.0.0.1:8092 127.0.0.1:8093
//!
//! Starts devices at one instant two seconds ahead, whatever their clocks say, lets them record for two seconds, and
//! collects their files into `takes/`.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use multicam_common::codec::Reply;
use multicam_common::config::ControllerConfig;
use multicam_common::message::CommandMessage;
use multicam_programs::controller::{Fleet, State, collect_all};

#[tokio::main]
async fn main() -> Result<()> {
    let fleet = Fleet::start(ControllerConfig::default());
    let mut keys = Vec::new();
    for device in std::env::args().skip(1) {
        let address = device.parse().with_context(|| format!("'{device}' is not IP:PORT"))?;
        keys.push(fleet.add(address, None)?);
    }

    // Each device's clock is measured before it is told the instant; all are told in parallel.
    let target = fleet.time() + Duration::from_secs(2);
    let started: Vec<_> = keys
        .iter()
        .map(|key| {
            let (fleet, key) = (fleet.clone(), *key);
            tokio::spawn(async move { fleet.start_at(key, target).await })
        })
        .collect();
    for reply in started {
        println!("{}", reply.await??.status());
    }
    tokio::time::sleep(Duration::from_secs(4)).await;

    let mut takes = State::default();
    for key in keys {
        if let Reply::Stopped(take) = fleet.ask(key, CommandMessage::stop_recording()).await? {
            let device = take.device_id.as_deref().unwrap_or("?");
            let late =
                take.times.actual_start.zip(take.times.target_start).map(|(a, t)| a.nanos_since(t) / 1000);
            println!("{device} recorded {}, {late:?} us late", take.file().unwrap_or("?"));
            takes.add(device, take.file().unwrap_or_default(), take.times);
        }
    }
    let all =
        collect_all(&fleet, Path::new("takes"), &Arc::new(Mutex::new(takes)), None, |_, _, _| {}).await?;
    for file in all {
        match file.outcome {
            Ok((path, size, sha256)) => println!("{} {size} bytes, SHA-256 {sha256}", path.display()),
            Err(why) => println!("{} {}: {why}", file.device, file.file),
        }
    }
    fleet.shutdown().await;
    Ok(())
}
