//! How often one address may ask.
//!
//! A table of fixed size, its places found by a keyed hash. Two addresses that share a place take turns when the one
//! that has it is idle, and share an allowance when it is not; nobody can choose to share with somebody.

use alloc::vec::Vec;
use core::net::IpAddr;

use machine::Instant;

use crate::config::RateLimit;
use crate::wc::Cookies;

const PLACES: usize = 4096;

#[derive(Debug)]
pub(super) struct Limiter {
    limit: RateLimit,
    key: Cookies,
    /// Empty until the first address.
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    address: u64,
    /// When all is allowed again. Each request moves it on by what one costs.
    free_at: u64,
}

impl Limiter {
    pub(super) fn new(limit: RateLimit, seed: [u8; 32]) -> Self {
        Self { limit, key: Cookies::new(seed), places: Vec::new() }
    }

    /// Whether a request is to be answered.
    pub(super) fn allows(&mut self, now: Instant, address: IpAddr) -> bool {
        if address.is_loopback() {
            return true;
        }
        if self.places.is_empty() {
            self.places.resize(PLACES, Place::default());
        }
        let address = self.key.hash(fold(address));
        let index = usize::try_from(address).unwrap_or(0) % PLACES;
        let Some(place) = self.places.get_mut(index) else { return true };
        let cost = 1_000_000_000 / u64::from(self.limit.per_second.max(1));
        let now = now.as_nanos();
        if place.address != address && place.free_at <= now {
            *place = Place { address, free_at: now };
        }
        let free_at = place.free_at.max(now).saturating_add(cost);
        let allowed = free_at.saturating_sub(now) <= cost.saturating_mul(u64::from(self.limit.burst.max(1)));
        if allowed {
            place.free_at = free_at;
        }
        allowed
    }
}

fn fold(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        // a host has all addresses of its network
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            [a, b, c, d].into_iter().fold(1 << 63, |all, part| all.rotate_left(16) ^ u64::from(part))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn an_address_has_its_burst_and_then_its_rate() {
        let mut limiter = Limiter::new(RateLimit { per_second: 200, burst: 50 }, [1; 32]);
        let mut now = Instant::from_nanos(1_000_000_000);
        let asker = IpAddr::from([192, 0, 2, 1]);
        let allowed = (0..1000).filter(|_| limiter.allows(now, asker)).count();
        assert_eq!(allowed, 50);
        assert!(limiter.allows(now, IpAddr::from([192, 0, 2, 2])), "others are not concerned");
        let mut allowed = 0;
        for _ in 0..10_000 {
            now = now + Duration::from_millis(1);
            allowed += usize::from(limiter.allows(now, asker));
        }
        assert_eq!(allowed, 2000, "200 a second for 10 s");
        assert!((0..1000).all(|_| limiter.allows(now, IpAddr::from([127, 0, 0, 1]))));
    }

    #[test]
    fn many_addresses_share_a_table_of_fixed_size() {
        let mut limiter = Limiter::new(RateLimit { per_second: 1, burst: 1 }, [1; 32]);
        let now = Instant::from_nanos(1_000_000_000);
        let allowed = (0..100_000_u32).filter(|i| limiter.allows(now, IpAddr::from(i.to_be_bytes()))).count();
        assert_eq!(limiter.places.len(), PLACES);
        assert!(allowed <= PLACES + (1 << 24), "{allowed}");
        let v6 = |s: &str| s.parse::<IpAddr>().unwrap();
        assert_eq!(fold(v6("2001:db8:1:2::1")), fold(v6("2001:db8:1:2:ffff::9")));
        assert_ne!(fold(v6("2001:db8:1:2::1")), fold(v6("2001:db8:1:3::1")));
    }
}
