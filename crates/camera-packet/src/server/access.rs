//! Who may be served (sheet §6), and tokens (sheet §10).

use alloc::collections::BTreeMap;
use core::net::IpAddr;
use core::time::Duration;

use machine::{ConnId, Instant};

use super::{DropReason, Server, State};
use crate::config::Access;
use crate::message::Message;
use crate::secret::Token;

/// What a connection's authorisation rests on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    /// It counts among the authorised connections of its address.
    pub(super) address: bool,
    /// It lives on this token.
    pub(super) token: Option<Token>,
}

/// Addresses that have authenticated and tokens that were given out.
#[derive(Debug)]
pub(super) struct Grants {
    grace: Duration,
    addresses: BTreeMap<IpAddr, Grant>,
    tokens: BTreeMap<Token, Grant>,
}

/// Good until then, and as long as there are connections.
#[derive(Clone, Copy, Debug)]
struct Grant {
    until: Instant,
    conns: u32,
}

impl Grant {
    fn is_good(&self, now: Instant) -> bool {
        self.conns > 0 || now < self.until
    }
}

impl Grants {
    pub(super) const fn new(grace: Duration) -> Self {
        Self { grace, addresses: BTreeMap::new(), tokens: BTreeMap::new() }
    }

    pub(super) fn is_granted(&self, now: Instant, remote: IpAddr) -> bool {
        self.addresses.get(&remote).is_some_and(|grant| grant.is_good(now))
    }

    /// The address has authenticated.
    pub(super) fn grant(&mut self, now: Instant, remote: IpAddr) {
        make_room(&mut self.addresses, now);
        let until = now + self.grace;
        self.addresses.entry(remote).or_insert(Grant { until, conns: 0 }).until = until;
    }

    /// One more connection of the address is authorised.
    pub(super) fn hold(&mut self, remote: IpAddr) {
        if let Some(grant) = self.addresses.get_mut(&remote) {
            grant.conns += 1;
        }
    }

    /// A token was given out.
    pub(super) fn issue(&mut self, now: Instant, token: Token) {
        make_room(&mut self.tokens, now);
        self.tokens.insert(token, Grant { until: now + self.grace, conns: 0 });
    }

    /// Uses a token for one more connection; false if it is not good.
    fn redeem(&mut self, now: Instant, token: Token) -> bool {
        match self.tokens.get_mut(&token) {
            Some(grant) if grant.is_good(now) => {
                // From its first use on it lives with its connections alone.
                *grant = Grant { until: now, conns: grant.conns + 1 };
                true
            }
            _ => false,
        }
    }

    pub(super) fn give_back(&mut self, now: Instant, remote: IpAddr, held: Held) {
        if held.address
            && let Some(grant) = self.addresses.get_mut(&remote)
        {
            grant.conns = grant.conns.saturating_sub(1);
            if !grant.is_good(now) {
                self.addresses.remove(&remote);
            }
        }
        if let Some(token) = held.token
            && let Some(grant) = self.tokens.get_mut(&token)
        {
            grant.conns = grant.conns.saturating_sub(1);
            if !grant.is_good(now) {
                self.tokens.remove(&token);
            }
        }
    }
}

/// Forgets what is no longer good, and the oldest if that is not enough.
fn make_room<K: Ord + Copy>(grants: &mut BTreeMap<K, Grant>, now: Instant) {
    if grants.len() < MAX_GRANTS {
        return;
    }
    grants.retain(|_, grant| grant.is_good(now));
    while grants.len() >= MAX_GRANTS {
        let oldest =
            grants.iter().min_by_key(|(_, grant)| (grant.conns > 0, grant.until)).map(|(key, _)| *key);
        match oldest {
            Some(key) => grants.remove(&key),
            None => return,
        };
    }
}

impl Server {
    /// A client presents a token.
    pub(super) fn attach(&mut self, now: Instant, id: ConnId, token: Token) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.held.token == Some(token) {
            return self.reply(id, &Message::Attached);
        }
        if conn.held.token.is_some() || !self.grants.redeem(now, token) {
            let pending = matches!(conn.state, State::Pending { .. });
            self.reply(id, &Message::AttachRefused);
            // Where no token is needed a bad one costs nothing.
            if pending {
                self.send_away(now, id, DropReason::Token);
            }
            return;
        }
        conn.held.token = Some(token);
        self.reply(id, &Message::Attached);
        self.admit(now, id);
    }

    /// An address has authenticated: its connections that wait are served from now on.
    pub(super) fn grant(&mut self, now: Instant, remote: IpAddr) {
        if self.config.access != Access::Ip {
            return;
        }
        self.grants.grant(now, remote);
        let waits = |conn: &super::Conn| conn.remote == remote && matches!(conn.state, State::Pending { .. });
        let waiting: alloc::vec::Vec<ConnId> =
            self.conns.iter().filter(|(_, conn)| waits(conn)).map(|(id, _)| *id).collect();
        for id in waiting {
            self.admit(now, id);
            self.plan(id);
        }
    }
}

/// Addresses, and tokens, that are remembered at most.
const MAX_GRANTS: usize = 4096;
