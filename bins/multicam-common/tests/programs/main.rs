//! The real programs, over loopback: whole cycles, transfers, clocks, streams, and peers that mean no good.

mod clock;
mod cycles;
mod hostile;
mod stream;
mod support;
mod transfer;
