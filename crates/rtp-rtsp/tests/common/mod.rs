//! Pictures for tests.

use bytes::{BufMut, Bytes, BytesMut};

/// The least of a JPEG file that RTP can carry, 64 pixels across and down, with a scan of `length` bytes: those of
/// picture `n`.
pub(crate) fn jpeg(length: usize, n: u64) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(&[0xff, 0xd8, 0xff, 0xdb, 0, 67, 0]);
    out.put_slice(&[3; 64]);
    out.put_slice(&[0xff, 0xc0, 0, 17, 8, 0, 64, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    out.put_slice(&[0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    out.extend(scan(length, n));
    out.put_slice(&[0xff, 0xd9]);
    out.freeze()
}

/// Bytes of frame `n`, none of which looks like a marker or a start code.
pub(crate) fn scan(length: usize, n: u64) -> impl Iterator<Item = u8> {
    (0..length).map(move |i| (i as u64 * 31 + n) as u8 % 200 + 1)
}
