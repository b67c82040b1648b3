//! The blocking driver under peers that do not behave.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use machine::toy::{ECHO, Event, Toy};
use machine::{CloseReason, ConnId, FileToken, Input, Instant, Machine, Output, Peer};
use socket2::{Domain, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(20);
const SLOW: Duration = Duration::from_secs(3600);

/// So much is in file 1; file 2 is empty; there are no others.
const FILE_LEN: u64 = 8 << 20;

fn open(file: FileToken) -> io::Result<File> {
    let opened = tempfile::tempfile()?;
    match file {
        FileToken(1) => opened.set_len(FILE_LEN)?,
        FileToken(2) => {}
        _ => return Err(ErrorKind::NotFound.into()),
    }
    Ok(opened)
}

/// Starts the driver with a machine; returns where it listens and what the machine reports.
fn serve<M>(machine: M) -> (SocketAddr, Receiver<M::Event>)
where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    // Connections inherit the small send buffer of their listener.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(128).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let (tell, events) = mpsc::channel();
    std::thread::spawn(move || {
        blocking_driver::serve(machine, vec![(listener, ECHO)], open, |event, _, _| drop(tell.send(event)))
    });
    (address, events)
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

/// A connection that can take little without being read.
fn connect_narrow(address: SocketAddr) -> BufReader<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

fn say(peer: &mut BufReader<TcpStream>, text: &str) {
    peer.get_mut().write_all(text.as_bytes()).unwrap();
}

fn line(peer: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    peer.read_line(&mut line).unwrap();
    line
}

fn tick(line: &str) -> Option<u64> {
    line.strip_prefix("tick ")?.trim_end().parse().ok()
}

fn expect<E: std::fmt::Debug>(events: &Receiver<E>, wanted: impl Fn(&E) -> bool) -> E {
    loop {
        let event = events.recv_timeout(PATIENCE).expect("the event comes");
        if wanted(&event) {
            return event;
        }
    }
}

fn closed(events: &Receiver<Event>) -> CloseReason {
    match expect(events, |event| matches!(event, Event::Closed(..))) {
        Event::Closed(_, reason) => reason,
        _ => unreachable!(),
    }
}

#[test]
fn a_stuck_reader_gets_the_newest_update_and_harms_nobody() {
    let (address, events) = serve(Toy::new(Duration::from_micros(200)));
    let (mut good, mut stuck) = (connect(address), connect_narrow(address));
    say(&mut good, "subscribe\n");
    say(&mut stuck, "subscribe\n");
    for _ in 0..2 {
        expect(&events, |event| matches!(event, Event::Subscribed(_)));
    }

    let mut seen = Vec::new();
    while seen.len() < 10_000 {
        seen.extend(tick(&line(&mut good)));
    }
    assert!(seen.windows(2).all(|w| w[0] < w[1]), "ticks out of order");
    // A reply is not lost, however stuck its reader.
    say(&mut stuck, "hello\n");
    expect(&events, |event| matches!(event, Event::Line(_, line) if line == "hello"));
    let newest = *seen.last().unwrap();

    // Old ticks of the system's buffers, then a gap, then the newest and at most what the driver lets wait besides:
    // 16 KiB, which are 218 ticks.
    let (mut last, mut jump, mut answered) = (0, None, false);
    while jump.is_none() || !answered {
        let line = line(&mut stuck);
        match tick(&line) {
            Some(tick) => {
                assert!(tick > last, "{tick} after {last}");
                if last > 0 && tick > last + 2000 {
                    jump = jump.or(Some(tick));
                }
                last = tick;
            }
            None => answered = line == "echo hello\n",
        }
    }
    assert!(jump >= Some(newest - 218), "after the gap came {jump:?}, though {newest} was sent before");
}

#[test]
fn a_reader_that_lets_replies_pile_up_is_closed() {
    let (address, events) = serve(Toy::new(SLOW));
    let (mut good, bad) = (connect(address), connect_narrow(address));
    let flood = ("x".repeat(1000) + "\n").repeat(20);
    let flooding = std::thread::spawn(move || {
        let mut bad = bad.into_inner();
        while bad.write_all(flood.as_bytes()).is_ok() {}
    });
    assert_eq!(closed(&events), CloseReason::SlowReader);
    flooding.join().unwrap();
    say(&mut good, "still here\n");
    assert_eq!(line(&mut good), "echo still here\n");
}

#[test]
fn a_peer_that_talks_without_end_does_not_stop_the_clock() {
    let (address, _events) = serve(Toy::new(Duration::from_millis(1)));
    let mut talking = connect(address).into_inner();
    let mut listening = talking.try_clone().unwrap();
    // These two go on until the test ends.
    std::thread::spawn(move || while talking.write_all(&[b'\n'; 4096]).is_ok() {});
    std::thread::spawn(move || io::copy(&mut listening, &mut io::sink()));

    let mut good = connect(address);
    say(&mut good, "subscribe\n");
    for _ in 0..300 {
        assert!(tick(&line(&mut good)).is_some());
    }
    say(&mut good, "hello\n");
    while line(&mut good) != "echo hello\n" {}
}

#[test]
fn last_words_arrive_before_the_end() {
    let (address, events) = serve(Toy::new(SLOW));
    let mut peer = connect(address);
    // What follows the `quit` is never read by the machine, and must not turn the end into a reset.
    say(&mut peer, &format!("file 1 {FILE_LEN}\nafter it\nquit\n{}", "more\n".repeat(2000)));
    let mut head = String::new();
    peer.read_line(&mut head).unwrap();
    assert_eq!(head, format!("file {FILE_LEN}\n"));
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    let (file, words) = rest.split_at(usize::try_from(FILE_LEN).unwrap());
    assert!(file.iter().all(|&byte| byte == 0));
    assert_eq!(String::from_utf8_lossy(words), "echo after it\nbye\n");
    expect(&events, |event| matches!(event, Event::FileSent(_, FileToken(1))));
    drop(peer);
    assert_eq!(closed(&events), CloseReason::Local);
}

#[test]
fn an_end_is_answered() {
    let (address, events) = serve(Toy::new(SLOW));
    let mut peer = connect(address);
    say(&mut peer, "one\nno line end");
    peer.get_mut().shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    peer.read_to_string(&mut said).unwrap();
    assert_eq!(said, "echo one\n");
    assert_eq!(closed(&events), CloseReason::Local);
}

#[test]
fn a_line_without_end_and_a_reset_end_a_connection_at_once() {
    let (address, events) = serve(Toy::new(SLOW));
    let mut endless = connect(address);
    say(&mut endless, &"x".repeat(machine::toy::MAX_LINE + 1));
    assert_eq!(closed(&events), CloseReason::Local);

    let mut broken = connect(address);
    say(&mut broken, "hello\n");
    expect(&events, |event| matches!(event, Event::Line(..)));
    socket2::SockRef::from(broken.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(broken);
    assert_eq!(closed(&events), CloseReason::Failed);
}

#[test]
fn a_file_that_cannot_be_had_ends_its_connection() {
    let (address, events) = serve(Toy::new(SLOW));
    for file in ["file 3 10\nafter\n", "file 2 10\nafter\n"] {
        let mut peer = connect(address);
        say(&mut peer, file);
        assert_eq!(closed(&events), CloseReason::FileFailed);
        assert_eq!(line(&mut peer), "file 10\n");
        let mut rest = Vec::new();
        let _ = peer.read_to_end(&mut rest); // a reset is an end as well
        assert_eq!(rest, b"", "nothing may follow a file that is not whole");
    }
}

#[test]
fn there_are_not_too_many_connections() {
    let (address, events) = serve(Toy::new(SLOW));
    let mut peers: Vec<_> = (0..256).map(|_| connect(address)).collect();
    let last = peers.last_mut().unwrap();
    say(last, "hello\n");
    assert_eq!(line(last), "echo hello\n");

    let mut rest = String::new();
    let turned_away = connect(address).read_to_string(&mut rest);
    assert!(turned_away.is_err() || rest.is_empty());

    drop(peers.pop());
    closed(&events);
    let mut next = connect(address);
    say(&mut next, "room again\n");
    assert_eq!(line(&mut next), "echo room again\n");
}

/// Leaves all that it is told for later.
#[derive(Default)]
struct Hoarder(Vec<Output<CloseReason>>);

impl Machine for Hoarder {
    type Event = CloseReason;

    fn handle_input(&mut self, _: Instant, from: Peer, input: Input<'_>) {
        match input {
            Input::Bytes(unread) => assert!(unread.len() <= (1 << 20) + 8192, "it grows without bound"),
            Input::Closed(reason) => self.0.push(Output::Event(reason)),
            _ => assert!(matches!(from, Peer::Conn(ConnId(_)))),
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_output(&mut self) -> Option<Output<CloseReason>> {
        self.0.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

#[test]
fn what_a_machine_leaves_for_later_is_bounded() {
    let (address, events) = serve(Hoarder::default());
    let mut peer = connect(address);
    while peer.get_mut().write_all(&[b'x'; 65_536]).is_ok() {}
    assert_eq!(expect(&events, |_| true), CloseReason::Overflow);
}
