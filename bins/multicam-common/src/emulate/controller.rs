//! Original controllers: one connection, one write, one read for each command.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use multicam_common::message::CommandMessage;
use multicam_common::{Form, UnixTime};
use serde_json::Value;

/// Which controller is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// The first Python controllers: `fileId`, 4096 bytes a read.
    G0,
    /// The Python controller of package 2: `fileName`, 65 536 bytes a read.
    G2,
}

/// What a whole cycle gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Cycle {
    /// The replies, in their order.
    pub replies: Vec<Value>,
    /// Name or id of the file, and its bytes.
    pub file: (String, Vec<u8>),
}

/// Does a whole cycle with a device: status, start in `lead`, stop after `record`, list, fetch; then asks for a file
/// that is not there, which has to fail and not to hang.
///
/// # Errors
/// Where the original would have given up.
pub fn run_controller(
    original: Original,
    device: SocketAddr,
    lead: Duration,
    record: Duration,
    out: Option<&Path>,
) -> Result<Cycle> {
    let now = || UnixTime::from_nanos(driver::unix_now());
    let mut replies = Vec::new();
    let mut say = |command: CommandMessage| -> Result<Value> {
        let what = command.command;
        let reply = ask(original, device, &command).with_context(|| format!("{what}"))?;
        replies.push(reply.clone());
        Ok(reply)
    };
    say(CommandMessage::heartbeat().sent_at(now()))?;
    classify(&say(CommandMessage::device_status().sent_at(now()))?, "status")?;
    classify(&say(CommandMessage::start_recording(now() + lead))?, "status")?;
    std::thread::sleep(lead + record);
    let stopped = say(CommandMessage::stop_recording().sent_at(now()))?;
    if original == Original::G2 {
        classify(&stopped, "stop")?;
    }
    let key = if original == Original::G0 { "fileId" } else { "fileName" };
    let name = stopped[key].as_str().with_context(|| format!("STOP: no {key}"))?.to_owned();
    let list = say(CommandMessage::list_files().sent_at(now()))?;
    let listed = list["files"].as_array().is_some_and(|f| f.iter().any(|f| f[key] == name.as_str()));
    if !listed {
        bail!("LIST_FILES: {name} is not in it");
    }
    let bytes = get(original, device, &name)?;
    if let Some(out) = out {
        std::fs::create_dir_all(out)?;
        let plain = multicam_common::FileName::parse(&name)?;
        std::fs::write(out.join(plain.as_str()), &bytes)?;
    }
    match get(original, device, "there-is-no-such-file.mp4") {
        Err(_) => Ok(Cycle { replies, file: (name, bytes) }),
        Ok(_) => bail!("a file that is not there was sent"),
    }
}

fn form(original: Original) -> Form {
    match original {
        Original::G0 => Form::V1,
        Original::G2 => Form::V2,
    }
}

fn connect(device: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&device, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    // The originals wait for ever in places; a test should not.
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// One read; whatever did not come with it is lost.
fn ask(original: Original, device: SocketAddr, command: &CommandMessage) -> Result<Value> {
    let mut stream = connect(device)?;
    stream.write_all(command.to_text(form(original)).as_bytes())?;
    let mut buffer = vec![0; if original == Original::G0 { 4096 } else { 65_536 }];
    let n = stream.read(&mut buffer)?;
    serde_json::from_slice(&buffer[..n]).context("the device returned no JSON")
}

/// What the controller of G2 takes a reply for, by the keys that are there.
fn classify(reply: &Value, expected: &str) -> Result<()> {
    let has = |key: &str| reply.get(key).is_some();
    let status = reply["status"].as_str().unwrap_or_default();
    let found = if status == "recording_stopped" || (has("fileName") && has("fileSize")) {
        "stop"
    } else if matches!(status, "error" | "file_not_found") || has("message") {
        "error"
    } else {
        "status"
    };
    if found != expected {
        bail!("a {found} where a {expected} belongs: {reply}");
    }
    Ok(())
}

fn get(original: Original, device: SocketAddr, name: &str) -> Result<Vec<u8>> {
    let mut stream = connect(device)?;
    let command = CommandMessage::get_video(name).sent_at(UnixTime::from_nanos(driver::unix_now()));
    stream.write_all(command.to_text(form(original)).as_bytes())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    // The originals believe any length; a bare error is taken for one of 2 GB, and ends with the connection.
    let length = u64::from(u32::from_be_bytes(length));
    let mut header = Vec::new();
    (&mut stream).take(length).read_to_end(&mut header)?;
    if header.len() as u64 != length {
        bail!("the connection ended in the header");
    }
    let header: Value = serde_json::from_slice(&header)?;
    let size = header["fileSize"].as_u64().context("no fileSize")?;
    let mut body = Vec::new();
    stream.take(size).read_to_end(&mut body)?;
    if body.len() as u64 != size {
        bail!("the connection ended in the file");
    }
    Ok(body)
}
