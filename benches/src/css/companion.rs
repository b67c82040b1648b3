//! A companion screen that only looks at what it must: a WebSocket client without a library.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Result, ensure};
use dvb_css::message::SetupData;

/// The timeline that companions follow.
pub(super) const SELECTOR: &str = "urn:dvb:css:timeline:pts";

/// Which end point is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Door {
    /// Content identification
    Cii,
    /// Timelines
    Ts,
}

impl Door {
    /// What stands before the moment at which a change was made, in its messages.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Cii => "dvb://",
            Self::Ts => "\"wallClockTime\":\"",
        }
    }

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Cii => "/cii",
            Self::Ts => "/ts",
        }
    }
}

/// Shakes hands at a path; a server that agrees has not been read beyond that.
pub(super) fn shake_hands(address: SocketAddr, path: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read(&mut byte)? > 0, "the television ended the connection");
        head.push(byte[0]);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "the television refused: {}", String::from_utf8_lossy(&head));
    Ok(stream)
}

/// A masked frame; a mask of zeros changes nothing.
pub(super) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..126), _) => frame.push(0x80 | len),
        (_, Ok(len)) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Comes through a door, and says at TS what it wants.
pub(super) fn connect(address: SocketAddr, door: Door) -> Result<TcpStream> {
    let mut stream = shake_hands(address, door.path())?;
    if door == Door::Ts {
        stream.write_all(&frame(1, SetupData::new("", SELECTOR).to_json().as_bytes()))?;
    }
    Ok(stream)
}

/// What has come of a connection and is no whole message yet.
#[derive(Debug, Default)]
pub(super) struct Inbox(Vec<u8>);

impl Inbox {
    /// Takes in what came, and hands on the text of each whole message: unmasked, in one frame.
    pub(super) fn take(&mut self, came: &[u8], mut handle: impl FnMut(&[u8])) {
        self.0.extend_from_slice(came);
        let mut begin = 0;
        while let Some((head, len)) = head(&self.0[begin..])
            && let Some(payload) = self.0.get(begin + head..begin + head + len)
        {
            handle(payload);
            begin += head + len;
        }
        self.0.drain(..begin);
    }
}

/// Length of a frame's head, and of what follows.
fn head(frame: &[u8]) -> Option<(usize, usize)> {
    match *frame.get(1)? {
        126 => Some((4, usize::from(u16::from_be_bytes([*frame.get(2)?, *frame.get(3)?])))),
        len => Some((2, usize::from(len))),
    }
}
