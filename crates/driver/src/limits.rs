//! What one peer may cost.

use std::time::Duration;

use machine::QueueLimits;

/// Bounds that hold for each connection of a driver, and for all of them together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at once over all listeners; further ones are closed on arrival. Default 16 384.
    pub max_connections: usize,
    /// Bytes that a machine may leave unread of a stream before the connection is closed. Default 1 MiB.
    pub max_unread_bytes: usize,
    /// A WebSocket message longer than this closes the connection with 1009. Default 64 KiB.
    pub max_message_bytes: usize,
    /// How much may wait for a peer that does not read. Default 256 KiB, media from half of it on left out.
    pub queue: QueueLimits,
    /// A peer that has taken nothing for this long while something waited for it is closed. Default 30 s.
    pub send_timeout: Duration,
    /// How long a connection that we end is read on, so that the peer sees our last words and not a reset.
    /// Default 500 ms.
    pub linger: Duration,
    /// How long a WebSocket handshake may take. Default 10 s.
    pub handshake_timeout: Duration,
    /// Idle time before TCP asks whether the peer still lives; it is gone after three silent probes a third of this
    /// apart. Default 30 s.
    pub keepalive: Duration,
    /// A WebSocket peer that has said nothing for this long is pinged; when it has not answered after the same time
    /// again it is gone. Default 30 s.
    pub ping_after: Duration,
    /// Size of the kernel's send buffer, in bytes; `None` leaves it to the system, which grows it to megabytes, all
    /// of which a stuck reader gets to see later.
    pub send_buffer: Option<usize>,
    /// Bytes that may wait unsent in the kernel before a connection counts as stuck (`TCP_NOTSENT_LOWAT`), in bytes;
    /// `None`: as many as the send buffer holds. Linux only. Unlike a small send buffer it costs no throughput.
    pub unsent_limit: Option<u32>,
    /// Events that may wait for the program before peers are no longer read. Default 65 536.
    pub max_events: usize,
    /// The timer's thread stays awake for the last so long before each deadline, offering the processor to others. For
    /// machines whose few deadlines are worth more than the time of a processor. Default none.
    pub stay_awake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 16_384,
            max_unread_bytes: 1 << 20,
            max_message_bytes: 64 << 10,
            queue: QueueLimits { max_bytes: 256 << 10, if_room_bytes: 128 << 10 },
            send_timeout: Duration::from_secs(30),
            linger: Duration::from_millis(500),
            handshake_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(30),
            ping_after: Duration::from_secs(30),
            send_buffer: None,
            unsent_limit: None,
            max_events: 65_536,
            stay_awake: Duration::ZERO,
        }
    }
}
