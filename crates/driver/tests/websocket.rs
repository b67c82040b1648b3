//! What a server's WebSocket writes past its library: whole frames in order, whoever writes and however slowly the peer
//! reads.

use std::time::Duration;

use driver::{Driver, Limits, Route};
use machine::CloseReason;
use machine::toy::{ECHO, Event, Toy};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// A masked frame; a mask of zeros changes nothing.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let head = [0x80 | opcode, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    [&head[..], payload].concat()
}

async fn shake_hands(stream: &mut TcpStream) {
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}

/// The next frame of a server: its first byte, and the payload.
async fn next(reader: &mut BufReader<TcpStream>) -> (u8, Vec<u8>) {
    let read = async {
        let first = reader.read_u8().await.unwrap();
        let len = reader.read_u8().await.unwrap();
        assert!(len < 126, "a short frame that is not masked");
        let mut payload = vec![0; len.into()];
        reader.read_exact(&mut payload).await.unwrap();
        (first, payload)
    };
    timeout(PATIENCE, read).await.expect("a frame")
}

fn tick(payload: &[u8]) -> Option<u64> {
    std::str::from_utf8(payload).unwrap().strip_prefix("tick ")?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_reader_that_pings_gets_whole_frames_and_the_newest_update() {
    let mut limits = Limits::default();
    limits.send_buffer = Some(4096);
    let (driver, mut events) = Driver::start(Toy::new(Duration::from_micros(200)), limits);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    driver.serve_ws(listener, vec![Route::new("/", ECHO)]);
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_address = plain.local_addr().unwrap();
    driver.serve_tcp(plain, ECHO);

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut stuck = socket.connect(address).await.unwrap();
    shake_hands(&mut stuck).await;
    stuck.write_all(&frame(1, b"subscribe")).await.unwrap();

    // It pings, and reads nothing, while another connection gets 5000 ticks.
    let mut good = BufReader::new(TcpStream::connect(plain_address).await.unwrap());
    good.get_mut().write_all(b"subscribe\n").await.unwrap();
    let mut newest = 0;
    for n in 0..5000_u32 {
        let mut line = String::new();
        timeout(PATIENCE, good.read_line(&mut line)).await.expect("a tick").unwrap();
        newest = tick(line.trim().as_bytes()).unwrap();
        if n % 50 == 0 {
            stuck.write_all(&frame(9, &n.to_be_bytes())).await.unwrap();
        }
    }

    // Then it reads: old ticks of the kernel's buffers, at once the newest, and an answer to a ping.
    let mut stuck = BufReader::new(stuck);
    let (mut last, mut pongs, mut jumped) = (0, 0, false);
    while !jumped || pongs == 0 {
        match next(&mut stuck).await {
            (0x81, text) => {
                let tick = tick(&text).expect("nothing but ticks");
                assert!(tick > last, "{tick} after {last}");
                if last > 0 && tick > last + 1000 {
                    assert!(tick >= newest, "after the gap came {tick}, though {newest} was already sent");
                    jumped = true;
                }
                last = tick;
            }
            (0x8a, payload) => {
                let n = u32::from_be_bytes(payload.try_into().unwrap());
                assert!(n < 5000 && n.is_multiple_of(50));
                pongs += 1;
            }
            other => panic!("{other:?}"),
        }
    }

    // The last words come whole as well, then the close.
    stuck.get_mut().write_all(&frame(1, b"quit")).await.unwrap();
    let mut said = Vec::new();
    loop {
        match next(&mut stuck).await {
            (0x81, text) if tick(&text).is_some() => {}
            (0x8a, _) => {}
            (first, payload) => said.push((first, payload)),
        }
        if said.last().is_some_and(|(first, _)| *first == 0x88) {
            break;
        }
    }
    assert_eq!(said, [(0x81, b"bye".to_vec()), (0x88, 1000_u16.to_be_bytes().to_vec())]);
    stuck.get_mut().write_all(&frame(8, &1000_u16.to_be_bytes())).await.unwrap();
    let closed = async {
        loop {
            if let Event::Closed(_, reason) = events.next().await.expect("the driver goes on") {
                return reason;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, closed).await.expect("it is closed"), CloseReason::Local);
    driver.shutdown(PATIENCE).await;
}

/// What a machine says in the same breath to a connection that has just come, and long messages.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_all_lengths_come_back() {
    let (driver, _events) = Driver::start(Toy::new(PATIENCE), Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    driver.serve_ws(listener, vec![Route::new("/", ECHO)]);
    let mut stream = TcpStream::connect(address).await.unwrap();
    shake_hands(&mut stream).await;
    for len in [0_usize, 1, 125, 126, 65_535, 65_536] {
        let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let head = |mask: u8| match len {
            0..126 => vec![0x82, mask | len as u8],
            126..65_536 => [&[0x82, mask | 126], &(len as u16).to_be_bytes()[..]].concat(),
            _ => [&[0x82, mask | 127], &(len as u64).to_be_bytes()[..]].concat(),
        };
        stream.write_all(&[head(0x80), vec![0; 4], payload.clone()].concat()).await.unwrap();
        let expected = [head(0), payload].concat();
        let mut answer = vec![0; expected.len()];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer == expected, "{len} bytes");
    }
    driver.shutdown(Duration::ZERO).await;
}
