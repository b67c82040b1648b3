use bytes::BytesMut;
use rtp_rtsp::codec::{Codec, Limits};
use rtp_rtsp::rtsp::headers::{Authorization, Challenge, Public, Range, RtpInfo, Scale, Session, Transport};
use rtp_rtsp::rtsp::{Head, Url};
use rtp_rtsp::sdp::{Description, resolve};

use crate::input::Input;

const LIMITS: Limits = Limits { max_head: 600, max_body: 300 };

/// `piece, bytes`: messages, frames and requests of the classroom dialect. How they are cut does not matter, and what is
/// held is bounded.
pub fn stream(data: &[u8]) {
    let mut input = Input::new(data);
    let piece = usize::from(input.byte()).max(1);
    let stream = input.rest();
    let read = |piece: usize| {
        let mut codec = Codec::new(LIMITS);
        let (mut buffer, mut items) = (BytesMut::new(), Vec::new());
        for piece in stream.chunks(piece) {
            buffer.extend_from_slice(piece);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(item)) => items.push(format!("{item:?}")),
                    Ok(None) => break,
                    Err(error) => {
                        items.push(error.to_string());
                        return items;
                    }
                }
            }
            // The longest frame, and its four bytes.
            assert!(buffer.len() < 4 + 65_535);
        }
        if codec.may_be_idle(&buffer) {
            items.extend(codec.take_idle(&mut buffer).map(|request| format!("{request:?}")));
        }
        items
    };
    assert_eq!(read(piece), read(stream.len().max(1)), "pieces of {piece}");
}

/// A head, an address, and the value of each header. What is written is read as the same.
pub fn headers(data: &[u8]) {
    let _ = Head::parse(data);
    let text = Input::new(data).text();
    for transport in Transport::parse_list(&text) {
        let written = transport.to_text();
        assert_eq!(Transport::parse(&written), Some(transport), "{written}");
    }
    if let Ok(range) = Range::parse(&text) {
        assert_eq!(Range::parse(&range.to_string()), Ok(range));
    }
    if let Some(scale) = Scale::parse(&text) {
        assert_eq!(Scale::parse(&scale.to_string()), Some(scale));
    }
    if let Ok(session) = Session::parse(&text) {
        assert_eq!(Session::parse(&session.to_string()), Ok(session));
    }
    let info = RtpInfo::parse(&text);
    assert!(info.to_string().len() <= 8 * text.len() + 8);
    let public = Public::parse(&text);
    assert_eq!(Public::parse(&public.to_string()), public);
    if let Some(challenge) = Challenge::parse(&text) {
        let _ = challenge.to_text();
    }
    if let Some(authorization) = Authorization::parse(&text) {
        let _ = authorization.to_text();
    }
    if let Some(url) = Url::parse(&text) {
        assert!(text.contains(url.host));
    }
    let _ = Url::path_of(&text);
}

/// A description. What is written of it is read and written as the same.
pub fn sdp(data: &[u8]) {
    let Ok(description) = Description::parse(data) else { return };
    let written = description.to_text();
    // Lines that have to be there are added; then it stays as it is.
    let again = Description::parse(written.as_bytes()).expect("what is written is read");
    assert_eq!(again.to_text(), written);
    assert_eq!(again.media.len(), description.media.len());
    for media in &description.media {
        if let Some(map) = media.rtp_map() {
            assert!(map.clock_rate > 0);
        }
        let _ = (media.format_parameter("sprop-parameter-sets"), media.payload_type());
        let _ = media.control().map(|control| resolve("rtsp://h/cam/", control));
    }
}
