//! The kinds of samples that the decoder takes.

/// A run of mono samples of one of the kinds in use. The full scale of each is 1.0 to the decoder.
///
/// ```
/// use smpte_timecode::ltc::Samples;
///
/// let sixteen = [0_i16, 8192, -8192];
/// let samples = Samples::from(&sixteen[..]);
/// assert_eq!(samples.len(), 3);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Samples<'a> {
    /// 16 bits.
    I16(&'a [i16]),
    /// 24 bits in the low bits of an `i32`, sign extended: -8 388 608 to 8 388 607.
    I24(&'a [i32]),
    /// 32 bits, or 24 bits in the high bits of an `i32`.
    I32(&'a [i32]),
    /// Full scale is 1.0. Values that are no number, infinite, or beyond a million count as 0.
    F32(&'a [f32]),
}

impl<'a> Samples<'a> {
    /// How many.
    #[inline]
    pub const fn len(self) -> usize {
        match self {
            Self::I16(samples) => samples.len(),
            Self::I24(samples) | Self::I32(samples) => samples.len(),
            Self::F32(samples) => samples.len(),
        }
    }

    /// Whether there are none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The first `at` samples, and the rest. All and none if there are fewer.
    #[inline]
    pub(super) fn split_at(self, at: usize) -> (Self, Self) {
        let at = at.min(self.len());
        match self {
            Self::I16(samples) => {
                let (head, tail) = samples.split_at(at);
                (Self::I16(head), Self::I16(tail))
            }
            Self::I24(samples) => {
                let (head, tail) = samples.split_at(at);
                (Self::I24(head), Self::I24(tail))
            }
            Self::I32(samples) => {
                let (head, tail) = samples.split_at(at);
                (Self::I32(head), Self::I32(tail))
            }
            Self::F32(samples) => {
                let (head, tail) = samples.split_at(at);
                (Self::F32(head), Self::F32(tail))
            }
        }
    }

    /// Writes the samples as numbers with full scale 1.0 to as many places.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "a 32-bit sample keeps its upper 24 bits")]
    pub(super) fn copy_to(self, out: &mut [f32]) {
        match self {
            Self::I16(samples) => {
                out.iter_mut().zip(samples).for_each(|(o, &s)| *o = f32::from(s) / 32_768.0)
            }
            Self::I24(samples) => out.iter_mut().zip(samples).for_each(|(o, &s)| *o = s as f32 / 8_388_608.0),
            Self::I32(samples) => {
                out.iter_mut().zip(samples).for_each(|(o, &s)| *o = s as f32 / 2_147_483_648.0)
            }
            Self::F32(samples) => out.iter_mut().zip(samples).for_each(|(o, &s)| *o = sane(s)),
        }
    }
}

impl<'a> From<&'a [i16]> for Samples<'a> {
    fn from(samples: &'a [i16]) -> Self {
        Self::I16(samples)
    }
}

impl<'a> From<&'a [f32]> for Samples<'a> {
    fn from(samples: &'a [f32]) -> Self {
        Self::F32(samples)
    }
}

/// Beyond this a sum of squares of a window would no longer fit.
const LARGEST: f32 = 1e6;

#[inline(always)]
fn sane(sample: f32) -> f32 {
    if sample.abs() <= LARGEST { sample } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_have_the_same_scale() {
        let mut out = [0.0; 2];
        for samples in [
            Samples::I16(&[16_384, -32_768]),
            Samples::I24(&[4_194_304, -8_388_608]),
            Samples::I32(&[1 << 30, i32::MIN]),
            Samples::F32(&[0.5, -1.0]),
        ] {
            samples.copy_to(&mut out);
            assert_eq!(out, [0.5, -1.0]);
        }
    }

    #[test]
    fn what_is_no_sample_is_silence() {
        let mut out = [1.0; 4];
        Samples::F32(&[f32::NAN, f32::INFINITY, -2e6, 0.25]).copy_to(&mut out);
        assert_eq!(out, [0.0, 0.0, 0.0, 0.25]);
    }
}
