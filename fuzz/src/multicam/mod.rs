//! The MultiCam protocol: its readers, NTP and both machines.

mod controller;
mod device;
mod world;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use machine::Instant;
use multicam_common::client::Fetch;
use multicam_common::codec::{
    FileDecoder, FileFrame, Form, JsonScanner, MessageDecoder, Reply, Style, encode_file_header,
};
use multicam_common::message::CommandMessage;
use multicam_common::ntp::{NtpClient, NtpConfig, NtpTimestamp, Packet, respond};
use multicam_common::{FileName, UnixTime};

pub use self::controller::controller;
pub use self::device::device;

pub(crate) use self::{controller::call as controller_call, device::call as device_call, world::op};

use crate::input::Input;

/// `size of pieces, stream`: where messages end does not depend on how the stream is cut, and those without a length before
/// them end where the scanner says.
pub fn scan(data: &[u8]) {
    let mut input = Input::new(data);
    let size = usize::from(input.byte()).max(1);
    let stream = input.rest();
    let whole = messages(std::iter::once(stream));
    assert_eq!(messages(stream.chunks(size)), whole, "in pieces of {size}");
    for (text, prefixed) in &whole.0 {
        if let Ok(Some(end)) = JsonScanner::new().scan(text) {
            // Behind a length white space may follow the object.
            assert!(end == text.len() || *prefixed && end < text.len());
        }
    }
}

/// Texts of the messages and whether a length stood before them, and how it ended.
fn messages<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<(Vec<u8>, bool)>, String) {
    let mut decoder = MessageDecoder::new(1000);
    let (mut buffer, mut all) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(message)) => all.push((message.text.to_vec(), message.prefixed)),
                Ok(None) => break,
                Err(error) => return (all, format!("{error:?}")),
            }
        }
    }
    (all, String::new())
}

const FORMS: [Form; 3] =
    [Form::BOTH, Form::BOTH.with_style(Style::Gson), Form::BOTH.with_style(Style::Swift)];

/// A command: what is read is written and read as the same.
pub fn command(data: &[u8]) {
    let Ok(command) = CommandMessage::parse(data) else {
        let _ = CommandMessage::name_of(data);
        return;
    };
    assert!(!format!("{command:?}").is_empty());
    for form in FORMS {
        let text = command.to_text(form);
        let again = CommandMessage::parse(text.as_bytes()).expect("it is read");
        assert_eq!(again.to_text(form), text);
    }
    for form in [Form::G0, Form::V1, Form::V2] {
        CommandMessage::parse(command.to_text(form).as_bytes()).expect("it is read");
    }
}

/// A reply of any kind: what is read is written, and what is written is read and written as the same.
pub fn reply(data: &[u8]) {
    let Ok(reply) = Reply::parse(data) else { return };
    for form in FORMS {
        let text = written(&reply, form);
        let again = Reply::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(written(&again, form), text);
        assert_eq!(again.status().normalised(), reply.status().normalised());
    }
    for form in [Form::G0, Form::V1, Form::V2] {
        Reply::parse(written(&reply, form).as_bytes()).expect("it is read");
    }
}

fn written(reply: &Reply, form: Form) -> String {
    match reply {
        Reply::Status(r) => r.to_text(form),
        Reply::Stopped(r) => r.to_text(form),
        Reply::Error(r) => r.to_text(form),
        Reply::Files(r) => r.to_text(form),
        Reply::Uploads(r) => r.to_text(form),
        _ => panic!("{reply:?}"),
    }
}

/// `have (2), size of pieces, stream`: the answer to GET_VIDEO. The same however it is cut; a body is as long as its header
/// says, and what is planned with it lies within the file.
pub fn file(data: &[u8]) {
    let mut input = Input::new(data);
    let have = u64::from(input.u16());
    let size = usize::from(input.byte()).max(1);
    let stream = input.rest();
    let whole = answer(std::iter::once(stream));
    assert_eq!(answer(stream.chunks(size)), whole, "in pieces of {size}");
    let (Some(header), body, ended) = whole else { return };
    assert!(body.len() as u64 <= header.file_size);
    assert_eq!(ended == "End", body.len() as u64 == header.file_size, "{ended}");
    let mut out = BytesMut::new();
    encode_file_header(&header, Form::BOTH, &mut out);
    if out.len() <= 4 + multicam_common::codec::MAX_HEADER {
        assert!(matches!(FileDecoder::new().decode(&mut out), Ok(Some(FileFrame::Header(_)))));
    }
    let fetch = Fetch::new("a", multicam_common::client::DeviceKind::Unknown, have);
    if let Ok(plan) = fetch.plan(&header) {
        assert!(plan.skip <= plan.body && plan.write_at <= plan.total);
        assert_eq!(plan.write_at + (plan.body - plan.skip), plan.total);
        assert!(FileName::parse(plan.name.as_str()).is_ok());
    }
}

/// Header, body, and how it ended.
fn answer<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Option<multicam_common::message::FileResponse>, Vec<u8>, String) {
    let mut decoder = FileDecoder::new();
    let (mut buffer, mut header, mut body) = (BytesMut::new(), None, Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(FileFrame::Header(h))) => header = Some(h),
                Ok(Some(FileFrame::Body(bytes))) => body.extend_from_slice(&bytes),
                Ok(Some(FileFrame::End)) => {
                    assert!(decoder.is_over());
                    return (header, body, "End".into());
                }
                Ok(Some(refused)) => return (header, body, format!("{refused:?}")),
                Ok(None) => break,
                Err(error) => return (header, body, format!("{error:?}")),
            }
        }
    }
    (header, body, String::new())
}

/// Names: those that are taken are names of files and nothing else.
pub fn name(data: &[u8]) {
    let text = Input::new(data).text();
    if let Ok(name) = FileName::parse(&text) {
        assert!(name.as_str().len() <= 255 && !name.as_str().contains(['/', '\\', '\0']));
        assert!(name.as_str() != "." && name.as_str() != "..");
        assert_eq!(FileName::parse(name.as_str()).as_ref(), Ok(&name));
    }
    let instance = multicam_common::discovery::Instance::parse(&text);
    assert!(multicam_common::discovery::instance_label(&instance.device_id).len() <= 63);
    if let Some(time) = UnixTime::parse(&text) {
        for style in [Style::Python, Style::Gson, Style::Swift] {
            let text = time.to_text(style);
            let again = UnixTime::parse(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(again.to_text(style), text);
        }
    }
}

/// `datagrams`: a server's answer to anything, and a client whose server says anything. What is believed is within its
/// bound, and nothing is believed that was not asked for.
pub fn ntp(data: &[u8]) {
    let mut input = Input::new(data);
    let server = SocketAddr::from(([192, 0, 2, 9], 123));
    let mut now = Instant::from_nanos(1_000_000_000);
    let mut client = NtpClient::new(NtpConfig::new([7; 32]), server, now);
    let mut asked = NtpTimestamp(0);
    while !input.is_empty() {
        now = now + Duration::from_nanos(u64::from(input.u32()) * 16);
        if let Some(query) = client.poll(now) {
            asked = Packet::parse(&query.data).expect("48 bytes").transmit;
            assert!(asked.0 != 0);
            let time = UnixTime::from_nanos(input.i64());
            let reply = respond(&query.data, time, time).expect("a question");
            assert_eq!(Packet::parse(&reply).map(|p| (p.mode, p.originate)), Ok((4, asked)));
        }
        let flags = input.byte();
        let mut datagram = input.take(48).to_vec();
        if let Some(reply) = respond(&datagram, UnixTime::default(), UnixTime::default()) {
            assert_eq!(reply.len(), 48);
        }
        // Else hardly anything would be looked at.
        if flags & 1 != 0 && datagram.len() == 48 {
            datagram[0] = 0x24;
            datagram[24..32].copy_from_slice(&asked.0.to_be_bytes());
        }
        let from = if flags & 2 != 0 { SocketAddr::from(([192, 0, 2, 8], 123)) } else { server };
        let known = client.estimate(now).is_some();
        let believed = client.handle(now, from, &datagram).is_ok();
        if believed {
            assert!(flags & 2 == 0 && datagram[24..32] == asked.0.to_be_bytes());
        }
        assert!(client.estimate(now).is_some() == (known || believed));
        assert!(client.poll_timeout().is_none_or(|due| due + Duration::from_secs(1000) > now));
    }
}
