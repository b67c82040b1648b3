use std::time::Duration;

/// Processor time that this thread has used: what other programs take of a shared machine is not counted.
#[cfg(target_os = "linux")]
pub fn processor_time() -> Duration {
    use nix::time::{ClockId, clock_gettime};

    // the clock is there on every Linux
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Time since the first call.
#[cfg(not(target_os = "linux"))]
pub fn processor_time() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;

    static BEGIN: OnceLock<Instant> = OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed()
}
