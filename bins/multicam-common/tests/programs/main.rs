//! The real programs, over loopback: whole cycles, transfers, clocks, streams, cameras, and peers that mean no good.

mod capture;
mod clock;
mod cycles;
mod hostile;
mod stream;
mod support;
mod transfer;
