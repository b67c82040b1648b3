//! A world in memory: machines on nodes with clocks of their own, joined by links on which things go wrong.
//!
//! A [`World`] is a deterministic discrete-event simulator with a virtual clock. Nothing sleeps, so a day takes
//! seconds, and everything follows from one seed, so a run that failed can be had again.
//!
//! - **Nodes** run one [`Machine`](crate::Machine) each; machines of different types share a world through [`Either`],
//!   and [`Raw`] is a peer that says what the test tells it to. A node has addresses, a clock with offset, drift and
//!   steps of its wall clock ([`ClockConfig`]), a driver with limits that wakes late ([`NodeConfig`]), and files
//!   ([`SimFile`]). It can be frozen.
//! - **Links** ([`Link`]) have delay, jitter, bandwidth, losses alone and in runs, doubles, overtaking and stalls, each
//!   direction its own, and can be parted and healed. Connections on them are ordered and reliable, are cut anywhere
//!   ([`Cut`]), get stuck behind a reader who does not read (with the same [`SendQueue`](crate::SendQueue) as under the
//!   real drivers), are refused, half closed and reset.
//!
//! How connections end: who says `Close` is told `Closed(Local)` when all is on its way; the other end of a stream is
//! told `End` and closes in its turn, that of a WebSocket `Closed(Remote)`. [`Closing::Now`](crate::Closing::Now), a
//! queue that overflows, and a file that cannot be had reset the connection: the other end is told `Closed(Failed)`
//! after what was on its way. So is whoever writes to an end that is closed. Datagrams of several segments are
//! reported as sent once, and what `Keep::IfRoom` left out is reported 1 ms later, all at once.
//!
//! ```
//! use core::time::Duration;
//! use machine::sim::{Either, EitherEvent, Heard, NodeConfig, Raw, World};
//! use machine::{Transport, toy};
//!
//! let mut world = World::new(1);
//! let server = toy::Toy::new(Duration::from_millis(40));
//! let server = world.add_node(Either::Left(server), NodeConfig::at([192, 0, 2, 1]));
//! let client = world.add_node(Either::Right(Raw::new()), NodeConfig::default());
//! let at = world.listen(server, "192.0.2.1:7000".parse()?, toy::ECHO, Transport::Stream);
//! let conn = world.connect(client, at, toy::ECHO, Transport::Stream);
//! world.run_for(Duration::from_millis(1));
//! world.call(client, |m, _now| m.right().map(|raw| raw.bytes(conn, "hello\n")));
//! world.run_for(Duration::from_millis(1));
//! let heard = world.drain_events().filter_map(|(_, _, event)| event.right());
//! assert_eq!(heard.last(), Some(Heard::Bytes(conn, "echo hello\n".into())));
//! # Ok::<(), core::net::AddrParseError>(())
//! ```

mod clock;
mod either;
mod file;
mod host;
mod link;
mod net;
mod pipe;
mod raw;
mod reading;
mod rng;
mod stream;
mod trace;
mod udp;
mod world;

use core::time::Duration;

pub use clock::ClockConfig;
pub use either::{Either, EitherEvent};
pub use file::SimFile;
pub use host::{Limits, NodeConfig, Spread, Stamps};
pub use link::{Cut, Link};
pub use raw::{Heard, Raw};
pub use rng::Rng;
pub use trace::{Stats, TraceLine};
pub use world::{Happened, NodeId, What, World};

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}
