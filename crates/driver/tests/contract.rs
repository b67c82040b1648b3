//! Each hard need of the five protocols, carried by the contract and shown with the toy machine over real sockets.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use driver::{Driver, Events, Limits, Route, UdpOptions};
use machine::toy::{ECHO, Event, GREETING, SHOUTING, Toy};
use machine::{CloseReason, QueueLimits, SocketId, StampSource};
use socket2::SockRef;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const SLOW: Duration = Duration::from_secs(3600);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn expect(events: &mut Events<Event>, mut wanted: impl FnMut(&Event) -> bool) -> Event {
    timeout(PATIENCE, async {
        loop {
            let event = events.next().await.expect("the driver goes on");
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
    .expect("the event comes")
}

async fn line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> String {
    let mut line = String::new();
    timeout(PATIENCE, reader.read_line(&mut line)).await.expect("a line comes").unwrap();
    line
}

/// Row "three listeners of one camera server", and a WebSocket path besides.
#[tokio::test(flavor = "multi_thread")]
async fn one_machine_serves_three_listeners_and_a_websocket_path() {
    let (driver, mut events) = Driver::start(Toy::new(SLOW), Limits::default());
    let mut streams = Vec::new();
    for service in [ECHO, SHOUTING, GREETING] {
        let (listener, address) = listener().await;
        driver.serve_tcp(listener, service);
        streams.push((BufReader::new(TcpStream::connect(address).await.unwrap()), address));
    }
    let (ws_listener, ws_address) = listener().await;
    driver.serve_ws(ws_listener, vec![Route::new("/loud", SHOUTING), Route::new("/echo", ECHO)]);
    // Another driver with the same toy is the WebSocket client.
    let (client, mut client_events) = Driver::start(Toy::new(SLOW), Limits::default());
    let id = client.connect_ws(&format!("ws://{ws_address}/loud"), ECHO).await.unwrap();
    for _ in 0..4 {
        expect(&mut events, |e| matches!(e, Event::Opened(..))).await;
    }
    assert_eq!(driver.connections(), 4);
    // (Anything but the end would be echoed to and fro by two toys.)
    client.call(|toy, _| toy.say(id, "quit").unwrap());

    let greeting = line(&mut streams[2].0).await;
    assert_eq!(greeting, format!("local {}\n", streams[2].1));
    for ((stream, _), answer) in streams.iter_mut().zip(["echo hi\n", "ECHO HI\n", "echo hi\n"]) {
        stream.get_mut().write_all(b"h").await.unwrap();
        stream.get_mut().write_all(b"i\n").await.unwrap();
        assert_eq!(line(stream).await, answer);
    }
    let answer = expect(&mut client_events, |e| matches!(e, Event::Line(..))).await;
    assert_eq!(answer, Event::Line(id, "BYE".into()));

    assert!(client.connect_ws(&format!("ws://{ws_address}/nowhere"), ECHO).await.is_err());

    drop(streams);
    client.shutdown(PATIENCE).await;
    for _ in 0..4 {
        expect(&mut events, |e| matches!(e, Event::Closed(..))).await;
    }
    driver.shutdown(PATIENCE).await;
    assert_eq!(driver.connections(), 0);
}

/// Row "equal datagrams in one send".
#[tokio::test(flavor = "multi_thread")]
async fn equal_datagrams_arrive_as_separate_ones() {
    let (driver, _events) = Driver::start(Toy::new(SLOW), Limits::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    driver.serve_udp(socket, SocketId(0), UdpOptions::PLAIN).unwrap();

    let received = tokio::task::spawn_blocking(move || {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.send_to(b"burst 40 1400", address).unwrap();
        let mut buffer = [0; 2000];
        (0..40)
            .map(|_| {
                let (n, from) = peer.recv_from(&mut buffer).unwrap();
                assert_eq!(from, address);
                assert!(buffer[..n].iter().all(|b| *b == buffer[0]));
                (buffer[0], n)
            })
            .collect::<Vec<_>>()
    });
    let expected: Vec<_> = (0..40).map(|i| (i, 1400)).collect();
    assert_eq!(received.await.unwrap(), expected);
    driver.shutdown(PATIENCE).await;
}

/// Row "answers leave from the address that was asked", on a socket bound to all addresses.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_leaves_from_the_address_that_was_asked() {
    let (driver, _events) = Driver::start(Toy::new(SLOW), Limits::default());
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    driver.serve_udp(socket, SocketId(0), UdpOptions::PLAIN).unwrap();
    let from = tokio::task::spawn_blocking(move || {
        let peer = UdpSocket::bind("0.0.0.0:0").unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.send_to(b"ping", ("127.0.0.77", port)).unwrap();
        peer.recv_from(&mut [0; 100]).unwrap().1
    });
    assert_eq!(from.await.unwrap(), SocketAddr::from(([127, 0, 0, 77], port)));
    driver.shutdown(PATIENCE).await;
}

/// Row "kernel receive and transmit timestamps".
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn kernel_stamps_come_back_to_the_machine() {
    let (driver, mut events) = Driver::start(Toy::new(SLOW), Limits::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    driver.serve_udp(socket, SocketId(7), UdpOptions::STAMPED).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for i in 0..20 {
        // A burst between: its reports must not be taken for the pong's.
        peer.send_to(b"burst 3 10", address).unwrap();
        let before = driver::now();
        peer.send_to(format!("ping {i}").as_bytes(), address).unwrap();
        let event = expect(&mut events, |e| matches!(e, Event::Stamped { .. })).await;
        let after = driver::now();
        let Event::Stamped { received, left, .. } = event else { unreachable!() };
        assert_eq!((received.source, left.source), (StampSource::Kernel, StampSource::Kernel), "{event:?}");
        // The two clocks are read one after the other: a few microseconds of slack.
        let slack = Duration::from_micros(20);
        assert!(before.saturating_sub(slack) <= received.at, "{before:?} {received:?}");
        assert!(received.at <= left.at + slack, "{received:?} {left:?}");
        assert!(left.at <= after + slack, "{left:?} {after:?}");
    }
    driver.shutdown(PATIENCE).await;
}

/// Arrivals alone: a machine that asks all the same when something left gets a reading of the clock.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn stamps_of_arrivals_come_without_those_of_departures() {
    let (driver, mut events) = Driver::start(Toy::new(SLOW), Limits::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    driver.serve_udp(socket, SocketId(7), UdpOptions::ARRIVALS).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(b"ping", address).unwrap();
    let event = expect(&mut events, |e| matches!(e, Event::Stamped { .. })).await;
    let Event::Stamped { received, left, .. } = event else { unreachable!() };
    assert_eq!((received.source, left.source), (StampSource::Kernel, StampSource::Clock));
    driver.shutdown(PATIENCE).await;
}

/// Many datagrams at once: they are received and answered many to a call, each for itself and in order.
#[tokio::test(flavor = "multi_thread")]
async fn many_datagrams_at_once_are_all_answered() {
    let (driver, _events) = Driver::start(Toy::new(SLOW), Limits::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    driver.serve_udp(socket, SocketId(0), UdpOptions::PLAIN).unwrap();
    let answers = tokio::task::spawn_blocking(move || {
        let peers = [(); 4].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        for peer in &peers {
            peer.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        for _ in 0..50 {
            for (n, peer) in (0..40).flat_map(|n| peers.iter().map(move |p| (n, p))) {
                peer.send_to(format!("burst 1 {}", n + 1).as_bytes(), address).unwrap();
            }
            let mut buffer = [0; 100];
            for (n, peer) in (0..40).flat_map(|n| peers.iter().map(move |p| (n, p))) {
                assert_eq!(peer.recv(&mut buffer).unwrap(), n + 1);
            }
        }
    });
    answers.await.unwrap();
    driver.shutdown(PATIENCE).await;
}

/// Row "latest-wins updates for slow readers".
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_reader_gets_the_newest_update_and_harms_nobody() {
    let mut limits = Limits::default();
    limits.send_buffer = Some(4096);
    let period = Duration::from_micros(200);
    let (driver, mut events) = Driver::start(Toy::new(period), limits);
    let (listener, address) = listener().await;
    driver.serve_tcp(listener, ECHO);

    let mut good = BufReader::new(TcpStream::connect(address).await.unwrap());
    good.get_mut().write_all(b"subscribe\n").await.unwrap();
    // The stuck one: a small receive buffer that nobody empties.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut stuck = socket.connect(address).await.unwrap();
    stuck.write_all(b"subscribe\n").await.unwrap();
    for _ in 0..2 {
        expect(&mut events, |e| matches!(e, Event::Subscribed(..))).await;
    }

    let tick = |line: &str| line.trim().strip_prefix("tick ").unwrap().parse::<u64>().unwrap();
    let first = tick(&line(&mut good).await);
    let mut seen = vec![first];
    while seen.len() < 5000 {
        seen.push(tick(&line(&mut good).await));
    }
    // Time-true: a late wake may leave a tick out, but none is ever repeated or late by a burst.
    assert!(seen.windows(2).all(|w| w[0] < w[1]), "ticks out of order");
    let newest = *seen.last().unwrap();

    // The stuck reader begins to read: old ticks of the kernel's buffers, then at once the newest.
    let mut stuck = BufReader::new(stuck);
    let mut old: VecDeque<u64> = VecDeque::new();
    let jump = loop {
        let t = tick(&line(&mut stuck).await);
        match old.back() {
            Some(&last) if t > last + 1000 => break t,
            _ => old.push_back(t),
        }
    };
    assert!(jump >= newest, "after the gap came {jump}, though {newest} was already sent");
    driver.shutdown(PATIENCE).await;
}

/// A reader that takes nothing of what must not be lost is closed; the others do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_lets_replies_pile_up_is_closed() {
    let mut limits = Limits::default();
    limits.send_buffer = Some(4096);
    limits.queue = QueueLimits { max_bytes: 64 << 10, if_room_bytes: 32 << 10 };
    let (driver, mut events) = Driver::start(Toy::new(SLOW), limits);
    let (listener, address) = listener().await;
    driver.serve_tcp(listener, ECHO);
    let bad = TcpStream::connect(address).await.unwrap();
    let flood = [vec![b'x'; 1000], vec![b'\n']].concat().repeat(20);
    let writer = tokio::spawn(async move {
        let mut bad = bad;
        while bad.write_all(&flood).await.is_ok() {}
    });
    expect(&mut events, |e| matches!(e, Event::Closed(_, CloseReason::SlowReader))).await;
    timeout(PATIENCE, writer).await.expect("the flood is cut off").unwrap();

    let mut good = BufReader::new(TcpStream::connect(address).await.unwrap());
    good.get_mut().write_all(b"still there?\n").await.unwrap();
    assert_eq!(line(&mut good).await, "echo still there?\n");
    driver.shutdown(PATIENCE).await;
}

/// How many bytes of replies the kernel takes for a reader that reads none: as many as `unsent_limit` allows.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn little_waits_unsent_in_the_kernel_where_that_is_wanted() {
    const QUEUE: usize = 32 << 10;
    let mut taken = Vec::new();
    for unsent_limit in [None, Some(16 << 10)] {
        let mut limits = Limits::default();
        limits.unsent_limit = unsent_limit;
        limits.queue = QueueLimits { max_bytes: QUEUE, if_room_bytes: QUEUE };
        let (driver, mut events) = Driver::start(Toy::new(SLOW), limits);
        let (listener, address) = listener().await;
        driver.serve_tcp(listener, ECHO);
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stuck = socket.connect(address).await.unwrap();
        // One line after the other: a long read would be answered before anything is written.
        let line = [vec![b'x'; 1000], vec![b'\n']].concat();
        let mut replies = 0;
        loop {
            // It is closed with what it has said unread.
            let _ = stuck.write_all(&line).await;
            match expect(&mut events, |e| matches!(e, Event::Line(..) | Event::Closed(..))).await {
                Event::Closed(_, reason) => break assert_eq!(reason, CloseReason::SlowReader),
                _ => replies += "echo ".len() + line.len(),
            }
        }
        taken.push(replies - QUEUE);
        driver.shutdown(PATIENCE).await;
    }
    // The limit, one write beyond it, and what the reader's own buffer holds.
    assert!(taken[1] < 96 << 10 && taken[1] < taken[0], "{taken:?}");
}

/// What we say last arrives, whatever the peer is still sending, and then the connection ends.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_arrive() {
    let (driver, _events) = Driver::start(Toy::new(SLOW), Limits::default());
    let (listener, address) = listener().await;
    driver.serve_tcp(listener, ECHO);
    for _ in 0..50 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let unread = [b"quit\n".to_vec(), vec![b'x'; 100_000]].concat();
        stream.write_all(&unread).await.unwrap();
        let mut all = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap().unwrap();
        assert_eq!(all, b"bye\n");
    }
    // A half-closed peer is answered, its last line without an end too.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"one\ntwo").await.unwrap();
    SockRef::from(&stream).shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut all)).await.unwrap().unwrap();
    assert!(all.starts_with("echo one\n"), "{all:?}");
    driver.shutdown(PATIENCE).await;
}
