//! cargo run --example multicam_recorder -- 8080
//!
//! A recording device of one's own: what it records is a line of text every tenth of a second. The machine answers
//! commands, keeps the instant and hands files out; the program captures and closes.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use driver::{Driver, Limits, cli, shutdown};
use machine::FileToken;
use multicam_common::config::{ClockSource, DeviceConfig};
use multicam_common::message::TakeTimes;
use multicam_common::server::{COMMANDS, Device, Event, FileEntry, TakeId};
use multicam_common::{FileName, UnixTime, file_id};
use tokio::net::TcpListener;

const ID: &str = "Diary-00000001";

#[tokio::main]
async fn main() -> Result<()> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(8080), |p| p.parse()).context("a port")?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let dir = tempfile::tempdir()?;

    // Takes are numbered; so are their files.
    let path = |dir: &Path, token: FileToken| dir.join(token.0.to_string());
    let folder = dir.path().to_owned();
    let open = Arc::new(move |token| File::open(path(&folder, token)));
    let config = DeviceConfig::new(driver::seed(), ID).with_clock(ClockSource::System);
    let (device, mut events) = Driver::start_with_files(Device::new(config), Limits::default(), open);
    device.serve_tcp(listener, COMMANDS);
    cli::announce(address, "multicam");

    let stop = shutdown::on_signals();
    let mut running: Option<Sender<()>> = None;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = stop.cancelled() => None,
        };
        match event {
            Some(Event::Armed { take, target, .. }) => println!("take {} is planned for {target:?}", take.0),
            Some(Event::Disarmed { take }) => println!("take {} is called off", take.0),
            Some(Event::Started { take, target, actual, .. }) => {
                let (stop, stopped) = channel();
                let (device, file) = (device.clone(), path(dir.path(), FileToken(take.0)));
                std::thread::spawn(move || {
                    let outcome = record(take, target, actual, file, &stopped);
                    let outcome =
                        outcome.as_ref().map(Clone::clone).map_err(|_| "the diary cannot be written");
                    device.call(|device, now| device.take_finished(now, take, outcome));
                });
                running = Some(stop);
            }
            // The end of the channel ends the thread.
            Some(Event::Stop { .. }) => drop(running.take()),
            Some(_) => {}
            None => break,
        }
    }
    device.shutdown(shutdown::GRACE).await;
    Ok(())
}

fn record(
    take: TakeId,
    target: Option<UnixTime>,
    actual: UnixTime,
    path: PathBuf,
    stopped: &Receiver<()>,
) -> Result<FileEntry> {
    let mut file = File::create(&path)?;
    let mut line = 0;
    loop {
        writeln!(file, "line {line}")?;
        line += 1;
        match stopped.recv_timeout(Duration::from_millis(100)) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => break,
        }
    }
    file.sync_all()?;
    println!("take {} has {line} lines", take.0);
    Ok(FileEntry {
        token: FileToken(take.0),
        name: FileName::parse(&format!("{}.txt", file_id(ID, target.unwrap_or(actual))))?,
        size: file.metadata()?.len(),
        created: actual,
        modified: actual,
        sha256: None,
        times: TakeTimes {
            target_start: target,
            actual_start: Some(actual),
            first_frame: Some(actual),
            clock_error_ns: None,
        },
    })
}
