//! Deadlines to within tens of microseconds, without a spinning core.
//!
//! The runtime's timer wheel counts in milliseconds. One thread for each machine waits on a condition variable with a
//! timeout instead, calls the machine itself when the time has come, and writes what it says: no hop through the
//! runtime lies between the deadline and the socket.
//!
//! On Linux it waits on a timer of the kernel's that is told how long, not until when: a clock that is faked for a program
//! (libfaketime) may have nothing in common with the kernel's.

#[cfg(not(target_os = "linux"))]
use std::sync::Condvar;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use machine::{Instant, Machine};

use crate::clock;
use crate::core::Core;

/// The wall clock is looked at this often, whatever the machine wants.
const WALL_CHECK: Duration = Duration::from_secs(1);
/// A difference between the clocks that moved by more than this is a step, not a slew.
const WALL_STEP_NS: u64 = 100_000;

#[derive(Debug, Default)]
pub(crate) struct Timer {
    plan: Mutex<Plan>,
    alarm: Alarm,
    /// So long before a deadline the thread is up.
    stay_awake: Duration,
}

#[derive(Debug, Default)]
struct Plan {
    deadline: Option<Instant>,
    /// What the thread sleeps until; `None` while it is awake and will look at `deadline` by itself.
    sleeping_until: Option<Instant>,
    ended: bool,
}

impl Timer {
    pub(crate) fn new(stay_awake: Duration) -> Self {
        Self { stay_awake, ..Self::default() }
    }

    /// Says when the machine wants to be woken.
    pub(crate) fn plan(&self, deadline: Option<Instant>) {
        let mut plan = self.lock();
        plan.deadline = deadline;
        if let (Some(deadline), Some(until)) = (deadline, plan.sleeping_until)
            && deadline.saturating_sub(self.stay_awake) < until
        {
            let up = deadline.saturating_sub(self.stay_awake);
            plan.sleeping_until = Some(up);
            self.alarm.set(up.saturating_since(clock::now()));
        }
    }

    pub(crate) fn end(&self) {
        let mut plan = self.lock();
        plan.ended = true;
        self.alarm.set(Duration::ZERO);
    }

    /// Sleeps until the deadline or until `latest`; false: the driver has ended.
    fn sleep(&self, latest: Instant) -> bool {
        let mut plan = self.lock();
        loop {
            if plan.ended {
                return false;
            }
            let deadline = plan.deadline.unwrap_or(latest);
            let until = deadline.saturating_sub(self.stay_awake).min(latest);
            let left = until.saturating_since(clock::now());
            if left.is_zero() {
                plan.sleeping_until = None;
                drop(plan);
                while deadline < latest && clock::now() < deadline {
                    std::thread::yield_now();
                }
                return true;
            }
            plan.sleeping_until = Some(until);
            // Whoever plans something earlier finds it set.
            self.alarm.set(left);
            drop(plan);
            self.alarm.wait();
            plan = self.lock();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes one thread after a while. Setting it anew, which is done under the plan's lock, changes when.
#[cfg(target_os = "linux")]
#[derive(Debug, Default)]
struct Alarm(std::sync::OnceLock<Option<nix::sys::timerfd::TimerFd>>);

#[cfg(target_os = "linux")]
impl Alarm {
    fn set(&self, after: Duration) {
        use nix::sys::timerfd::{Expiration, TimerSetTimeFlags};
        // Nothing at all would never come.
        let after = after.max(Duration::from_nanos(1));
        if let Some(timer) = self.timer() {
            let _ = timer.set(Expiration::OneShot(after.into()), TimerSetTimeFlags::empty());
        }
    }

    fn wait(&self) {
        match self.timer() {
            // A signal ends it early, which does no harm.
            Some(timer) => {
                let _ = timer.wait();
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }

    /// `None`: the process has too many files open.
    fn timer(&self) -> Option<&nix::sys::timerfd::TimerFd> {
        use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};
        self.0.get_or_init(|| TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC).ok()).as_ref()
    }
}

/// Wakes one thread after a while.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Default)]
struct Alarm {
    until: Mutex<Option<std::time::Instant>>,
    changed: Condvar,
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    fn set(&self, after: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(std::time::Instant::now() + after);
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(left) = until.and_then(|at| at.checked_duration_since(std::time::Instant::now())) {
            until = self.changed.wait_timeout(until, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *until = None;
    }
}

/// The timer thread of one machine; ends with its driver.
pub(crate) fn run<M: Machine + Send + 'static>(timer: &Timer, core: &Weak<Core<M>>, mut wall_offset: i64)
where
    M::Event: Send,
{
    tighten_timer_slack();
    let mut wall_check = clock::now() + WALL_CHECK;
    loop {
        let Some(core) = core.upgrade() else { return };
        let now = clock::now();
        if now >= wall_check {
            wall_offset = tell_wall_clock(&core, Some(wall_offset));
            wall_check = now + WALL_CHECK;
        }
        core.timeout_if_due();
        drop(core);
        if !timer.sleep(wall_check) {
            return;
        }
    }
}

/// Tells the machine the wall clock if it is not `known` yet; returns wall minus monotonic time.
pub(crate) fn tell_wall_clock<M: Machine + Send + 'static>(core: &Core<M>, known: Option<i64>) -> i64
where
    M::Event: Send,
{
    let (mono, wall) = clock::both();
    let offset = wall.wrapping_sub_unsigned(mono.as_nanos());
    match known {
        Some(known) if known.abs_diff(offset) <= WALL_STEP_NS => known,
        _ => {
            core.run(|m, now| m.handle_wall_clock(now, offset.wrapping_add_unsigned(now.as_nanos())));
            offset
        }
    }
}

/// The kernel may wake a thread 50 µs late to save power, unless told not to.
#[cfg(target_os = "linux")]
fn tighten_timer_slack() {
    let _ = nix::sys::prctl::set_timerslack(1);
}

#[cfg(not(target_os = "linux"))]
fn tighten_timer_slack() {}
