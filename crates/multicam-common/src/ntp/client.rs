//! Asking: a burst at first, then ever less often, and what is believed of the answers.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use machine::Instant;

use super::filter::{ClockEstimate, ClockFilter, FilterConfig, Sample};
use super::packet::{NtpTimestamp, Packet};
use crate::constants::MAX_ACCEPTABLE_RTT;

/// How an [`NtpClient`] asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NtpConfig {
    /// Seed of the numbers by which answers are known to be answers.
    pub rng_seed: [u8; 32],
    /// Between the first requests. Default 250 ms.
    pub burst_interval: Duration,
    /// How many there are. Default 8.
    pub burst: u32,
    /// The longest pause later on, to which it grows. Default 300 s, which is what the originals declare.
    pub max_interval: Duration,
    /// Answers that took longer are not used. Default 500 ms.
    pub max_rtt: Duration,
    /// How samples are judged.
    pub filter: FilterConfig,
}

impl NtpConfig {
    /// The defaults, with this seed.
    pub fn new(rng_seed: [u8; 32]) -> Self {
        Self {
            rng_seed,
            burst_interval: Duration::from_millis(250),
            burst: 8,
            max_interval: Duration::from_secs(300),
            max_rtt: MAX_ACCEPTABLE_RTT,
            filter: FilterConfig::default(),
        }
    }

    /// Asking every `interval` at first.
    #[must_use]
    pub fn with_burst_interval(self, interval: Duration) -> Self {
        Self { burst_interval: interval, ..self }
    }
}

/// Why a datagram was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NtpReject {
    /// Too short, not an answer, or of another version.
    NotAnAnswer,
    /// From an address that was not asked.
    Stranger,
    /// It does not repeat the number of a request that waits for its answer.
    Unasked,
    /// The server says that it does not know the time (LI 3), or says none.
    Unsynchronised,
    /// A refusal (stratum 0). The pause is longer from now on.
    KissOfDeath([u8; 4]),
    /// Times that cannot be: it left before it came, or was longer at the server than on the way.
    Impossible,
    /// It took too long.
    Slow,
}

/// A request that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Where to.
    pub to: SocketAddr,
    /// The datagram.
    pub data: [u8; Packet::LEN],
    /// Its number: tell [`NtpClient::sent`] when it really left, if that is known.
    pub tag: u64,
}

/// One time server, asked again and again.
#[derive(Debug)]
pub struct NtpClient {
    config: NtpConfig,
    server: SocketAddr,
    rng: ChaCha20Rng,
    filter: ClockFilter,
    waiting: Vec<Waiting>,
    asked: u32,
    next: Option<Instant>,
    pause: Duration,
    tag: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    nonce: NtpTimestamp,
    sent: Instant,
    tag: u64,
}

impl NtpClient {
    /// Asks `server` from `now` on.
    pub fn new(config: NtpConfig, server: SocketAddr, now: Instant) -> Self {
        Self {
            rng: ChaCha20Rng::from_seed(config.rng_seed),
            filter: ClockFilter::new(config.filter),
            waiting: Vec::new(),
            asked: 0,
            next: Some(now),
            pause: config.burst_interval,
            tag: 0,
            server,
            config,
        }
    }

    /// The server that is asked.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Asks another server; what the last one said is forgotten.
    pub fn ask_another(&mut self, server: SocketAddr, now: Instant) {
        if server != self.server {
            self.server = server;
            self.filter.clear();
            self.waiting.clear();
            self.restart(now);
        }
    }

    /// Asks in a burst again, from `now` on.
    pub fn restart(&mut self, now: Instant) {
        self.asked = 0;
        self.pause = self.config.burst_interval;
        self.next = Some(now);
    }

    /// When to call [`poll`](Self::poll) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The request that is due, if one is.
    pub fn poll(&mut self, now: Instant) -> Option<Query> {
        let due = self.next.filter(|t| *t <= now)?;
        // A late wake skips what it missed.
        let mut next = due + self.pause;
        if next <= now {
            next = now + self.pause;
        }
        self.asked = self.asked.saturating_add(1);
        if self.asked >= self.config.burst {
            self.pause =
                self.pause.saturating_mul(2).max(Duration::from_secs(1)).min(self.config.max_interval);
        }
        self.next = Some(next);
        self.tag = self.tag.wrapping_add(1);
        let nonce = NtpTimestamp(self.rng.next_u64().max(1));
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(Waiting { nonce, sent: now, tag: self.tag });
        Some(Query { to: self.server, data: Packet::request(nonce).encode(), tag: self.tag })
    }

    /// A request left at `left`, which is nearer to the truth than when it was asked to.
    pub fn sent(&mut self, tag: u64, left: Instant) {
        if let Some(w) = self.waiting.iter_mut().find(|w| w.tag == tag && left >= w.sent) {
            w.sent = left;
        }
    }

    /// A datagram came at `received`.
    ///
    /// # Errors
    /// Says why it was not believed.
    pub fn handle(&mut self, received: Instant, from: SocketAddr, data: &[u8]) -> Result<Sample, NtpReject> {
        let packet = Packet::parse(data).map_err(|_| NtpReject::NotAnAnswer)?;
        if packet.mode != 4 || !(3..=4).contains(&packet.version) {
            return Err(NtpReject::NotAnAnswer);
        }
        if from != self.server {
            return Err(NtpReject::Stranger);
        }
        let at = self.waiting.iter().position(|w| w.nonce == packet.originate);
        let asked = at.map(|at| self.waiting.swap_remove(at)).ok_or(NtpReject::Unasked)?;
        if packet.stratum == 0 {
            self.pause = self.config.max_interval.max(self.pause);
            self.next = Some(received + self.pause);
            return Err(NtpReject::KissOfDeath(packet.reference_id));
        }
        if packet.leap == 3 || packet.stratum > 15 || packet.transmit.0 == 0 || packet.receive.0 == 0 {
            return Err(NtpReject::Unsynchronised);
        }
        let sample =
            sample(asked.sent, packet.receive, packet.transmit, received).ok_or(NtpReject::Impossible)?;
        if u128::from(sample.delay_ns) > self.config.max_rtt.as_nanos() {
            return Err(NtpReject::Slow);
        }
        self.filter.add(sample);
        Ok(sample)
    }

    /// What is known of the time now.
    pub fn estimate(&self, now: Instant) -> Option<ClockEstimate> {
        self.filter.estimate(now)
    }

    /// Whether the server has not answered any of the first burst.
    pub fn is_silent(&self) -> bool {
        self.asked >= self.config.burst && self.filter.is_empty()
    }
}

/// RFC 5905 §8 with T1 and T4 on the local monotonic clock.
fn sample(t1: Instant, t2: NtpTimestamp, t3: NtpTimestamp, t4: Instant) -> Option<Sample> {
    let (t2, t3) = (i128::from(t2.to_unix().as_nanos()), i128::from(t3.to_unix().as_nanos()));
    let (t1, t4) = (i128::from(t1.as_nanos()), i128::from(t4.as_nanos()));
    let (away, at_server) = (t4 - t1, t3 - t2);
    if away < 0 || at_server < 0 {
        return None;
    }
    // A server may round its stamps; more than that is impossible.
    let delay = away - at_server;
    if delay < -1_000 {
        return None;
    }
    Some(Sample {
        at: Instant::from_nanos(u64::try_from((t1 + t4) / 2).ok()?),
        offset_ns: i64::try_from(((t2 - t1) + (t3 - t4)) / 2).ok()?,
        delay_ns: u64::try_from(delay.max(0)).ok()?,
    })
}

/// Requests that may wait for answers.
const MAX_WAITING: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixTime;
    use crate::ntp::respond;

    const UNIX: i64 = 1_729_000_000_000_000_000;

    fn client() -> (NtpClient, SocketAddr) {
        let server = SocketAddr::from(([192, 0, 2, 1], 123));
        (NtpClient::new(NtpConfig::new([7; 32]), server, at(0)), server)
    }

    fn at(us: u64) -> Instant {
        Instant::from_nanos(us * 1000)
    }

    fn unix(us: i64) -> UnixTime {
        UnixTime::from_nanos(UNIX + us * 1000)
    }

    #[test]
    fn processing_time_of_the_server_does_no_harm() {
        let (mut client, server) = client();
        let query = client.poll(at(100)).unwrap();
        // 300 us there, 2740 us in the server, 300 us back.
        let reply = respond(&query.data, unix(400), unix(3140)).unwrap();
        let sample = client.handle(at(3440), server, &reply).unwrap();
        assert!((sample.offset_ns - UNIX).abs() <= 1, "{sample:?}");
        assert!(sample.delay_ns.abs_diff(600_000) <= 2);
        let estimate = client.estimate(at(3440)).unwrap();
        assert!((estimate.unix(at(9999)).as_nanos() - unix(9999).as_nanos()).abs() < 1000);
    }

    #[test]
    fn what_is_not_believed() {
        let (mut client, server) = client();
        let mut answer = |change: fn(&mut Packet), from: SocketAddr| {
            client.restart(at(0));
            let query = client.poll(at(0)).unwrap();
            let reply = respond(&query.data, unix(100), unix(101)).unwrap();
            let mut packet = Packet::parse(&reply).unwrap();
            change(&mut packet);
            client.handle(at(300), from, &packet.encode())
        };
        let stranger = SocketAddr::from(([192, 0, 2, 2], 123));
        assert!(answer(|_| (), server).is_ok());
        assert_eq!(answer(|_| (), stranger), Err(NtpReject::Stranger));
        assert_eq!(answer(|p| p.mode = 3, server), Err(NtpReject::NotAnAnswer));
        assert_eq!(answer(|p| p.version = 2, server), Err(NtpReject::NotAnAnswer));
        assert_eq!(answer(|p| p.originate.0 ^= 1, server), Err(NtpReject::Unasked));
        assert_eq!(answer(|p| p.originate.0 = 0, server), Err(NtpReject::Unasked));
        assert_eq!(answer(|p| p.leap = 3, server), Err(NtpReject::Unsynchronised));
        assert_eq!(answer(|p| p.stratum = 16, server), Err(NtpReject::Unsynchronised));
        assert_eq!(answer(|p| p.transmit.0 = 0, server), Err(NtpReject::Unsynchronised));
        let kiss = |p: &mut Packet| (p.stratum, p.reference_id) = (0, *b"RATE");
        assert_eq!(answer(kiss, server), Err(NtpReject::KissOfDeath(*b"RATE")));
        assert_eq!(answer(|p| p.transmit.0 -= 1 << 32, server), Err(NtpReject::Impossible));
        assert_eq!(answer(|p| p.transmit.0 += 1 << 32, server), Err(NtpReject::Impossible));
        assert_eq!(client.handle(at(300), server, &[0; 47]), Err(NtpReject::NotAnAnswer));
    }

    #[test]
    fn an_answer_counts_once_and_slow_ones_not_at_all() {
        let (mut client, server) = client();
        let query = client.poll(at(0)).unwrap();
        let reply = respond(&query.data, unix(100), unix(101)).unwrap();
        assert!(client.handle(at(200), server, &reply).is_ok());
        assert_eq!(client.handle(at(200), server, &reply), Err(NtpReject::Unasked));
        let query = client.poll(at(250_000)).unwrap();
        let reply = respond(&query.data, unix(300_000), unix(300_001)).unwrap();
        assert_eq!(client.handle(at(800_000), server, &reply), Err(NtpReject::Slow));
    }

    #[test]
    fn it_asks_in_a_burst_and_then_less_often() {
        let (mut client, _) = client();
        let (mut times, mut now) = (Vec::new(), at(0));
        while now.as_nanos() < 3_600_000_000_000 {
            assert!(client.poll(now).is_some());
            assert!(client.poll(now).is_none());
            times.push(now);
            now = client.poll_timeout().unwrap();
        }
        assert!(client.is_silent());
        assert_eq!(times[7].as_nanos(), 7 * 250_000_000);
        assert!((20..32).contains(&times.len()), "{}", times.len());
        let last = times.len() - 1;
        assert_eq!(times[last].saturating_since(times[last - 1]), Duration::from_secs(300));
    }
}
