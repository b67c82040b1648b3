//! Two types of machine in one world.

use crate::{Input, Instant, Machine, Output, Peer};

/// A machine of one of two types, so that a client and a server can live in one [`World`](super::World). Nest it for
/// more.
#[derive(Clone, Debug)]
pub enum Either<A, B> {
    /// The first type.
    Left(A),
    /// The second type.
    Right(B),
}

/// What an [`Either`] reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EitherEvent<A, B> {
    /// From a machine of the first type.
    Left(A),
    /// From a machine of the second type.
    Right(B),
}

impl<A, B> Either<A, B> {
    /// The machine of the first type, if it is one.
    pub fn left(&mut self) -> Option<&mut A> {
        match self {
            Self::Left(a) => Some(a),
            Self::Right(_) => None,
        }
    }

    /// The machine of the second type, if it is one.
    pub fn right(&mut self) -> Option<&mut B> {
        match self {
            Self::Left(_) => None,
            Self::Right(b) => Some(b),
        }
    }
}

impl<A, B> EitherEvent<A, B> {
    /// The event of a machine of the first type, if it is one.
    pub fn left(self) -> Option<A> {
        match self {
            Self::Left(a) => Some(a),
            Self::Right(_) => None,
        }
    }

    /// The event of a machine of the second type, if it is one.
    pub fn right(self) -> Option<B> {
        match self {
            Self::Left(_) => None,
            Self::Right(b) => Some(b),
        }
    }
}

impl<A: Machine, B: Machine> Machine for Either<A, B> {
    type Event = EitherEvent<A::Event, B::Event>;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        match self {
            Self::Left(a) => a.handle_input(now, from, input),
            Self::Right(b) => b.handle_input(now, from, input),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Left(a) => a.handle_timeout(now),
            Self::Right(b) => b.handle_timeout(now),
        }
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        match self {
            Self::Left(a) => a.handle_wall_clock(now, unix_ns),
            Self::Right(b) => b.handle_wall_clock(now, unix_ns),
        }
    }

    fn poll_output(&mut self) -> Option<Output<Self::Event>> {
        match self {
            Self::Left(a) => a.poll_output().map(|o| wrap(o, EitherEvent::Left)),
            Self::Right(b) => b.poll_output().map(|o| wrap(o, EitherEvent::Right)),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Left(a) => a.poll_timeout(),
            Self::Right(b) => b.poll_timeout(),
        }
    }
}

fn wrap<E, F>(output: Output<E>, event: impl FnOnce(E) -> F) -> Output<F> {
    match output {
        Output::Send { to, data, keep } => Output::Send { to, data, keep },
        Output::SendFile { to, file, offset, len } => Output::SendFile { to, file, offset, len },
        Output::Datagram(datagram) => Output::Datagram(datagram),
        Output::Close { conn, how } => Output::Close { conn, how },
        Output::Event(e) => Output::Event(event(e)),
    }
}
