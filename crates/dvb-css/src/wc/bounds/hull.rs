//! Upper bounds of a line, and the lowest of them for each slope.
//!
//! A bound of `y` at age `x` says of every line `offset - slope * x` that `offset <= y + slope * x`. Which bound is the
//! lowest depends on the slope only; those that are the lowest for some slope are the corners of the lower convex hull
//! of all points, usually a handful of dozens.

use alloc::vec::Vec;

/// A bound: `x` is its age, `y` its height, both in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: i64,
    pub(super) y: i64,
}

/// A slope, exactly: `num / den`, `den` positive. Both stay below 2^61, so that what is made of two of them fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slope {
    pub(super) num: i128,
    pub(super) den: i128,
}

impl Slope {
    pub(super) fn is_below(self, other: Self) -> bool {
        self.num * other.den < other.num * self.den
    }

    /// `slope * x` rounded up.
    pub(super) fn times_up(self, x: i64) -> i128 {
        -(-self.num * i128::from(x)).div_euclid(self.den)
    }

    /// In 2^-40, rounded down.
    pub(super) fn fixed(self) -> i64 {
        super::saturate((self.num << 40).div_euclid(self.den))
    }
}

/// The corners of a lower convex hull, from old to young.
#[derive(Clone, Debug, Default)]
pub(super) struct Hull {
    corners: Vec<Point>,
}

impl Hull {
    /// The hull of points that come in the order of their ages, the oldest first.
    pub(super) fn build(&mut self, points: impl Iterator<Item = Point>) {
        self.corners.clear();
        for point in points {
            while let [.., a, b] = self.corners[..] {
                if is_corner(a, b, point) {
                    break;
                }
                self.corners.pop();
            }
            // of two at the same age the lower one counts
            match self.corners.last_mut() {
                Some(last) if last.x == point.x => last.y = last.y.min(point.y),
                _ => self.corners.push(point),
            }
        }
    }

    /// The bound that is the lowest for a slope, and `den` times what it says. Of equal ones the youngest.
    pub(super) fn lowest(&self, slope: Slope) -> Option<(Point, i128)> {
        let mut best: Option<(Point, i128)> = None;
        for corner in self.corners.iter().rev() {
            let value = i128::from(corner.y) * slope.den + slope.num * i128::from(corner.x);
            match best {
                // along a convex hull the values fall, then rise
                Some((_, lowest)) if value >= lowest => break,
                _ => best = Some((*corner, value)),
            }
        }
        best
    }
}

/// Whether `b` lies below the straight line from `a` to `c`, of which `a` is the oldest.
fn is_corner(a: Point, b: Point, c: Point) -> bool {
    let wide = |p: i64, q: i64| i128::from(p) - i128::from(q);
    wide(b.y, a.y) * wide(a.x, c.x) < wide(c.y, a.y) * wide(a.x, b.x)
}
