//! Connections: handshake, writing, ending.

use core::net::SocketAddr;

use bytes::{Bytes, BytesMut};

use super::NodeId;
use super::link::Cut;
use super::net::{Happening, Net, Notice, Told, Turn, fault};
use super::pipe::{End, Phase, Piece, Pipe, PipeId, Side};
use super::trace::hash;
use crate::{
    CloseReason, Closing, ConnId, FileToken, Item, Keep, Opened, Payload, Peer, Pushed, Service, Transport,
};

/// The most that goes out in one write.
const MAX_WRITE: usize = 256 * 1024;
/// How soon a machine is told that something was left out; what is left out meanwhile is counted in.
const DROPPED_AFTER_NS: u64 = 1_000_000;
/// The WebSocket code of a normal end.
const NORMAL_CLOSE: u16 = 1000;
/// What a message costs on the way besides its bytes.
const FRAME_OVERHEAD: usize = 16;

impl Net {
    pub(super) fn connect(
        &mut self,
        node: NodeId,
        remote: SocketAddr,
        service: Service,
        transport: Transport,
    ) -> ConnId {
        let pipe = PipeId(self.next_pipe);
        self.next_pipe += 1;
        let far_node = self.owner(node, remote.ip());
        let host = self.host(node);
        let conn = host.new_conn(pipe, Side::Near);
        let local = SocketAddr::new(host.address_for(remote.ip()), host.free_port());
        let opened = Opened { service, local, remote, transport };
        let near = End::new(node, conn, opened);
        self.pipes.insert(pipe, Pipe { near, far: None, far_node });
        match far_node {
            Some(to) => self.carry(node, to, Happening::Syn(pipe)),
            None => self.schedule(self.now, Happening::Refused(pipe)),
        }
        conn
    }

    pub(super) fn syn_arrives(&mut self, id: PipeId) -> Turn {
        let Some((near, far_node)) = self.pipes.get(&id).and_then(|p| Some((&p.near, p.far_node?))) else {
            return Turn::Nothing;
        };
        let (from, asked) = (near.node, near.opened);
        let host = self.host(far_node);
        let Some((service, transport)) = host.listener_at(asked.remote) else {
            self.carry(far_node, from, Happening::Refused(id));
            return Turn::Nothing;
        };
        if transport != asked.transport {
            self.carry(far_node, from, Happening::Refused(id));
            return Turn::Nothing;
        }
        let conn = host.new_conn(id, Side::Far);
        let opened = Opened { service, local: asked.remote, remote: asked.local, transport };
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.far = Some(End::new(far_node, conn, opened));
        }
        self.carry(far_node, from, Happening::SynAck(id));
        Turn::Nothing
    }

    pub(super) fn syn_ack_arrives(&mut self, id: PipeId) -> Turn {
        let Some(near) = self.end(id, Side::Near) else {
            return Turn::Nothing;
        };
        if near.phase != Phase::Connecting {
            self.transmit(id, Side::Near, Piece::Reset);
            return Turn::Nothing;
        }
        near.phase = Phase::Open;
        self.transmit(id, Side::Near, Piece::Ack);
        self.tell_opened(id, Side::Near)
    }

    pub(super) fn refused(&mut self, id: PipeId) -> Turn {
        if let Some(near) = self.end(id, Side::Near) {
            let (node, conn) = (near.node, near.conn);
            self.stats.refused += 1;
            self.notices.push((node, Notice::Refused(conn)));
            self.over(id, Side::Near);
        }
        Turn::Nothing
    }

    pub(super) fn tell_opened(&mut self, id: PipeId, side: Side) -> Turn {
        self.stats.opened += u64::from(side == Side::Far);
        let Some(end) = self.end(id, side) else {
            return Turn::Nothing;
        };
        let (node, conn, opened) = (end.node, end.conn, end.opened);
        self.notices.push((node, Notice::Opened(conn, opened)));
        self.tell(id, side, |end| Told::Opened(end.opened))
    }

    /// A machine sends on a connection.
    pub(super) fn send(&mut self, node: NodeId, conn: ConnId, data: Payload, keep: Keep) {
        let limits = self.host(node).limits.queue;
        let bytes = data.as_bytes();
        let mark = (bytes.len() as u64, hash(bytes));
        self.note(node, Some(Peer::Conn(conn)), "sends", mark);
        let Some((id, side)) = self.sendable(node, conn, "sends") else {
            return;
        };
        let Some(end) = self.end(id, side) else {
            return;
        };
        match (end.opened.transport, &data) {
            (Transport::Stream, Payload::Bytes(_)) | (Transport::WebSocket, Payload::Binary(_)) => {}
            (Transport::WebSocket, Payload::Text(text)) => {
                if core::str::from_utf8(text).is_err() {
                    fault(node, format_args!("sends text that is not UTF-8 on {conn:?}"));
                }
            }
            (transport, _) => fault(node, format_args!("sends the wrong kind of payload on a {transport:?}")),
        }
        match end.queue.push(data, keep, limits) {
            Pushed::Queued => self.touched.push((id, side)),
            Pushed::LeftOut => {
                let first = end.left_out == 0;
                end.left_out = end.left_out.saturating_add(1);
                self.stats.left_out += 1;
                if first {
                    let at = self.now.saturating_add(DROPPED_AFTER_NS);
                    self.schedule(at, Happening::Dropped(id, side));
                }
            }
            Pushed::Overflow => {
                self.stats.slow_readers += 1;
                self.abort(id, side, CloseReason::SlowReader);
            }
        }
    }

    /// A machine sends a part of a file.
    pub(super) fn send_file(&mut self, node: NodeId, conn: ConnId, file: FileToken, offset: u64, len: u64) {
        let limits = self.host(node).limits.queue;
        self.note(node, Some(Peer::Conn(conn)), "sends file", (len, offset));
        let Some((id, side)) = self.sendable(node, conn, "sends a file") else {
            return;
        };
        let Some(end) = self.end(id, side) else {
            return;
        };
        if end.opened.transport != Transport::Stream {
            fault(node, format_args!("sends a file on a WebSocket"));
        }
        match end.queue.push_file(file, offset, len, limits) {
            Pushed::Overflow => {
                self.stats.slow_readers += 1;
                self.abort(id, side, CloseReason::SlowReader);
            }
            Pushed::Queued | Pushed::LeftOut => self.touched.push((id, side)),
        }
    }

    /// A machine closes a connection.
    pub(super) fn close(&mut self, node: NodeId, conn: ConnId, how: Closing) {
        let code = match how {
            Closing::Now => 0,
            Closing::AfterFlush => NORMAL_CLOSE,
            Closing::Code(code) => code,
        };
        let mark = (u64::from(code), 0);
        self.note(node, Some(Peer::Conn(conn)), "closes", mark);
        let Some((id, side)) = self.sendable(node, conn, "closes") else {
            return;
        };
        match how {
            Closing::Now => {
                self.abort(id, side, CloseReason::Local);
                if let Some(end) = self.end(id, side) {
                    end.phase = Phase::Gone { by_machine: true };
                }
            }
            Closing::AfterFlush | Closing::Code(_) => {
                if let Some(end) = self.end(id, side) {
                    end.phase = match end.phase {
                        // Its half of the way is ended already.
                        Phase::HalfClosed => Phase::Gone { by_machine: true },
                        _ => Phase::Closing(how),
                    };
                    match end.phase {
                        Phase::Gone { .. } => self.schedule_closed(id, side, CloseReason::Local),
                        _ => self.touched.push((id, side)),
                    }
                }
            }
        }
    }

    /// The connection, unless it is gone without the machine's knowledge.
    fn sendable(&mut self, node: NodeId, conn: ConnId, does: &str) -> Option<(PipeId, Side)> {
        let host = self.host(node);
        let Some(&(id, side)) = host.conns.get(&conn) else {
            match host.knew(conn) {
                true => fault(node, format_args!("{does} after {conn:?} was Closed")),
                false => fault(node, format_args!("{does} on unknown {conn:?}")),
            }
        };
        match self.end(id, side)?.phase {
            Phase::Open | Phase::HalfClosing | Phase::HalfClosed => Some((id, side)),
            Phase::Gone { by_machine: false } | Phase::Over => None,
            Phase::Connecting => fault(node, format_args!("{does} before {conn:?} is Opened")),
            Phase::Closing(_) | Phase::Gone { by_machine: true } => {
                fault(node, format_args!("{does} after it closed {conn:?}"))
            }
        }
    }

    /// Writes what is queued as far as there is room.
    pub(super) fn pump(&mut self, id: PipeId, side: Side) {
        loop {
            let Some((from, to)) = self.path_from(id, side) else {
                return;
            };
            let link = self.link(from, to).link;
            let Some(end) = self.end(id, side) else {
                return;
            };
            match end.phase {
                Phase::Open | Phase::HalfClosing | Phase::Closing(_) => {}
                Phase::HalfClosed => {
                    while end.queue.pop_front().is_some() {}
                    return;
                }
                Phase::Connecting | Phase::Gone { .. } | Phase::Over => return,
            }
            if end.queue.is_stuck() {
                return;
            }
            let room = link.window.saturating_sub(end.in_flight);
            let wrote = match end.queue.front() {
                None => {
                    self.flushed(id, side);
                    return;
                }
                Some(Item::Data(Payload::Bytes(_))) if room > 0 => {
                    self.write_bytes(id, side, room.min(MAX_WRITE));
                    true
                }
                Some(Item::Data(Payload::Text(m) | Payload::Binary(m)))
                    if end.in_flight == 0 || m.len() + FRAME_OVERHEAD <= room =>
                {
                    let piece = match end.queue.pop_front() {
                        Some(Item::Data(Payload::Text(text))) => Piece::Text(text),
                        Some(Item::Data(Payload::Binary(data))) => Piece::Binary(data),
                        _ => return,
                    };
                    self.transmit(id, side, piece);
                    true
                }
                Some(&Item::File { file, offset, len }) if room > 0 => {
                    if !self.write_file(id, side, file, offset, len, room.min(MAX_WRITE)) {
                        self.abort(id, side, CloseReason::FileFailed);
                        return;
                    }
                    true
                }
                Some(_) => false,
            };
            if !wrote {
                if let Some(end) = self.end(id, side) {
                    end.queue.set_stuck(true);
                }
                self.stats.stuck += 1;
                return;
            }
        }
    }

    fn write_bytes(&mut self, id: PipeId, side: Side, room: usize) {
        let Some(end) = self.end(id, side) else {
            return;
        };
        let mut data = BytesMut::new();
        for chunk in end.queue.chunks() {
            let room = room - data.len();
            data.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
            if data.len() == room {
                break;
            }
        }
        end.queue.advance(data.len());
        self.transmit_cut(id, side, data.freeze());
    }

    /// `false` if the file is not there or too short.
    fn write_file(
        &mut self,
        id: PipeId,
        side: Side,
        token: FileToken,
        offset: u64,
        len: u64,
        room: usize,
    ) -> bool {
        let Some(end) = self.end(id, side) else {
            return true;
        };
        let (node, sent) = (end.node, end.file_sent);
        let start = offset.saturating_add(sent);
        let mut take = len.saturating_sub(sent).min(room as u64);
        let Some(file) = self.host(node).files.get(&token) else {
            return false;
        };
        take = take.min(file.len().saturating_sub(start));
        if take == 0 && sent < len {
            return false;
        }
        let mut data = BytesMut::zeroed(usize::try_from(take).unwrap_or(0));
        file.read(start, &mut data);
        if let Some(end) = self.end(id, side) {
            end.file_sent = sent + take;
            if end.file_sent == len {
                end.file_sent = 0;
                end.queue.pop_front();
                self.schedule(self.now, Happening::FileSent(id, side, token));
            }
        }
        self.transmit_cut(id, side, data.freeze());
        true
    }

    fn transmit_cut(&mut self, id: PipeId, side: Side, mut data: Bytes) {
        let Some((from, to)) = self.path_from(id, side) else {
            return;
        };
        while !data.is_empty() {
            let link = self.link(from, to);
            let size = match link.link.cut {
                Cut::Whole => data.len(),
                Cut::Every(size) => size.max(1),
                Cut::Random(max) => 1 + link.rng.size_up_to(max.saturating_sub(1)),
            };
            let piece = data.split_to(size.min(data.len()));
            self.transmit(id, side, Piece::Bytes(piece));
        }
    }

    /// Sends a piece from an end to the other.
    pub(super) fn transmit(&mut self, id: PipeId, side: Side, piece: Piece) {
        let Some((from, to)) = self.path_from(id, side) else {
            return;
        };
        let (now, len) = (self.now, piece.len());
        let Some(end) = self.end(id, side) else {
            return;
        };
        let previous = end.last_arrival;
        let at = self.link(from, to).stream_arrival(now, len, previous);
        if let Some(end) = self.end(id, side) {
            end.last_arrival = at;
            end.in_flight += len;
        }
        self.stats.sent_bytes += len as u64;
        self.schedule(at, Happening::Arrives(id, side.other(), piece));
    }

    /// All that was queued is on the way.
    fn flushed(&mut self, id: PipeId, side: Side) {
        let Some(end) = self.end(id, side) else {
            return;
        };
        match end.phase {
            Phase::HalfClosing => {
                end.phase = Phase::HalfClosed;
                self.transmit(id, side, Piece::Fin);
            }
            Phase::Closing(how) => {
                end.phase = Phase::Gone { by_machine: true };
                let last = match (end.opened.transport, how) {
                    (Transport::Stream, _) => Piece::Fin,
                    (Transport::WebSocket, Closing::Code(code)) => Piece::CloseFrame(code),
                    (Transport::WebSocket, _) => Piece::CloseFrame(NORMAL_CLOSE),
                };
                self.transmit(id, side, last);
                self.schedule_closed(id, side, CloseReason::Local);
            }
            _ => {}
        }
    }

    /// Ends writing at one end without its machine's knowledge.
    pub(super) fn half_close(&mut self, node: NodeId, conn: ConnId) {
        if let Some(end) = self.end_of(node, conn) {
            if end.opened.transport == Transport::WebSocket {
                fault(node, format_args!("a WebSocket has no half"));
            }
            if end.phase == Phase::Open {
                end.phase = Phase::HalfClosing;
            }
            if let Some(&(id, side)) = self.host(node).conns.get(&conn) {
                self.pump(id, side);
            }
        }
    }

    /// Breaks a connection at one end; the other learns of it, or not.
    pub(super) fn break_off(&mut self, node: NodeId, conn: ConnId, tell_peer: bool) {
        if let Some(&(id, side)) = self.host(node).conns.get(&conn) {
            match tell_peer {
                true => self.abort(id, side, CloseReason::Failed),
                false => self.vanish(id, side, CloseReason::Failed, None),
            }
        }
    }

    /// Ends a connection at once, for both.
    pub(super) fn abort(&mut self, id: PipeId, side: Side, reason: CloseReason) {
        self.transmit(id, side, Piece::Reset);
        self.vanish(id, side, reason, None);
    }

    /// Ends a connection at one end.
    pub(super) fn vanish(&mut self, id: PipeId, side: Side, reason: CloseReason, code: Option<u16>) {
        let Some(end) = self.end(id, side) else {
            return;
        };
        let by_machine = match end.phase {
            Phase::Connecting => {
                if side == Side::Near {
                    self.refused(id);
                }
                return;
            }
            Phase::Gone { .. } | Phase::Over => return,
            Phase::Closing(_) => true,
            Phase::Open | Phase::HalfClosing | Phase::HalfClosed => false,
        };
        end.phase = Phase::Gone { by_machine };
        while end.queue.pop_front().is_some() {}
        self.schedule(self.now, Happening::Closed(id, side, reason, code));
    }

    fn schedule_closed(&mut self, id: PipeId, side: Side, reason: CloseReason) {
        self.schedule(self.now, Happening::Closed(id, side, reason, None));
    }

    pub(super) fn tells_closed(
        &mut self,
        id: PipeId,
        side: Side,
        reason: CloseReason,
        code: Option<u16>,
    ) -> Turn {
        let turn = self.tell(id, side, |_| Told::Closed(reason));
        if let Some(end) = self.end(id, side) {
            let (node, conn) = (end.node, end.conn);
            self.stats.closed += 1;
            self.notices.push((node, Notice::Closed(conn, reason, code)));
            self.over(id, side);
        }
        turn
    }

    pub(super) fn tells_dropped(&mut self, id: PipeId, side: Side) -> Turn {
        let Some(end) = self.end(id, side) else {
            return Turn::Nothing;
        };
        let count = core::mem::take(&mut end.left_out);
        match end.phase {
            Phase::Open | Phase::HalfClosing | Phase::HalfClosed if count > 0 => {
                self.tell(id, side, |_| Told::Dropped(count))
            }
            _ => Turn::Nothing,
        }
    }

    /// The machine may forget this end; the connection is forgotten when both have.
    pub(super) fn over(&mut self, id: PipeId, side: Side) {
        let Some(end) = self.end(id, side) else {
            return;
        };
        end.phase = Phase::Over;
        end.inbox = BytesMut::new();
        let (node, conn) = (end.node, end.conn);
        self.host(node).conns.remove(&conn);
        if self.pipes.get(&id).is_some_and(Pipe::is_over) {
            self.pipes.remove(&id);
        }
    }

    pub(super) fn tell(&mut self, id: PipeId, side: Side, told: impl FnOnce(&End) -> Told) -> Turn {
        match self.end(id, side) {
            Some(end) => Turn::Tell(end.node, Peer::Conn(end.conn), told(end)),
            None => Turn::Nothing,
        }
    }

    pub(super) fn end(&mut self, id: PipeId, side: Side) -> Option<&mut End> {
        self.pipes.get_mut(&id)?.end_mut(side)
    }

    pub(super) fn end_of(&mut self, node: NodeId, conn: ConnId) -> Option<&mut End> {
        let host = self.host(node);
        let known = host.conns.get(&conn).copied();
        if known.is_none() && !host.knew(conn) {
            fault(node, format_args!("{conn:?} never was"));
        }
        let (id, side) = known?;
        self.end(id, side)
    }

    /// From an end's node to the other's.
    pub(super) fn path_from(&self, id: PipeId, side: Side) -> Option<(NodeId, NodeId)> {
        let pipe = self.pipes.get(&id)?;
        Some((pipe.node(side)?, pipe.node(side.other())?))
    }
}
