//! Who may come through a WebSocket route, decided before the upgrade is agreed to.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Limits the connections of the [`Route`](crate::Route)s that it stands before. Clones are handles to the same gate.
///
/// Who is refused gets an HTTP answer instead of a WebSocket. The count goes down when a connection has ended.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

/// The HTTP answer to who may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status code, 400 to 599.
    pub status: u16,
    /// What the body says, as plain text.
    pub text: Cow<'static, str>,
}

#[derive(Debug)]
struct Inner {
    max: usize,
    full: Refusal,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    count: usize,
    shut: Option<Refusal>,
}

impl Gate {
    /// Lets so many in at once, any number for `None`; the next one is told `full`.
    pub fn new(max: Option<usize>, full: Refusal) -> Self {
        Self(Arc::new(Inner { max: max.unwrap_or(usize::MAX), full, state: Mutex::default() }))
    }

    /// Lets nobody in from now on. Who is in stays.
    pub fn shut(&self, refusal: Refusal) {
        self.lock().shut = Some(refusal);
    }

    /// Ends [`shut`](Self::shut).
    pub fn open(&self) {
        self.lock().shut = None;
    }

    /// How many are in.
    pub fn count(&self) -> usize {
        self.lock().count
    }

    /// Lets one more in, for as long as the permit is kept.
    pub(crate) fn admit(&self) -> Result<Permit, Refusal> {
        let mut state = self.lock();
        if let Some(refusal) = &state.shut {
            return Err(refusal.clone());
        }
        if state.count >= self.0.max {
            return Err(self.0.full.clone());
        }
        state.count += 1;
        Ok(Permit(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place behind a gate.
#[derive(Debug)]
pub(crate) struct Permit(Gate);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.lock().count -= 1;
    }
}
