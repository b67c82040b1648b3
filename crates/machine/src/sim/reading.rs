//! Connections: what arrives, and when it is read.

use alloc::vec::Vec;

use super::NodeId;
use super::net::{Happening, Net, Told, Turn};
use super::pipe::{Phase, Piece, PipeId, Reading, Side};
use super::trace::hash;
use crate::{CloseReason, ConnId};

impl Net {
    pub(super) fn arrives(&mut self, id: PipeId, side: Side, piece: Piece) -> Turn {
        let Some(end) = self.end(id, side) else {
            return Turn::Nothing;
        };
        if end.reading == Reading::Paused || !end.waiting.is_empty() {
            end.waiting.push_back(piece);
            return Turn::Nothing;
        }
        self.takes(id, side, piece)
    }

    /// An end takes a piece that has arrived.
    fn takes(&mut self, id: PipeId, side: Side, piece: Piece) -> Turn {
        let len = piece.len();
        self.read(id, side, len);
        let Some(end) = self.end(id, side) else {
            return Turn::Nothing;
        };
        match end.phase {
            Phase::Connecting => {
                return match piece {
                    Piece::Ack => {
                        end.phase = Phase::Open;
                        self.tell_opened(id, side)
                    }
                    _ => {
                        self.over(id, side);
                        Turn::Nothing
                    }
                };
            }
            Phase::Gone { .. } | Phase::Over => {
                // Whoever writes to a closed end learns that it is closed.
                if len > 0 {
                    self.transmit(id, side, Piece::Reset);
                }
                return Turn::Nothing;
            }
            Phase::Closing(_) => {
                if piece == Piece::Reset {
                    self.vanish(id, side, CloseReason::Failed, None);
                }
                return Turn::Nothing;
            }
            Phase::Open | Phase::HalfClosing | Phase::HalfClosed => {}
        }
        let node = end.node;
        self.stats.read_bytes += len as u64;
        match piece {
            Piece::Bytes(data) => {
                let mark = (data.len() as u64, hash(&data));
                if let Some(end) = self.end(id, side) {
                    end.inbox.extend_from_slice(&data);
                }
                self.tell(id, side, |_| Told::Bytes(id, side, mark))
            }
            Piece::Text(m) | Piece::Binary(m) if m.len() > self.host(node).limits.max_message => {
                self.abort(id, side, CloseReason::Overflow);
                Turn::Nothing
            }
            Piece::Text(text) => self.tell(id, side, |_| Told::Text(text)),
            Piece::Binary(data) => self.tell(id, side, |_| Told::Binary(data)),
            Piece::Fin => self.tell(id, side, |_| Told::End(id, side)),
            Piece::CloseFrame(code) => {
                self.vanish(id, side, CloseReason::Remote, Some(code));
                Turn::Nothing
            }
            Piece::Reset => {
                self.vanish(id, side, CloseReason::Failed, None);
                Turn::Nothing
            }
            Piece::Ack => Turn::Nothing,
        }
    }

    /// `len` bytes are off the way to `side`; whoever sent them may have room again.
    fn read(&mut self, id: PipeId, side: Side, len: usize) {
        let Some((from, to)) = self.path_from(id, side) else {
            return;
        };
        let Some(sender) = self.end(id, side.other()) else {
            return;
        };
        sender.in_flight = sender.in_flight.saturating_sub(len);
        if sender.queue.is_stuck() && !sender.room_announced {
            sender.room_announced = true;
            self.carry(from, to, Happening::Room(id, side.other()));
        }
    }

    pub(super) fn has_room(&mut self, id: PipeId, side: Side) -> Turn {
        if let Some(end) = self.end(id, side) {
            end.room_announced = false;
            end.queue.set_stuck(false);
            self.pump(id, side);
        }
        Turn::Nothing
    }

    pub(super) fn pause(&mut self, node: NodeId, conn: ConnId) {
        if let Some(end) = self.end_of(node, conn) {
            end.reading = Reading::Paused;
        }
    }

    pub(super) fn resume(&mut self, node: NodeId, conn: ConnId) {
        let Some(&(id, side)) = self.host(node).conns.get(&conn) else {
            return;
        };
        if let Some(end) = self.end(id, side) {
            end.reading = Reading::Running;
            self.schedule(self.now, Happening::Resumed(id, side));
        }
    }

    /// Reads what has arrived meanwhile: all stream bytes at once, else one thing after the other.
    pub(super) fn takes_waiting(&mut self, id: PipeId, side: Side) -> Turn {
        let Some(end) = self.end(id, side) else {
            return Turn::Nothing;
        };
        if end.reading == Reading::Paused {
            return Turn::Nothing;
        }
        let Some(mut piece) = end.waiting.pop_front() else {
            return Turn::Nothing;
        };
        if let Piece::Bytes(first) = &piece {
            let mut all: Vec<u8> = first.to_vec();
            while let Some(Piece::Bytes(next)) = end.waiting.front() {
                all.extend_from_slice(next);
                end.waiting.pop_front();
            }
            piece = Piece::Bytes(all.into());
        }
        if !end.waiting.is_empty() {
            self.schedule(self.now, Happening::Resumed(id, side));
        }
        self.takes(id, side, piece)
    }
}
