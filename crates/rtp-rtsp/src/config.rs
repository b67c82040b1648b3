//! Limits and defaults.
