//! Heap memory of the machines under floods. One test: nothing else may allocate meanwhile.

mod machine_support;

use cap::Cap;
use machine::conformance::{Bounds, Suite};
use machine_support as of;

#[global_allocator]
static HEAP: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

fn check<M: machine::Machine>(name: &str, suite: Suite<M>, bounds: Bounds)
where
    M::Event: PartialEq + std::fmt::Debug,
{
    let heap = || HEAP.allocated();
    suite.bounds(bounds).check_memory(&heap).unwrap_or_else(|violation| panic!("{name}: {violation}"));
}

#[test]
fn memory_is_bounded_and_given_back() {
    let bounds = Bounds { rounds: 50, retained: 16 << 10, ..Bounds::default() };
    // a table of addresses, which stays
    check("wall clock server", of::wc_server(), Bounds { retained: 256 << 10, ..bounds });
    check("wall clock client", of::wc_client(), bounds);
    // its script offers more timelines in each round, as many as there may be
    check("television", of::tv_server(), Bounds { memory: 8 << 20, retained: 64 << 10, ..bounds });
    check("identification client", of::cii_client(), Bounds { memory: 4 << 20, ..bounds });
    check("timeline client", of::ts_client(), bounds);
}
