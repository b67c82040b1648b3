//! What is answered before a WebSocket is agreed to.

use std::net::SocketAddr;
use std::time::Duration;

use driver::{Driver, Gate, Limits, Refusal, Route};
use machine::CloseReason;
use machine::toy::{ECHO, Event, GREETING, SHOUTING, Toy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request in two pieces and reads the answer up to `end`.
async fn ask(address: SocketAddr, path: &str, headers: &str, end: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    let (first, second) = request.split_at(request.len() - 2);
    stream.write_all(first.as_bytes()).await.unwrap();
    tokio::task::yield_now().await;
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let mut byte = [0];
    let read = async {
        while !answer.ends_with(end) && stream.read(&mut byte).await.unwrap() > 0 {
            answer.push(char::from(byte[0]));
        }
    };
    timeout(PATIENCE, read).await.expect("an answer");
    (answer, stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_come_in_is_told_in_http() {
    let (driver, _events) = Driver::start(Toy::new(PATIENCE), Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let full = Refusal { status: 503, text: "Maximum limit reached.".into() };
    let gate = Gate::new(Some(2), full);
    let routes = vec![Route::new("/few", ECHO).with_gate(gate.clone()), Route::new("/all", SHOUTING)];
    driver.serve_ws(listener, routes);

    let (not_found, _) = ask(address, "/nowhere", UPGRADE, "path\n").await;
    assert!(not_found.starts_with("HTTP/1.1 404 Not Found\r\n"), "{not_found}");
    let (plain, _) = ask(address, "/few?x=/all", "", "path\n").await;
    assert!(plain.starts_with("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"), "{plain}");
    assert_eq!(gate.count(), 0);

    let mut inside = Vec::new();
    for n in 1..=2 {
        let (answer, stream) = ask(address, "/few", UPGRADE, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        assert_eq!(gate.count(), n);
        inside.push(stream);
    }
    let (refused, mut stream) = ask(address, "/few", UPGRADE, "reached.").await;
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0])).await.unwrap().unwrap(), 0, "and then ended");
    let (other, _stay) = ask(address, "/all", UPGRADE, "\r\n\r\n").await;
    assert!(other.starts_with("HTTP/1.1 101 "), "the other route has no limit: {other}");

    // one goes: there is room again
    drop(inside.pop());
    timeout(PATIENCE, async {
        while gate.count() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its place is free");
    gate.shut(Refusal { status: 403, text: "Forbidden.".into() });
    let (shut, _) = ask(address, "/few", UPGRADE, "Forbidden.").await;
    assert!(shut.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{shut}");
    gate.open();
    let (answer, _stay_too) = ask(address, "/few", UPGRADE, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");

    // a head that never ends, and one that ends too early
    let mut endless = TcpStream::connect(address).await.unwrap();
    let _ = endless.write_all(&[b'x'; 20_000]).await;
    let end = timeout(PATIENCE, endless.read(&mut [0])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    drop(TcpStream::connect(address).await.unwrap());
    driver.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_comes_after_the_pause_of_its_route() {
    const PAUSE: Duration = Duration::from_millis(50);
    let (driver, _events) = Driver::start(Toy::new(PATIENCE), Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    driver.serve_ws(listener, vec![Route::new("/", GREETING).with_pause(PAUSE)]);
    let before = driver::now();
    let (answer, mut stream) = ask(address, "/", UPGRADE, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let mut greeting = [0; 2 + "local".len()];
    timeout(PATIENCE, stream.read_exact(&mut greeting)).await.expect("a greeting").unwrap();
    assert!(greeting.ends_with(b"local"), "{greeting:?}");
    assert!(driver::now().saturating_since(before) >= PAUSE);
    driver.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_a_ping_is_gone() {
    let mut limits = Limits::default();
    // Long enough that whoever does answer is never late.
    limits.ping_after = Duration::from_secs(2);
    let (driver, mut events) = Driver::start(Toy::new(Duration::from_secs(3600)), limits);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    driver.serve_ws(listener, vec![Route::new("*", ECHO)]);

    // Another driver answers pings.
    let (client, _client_events) = Driver::start(Toy::new(PATIENCE), Limits::default());
    client.connect_ws(&format!("ws://{address}/"), ECHO).await.unwrap();
    let (_, mut silent) = ask(address, "/", UPGRADE, "\r\n\r\n").await;
    let mut ping = [0; 2];
    timeout(PATIENCE, silent.read_exact(&mut ping)).await.expect("a ping").unwrap();
    assert_eq!(ping, [0x89, 0], "final frame, ping, empty");
    assert_eq!(timeout(PATIENCE, silent.read(&mut ping)).await.expect("an end").unwrap_or(0), 0);
    let closed = async {
        let mut opened = Vec::new();
        loop {
            match events.next().await.expect("the driver goes on") {
                Event::Opened(id, o) => opened.push((id, o.remote)),
                Event::Closed(id, reason) => {
                    let (_, remote) = opened.iter().find(|o| o.0 == id).unwrap();
                    return (*remote, reason);
                }
                _ => {}
            }
        }
    };
    let expected = (silent.local_addr().unwrap(), CloseReason::Failed);
    assert_eq!(timeout(PATIENCE, closed).await.expect("it is gone"), expected);
    assert_eq!(driver.connections(), 1, "the other one stays");
    client.shutdown(PATIENCE).await;
    driver.shutdown(PATIENCE).await;
}
