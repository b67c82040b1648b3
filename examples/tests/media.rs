//! The RTP and RTSP examples as their users run them.

mod support;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use e2e::{PATIENCE, Running};
use machine::Instant;
use rtp_rtsp::media::Codec;
use rtp_rtsp::receiver::{Config, Event, Receiver};
use support::example;

/// The least of a JPEG file that RTP can carry.
fn jpeg() -> Vec<u8> {
    let mut file = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    file.extend([3; 64]);
    file.extend([0xff, 0xc0, 0, 17, 8, 0, 64, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    file.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    file.extend([5; 4000]);
    file.extend([0xff, 0xd9]);
    file
}

#[test]
fn rtp_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mjpeg");
    std::fs::write(&film, [jpeg(), jpeg(), jpeg()].concat()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = socket.local_addr().unwrap();
    let mut sender = Running::spawn(Command::new(example("rtp_blocking")).arg(&film).args([
        &to.to_string(),
        "--fps",
        "100",
    ]));
    let mut receiver = Receiver::new(Config::new(Codec::Jpeg, 90_000));
    let (mut frames, mut data) = (0, [0; 2048]);
    while frames < 3 {
        let n = socket.recv(&mut data).expect("packets");
        receiver.rtp(Instant::default(), &data[..n]);
        frames += std::iter::from_fn(|| receiver.poll()).filter(|e| matches!(e, Event::Frame(_))).count();
    }
    let said: Vec<String> = std::iter::from_fn(|| sender.line()).collect();
    assert!(said.contains(&format!("m=video {} RTP/AVP 26", to.port())), "{said:?}");
    assert_eq!(sender.wait().code(), Some(0));
}

#[test]
fn live_source() {
    let mut server = Running::spawn(Command::new(example("live_source")).arg("0"));
    let address = server.address("rtsp");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = Vec::new();
    let mut session = String::new();
    let url = format!("rtsp://{address}/ball");
    for (n, method, more) in [
        (1, "DESCRIBE", ""),
        (2, "SETUP", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
        (3, "PLAY", ""),
    ] {
        let url = if method == "SETUP" { control(&buffer, &url) } else { url.clone() };
        buffer.clear();
        write!(stream, "{method} {url} RTSP/1.0\r\nCSeq: {n}\r\n{session}{more}\r\n").unwrap();
        let head = head(&mut stream, &mut buffer);
        assert!(head.starts_with("RTSP/1.0 200 "), "{method}: {head}");
        if let Some((_, value)) = head.split_once("Session: ") {
            let id = value.split([';', '\r']).next().unwrap();
            session = format!("Session: {id}\r\n");
        }
    }
    // Interleaved packets until two frames are whole.
    let mut receiver = Receiver::new(Config::new(Codec::Jpeg, 90_000));
    let mut frames = 0;
    while frames < 2 {
        while let [b'$', channel, l0, l1, rest @ ..] = &buffer[..] {
            let len = usize::from(u16::from_be_bytes([*l0, *l1]));
            let Some(packet) = rest.get(..len) else { break };
            if *channel == 0 {
                receiver.rtp(Instant::default(), packet);
            }
            buffer.drain(..4 + len);
        }
        frames += std::iter::from_fn(|| receiver.poll()).filter(|e| matches!(e, Event::Frame(_))).count();
        more(&mut stream, &mut buffer);
    }
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
}

/// A file from one server through a relay to a client that saves its pictures.
#[test]
fn files_through_a_relay_to_disk() {
    let [server, relay, save] = ["rtsp_file_server", "rtsp_relay", "rtsp_save_frames"].map(example);
    let folder = tempfile::tempdir().unwrap();
    // Longer than any machine takes to come to its end.
    let film = jpeg().repeat(2000);
    std::fs::write(folder.path().join("film.mjpeg"), film).unwrap();
    let server = Running::spawn(Command::new(server).arg(folder.path()).arg("0"));
    let url = format!("rtsp://{}/film.mjpeg", server.address("rtsp"));
    let relay = Running::spawn(Command::new(relay).args([&url, "0"]));
    let url = format!("rtsp://{}/relay", relay.address("rtsp"));
    let saved = folder.path().join("saved");
    std::fs::create_dir(&saved).unwrap();
    let client = Command::new(save).args([&url, "5"]).arg(&saved).output().unwrap();
    let said = String::from_utf8_lossy(&client.stdout).into_owned();
    assert_eq!(said, "saved 5 pictures\n", "{}", String::from_utf8_lossy(&client.stderr));
    for n in 0..5 {
        let picture = std::fs::read(saved.join(format!("{n:04}.jpg"))).unwrap();
        assert_eq!(rtp_rtsp::jpeg::Image::parse(&picture).unwrap().width, 64);
    }
}

/// The control URL of the first medium.
fn control(description: &[u8], url: &str) -> String {
    let text = String::from_utf8_lossy(description);
    let media = text.split_once("m=video").expect("a medium").1;
    let line = media.lines().find_map(|l| l.strip_prefix("a=control:")).expect("a control URL").trim();
    if line.starts_with("rtsp:") { line.to_owned() } else { format!("{url}/{line}") }
}

/// Reads a reply; its body and what follows stay in the buffer.
fn head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> String {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
            let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: "));
            let length: usize = length.map_or(0, |l| l.trim().parse().unwrap());
            while buffer.len() < length {
                more(stream, buffer);
            }
            return head;
        }
        more(stream, buffer);
    }
}

fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    let mut data = [0; 4096];
    let n = stream.read(&mut data).expect("the server says something");
    assert!(n > 0, "the server closed the connection");
    buffer.extend(&data[..n]);
}
