//! What is measured against.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;
use camera_packet::message::Telemetry;
use machine::Instant;

/// In how many turns a period camera-server sends to so many clients at 24 items a second.
pub fn turns(clients: usize) -> u32 {
    u32::try_from(clients.div_ceil(64)).map_or(32, |turns| turns.min(32))
}

/// The least that a telemetry server can do: one thread that sleeps until the next turn, then writes a frame to each
/// client that has its turn, until one goes.
///
/// # Errors
/// When there is no socket.
pub fn serve(clients: usize, rate: u16, turns: u32) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {} (data)", listener.local_addr()?);
    let mut streams: Vec<TcpStream> = Vec::new();
    for _ in 0..clients {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    tighten_timer_slack();
    let (start, steps_a_second) = (driver::now(), u64::from(rate) * u64::from(turns));
    let mut step = 0_u64;
    loop {
        step += 1;
        sleep_until(start + Duration::from_nanos(step * 1_000_000_000 / steps_a_second));
        let timestamp_ms = u64::try_from(driver::unix_now() / 1_000_000)?;
        let frame = Telemetry { value: 5, timestamp_ms }.to_frame();
        let turn = usize::try_from(step % u64::from(turns))?;
        for stream in streams.iter_mut().skip(turn).step_by(turns as usize) {
            if stream.write_all(&frame).is_err() {
                return Ok(());
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn sleep_until(at: Instant) {
    use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};
    let at = Duration::from_nanos(at.as_nanos()).into();
    while clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &at).is_err() {}
}

#[cfg(target_os = "linux")]
fn tighten_timer_slack() {
    let _ = nix::sys::prctl::set_timerslack(1);
}

#[cfg(not(target_os = "linux"))]
fn sleep_until(at: Instant) {
    std::thread::sleep(at.saturating_since(driver::now()));
}

#[cfg(not(target_os = "linux"))]
fn tighten_timer_slack() {}
