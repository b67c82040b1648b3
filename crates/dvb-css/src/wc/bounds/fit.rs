//! The lines that keep all bounds, and the one that keeps the greatest distance from them: linear programmes in two
//! and three unknowns, solved exactly.
//!
//! `upper(s)`, the lowest upper bound for a slope `s`, is a concave function made of straight pieces, and so is
//! `-lower(s)`. A line with slope `s` exists if `upper(s) - lower(s) >= 0`. The slopes for which that holds are found
//! from both ends by Newton's method, which on such a function ends at the exact corner after a few steps.

use super::hull::{Hull, Point, Slope};
use super::saturate;

/// What all lines that keep the bounds have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Feasible {
    /// The greatest offset, rounded up.
    pub(super) highest: i64,
    /// The least offset, rounded down.
    pub(super) lowest: i64,
    /// The greatest slope.
    pub(super) steepest: Slope,
    /// The least slope.
    pub(super) flattest: Slope,
}

/// The line in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Middle {
    pub(super) offset: i64,
    pub(super) slope: Slope,
    /// The distance from the nearest bounds, rounded down; below 0 if there is no line.
    pub(super) margin: i64,
}

/// Upper bounds, and lower bounds with their heights reversed.
#[derive(Clone, Debug, Default)]
pub(super) struct Corridor {
    pub(super) upper: Hull,
    pub(super) lower: Hull,
}

/// How wide the corridor is for one slope.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// The bounds that count; the lower one reversed.
    upper: Point,
    lower: Point,
    /// `den` times the highest and the least offset.
    highest: i128,
    lowest: i128,
}

impl Gap {
    /// Change of the width with the slope.
    fn growth(&self) -> i128 {
        i128::from(self.upper.x) - i128::from(self.lower.x)
    }

    /// The width at slope 0 if these bounds were the only ones.
    fn at_zero(&self) -> i128 {
        i128::from(self.upper.y) + i128::from(self.lower.y)
    }

    fn width(&self) -> i128 {
        self.highest - self.lowest
    }

    /// Where the width is 0 if these bounds are the only ones.
    fn root(&self) -> Slope {
        let (num, den) = (-self.at_zero(), self.growth());
        if den < 0 { Slope { num: -num, den: -den } } else { Slope { num, den } }
    }
}

impl Corridor {
    fn gap(&self, slope: Slope) -> Option<Gap> {
        let (upper, highest) = self.upper.lowest(slope)?;
        let reversed = Slope { num: -slope.num, den: slope.den };
        let (lower, minus_lowest) = self.lower.lowest(reversed)?;
        Some(Gap { upper, lower, highest, lowest: -minus_lowest })
    }

    /// The lines with slopes from `-limit` to `limit` that keep all bounds; `None` if there is none.
    pub(super) fn feasible(&self, limit: Slope) -> Option<Feasible> {
        let minus = Slope { num: -limit.num, den: limit.den };
        let mut steepest = limit;
        let top = loop {
            let gap = self.gap(steepest)?;
            if gap.width() >= 0 {
                break gap;
            }
            // to the left the corridor has to widen
            if gap.growth() >= 0 {
                return None;
            }
            let next = gap.root();
            if next.is_below(minus) || !next.is_below(steepest) {
                return None;
            }
            steepest = next;
        };
        let mut flattest = minus;
        let bottom = loop {
            let gap = self.gap(flattest)?;
            if gap.width() >= 0 {
                break gap;
            }
            if gap.growth() <= 0 {
                return None;
            }
            let next = gap.root();
            if limit.is_below(next) || !flattest.is_below(next) {
                return None;
            }
            flattest = next;
        };
        // ages are not negative, so upper and lower rise with the slope: the extremes lie at its extremes
        Some(Feasible {
            highest: saturate(-(-top.highest).div_euclid(steepest.den)),
            lowest: saturate(bottom.lowest.div_euclid(flattest.den)),
            steepest,
            flattest,
        })
    }

    /// The line with a slope from `-limit` to `limit` that is as far as possible from all bounds, or as little as
    /// possible beyond them.
    pub(super) fn middle(&self, limit: Slope) -> Option<Middle> {
        let minus = Slope { num: -limit.num, den: limit.den };
        let (mut left, mut right) = (self.gap(minus)?, self.gap(limit)?);
        let (slope, gap) = if left.growth() <= 0 {
            (minus, left)
        } else if right.growth() >= 0 {
            (limit, right)
        } else {
            loop {
                // where the pieces at both ends would meet
                let slope =
                    Slope { num: right.at_zero() - left.at_zero(), den: left.growth() - right.growth() };
                let gap = self.gap(slope)?;
                let met = left.at_zero() * slope.den + left.growth() * slope.num;
                if gap.width() >= met || gap.growth() == 0 {
                    break (slope, gap);
                }
                if gap.growth() > 0 {
                    left = gap;
                } else {
                    right = gap;
                }
            }
        };
        let offset = saturate((gap.highest + gap.lowest).div_euclid(2 * slope.den));
        let margin = saturate(gap.width().div_euclid(2 * slope.den));
        Some(Middle { offset, slope, margin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::sim::Rng;
    use std::vec::Vec;

    const LIMIT: Slope = Slope { num: 1, den: 1000 };

    fn corridor(upper: &[(i64, i64)], lower: &[(i64, i64)]) -> Corridor {
        let mut c = Corridor::default();
        c.upper.build(upper.iter().map(|&(x, y)| Point { x, y }));
        c.lower.build(lower.iter().map(|&(x, y)| Point { x, y: -y }));
        c
    }

    #[test]
    fn one_exchange_bounds_the_offset_by_its_ages() {
        let c = corridor(&[(1000, 500)], &[(0, 100)]);
        let f = c.feasible(LIMIT).unwrap();
        assert_eq!((f.lowest, f.highest), (100, 501));
        assert_eq!((f.steepest, f.flattest), (LIMIT, Slope { num: -1, den: 1000 }));
    }

    #[test]
    fn bounds_that_exclude_each_other_leave_no_line() {
        assert_eq!(corridor(&[(10, 5)], &[(0, 100)]).feasible(LIMIT), None);
        assert_eq!(corridor(&[(0, 5)], &[(10, 100)]).feasible(LIMIT), None);
        assert_eq!(corridor(&[(0, 5)], &[(0, 6)]).feasible(LIMIT), None);
        assert_eq!(corridor(&[], &[(0, 6)]).feasible(LIMIT), None);
    }

    #[test]
    fn the_middle_of_a_straight_corridor_is_its_axis() {
        // a line falling by 1 in 10,000 into the past, a corridor of 7 on both sides
        let at = |x: i64, side: i64| (x, 1_000_000 - x / 10_000 + side);
        let ages = [9_000_000, 4_000_000, 1_000_000, 0];
        let c = corridor(&ages.map(|x| at(x, 7)), &ages.map(|x| at(x, -7)));
        let middle = c.middle(LIMIT).unwrap();
        assert_eq!((middle.offset, middle.margin), (1_000_000, 7));
        assert!(!middle.slope.is_below(Slope { num: 1, den: 10_000 }));
        assert!(!Slope { num: 1, den: 10_000 }.is_below(middle.slope));
    }

    /// Against all lines through pairs of bounds, in which the extremes of a linear programme lie.
    #[test]
    fn the_extremes_are_those_of_an_exhaustive_search() {
        let mut rng = Rng::new(3);
        let number = |rng: &mut Rng, max: u64| i64::try_from(rng.up_to(max)).unwrap();
        let (mut empty, mut full) = (0, 0);
        for _ in 0..3000 {
            let n = 1 + rng.size_up_to(7);
            let slope = number(&mut rng, 1800) - 900; // millionths
            let sample = |sign: i64, rng: &mut Rng| {
                let mut points: Vec<(i64, i64)> = (0..n)
                    .map(|_| {
                        let x = number(rng, 1_000_000);
                        (x, -slope * x / 1_000_000 + sign * (number(rng, 700) - 40))
                    })
                    .collect();
                points.sort_by_key(|p| core::cmp::Reverse(p.0));
                points
            };
            let (upper, lower) = (sample(1, &mut rng), sample(-1, &mut rng));
            let c = corridor(&upper, &lower);
            // candidate slopes: the limits, and those of lines through an upper and a lower bound
            let mut slopes = std::vec![LIMIT, Slope { num: -1, den: 1000 }];
            for &(ux, uy) in &upper {
                for &(lx, ly) in &lower {
                    let (num, den) = (i128::from(ly - uy), i128::from(ux - lx));
                    let slope = if den < 0 { Slope { num: -num, den: -den } } else { Slope { num, den } };
                    if den != 0 && !LIMIT.is_below(slope) && !slope.is_below(Slope { num: -1, den: 1000 }) {
                        slopes.push(slope);
                    }
                }
            }
            let mut best: Option<(i64, i64)> = None;
            for s in slopes {
                let of = |points: &[(i64, i64)]| -> Vec<i128> {
                    points.iter().map(|&(x, y)| i128::from(y) * s.den + s.num * i128::from(x)).collect()
                };
                let high = of(&upper).into_iter().min().unwrap();
                let low = of(&lower).into_iter().max().unwrap();
                if high >= low {
                    let high = saturate(-(-high).div_euclid(s.den));
                    let low = saturate(low.div_euclid(s.den));
                    best = Some(best.map_or((low, high), |(l, h): (i64, i64)| (l.min(low), h.max(high))));
                }
            }
            assert_eq!(c.feasible(LIMIT).map(|f| (f.lowest, f.highest)), best, "{upper:?} {lower:?}");
            let middle = c.middle(LIMIT).unwrap();
            if let Some((low, high)) = best {
                assert!(low <= middle.offset && middle.offset <= high);
                full += 1;
            } else {
                empty += 1;
            }
        }
        assert!(full > 500 && empty > 100, "{full} {empty}");
    }
}
