//! Requests to a wall clock server, so many under way at once: replies a second, beside a minimal server in the same run.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::UdpGroSegment;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmsg, setsockopt,
};
use serde_json::{Value, json};

use crate::spawned::Spawned;
use crate::{Usage, percentile};

/// How long one server is asked before it is the other's turn.
const SLICE: Duration = Duration::from_millis(50);
/// Of a request.
const LENGTH: u16 = 32;
/// So long an answer is waited for awake: with few requests under way, the time that a sleeping asker takes to wake would be
/// what is measured.
const PATIENCE: Duration = Duration::from_millis(1);

/// Asks both servers in turns, for about so long, with so many requests under way. Answers that left together are taken
/// together, as a network card would carry them, or else one by one: then the kernel parts them in the server's time.
///
/// # Errors
/// When a server cannot be started, or stops answering.
pub fn wall_clock(server: &str, under_way: usize, one_by_one: bool, seconds: f64) -> Result<Value> {
    let mut ours = Spawned::start(server, &["127.0.0.1", "0", "--loglevel", "error"])?;
    let mut minimal = Spawned::again(&["minimal"])?;
    let addresses = [ours.address("wc")?, minimal.address("wc")?];
    let rounds = (seconds / (SLICE.as_secs_f64() * 2.0)).round().max(3.0) as usize;
    let (mut rates, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    let mut cpu = [Duration::ZERO; 2];
    let mut replies = [0_u64; 2];
    for _ in 0..rounds {
        let mut round = [0.0; 2];
        for (who, (address, pid)) in addresses.iter().zip([ours.pid(), minimal.pid()]).enumerate() {
            let before = Usage::of(pid);
            let (n, time) = ask(*address, under_way, one_by_one, SLICE)?;
            let after = Usage::of(pid);
            round[who] = n as f64 / time.as_secs_f64();
            rates[who].push(round[who]);
            replies[who] += n;
            if let (Some(before), Some(after)) = (before, after) {
                cpu[who] += after.cpu - before.cpu;
            }
        }
        ratios.push(round[0] / round[1]);
    }
    for all in rates.iter_mut().chain([&mut ratios]) {
        all.sort_by(f64::total_cmp);
    }
    let us = |who: usize| cpu[who].as_secs_f64() * 1e6 / replies[who].max(1) as f64;
    Ok(json!({
        "under_way": under_way,
        "replies_per_second": percentile(&rates[0], 0.5).round(),
        "minimal_replies_per_second": percentile(&rates[1], 0.5).round(),
        "ratio_median": percentile(&ratios, 0.5),
        "ratio_min": percentile(&ratios, 0.0),
        "ratio_max": percentile(&ratios, 1.0),
        "cpu_us_per_reply": us(0),
        "minimal_cpu_us_per_reply": us(1),
    }))
}

/// Keeps so many requests under way. What has come is asked again in one call and as one buffer that the kernel cuts into
/// datagrams: it is the servers' speed that is to be measured, not this one's.
fn ask(server: SocketAddr, depth: usize, one_by_one: bool, time: Duration) -> Result<(u64, Duration)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    setsockopt(&socket, UdpGroSegment, &!one_by_one)?;
    let mut request = [0_u8; LENGTH as usize];
    request[8..16].copy_from_slice(&0x0123_4567_89ab_cdef_u64.to_be_bytes());
    let fd = socket.as_raw_fd();
    let send = |n: usize| -> Result<()> {
        if n == 1 {
            socket.send(&request)?;
            return Ok(());
        }
        let slices = vec![IoSlice::new(&request); n];
        let cut = [ControlMessage::UdpGsoSegments(&LENGTH)];
        let sent = sendmsg::<()>(fd, &slices, &cut, MsgFlags::empty(), None)?;
        ensure!(sent == n * request.len(), "the kernel did not take all requests");
        Ok(())
    };
    let length = usize::from(LENGTH);
    let mut buffers = vec![vec![0_u8; depth * length]; depth];
    let begin = Instant::now();
    let mut replies = 0;
    send(depth)?;
    let mut asked = Instant::now();
    loop {
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        while poll(&mut fds, PollTimeout::ZERO)? == 0 && asked.elapsed() < PATIENCE {
            // The server may be on this core.
            std::thread::yield_now();
        }
        let bytes = if depth == 1 {
            socket.recv(&mut buffers[0])?
        } else {
            let mut slices: Vec<_> = buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(depth, None);
            let messages = recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None)?;
            messages.map(|message| message.bytes).sum()
        };
        ensure!(bytes % length == 0, "an answer of another length");
        let came = bytes / length;
        replies += came as u64;
        let passed = begin.elapsed();
        if passed >= time {
            return Ok((replies, passed));
        }
        send(came)?;
        asked = Instant::now();
    }
}
