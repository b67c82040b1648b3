//! The machine's events on their way to the program.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The receiving end of a machine's events. Dropping it means that nobody wants them.
///
/// When more than [`Limits::max_events`](crate::Limits::max_events) wait, peers are no longer read until some are
/// taken: a slow program slows its peers down instead of growing.
#[derive(Debug)]
pub struct Events<E>(Arc<EventQueue<E>>);

impl<E> Events<E> {
    pub(crate) fn new(queue: Arc<EventQueue<E>>) -> Self {
        Self(queue)
    }

    /// The next event; `None` when the driver has ended and all are taken.
    pub async fn next(&mut self) -> Option<E> {
        let shared = self.0.clone();
        loop {
            let arrived = shared.arrived.notified();
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if shared.ended.load(Ordering::Acquire) {
                return self.try_next();
            }
            arrived.await;
        }
    }

    /// The next event if one waits.
    pub fn try_next(&mut self) -> Option<E> {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let event = queue.pop_front();
        self.0.len.store(queue.len(), Ordering::Release);
        drop(queue);
        if event.is_some() {
            self.0.taken.notify_waiters();
        }
        event
    }
}

impl<E> Drop for Events<E> {
    fn drop(&mut self) {
        self.0.wanted.store(false, Ordering::Release);
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.0.len.store(0, Ordering::Release);
        self.0.taken.notify_waiters();
    }
}

/// The queue itself, shared by driver and receiver.
#[derive(Debug)]
pub(crate) struct EventQueue<E> {
    queue: Mutex<VecDeque<E>>,
    len: AtomicUsize,
    wanted: AtomicBool,
    ended: AtomicBool,
    arrived: Notify,
    taken: Notify,
    max: usize,
}

impl<E> EventQueue<E> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            queue: Mutex::new(VecDeque::new()),
            len: AtomicUsize::new(0),
            wanted: AtomicBool::new(true),
            ended: AtomicBool::new(false),
            arrived: Notify::new(),
            taken: Notify::new(),
            max,
        }
    }

    /// Queues an event; called in the order in which the machine said them.
    pub(crate) fn push(&self, event: E) {
        if !self.wanted.load(Ordering::Acquire) {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(event);
        self.len.store(queue.len(), Ordering::Release);
        drop(queue);
        self.arrived.notify_one();
    }

    /// Waits until the program has taken enough of what waits for it.
    pub(crate) async fn room(&self) {
        while self.len.load(Ordering::Acquire) >= self.max {
            let taken = self.taken.notified();
            if self.len.load(Ordering::Acquire) < self.max {
                break;
            }
            taken.await;
        }
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.arrived.notify_one();
    }
}
