//! The original implementations as they behave on the wire, to test against without them.
