//! The session protocol: messages, and a frame told to 1, 100, 1000 and 5000 members.

mod common;

use benches::contests::session;

fn main() {
    common::bench("session", session());
}
