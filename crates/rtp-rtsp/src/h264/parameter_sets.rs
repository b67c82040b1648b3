//! Parameter sets as descriptions carry them (RFC 6184 §8.1).

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::annex_b::{join, nal_units};
use super::{Nal, Sps, SpsError};
use crate::auth::{base64_decode, base64_encode};

/// A sequence parameter set and a picture parameter set, without start codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets {
    /// Sequence parameter set, NAL unit type 7.
    pub sps: Bytes,
    /// Picture parameter set, NAL unit type 8.
    pub pps: Bytes,
}

impl ParameterSets {
    /// The last ones in an access unit (Annex B); `None` if one of the two is not there.
    pub fn find(access_unit: &[u8]) -> Option<Self> {
        let (mut sps, mut pps) = (None, None);
        for unit in nal_units(access_unit) {
            match Nal::of(unit) {
                Some(Nal::SPS) => sps = Some(unit),
                Some(Nal::PPS) => pps = Some(unit),
                // Behind slices there are none.
                Some(n) if n.is_slice() => break,
                _ => {}
            }
        }
        Some(Self { sps: Bytes::copy_from_slice(sps?), pps: Bytes::copy_from_slice(pps?) })
    }

    /// Reads the value of `sprop-parameter-sets`; `None` if it has not one of each.
    pub fn from_sprop(value: &str) -> Option<Self> {
        let units: Vec<Vec<u8>> = value.split(',').take(64).filter_map(|u| base64_decode(u.trim())).collect();
        let find = |kind| units.iter().find(|u| Nal::of(u) == Some(kind)).map(|u| Bytes::copy_from_slice(u));
        Some(Self { sps: find(Nal::SPS)?, pps: find(Nal::PPS)? })
    }

    /// The value of `sprop-parameter-sets`.
    pub fn to_sprop(&self) -> String {
        let mut value = base64_encode(&self.sps);
        value.push(',');
        value.push_str(&base64_encode(&self.pps));
        value
    }

    /// The value of `profile-level-id`, six hexadecimal digits: the three bytes behind the NAL unit header.
    pub fn profile_level_id(&self) -> Option<u32> {
        let &[_, profile, constraints, level, ..] = &self.sps[..] else { return None };
        Some(u32::from_be_bytes([0, profile, constraints, level]))
    }

    /// What the sequence parameter set says.
    ///
    /// # Errors
    /// [`SpsError`] if it is damaged.
    pub fn parse_sps(&self) -> Result<Sps, SpsError> {
        Sps::parse(&self.sps)
    }

    /// Both as Annex B, to be put before an access unit that has none.
    pub fn to_annex_b(&self) -> Vec<u8> {
        join([&self.sps[..], &self.pps[..]].into_iter())
    }
}
