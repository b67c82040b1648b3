use bytes::BytesMut;
use rtp_rtsp::files::{FileError, MjpegReader};
use rtp_rtsp::h264::AccessUnits;

use crate::input::Input;

/// `limit (u16), piece, bytes`: a file of JPEG frames. How it is cut does not matter.
pub fn mjpeg(data: &[u8]) {
    let mut input = Input::new(data);
    let (limit, piece) = (usize::from(input.u16()) + 1, usize::from(input.byte()).max(1));
    let file = input.rest();
    let read = |piece: usize| {
        let mut reader = MjpegReader::new(limit);
        let (mut data, mut found) = (BytesMut::new(), Vec::new());
        'file: for piece in file.chunks(piece) {
            data.extend_from_slice(piece);
            loop {
                match reader.next(&mut data) {
                    Ok(Some(frame)) => found.push(Ok(frame)),
                    Ok(None) => break,
                    Err(error @ FileError::TooLong { .. }) if !file[0].is_ascii_digit() => {
                        found.push(Err(error))
                    }
                    Err(error) => {
                        found.push(Err(error));
                        break 'file;
                    }
                }
            }
            // A lab length may be waited for.
            assert!(data.len() <= limit + 5);
        }
        found
    };
    let whole = read(file.len().max(1).min(limit));
    assert_eq!(read(piece.min(limit)), whole, "pieces of {piece}");
    assert!(whole.iter().flatten().all(|frame| frame.len() <= limit));
}

/// `limit (u16), piece, bytes`: Annex B. How it is cut does not matter, and no byte is lost.
pub fn annex_b(data: &[u8]) {
    let mut input = Input::new(data);
    let (limit, piece) = (usize::from(input.u16()) + 8, usize::from(input.byte()).max(1));
    let stream = input.rest();
    let read = |piece: usize| {
        let mut cutter = AccessUnits::new(limit);
        let (mut data, mut found, mut refused) = (BytesMut::new(), Vec::new(), 0);
        for piece in stream.chunks(piece) {
            data.extend_from_slice(piece);
            loop {
                match cutter.next(&mut data) {
                    Ok(Some(unit)) => found.push(unit),
                    Ok(None) => break,
                    Err(_) => refused += 1,
                }
            }
        }
        let left = data.len();
        let last = cutter.finish(&mut data);
        let length: usize = found.iter().map(|u| u.len()).sum();
        assert_eq!(length + refused * limit + left, stream.len());
        (found, refused, last)
    };
    let whole = read(stream.len().max(1));
    assert_eq!(read(piece), whole, "pieces of {piece}");
}
