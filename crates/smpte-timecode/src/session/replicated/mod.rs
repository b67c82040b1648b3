//! Sessions that several servers share over an engine: a key-value store with compare-and-set and a watch.
//!
//! A session is a function of a clock, so only changes of that function travel. Every node computes the labels itself.
//!
//! ```text
//! engine   s.<session>          who holds it, its clock: rate, label at an epoch of the wall clock, running, changes
//!          m.<session>.<node>   members of that session at that node (for lists only)
//!          n.<node>             lease: written every second; silent for 5 s means that the node is dead
//! node     ── watch ──▶ Node ── Action::Changed ──▶ rooms of the server
//!          ◀─ compare-and-set ── Node ◀── request() ── commands of members; Action::Answer comes when it is decided
//! ```
//!
//! # Rules
//!
//! * **One order.** A change is a compare-and-set on the session's one entry. Whoever loses the race takes the entry
//!   that won, looks at his change again by the rules of a single server (starting what runs is an error) and tries
//!   again. Every node applies entries in the order of their revisions.
//! * **Life.** An entry names the nodes at which the session has members. The first member at a node puts the node in,
//!   the last takes it out, and the entry that would name nobody is deleted, all by compare-and-set, so that a join and
//!   the last leave cannot both win. Nodes whose lease has run out are taken out by the live node with the first name.
//! * **Engine away.** Sessions go on ticking and members may join and leave those that have members here. Changes are
//!   refused with [`Refusal::Away`]. No lease runs out while nobody can renew it.
//! * **Partition.** The side with the engine goes on; after 5 s it takes the nodes of the other side for dead. The other
//!   side ticks on without changes. On healing, every node reads all entries anew: whatever was decided with the engine
//!   holds, a node whose members are still there puts itself in again, and a session that had ended meanwhile comes back
//!   as those members know it. There is never more than one entry for a session, so there is nothing to be merged.
//! * **Clocks.** Nodes compare their wall clocks by request and reply; of the last replies the quickest counts. A node
//!   that is further from the median than 5 ms, with certainty (half of the round trip is allowed for), refuses to
//!   create, join and change sessions and goes on by the clock it had.
//! * **Garbage** in an entry is reported and otherwise not there.

mod change;
mod clock;
mod entry;
mod name;
mod node;
mod offset;

pub use change::{Change, Refusal};
pub use clock::SharedClock;
pub use entry::{EntryError, MAX_ENTRY, NodeEntry, SessionEntry};
pub use name::{NodeName, NodeNameError};
pub use node::{Action, Command, Health, Heard, Node, NodeConfig, RequestId, WriteError, WriteToken};
