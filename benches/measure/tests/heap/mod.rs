//! A heap that counts what is allocated.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes that `work` allocates, given back or not. The least of several times: the test harness has threads of its
/// own, which allocate now and then, but what allocates does so each time.
pub(crate) fn allocated(mut work: impl FnMut()) -> usize {
    let once = |_| {
        let before = HEAP.total_allocated();
        work();
        HEAP.total_allocated() - before
    };
    (0..8).map(once).min().unwrap_or(usize::MAX)
}
