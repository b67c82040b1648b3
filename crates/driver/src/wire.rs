//! What lies below a server's WebSocket: a socket that the library has for itself while hands are shaken, and shares with
//! whoever calls the machine from then on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::conn::Conn;

/// See the [module](self).
#[derive(Debug)]
pub(crate) enum Wire {
    /// Before the machine knows of the connection.
    Own(TcpStream),
    /// What the library writes (it answers pings, and closes) takes its place behind what the machine has said.
    Shared(Arc<Conn>),
    /// Between the two.
    Gone,
}

impl Wire {
    /// Takes the socket, which the connection is to have.
    pub(crate) fn take(&mut self) -> Option<TcpStream> {
        match std::mem::replace(self, Self::Gone) {
            Self::Own(stream) => Some(stream),
            _ => None,
        }
    }
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tcp = match &mut *self {
            Self::Own(stream) => return Pin::new(stream).poll_read(cx, buf),
            Self::Shared(conn) => conn.tcp(),
            Self::Gone => None,
        };
        let Some(tcp) = tcp else { return gone() };
        loop {
            ready!(tcp.poll_read_ready(cx))?;
            match tcp.try_read(buf.initialize_unfilled()) {
                Ok(n) => {
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Own(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Shared(conn) => {
                // Not before the rest is written: a peer that only asks and never reads is not collected for.
                ready!(conn.poll_drain(cx));
                Poll::Ready(conn.push_frame(Bytes::copy_from_slice(data)).map(|()| data.len()))
            }
            Self::Gone => gone(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Own(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            _ => self.poll_write(cx, data.iter().find(|d| !d.is_empty()).map_or(&[], |d| d)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Own(stream) if stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Own(stream) => Pin::new(stream).poll_flush(cx),
            Self::Shared(conn) => conn.poll_drain(cx).map(Ok),
            Self::Gone => gone(),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Own(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Shared(conn) => {
                ready!(conn.poll_drain(cx));
                let Some(tcp) = conn.tcp() else { return gone() };
                Poll::Ready(SockRef::from(tcp).shutdown(std::net::Shutdown::Write))
            }
            Self::Gone => gone(),
        }
    }
}
