//! What measurements share. A package of its own, so that its tests are built without the peers of the package benches.

mod clock;
pub mod contest;
pub mod plot;
mod usage;

pub use clock::processor_time;
pub use usage::Usage;

/// The value below which `part` (0 to 1) of the sorted values lie.
pub fn percentile<T: Copy + Default>(sorted: &[T], part: f64) -> T {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * part).round() as usize).copied().unwrap_or_default()
}
