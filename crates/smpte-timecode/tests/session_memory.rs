//! Heap memory of both session machines under floods. One test: nothing else may allocate meanwhile.

#[path = "session_support/scripts.rs"]
mod scripts;

use cap::Cap;
use machine::conformance::Bounds;

#[global_allocator]
static HEAP: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

#[test]
fn memory_is_bounded_and_given_back() {
    let heap = || HEAP.allocated();
    // A read of 64 KiB holds 32 768 lines of one character and so causes as many answers before they are fetched.
    let bounds = Bounds { memory: 8 << 20, rounds: 50, retained: 8192, ..Bounds::default() };
    scripts::server()
        .bounds(bounds)
        .check_memory(&heap)
        .unwrap_or_else(|violation| panic!("server: {violation}"));
    let bounds = Bounds { unread: 4 << 20, memory: 24 << 20, rounds: 50, flood: 16 << 20, ..bounds };
    scripts::client()
        .bounds(bounds)
        .check_memory(&heap)
        .unwrap_or_else(|violation| panic!("client: {violation}"));
}
