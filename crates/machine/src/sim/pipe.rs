//! One connection with its two ends.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::NodeId;
use crate::{Closing, ConnId, Opened, SendQueue};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PipeId(pub(super) u64);

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// That asked for it.
    Near,
    /// That was listening.
    Far,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Near => Self::Far,
            Self::Far => Self::Near,
        }
    }
}

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) near: End,
    /// `None` until somebody has answered.
    pub(super) far: Option<End>,
    /// Who is asked; `None`: nobody has the address.
    pub(super) far_node: Option<NodeId>,
}

impl Pipe {
    pub(super) fn end_mut(&mut self, side: Side) -> Option<&mut End> {
        match side {
            Side::Near => Some(&mut self.near),
            Side::Far => self.far.as_mut(),
        }
    }

    pub(super) fn node(&self, side: Side) -> Option<NodeId> {
        match side {
            Side::Near => Some(self.near.node),
            Side::Far => self.far_node,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let over = |end: &End| end.phase == Phase::Over;
        over(&self.near) && self.far.as_ref().is_none_or(over)
    }
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) node: NodeId,
    pub(super) conn: ConnId,
    pub(super) opened: Opened,
    pub(super) phase: Phase,
    pub(super) reading: Reading,
    pub(super) queue: SendQueue,
    /// Bytes of the file at the front of the queue that are sent.
    pub(super) file_sent: u64,
    /// Bytes of ours that the other end has not taken.
    pub(super) in_flight: usize,
    /// When the last that we sent arrives.
    pub(super) last_arrival: u64,
    /// The news that there is room again is on its way to us.
    pub(super) room_announced: bool,
    /// Items left out since the machine was last told.
    pub(super) left_out: u32,
    /// What the machine has left unread.
    pub(super) inbox: BytesMut,
    /// What has arrived while nobody reads.
    pub(super) waiting: VecDeque<Piece>,
}

/// How far a connection has come at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Open,
    /// Writing ends when all is sent; the machine does not know.
    HalfClosing,
    /// Nothing more can be written.
    HalfClosed,
    /// The machine has said `Close`; what is queued is still sent.
    Closing(Closing),
    /// Nothing more comes or goes; the machine is about to be told.
    Gone {
        /// It has said `Close`, so it must not send.
        by_machine: bool,
    },
    /// The machine has been told, or never knew.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Running,
    Paused,
}

/// What travels on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The third step of the handshake.
    Ack,
    Bytes(Bytes),
    Text(Bytes),
    Binary(Bytes),
    /// The end of a stream.
    Fin,
    /// The end of a WebSocket, and its code.
    CloseFrame(u16),
    Reset,
}

impl Piece {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(b) | Self::Text(b) | Self::Binary(b) => b.len(),
            Self::Ack | Self::Fin | Self::CloseFrame(_) | Self::Reset => 0,
        }
    }
}

impl End {
    pub(super) fn new(node: NodeId, conn: ConnId, opened: Opened) -> Self {
        Self {
            node,
            conn,
            opened,
            phase: Phase::Connecting,
            reading: Reading::Running,
            queue: SendQueue::new(),
            file_sent: 0,
            in_flight: 0,
            last_arrival: 0,
            room_announced: false,
            left_out: 0,
            inbox: BytesMut::new(),
            waiting: VecDeque::new(),
        }
    }
}
