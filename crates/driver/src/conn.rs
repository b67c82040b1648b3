//! One connection: what waits to be sent on it, and the non-blocking write that anybody may do.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use machine::{CloseReason, Closing, ConnId, FileToken, Item, Keep, Payload, Pushed, QueueLimits, SendQueue};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// At most this many queued items leave in one system call.
const MAX_SLICES: usize = 64;

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    outbox: Mutex<Outbox>,
    /// Somebody has undertaken to flush what was queued last.
    flush_pending: AtomicBool,
    /// Wakes the connection's task.
    pub(crate) wake: Notify,
    /// `None` where the task writes.
    tcp: Option<TcpStream>,
    /// What is queued are WebSocket frames.
    framed: bool,
}

#[derive(Debug, Default)]
struct Outbox {
    queue: SendQueue,
    /// Bytes that the transport has taken.
    written: u64,
    end: Option<End>,
}

/// Why nothing more is queued.
#[derive(Clone, Copy, Debug)]
enum End {
    Closing(Closing),
    Failed(CloseReason),
}

/// What became of something that the machine said to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Queued: the caller must flush.
    First,
    /// Queued: another caller will flush, or nothing is to be done.
    More,
    /// There was no room for it.
    LeftOut,
}

/// What a connection's task has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    /// Nothing but wait.
    Nothing,
    /// Wait until the transport takes more, then [`Conn::resume`].
    WaitWritable,
    /// Send this part of a file, then [`Conn::file_done`].
    SendFile { file: FileToken, offset: u64, len: u64 },
    /// Everything is sent: end it in this way.
    Finish(Closing),
    /// End it at once.
    Abort(CloseReason),
}

impl Conn {
    /// `framed`: messages are to be queued as WebSocket frames.
    pub(crate) fn new(id: ConnId, tcp: Option<TcpStream>, framed: bool) -> Self {
        let flush_pending = AtomicBool::new(false);
        Self { id, outbox: Mutex::default(), flush_pending, wake: Notify::new(), tcp, framed }
    }

    /// Whether messages are to be queued as WebSocket frames.
    pub(crate) fn is_framed(&self) -> bool {
        self.framed
    }

    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        self.tcp.as_ref()
    }

    pub(crate) fn push(&self, data: Payload, keep: Keep, limits: QueueLimits) -> Taken {
        self.queue(|q| q.push(data, keep, limits))
    }

    pub(crate) fn push_file(&self, file: FileToken, offset: u64, len: u64, limits: QueueLimits) -> Taken {
        if self.framed {
            // Files go over streams only; a machine that says otherwise has lost its framing.
            self.lock().fail(CloseReason::FileFailed);
            return self.undertake_flush();
        }
        self.queue(|q| q.push_file(file, offset, len, limits))
    }

    /// Queues a frame that is not the machine's, also when that has said its last word, and writes what it can.
    pub(crate) fn push_frame(&self, frame: Bytes) -> io::Result<()> {
        const ANY: QueueLimits = QueueLimits { max_bytes: usize::MAX, if_room_bytes: usize::MAX };
        let mut outbox = self.lock();
        if let Some(End::Failed(_)) = outbox.end {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let _ = outbox.queue.push(Payload::Bytes(frame), Keep::Always, ANY);
        if let Some(tcp) = self.tcp.as_ref().filter(|_| !outbox.queue.is_stuck()) {
            outbox.write(tcp);
        }
        Ok(())
    }

    fn queue(&self, push: impl FnOnce(&mut SendQueue) -> Pushed) -> Taken {
        let mut outbox = self.lock();
        if outbox.end.is_some() {
            return Taken::More;
        }
        match push(&mut outbox.queue) {
            Pushed::Queued => {}
            Pushed::LeftOut => return Taken::LeftOut,
            Pushed::Overflow => {
                tracing::warn!(
                    conn = self.id.0,
                    waiting = outbox.queue.cost(),
                    "closing a peer that does not read"
                );
                outbox.fail(CloseReason::SlowReader);
            }
        }
        self.undertake_flush()
    }

    pub(crate) fn close(&self, how: Closing) -> Taken {
        let mut outbox = self.lock();
        if outbox.end.is_none() {
            outbox.end = Some(End::Closing(how));
            if how == Closing::Now {
                outbox.queue = SendQueue::new();
            }
        }
        self.undertake_flush()
    }

    fn undertake_flush(&self) -> Taken {
        if self.flush_pending.swap(true, Ordering::AcqRel) { Taken::More } else { Taken::First }
    }

    /// Writes as much of what is queued as the transport takes now; the rest is left to the task.
    pub(crate) fn flush(&self) {
        // Cleared before looking: what is queued from here on has its own flush.
        self.flush_pending.store(false, Ordering::Release);
        let Some(tcp) = &self.tcp else {
            self.wake.notify_one();
            return;
        };
        let mut outbox = self.lock();
        if !outbox.queue.is_stuck() {
            outbox.write(tcp);
        }
        let task_needed = outbox.end.is_some() || !outbox.queue.is_empty();
        drop(outbox);
        if task_needed {
            self.wake.notify_one();
        }
    }

    /// The transport takes something again.
    pub(crate) fn resume(&self) {
        let mut outbox = self.lock();
        outbox.queue.set_stuck(false);
        if let Some(tcp) = &self.tcp {
            outbox.write(tcp);
        }
    }

    /// For a task that waits for nothing else: goes on writing until nothing waits any more.
    pub(crate) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(tcp) = &self.tcp else { return Poll::Ready(()) };
        while self.has_unsent() {
            if ready!(tcp.poll_write_ready(cx)).is_err() {
                self.lock().fail(CloseReason::Failed);
            }
            self.resume();
        }
        Poll::Ready(())
    }

    /// Whether something waits to be written.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// The file at the front has been sent.
    pub(crate) fn file_done(&self) {
        self.lock().queue.pop_front();
        self.resume();
    }

    pub(crate) fn todo(&self) -> Todo {
        let outbox = self.lock();
        match (outbox.end, outbox.queue.front()) {
            (Some(End::Failed(reason)), _) => Todo::Abort(reason),
            (Some(End::Closing(Closing::Now)), _) => Todo::Abort(CloseReason::Local),
            (_, Some(&Item::File { file, offset, len })) => Todo::SendFile { file, offset, len },
            (_, Some(Item::Data(_))) => Todo::WaitWritable,
            (Some(End::Closing(how)), None) => Todo::Finish(how),
            (None, None) => Todo::Nothing,
        }
    }

    /// Whether the machine has said its last word to this connection.
    pub(crate) fn is_ending(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Bytes written so far, to see whether there was progress.
    pub(crate) fn written(&self) -> u64 {
        self.lock().written
    }

    /// The next whole message, for a transport of messages.
    pub(crate) fn pop_message(&self) -> Option<Payload> {
        let mut outbox = self.lock();
        loop {
            match outbox.queue.pop_front()? {
                Item::Data(payload) => return Some(payload),
                // Files go over streams only; a machine that says otherwise has lost its framing.
                Item::File { .. } => outbox.fail(CloseReason::FileFailed),
            }
        }
    }

    pub(crate) fn set_stuck(&self, stuck: bool) {
        self.lock().queue.set_stuck(stuck);
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    fn fail(&mut self, reason: CloseReason) {
        self.queue = SendQueue::new();
        self.end = Some(End::Failed(reason));
    }

    fn write(&mut self, tcp: &TcpStream) {
        loop {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let (mut n, mut len) = (0, 0);
            for (slice, chunk) in slices.iter_mut().zip(self.queue.chunks()) {
                *slice = IoSlice::new(chunk);
                n += 1;
                len += chunk.len();
            }
            if n == 0 {
                // Empty, or a file is next: while that is sent the queue behind it counts as stuck.
                self.queue.set_stuck(!self.queue.is_empty());
                return;
            }
            let result = match &slices[..n] {
                // The usual case, and the cheaper call.
                [one] => tcp.try_write(one),
                several => tcp.try_write_vectored(several),
            };
            match result {
                Ok(written) => {
                    self.queue.advance(written);
                    self.written += written as u64;
                    if written < len {
                        self.queue.set_stuck(true);
                        return;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.queue.set_stuck(true);
                    return;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.fail(CloseReason::Failed);
                    return;
                }
            }
        }
    }
}
