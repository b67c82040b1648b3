//! Proxies on loopback that do to traffic what networks do: cut it to pieces, hold it up, drop the connection, go
//! silent; and to datagrams: lose, repeat and reorder them.
//!
//! What a proxy does is decided by a seed and by what the test tells it; nothing depends on how fast the machine is.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How a [`TcpProxy`] passes bytes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    /// At most so many bytes in one write, each in a segment of its own; 0: as they come.
    pub piece: usize,
    /// How long each piece is held up.
    pub delay: Duration,
    /// The connection is reset when so many bytes came from the server; 0: never. Each connection counts anew.
    pub reset_after: usize,
}

/// Passes TCP connections on to a server.
#[derive(Debug)]
pub struct TcpProxy {
    /// Where clients connect.
    pub address: SocketAddr,
    shared: Arc<TcpShared>,
}

#[derive(Debug)]
struct TcpShared {
    target: SocketAddr,
    wire: Wire,
    pairs: Mutex<Vec<(TcpStream, TcpStream)>>,
    accepted: AtomicUsize,
    frozen: Mutex<bool>,
    thawed: Condvar,
    ended: AtomicBool,
}

impl TcpProxy {
    /// A proxy before `target`.
    ///
    /// # Panics
    /// If there is no port to listen on.
    pub fn start(target: SocketAddr, wire: Wire) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(TcpShared {
            target,
            wire,
            pairs: Mutex::default(),
            accepted: AtomicUsize::new(0),
            frozen: Mutex::new(false),
            thawed: Condvar::new(),
            ended: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                // A server that is not there: the client's connection ends, as with any proxy.
                let _ = client.and_then(|client| accepting.join(client));
            }
        });
        Self { address, shared }
    }

    /// How many connections were passed on so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Resets every connection that stands; new ones are welcome.
    pub fn cut(&self) {
        for (client, server) in self.shared.pairs().drain(..) {
            reset(&client);
            reset(&server);
        }
    }

    /// Half-open: from now on nothing is read and nothing passed on, in either direction, until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        *self.shared.frozen() = true;
    }

    /// Goes on after [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        *self.shared.frozen() = false;
        self.shared.thawed.notify_all();
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.thaw();
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl TcpShared {
    fn join(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.target)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let up = (client.try_clone()?, server.try_clone()?);
        let down = (server.try_clone()?, client.try_clone()?);
        self.pairs().push((client, server));
        self.accepted.fetch_add(1, Ordering::SeqCst);
        for ((from, to), limit) in [(up, 0), (down, self.wire.reset_after)] {
            let shared = self.clone();
            std::thread::spawn(move || shared.pass(from, to, limit));
        }
        Ok(())
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, limit: usize) {
        let mut buffer = [0; 16 << 10];
        let mut passed = 0;
        loop {
            self.wait_thawed();
            let n = match from.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(n) => n,
            };
            self.wait_thawed();
            let n = if limit > 0 { n.min(limit - passed) } else { n };
            let size = if self.wire.piece > 0 { self.wire.piece } else { n.max(1) };
            for piece in buffer[..n].chunks(size) {
                if !self.wire.delay.is_zero() {
                    std::thread::sleep(self.wire.delay);
                }
                if to.write_all(piece).is_err() {
                    let _ = from.shutdown(Shutdown::Both);
                    return;
                }
            }
            passed += n;
            if limit > 0 && passed >= limit {
                reset(&from);
                reset(&to);
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn wait_thawed(&self) {
        let mut frozen = self.frozen();
        while *frozen {
            frozen = self.thawed.wait(frozen).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn frozen(&self) -> std::sync::MutexGuard<'_, bool> {
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pairs(&self) -> std::sync::MutexGuard<'_, Vec<(TcpStream, TcpStream)>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As abruptly as a safe program can: what is under way is lost for both ends.
fn reset(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}

/// What a [`UdpProxy`] does to datagrams, in either direction. Chances are in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Lost.
    pub loss: u32,
    /// Sent twice.
    pub duplicate: u32,
    /// Held back until the next one of the same direction has gone.
    pub reorder: u32,
    /// What chance is drawn from.
    pub seed: u64,
}

/// Passes one client's datagrams on to a server and the answers back.
#[derive(Debug)]
pub struct UdpProxy {
    /// Where the client sends.
    pub address: SocketAddr,
    ended: Arc<AtomicBool>,
}

impl UdpProxy {
    /// A proxy before `target`. It answers whoever sent last.
    ///
    /// # Panics
    /// If there is no port to be had.
    pub fn start(target: SocketAddr, weather: Weather) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let back = UdpSocket::bind("127.0.0.1:0").expect("a port");
        back.connect(target).expect("loopback");
        let address = front.local_addr().expect("its address");
        let ended = Arc::new(AtomicBool::new(false));
        let client = Arc::new(Mutex::new(None));
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        }
        let (front_2, back_2) = (front.try_clone().expect("a handle"), back.try_clone().expect("a handle"));
        let (stop, known) = (ended.clone(), client.clone());
        std::thread::spawn(move || {
            let mut sky = Sky::new(weather, 1);
            sky.pass(
                &stop,
                |buffer| {
                    let (n, from) = front.recv_from(buffer)?;
                    *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
                    Ok(n)
                },
                |data| back.send(data),
            );
        });
        let stop = ended.clone();
        std::thread::spawn(move || {
            let mut sky = Sky::new(weather, 2);
            sky.pass(
                &stop,
                |buffer| back_2.recv(buffer),
                |data| match *client.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(client) => front_2.send_to(data, client),
                    None => Ok(0),
                },
            );
        });
        Self { address, ended }
    }
}

impl Drop for UdpProxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

/// The weather of one direction.
struct Sky {
    weather: Weather,
    random: u64,
    held: VecDeque<Vec<u8>>,
}

impl Sky {
    fn new(weather: Weather, direction: u64) -> Self {
        Self { weather, random: weather.seed ^ direction << 32 | 1, held: VecDeque::new() }
    }

    fn pass(
        &mut self,
        ended: &AtomicBool,
        receive: impl Fn(&mut [u8]) -> io::Result<usize>,
        send: impl Fn(&[u8]) -> io::Result<usize>,
    ) {
        let mut buffer = vec![0; 64 << 10];
        while !ended.load(Ordering::SeqCst) {
            match receive(&mut buffer) {
                Ok(n) => {
                    if self.happens(self.weather.loss) {
                        continue;
                    }
                    if self.happens(self.weather.reorder) {
                        self.held.push_back(buffer[..n].to_vec());
                        continue;
                    }
                    let _ = send(&buffer[..n]);
                    if self.happens(self.weather.duplicate) {
                        let _ = send(&buffer[..n]);
                    }
                    for late in self.held.drain(..) {
                        let _ = send(&late);
                    }
                }
                // The other end is not there (yet), or nothing came.
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    for late in self.held.drain(..) {
                        let _ = send(&late);
                    }
                }
                Err(_) => {}
            }
        }
    }

    fn happens(&mut self, thousandths: u32) -> bool {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let drawn = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        drawn % 1000 < u64::from(thousandths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut &stream));
            }
        });
        address
    }

    #[test]
    fn bytes_arrive_in_pieces_and_whole() {
        let proxy = TcpProxy::start(echo(), Wire { piece: 3, ..Wire::default() });
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.write_all(b"twelve bytes").unwrap();
        let mut back = [0; 12];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"twelve bytes");
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut back).unwrap(), 0, "the end is passed on");
    }

    #[test]
    fn connections_are_cut_and_welcome_again() {
        let proxy = TcpProxy::start(echo(), Wire { reset_after: 5, ..Wire::default() });
        for _ in 0..2 {
            let mut stream = TcpStream::connect(proxy.address).unwrap();
            stream.write_all(b"twelve bytes").unwrap();
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all);
            assert_eq!(all, b"twelv");
        }
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.write_all(b"a").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        proxy.cut();
        assert_ne!(stream.read(&mut [0]).ok(), Some(1));
        assert_eq!(proxy.accepted(), 3);
    }

    #[test]
    fn frozen_it_passes_nothing_and_thawed_everything() {
        let proxy = TcpProxy::start(echo(), Wire::default());
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.write_all(b"a").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        proxy.freeze();
        stream.write_all(b"b").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(stream.read(&mut [0]).is_err());
        proxy.thaw();
        stream.set_read_timeout(Some(crate::PATIENCE)).unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }

    #[test]
    fn datagrams_are_lost_repeated_and_reordered() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let weather = Weather { loss: 200, duplicate: 200, reorder: 200, seed: 7 };
        let proxy = UdpProxy::start(server.local_addr().unwrap(), weather);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut seen = Vec::new();
        server.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        for n in 0..200_u8 {
            client.send_to(&[n], proxy.address).unwrap();
            // One at a time, so that no buffer overflows.
            if n % 64 == 63 || n == 199 {
                let mut byte = [0];
                while server.recv(&mut byte).is_ok() {
                    seen.push(byte[0]);
                }
            }
        }
        let different: std::collections::BTreeSet<_> = seen.iter().collect();
        assert!(
            different.len() < 192 && different.len() < seen.len(),
            "{} of {}",
            different.len(),
            seen.len()
        );
        assert!(seen.windows(2).any(|w| w[0] > w[1]), "{seen:?}");
    }
}
