//! WebSocket frames of a server's messages (RFC 6455 §5.2), ready to be written by whoever called the machine.
//!
//! ```text
//! 1 000 oooo | 0 lllllll | (16 or 64 bits of length) | payload      opcode 1 text, 2 binary; never masked, never cut
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use machine::Payload;

/// Makes frames of messages; a message to many is made a frame once.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    last: Option<(Payload, Bytes)>,
}

impl Framer {
    /// The message as a frame; `None`, and a line in the log, for text that is none.
    pub(crate) fn frame(&mut self, message: Payload) -> Option<Payload> {
        if let Some((last, frame)) = &self.last
            && is_same(last, &message)
        {
            return Some(Payload::Bytes(frame.clone()));
        }
        if matches!(&message, Payload::Text(text) if std::str::from_utf8(text).is_err()) {
            tracing::error!("a machine sent text that is not UTF-8; left out");
            return None;
        }
        let frame = encode(&message);
        self.last = Some((message, frame.clone()));
        Some(Payload::Bytes(frame))
    }
}

/// Whether two messages are handles to the same bytes.
fn is_same(a: &Payload, b: &Payload) -> bool {
    let (x, y) = (a.as_bytes(), b.as_bytes());
    std::mem::discriminant(a) == std::mem::discriminant(b) && x.as_ptr() == y.as_ptr() && x.len() == y.len()
}

fn encode(message: &Payload) -> Bytes {
    let data = message.as_bytes();
    let mut frame = BytesMut::with_capacity(data.len() + 10);
    frame.put_u8(if matches!(message, Payload::Text(_)) { 0x81 } else { 0x82 });
    match (u8::try_from(data.len()), u16::try_from(data.len())) {
        (Ok(len @ 0..126), _) => frame.put_u8(len),
        (_, Ok(len)) => {
            frame.put_u8(126);
            frame.put_u16(len);
        }
        _ => {
            frame.put_u8(127);
            frame.put_u64(data.len() as u64);
        }
    }
    frame.put_slice(data);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        let head = |len: usize| {
            let frame = encode(&Payload::Binary(vec![7; len].into()));
            assert!(frame.ends_with(&vec![7; len]));
            frame[..frame.len() - len].to_vec()
        };
        assert_eq!(head(0), [0x82, 0]);
        assert_eq!(head(125), [0x82, 125]);
        assert_eq!(head(126), [0x82, 126, 0, 126]);
        assert_eq!(head(65_535), [0x82, 126, 0xff, 0xff]);
        assert_eq!(head(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_message_to_many_is_made_a_frame_once() {
        let mut framer = Framer::default();
        let text = Bytes::from_static(b"hello");
        let first = framer.frame(Payload::Text(text.clone())).unwrap();
        let again = framer.frame(Payload::Text(text.clone())).unwrap();
        assert_eq!(&first.as_bytes()[..], b"\x81\x05hello");
        assert_eq!(first.as_bytes().as_ptr(), again.as_bytes().as_ptr());
        let binary = framer.frame(Payload::Binary(text)).unwrap();
        assert_eq!(&binary.as_bytes()[..], b"\x82\x05hello");
        assert_eq!(framer.frame(Payload::Text(Bytes::from_static(b"\xff"))), None);
    }
}
