use bytes::BytesMut;
use smpte_timecode::DecodeError;
use smpte_timecode::codec::{LineDecoder, line_text};
use smpte_timecode::message::{ClientMessage, ServerMessage};

use crate::input::Input;

/// `limit, piece, bytes`: lines out of a stream. How it is cut does not matter, and nothing is lost or made up.
pub fn lines(data: &[u8]) {
    let mut input = Input::new(data);
    let (limit, piece) = (usize::from(input.byte()), usize::from(input.byte()).max(1));
    let stream = input.rest();
    let whole = decode(stream, stream.len().max(1), limit);
    assert_eq!(decode(stream, piece, limit), whole, "pieces of {piece}");
    let longest = stream.split(|&byte| byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    assert_eq!(whole.1.is_some(), longest > limit);
    if whole.1.is_none() {
        let mut expected: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
        if expected.last().is_some_and(|last| last.is_empty()) {
            expected.pop();
        }
        assert_eq!(whole.0, expected);
    }
    for line in &whole.0 {
        match line_text(line) {
            Ok(Some(text)) => assert!(!text.is_empty() && text.len() <= line.len()),
            Ok(None) => {}
            Err(error) => {
                assert!(matches!(error, DecodeError::Utf8 { offset } if (offset as usize) < line.len()))
            }
        }
    }
}

fn decode(stream: &[u8], piece: usize, limit: usize) -> (Vec<Vec<u8>>, Option<DecodeError>) {
    let (mut decoder, mut buffer, mut found) = (LineDecoder::new(limit), BytesMut::new(), Vec::new());
    for piece in stream.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(line)) => found.push(line.to_vec()),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    loop {
        match decoder.decode_end(&mut buffer) {
            Ok(Some(line)) => found.push(line.to_vec()),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error)),
        }
    }
}

/// JSON text that a client may have sent. What is read is written and read as the same again.
pub fn client_message(data: &[u8]) {
    let text = Input::new(data).text();
    match ClientMessage::parse(&text) {
        Ok(message) => {
            let line = message.to_line();
            let again = line_text(&line).ok().flatten().map(ClientMessage::parse);
            assert_eq!(again, Some(Ok(message)), "{line:?}");
            check_line(&line);
        }
        Err(error) => check_error(error, &text),
    }
}

/// JSON text that a server may have sent. What is read has one way of being written, which is read as the same.
pub fn server_message(data: &[u8]) {
    let text = Input::new(data).text();
    match ServerMessage::parse(&text) {
        Ok(message) => {
            let line = message.to_line();
            check_line(&line);
            let again = line_text(&line).ok().flatten().map(ServerMessage::parse);
            let again = again.expect("it is no blank line").expect("it is read");
            assert_eq!(again.to_line(), line);
            // a status does not tell the sessions' names
            assert!(again == message || matches!(message, ServerMessage::Status(_)));
        }
        Err(error) => check_error(error, &text),
    }
}

/// What Python writes: one line of ASCII.
fn check_line(line: &[u8]) {
    let (end, text) = line.split_last().expect("a line has an end");
    assert_eq!(*end, b'\n');
    assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte)), "{}", line.escape_ascii());
}

fn check_error(error: DecodeError, text: &str) {
    match error {
        DecodeError::Syntax { offset } | DecodeError::TooDeep { offset, .. } => {
            assert!(offset as usize <= text.len());
        }
        _ => {}
    }
    assert!(error.server_reply().is_some() && !error.to_string().is_empty());
}
