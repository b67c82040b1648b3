//! cargo run --example multicam_command -- 127.0.0.1:8080 DEVICE_STATUS
//!
//! Sends one command to a device of any generation and prints what it answers. The codec alone: no machine, no runtime.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use multicam_common::codec::{MAX_REPLY, MessageDecoder, Reply};
use multicam_common::constants::COMMAND_TIMEOUT;
use multicam_common::message::CommandMessage;
use multicam_common::{CommandType, Form, UnixTime};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let device = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let name = arguments.next().unwrap_or_else(|| "DEVICE_STATUS".into());
    let command = CommandType::parse(&name).with_context(|| format!("'{name}' is no command"))?;
    let now = UnixTime::from_nanos(driver::unix_now());
    let mut command = CommandMessage::new(command).sent_at(now);
    if command.command == CommandType::StartRecording {
        command = command.sent_at(now + Duration::from_secs(3));
    }
    let reply = send_command(&device, &command)?;
    println!("{}", reply.status());
    match &reply {
        Reply::Files(list) => {
            list.files.iter().for_each(|f| println!("{} {} bytes", f.file_name, f.file_size))
        }
        Reply::Stopped(stopped) => println!("{}", stopped.file().unwrap_or("a file without a name")),
        Reply::Error(error) => println!("{}", error.message),
        _ => {}
    }
    ensure!(!reply.status().is_error(), "the device reports an error");
    Ok(())
}

/// One connection, one write; the reply ends with its last brace, not with the connection.
fn send_command(device: &str, command: &CommandMessage) -> Result<Reply> {
    let mut stream = TcpStream::connect(device).with_context(|| format!("cannot connect to {device}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(COMMAND_TIMEOUT))?;
    stream.write_all(command.to_text(Form::BOTH).as_bytes())?;
    let (mut decoder, mut unread) = (MessageDecoder::new(MAX_REPLY), BytesMut::new());
    let mut buffer = [0; 4096];
    loop {
        if let Some(message) = decoder.decode(&mut unread)? {
            return Ok(Reply::parse(&message.text)?);
        }
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "the device closed the connection instead of answering");
        unread.extend_from_slice(&buffer[..n]);
    }
}
