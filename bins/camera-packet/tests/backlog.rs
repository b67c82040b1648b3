//! A reader of telemetry that stops for a while: what it gets when it comes back.

mod common;

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use common::{PATIENCE, Program};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, connect, getsockopt, setsockopt, socket, sockopt,
};

const FRAME: usize = 16;
const RATE: usize = 1000;

/// A connection whose receive buffer is as small as the kernel lets it be, and its size.
fn with_a_small_buffer(address: SocketAddr) -> (TcpStream, usize) {
    let SocketAddr::V4(address) = address else { panic!("IPv4") };
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
    setsockopt(&fd, sockopt::RcvBuf, &1).unwrap();
    let size = getsockopt(&fd, sockopt::RcvBuf).unwrap();
    connect(fd.as_raw_fd(), &SockaddrIn::from(address)).unwrap();
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    (stream, size)
}

/// The time of the next frame; `None`: the server has closed.
fn next(stream: &mut TcpStream) -> Option<u64> {
    let mut frame = [0; FRAME];
    match stream.read_exact(&mut frame) {
        Ok(()) => {
            assert_eq!(frame[..6], [0, 0xff, 1, 0, 0, 9]);
            Some(u64::from_be_bytes(frame[7..15].try_into().unwrap()))
        }
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Of what was sent while it did not read it gets what its own buffer holds and a second's worth more, then the present.
#[test]
fn who_comes_back_is_told_of_a_second_at_most() {
    let server = Program::server(&["--rate", &RATE.to_string()]);
    loop {
        let (mut reader, buffer) = with_a_small_buffer(server.address("data"));
        next(&mut reader).unwrap();
        let stopped = Instant::now();
        // Three seconds, as a reader that does not stop has them.
        let mut other = server.connect("data");
        let mut present = 0;
        for _ in 0..3 * RATE {
            present = next(&mut other).unwrap();
        }
        let mut old = 0;
        let caught_up = loop {
            match next(&mut reader) {
                Some(at) if at >= present => break true,
                Some(_) => old += 1,
                None => break false,
            }
        };
        assert!(old <= RATE + buffer / FRAME + 1, "{old} old frames, with a buffer of {buffer} bytes");
        if caught_up {
            assert!(old > 0, "it did stop");
            return;
        }
        // It was closed, as who takes nothing for ten seconds is; so this machine took that long.
        assert!(stopped.elapsed() > Duration::from_secs(9), "closed too early");
    }
}
