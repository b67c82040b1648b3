//! Reading with the kernel's word on when the bytes came: how long this program takes to wake up is no part of it.

use std::io;

use tokio::net::TcpStream;

/// Bytes that came, when they did and when they were read, in nanoseconds of Unix time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) len: usize,
    pub(super) at: i64,
    pub(super) read: i64,
}

#[cfg(target_os = "linux")]
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};
    Ok(setsockopt(stream, ReceiveTimestampns, &true)?)
}

/// What is there now. If several frames came since the last time, the stamp is that of the last.
#[cfg(target_os = "linux")]
pub(super) fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Came> {
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    use nix::sys::time::TimeSpec;

    stream.try_io(tokio::io::Interest::READABLE, || {
        let (mut slices, mut space) = ([IoSliceMut::new(buffer)], nix::cmsg_space!(TimeSpec));
        let fd = stream.as_raw_fd();
        let message = recvmsg::<()>(fd, &mut slices, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
        let read = driver::unix_now();
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(at) => Some(at.tv_sec() * 1_000_000_000 + at.tv_nsec()),
            _ => None,
        });
        Ok(Came { len: message.bytes, at: stamp.unwrap_or(read), read })
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn prepare(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// What is there now.
#[cfg(not(target_os = "linux"))]
pub(super) fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Came> {
    let len = stream.try_read(buffer)?;
    let now = driver::unix_now();
    Ok(Came { len, at: now, read: now })
}
