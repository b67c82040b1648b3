use std::time::Duration;

/// What a process has used so far (Linux).
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident memory in KiB.
    pub resident_kib: u64,
}

impl Usage {
    /// Reads the usage of a process; `None` if it is gone or the system does not tell.
    pub fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
        let resident_kib = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(Self { cpu: process_time(pid)?, resident_kib })
    }

    /// The most resident memory that a process has had so far, in KiB.
    pub fn peak_kib(pid: u32) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

/// To the nanosecond, of all its threads, gone ones included; /proc tells hundredths of a second.
#[cfg(target_os = "linux")]
fn process_time(pid: u32) -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    use nix::unistd::Pid;

    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    clock_gettime(clock).ok().map(Duration::from)
}

#[cfg(not(target_os = "linux"))]
fn process_time(_pid: u32) -> Option<Duration> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_time_and_memory() {
        let before = Usage::of(std::process::id()).unwrap();
        let sum = (0..2_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        let after = Usage::of(std::process::id()).unwrap();
        assert!(after.cpu > before.cpu && after.resident_kib > 0, "{before:?} {after:?} {sum}");
    }
}
