//! Inputs and outputs as lines.

use alloc::string::String;
use core::fmt::{Debug, Write};

use bytes::Bytes;

use super::field::{Field, Written};
use super::text::{Fields, Unreadable, hash, write_data, write_word};
use super::{Line, MAX_SHOWN};
use crate::{
    CloseReason, Closing, Input, Instant, Keep, Opened, Output, Payload, Peer, SendTag, Stamp, StampSource,
    Transport, UdpPeer,
};

crate::record_enum!(Peer { Conn(id), Udp(peer) });
crate::record_struct!(UdpPeer { socket, remote, local });
crate::record_struct!(Opened { service, local, remote, transport });
crate::record_enum!(Transport { Stream, WebSocket });
crate::record_struct!(Stamp { at, source });
crate::record_enum!(StampSource { Kernel, Clock });
crate::record_enum!(CloseReason { Local, Remote, Failed, SlowReader, Overflow, FileFailed, Shutdown });
crate::record_enum!(Keep { Always, Latest, IfRoom });

/// An input as a line; of a stream's buffer what is beyond `known`, the bytes that the machine left there before.
pub(super) fn write_input(line: &mut Line, now: Instant, from: Peer, input: &Input<'_>, known: usize) {
    line.clear();
    line.push_str("input");
    now.write(line);
    from.write(line);
    let mut says = |word, data: &dyn Fn(&mut Line)| {
        write_word(line, word);
        data(line);
    };
    match input {
        Input::Opened(opened) => says("opened", &|line| opened.write(line)),
        Input::Bytes(buffer) => {
            says("bytes", &|line| write_data(line, buffer.get(known..).unwrap_or(buffer)))
        }
        Input::End(buffer) => says("end", &|line| write_data(line, buffer.get(known..).unwrap_or(buffer))),
        Input::Text(text) => says("text", &|line| text.write(line)),
        Input::Binary(data) => says("binary", &|line| write_data(line, data)),
        Input::Datagram { data, received } => says("datagram", &|line| {
            write_data(line, data);
            received.write(line);
        }),
        Input::DatagramSent { tag, left } => says("left", &|line| {
            tag.write(line);
            left.write(line);
        }),
        Input::FileSent(file) => says("filesent", &|line| file.write(line)),
        Input::Dropped(count) => says("dropped", &|line| count.write(line)),
        Input::Closed(reason) => says("closed", &|line| reason.write(line)),
    }
}

/// An input that was read back.
#[derive(Debug)]
pub(super) enum Told {
    Opened(Opened),
    /// To be added to what the machine left.
    Bytes(Bytes),
    /// The same, and there is no more.
    End(Bytes),
    Text(String),
    Binary(Bytes),
    Datagram(Bytes, Stamp),
    DatagramSent(SendTag, Stamp),
    FileSent(crate::FileToken),
    Dropped(u32),
    Closed(CloseReason),
}

/// What [`write_input`] wrote after `input`.
pub(super) fn read_input(fields: &mut Fields<'_>) -> Result<(Instant, Peer, Told), Unreadable> {
    let (now, from) = (Instant::read(fields)?, Peer::read(fields)?);
    let told = match fields.word()? {
        "opened" => Told::Opened(Opened::read(fields)?),
        "bytes" => Told::Bytes(Bytes::read(fields)?),
        "end" => Told::End(Bytes::read(fields)?),
        "text" => Told::Text(String::read(fields)?),
        "binary" => Told::Binary(Bytes::read(fields)?),
        "datagram" => Told::Datagram(Bytes::read(fields)?, Stamp::read(fields)?),
        "left" => Told::DatagramSent(SendTag::read(fields)?, Stamp::read(fields)?),
        "filesent" => Told::FileSent(Field::read(fields)?),
        "dropped" => Told::Dropped(fields.parse()?),
        "closed" => Told::Closed(CloseReason::read(fields)?),
        _ => return Err(Unreadable::Kind),
    };
    fields.end()?;
    Ok((now, from, told))
}

/// Writes outputs as lines. A payload that is the same as the last one is not written again: broadcasts are many of them.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    last: Option<Bytes>,
    text: String,
}

impl Outputs {
    pub(super) fn write<E: Debug>(&mut self, line: &mut Line, output: &Output<E>) {
        line.clear();
        match output {
            Output::Send { to, data, keep } => {
                line.push_str("send");
                to.write(line);
                keep.write(line);
                write_word(
                    line,
                    match data {
                        Payload::Bytes(_) => "bytes",
                        Payload::Text(_) => "text",
                        Payload::Binary(_) => "binary",
                    },
                );
                self.payload(line, data.as_bytes());
            }
            Output::SendFile { to, file, offset, len } => {
                line.push_str("sendfile");
                to.write(line);
                file.write(line);
                offset.write(line);
                len.write(line);
            }
            Output::Datagram(datagram) => {
                line.push_str("datagram");
                datagram.to.write(line);
                datagram.segment.write(line);
                datagram.stamp.write(line);
                self.payload(line, &datagram.data);
            }
            Output::Close { conn, how } => {
                line.push_str("close");
                conn.write(line);
                match how {
                    Closing::Now => write_word(line, "now"),
                    Closing::AfterFlush => write_word(line, "flush"),
                    Closing::Code(code) => write_word(line, code),
                }
            }
            Output::Event(event) => {
                line.push_str("event");
                self.text.clear();
                // Writing to a string cannot fail.
                let _ = write!(self.text, "{event:?}");
                write_bounded(line, self.text.as_bytes());
            }
        }
    }

    fn payload(&mut self, line: &mut Line, data: &Bytes) {
        if self.last.as_ref() == Some(data) {
            write_word(line, '=');
        } else {
            write_bounded(line, data);
            self.last = Some(data.clone());
        }
    }
}

/// Writes the start of it, and of what is longer how long it is and the hash of all.
fn write_bounded(line: &mut Line, data: &[u8]) {
    match data.get(..MAX_SHOWN).filter(|_| data.len() > MAX_SHOWN) {
        None => write_data(line, data),
        Some(start) => {
            write_data(line, start);
            write_word(line, data.len());
            write_word(line, format_args!("{:032x}", hash(data)));
        }
    }
}
