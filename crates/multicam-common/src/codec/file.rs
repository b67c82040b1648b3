//! The answer to GET_VIDEO (sheet §2.4).
//!
//! ```text
//!  0               4                 4+H                       4+H+S
//!  +---------------+-----------------+--------------------------+
//!  | H, u32 BE     | header, JSON    | the file, S bytes        |     S = header.fileSize
//!  +---------------+-----------------+--------------------------+
//! ```
//!
//! A failure is a bare JSON object without the length: its first byte `{` tells.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Form, MAX_HEADER, MAX_REPLY, Message, MessageDecoder, Reply};
use crate::DecodeError;
use crate::message::FileResponse;

/// What comes in answer to GET_VIDEO.
#[derive(Clone, Debug, PartialEq)]
pub enum FileFrame {
    /// The header; so many bytes of file follow.
    Header(FileResponse),
    /// Some of them.
    Body(Bytes),
    /// That was the last.
    End,
    /// No file: the device said this instead.
    Refused(Reply),
}

/// Reads the answer to one GET_VIDEO.
#[derive(Clone, Debug)]
pub struct FileDecoder {
    state: State,
    bare: MessageDecoder,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Length,
    Header { length: usize },
    Body { left: u64 },
    End,
    Bare,
    Over,
}

impl Default for FileDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl FileDecoder {
    /// Before the first byte.
    pub const fn new() -> Self {
        Self { state: State::Length, bare: MessageDecoder::new(MAX_REPLY) }
    }

    /// The next part; `None`: more bytes are needed, or the answer [is over](Self::is_over). What follows it stays in
    /// the buffer. A header that says anything but success comes as [`FileFrame::Refused`]: its body is no file.
    ///
    /// # Errors
    /// Those of lengths, JSON and fields; the stream cannot be followed any more.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<FileFrame>, DecodeError> {
        loop {
            match self.state {
                State::Length => {
                    if buffer.first() == Some(&b'{') {
                        self.state = State::Bare;
                        continue;
                    }
                    let Some((length, _)) = buffer.split_first_chunk::<4>() else {
                        return Ok(None);
                    };
                    let found = u32::from_be_bytes(*length);
                    let limit = u32::try_from(MAX_HEADER).unwrap_or(u32::MAX);
                    if !(2..=limit).contains(&found) {
                        return Err(DecodeError::Length { found, limit });
                    }
                    buffer.advance(4);
                    self.state = State::Header { length: usize::try_from(found).unwrap_or(MAX_HEADER) };
                }
                State::Header { length } => {
                    if buffer.len() < length {
                        return Ok(None);
                    }
                    let text = buffer.split_to(length);
                    return self.header(&text).map(Some);
                }
                State::Body { left: 0 } => {
                    self.state = State::End;
                }
                State::Body { left } => {
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    let body = buffer.split_to(n).freeze();
                    self.state =
                        State::Body { left: left.saturating_sub(u64::try_from(n).unwrap_or(u64::MAX)) };
                    return Ok(Some(FileFrame::Body(body)));
                }
                State::End => {
                    self.state = State::Over;
                    return Ok(Some(FileFrame::End));
                }
                State::Bare => {
                    let Some(Message { text, .. }) = self.bare.decode(buffer)? else {
                        return Ok(None);
                    };
                    self.state = State::Over;
                    return Reply::parse(&text).map(|reply| Some(FileFrame::Refused(reply)));
                }
                State::Over => return Ok(None),
            }
        }
    }

    /// Bytes of the file still to come, once the header is there.
    pub fn body_left(&self) -> Option<u64> {
        match self.state {
            State::Body { left } => Some(left),
            State::End | State::Over => Some(0),
            _ => None,
        }
    }

    /// Notes that `n` bytes of body were taken from the stream without passing this decoder: a program that has
    /// something better to do with them than to buffer them. No more than [`body_left`](Self::body_left) count.
    pub fn body_taken(&mut self, n: u64) {
        if let State::Body { left } = &mut self.state {
            *left = left.saturating_sub(n);
        }
    }

    /// Whether the whole answer has been read.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn header(&mut self, text: &[u8]) -> Result<FileFrame, DecodeError> {
        // QUIRK(OAK): with a length before the command, errors have one too; and some framed `file_not_found` with
        // size 0. Whatever does not say success is no file.
        if let Ok(reply @ (Reply::Error(_) | Reply::Status(_))) = Reply::parse(text)
            && !reply.status().is_success()
        {
            self.state = State::Over;
            return Ok(FileFrame::Refused(reply));
        }
        let header = FileResponse::parse_bytes(text)?;
        self.state = State::Body { left: header.file_size };
        Ok(FileFrame::Header(header))
    }
}

/// Writes length and header of a file.
pub fn encode_file_header(header: &FileResponse, form: Form, out: &mut BytesMut) {
    let at = out.len();
    out.put_u32(0);
    header.encode(form, out);
    let length = u32::try_from(out.len().saturating_sub(at).saturating_sub(4)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at.saturating_add(4)) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}
