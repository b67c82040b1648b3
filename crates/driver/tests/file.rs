//! Files of gigabytes leave without passing the machine and without growing memory: alone in its process, as the whole
//! process is measured.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::TcpStream as StdTcpStream;
use std::sync::Arc;
use std::time::Duration;

use driver::{Driver, Events, Limits};
use machine::CloseReason;
use machine::toy::{ECHO, Event, Toy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
const SLOW: Duration = Duration::from_secs(3600);

async fn expect(events: &mut Events<Event>, mut wanted: impl FnMut(&Event) -> bool) {
    let found = async { while !wanted(&events.next().await.expect("the driver goes on")) {} };
    timeout(PATIENCE, found).await.expect("the event comes");
}

/// Row "gigabyte bodies that bypass the machine".
#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_file_leaves_without_growing_memory() {
    const LEN: u64 = 1 << 30;
    let file = tempfile::tempfile().unwrap();
    file.set_len(LEN).unwrap();
    let mut marks = &file;
    marks.write_all(b"first").unwrap();
    let file = Arc::new(file);
    let (driver, mut events) = Driver::start_with_files(
        Toy::new(SLOW),
        Limits::default(),
        Arc::new(
            move |token| {
                if token.0 == 42 { file.try_clone() } else { Err(std::io::ErrorKind::NotFound.into()) }
            },
        ),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    driver.serve_tcp(listener, ECHO);
    let before = resident_kib();
    let received = tokio::task::spawn_blocking(move || {
        let mut stream = StdTcpStream::connect(address).unwrap();
        stream.write_all(format!("file 42 {LEN}\nafter\n").as_bytes()).unwrap();
        let mut head = vec![0; format!("file {LEN}\nfirst").len()];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(head, format!("file {LEN}\nfirst").as_bytes());
        let mut buffer = vec![0; 1 << 20];
        let mut left = LEN - 5;
        while left > 0 {
            let want = usize::try_from(left).unwrap().min(buffer.len());
            let n = stream.read(&mut buffer[..want]).unwrap();
            assert!(n > 0, "the file came short");
            left -= n as u64;
        }
        let mut rest = [0; 11];
        stream.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"echo after\n");
        resident_kib()
    });
    let after = received.await.unwrap();
    expect(&mut events, |e| matches!(e, Event::FileSent(..))).await;
    assert!(after < before + 16 * 1024, "resident memory went from {before} to {after} KiB");

    // A file that is not there: the connection ends, as its framing is lost.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"file 1 10\n").await.unwrap();
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, b"file 10\n");
    expect(&mut events, |e| matches!(e, Event::Closed(_, CloseReason::FileFailed))).await;
    driver.shutdown(PATIENCE).await;
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
