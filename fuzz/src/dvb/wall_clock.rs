//! The client of the wall clock.

use std::net::SocketAddr;
use std::time::Duration;

use dvb_css::UsageError;
use dvb_css::client::{WcClient, WcClientStats};
use dvb_css::config::{AlgorithmChoice, Schedule, WcClientConfig};
use machine::{Input as Told, Instant, Machine, Output, Peer, Stamp};

use super::udp;
use crate::input::Input;

/// What is special about a step.
pub(crate) mod flag {
    /// The datagram answers the last question.
    pub(crate) const ANSWERS: u8 = 1;
    /// It is known when the last question left.
    pub(crate) const LEFT: u8 = 2;
    /// The client is stopped and started again.
    pub(crate) const AGAIN: u8 = 4;
    /// The datagram comes from somewhere else.
    pub(crate) const STRANGER: u8 = 8;
    /// Its times are those of a clock that is its last four bytes, in nanoseconds, ahead.
    pub(crate) const TRUE: u8 = 16;
}

/// `algorithm, schedule, milliseconds (2)`, then steps of `nanoseconds (4), datagram (24), flags, nanoseconds (4)`: the
/// wall clock client with a server that says anything. Bounds are never negative, deadlines move on, and each question has
/// one end.
pub fn wc_client(data: &[u8]) {
    let mut input = Input::new(data);
    let peer = udp(SocketAddr::from(([192, 0, 2, 1], 6677)));
    let mut client = WcClient::new(config(&mut input, WcClientConfig::new([7; 32], peer)));
    let mut now = Instant::from_nanos(1);
    assert!(client.estimate(now).is_none());
    client.start(now).expect("it has not been started");
    let (mut last, mut tag, mut stats) = ([0; 8], None, client.stats());
    while !input.is_empty() {
        now = now + Duration::from_nanos(input.u32().into());
        if client.poll_timeout().is_some_and(|due| due <= now) {
            client.handle_timeout(now);
            assert!(client.poll_timeout().is_none_or(|due| due > now));
        }
        while let Some(output) = client.poll_output() {
            if let Output::Datagram(datagram) = output {
                assert_eq!((datagram.to, datagram.data.len()), (peer, 32));
                last.copy_from_slice(&datagram.data[8..16]);
                tag = datagram.stamp;
            }
        }
        let mut answer = [0; 32];
        answer[..8].copy_from_slice(&input.array::<8>());
        answer[16..].copy_from_slice(&input.array::<16>());
        let flags = input.byte();
        if flags & flag::ANSWERS != 0 {
            answer[0] = 0;
            answer[1] = 1 + answer[1] % 3;
            answer[8..16].copy_from_slice(&last);
        }
        if flags & flag::TRUE != 0 {
            let ahead = u32::from_be_bytes([answer[28], answer[29], answer[30], answer[31]]);
            let time = now + Duration::from_nanos(ahead.into());
            let seconds = u32::try_from(time.as_nanos() / 1_000_000_000).expect("it is early").to_be_bytes();
            let nanos = u32::try_from(time.as_nanos() % 1_000_000_000).expect("a second").to_be_bytes();
            answer[16..].copy_from_slice(&[seconds, nanos, seconds, nanos].concat());
        }
        if flags & flag::LEFT != 0
            && let Some(tag) = tag
        {
            client.handle_input(now, Peer::Udp(peer), Told::DatagramSent { tag, left: Stamp::clock(now) });
        }
        if flags & flag::AGAIN != 0 {
            assert_eq!(client.start(now), Err(UsageError::AlreadyStarted));
            client.stop();
            assert_eq!(client.poll_timeout(), None);
            client.start(now).expect("it has been stopped");
        }
        let from =
            if flags & flag::STRANGER == 0 { peer } else { udp(SocketAddr::from(([192, 0, 2, 2], 1))) };
        let (received, before) = (Stamp::clock(now), client.stats());
        client.handle_input(now, Peer::Udp(from), Told::Datagram { data: &answer, received });
        assert!(from == peer || client.stats().strange == before.strange + 1);
        let _ = client.wall_clock(now + Duration::from_nanos(input.u32().into()));
        let heard = client.stats().exchanges > 0;
        assert_eq!(client.last_round_trip_ns().is_some(), heard);
        assert!(heard || client.estimate(now).is_none());
        check(stats, client.stats());
        stats = client.stats();
    }
}

fn config(input: &mut Input<'_>, mut config: WcClientConfig) -> WcClientConfig {
    let (algorithm, schedule) = (input.byte(), input.byte());
    let time = Duration::from_millis(input.u16().into());
    let max_round_trip = (algorithm & 8 != 0).then_some(time);
    config.algorithm = match algorithm % 8 {
        0 => config.algorithm,
        1 => AlgorithmChoice::Bounds(None),
        2 => AlgorithmChoice::LowestDispersion,
        3 => AlgorithmChoice::MostRecent,
        n => AlgorithmChoice::FilterAndPredict { max_round_trip, lowest_dispersion: n & 1 != 0 },
    };
    config.schedule = match schedule % 4 {
        0 => Schedule::BURSTS,
        1 => Schedule::ORIGINAL,
        2 => Schedule::OneAtATime { repeat: time, timeout: time / 2 },
        _ => Schedule::Bursts { count: schedule >> 2, every: time / 4, period: time },
    };
    config.transmit_stamps = schedule & 128 == 0;
    config
}

/// No number goes down, and each question has at most one end.
fn check(before: WcClientStats, stats: WcClientStats) {
    let numbers = |s: WcClientStats| [s.asked, s.exchanges, s.unanswered, s.strange, s.impossible];
    assert!(numbers(before).iter().zip(numbers(stats)).all(|(before, after)| *before <= after), "{stats:?}");
    assert!(stats.exchanges + stats.unanswered + stats.impossible <= stats.asked, "{stats:?}");
}
