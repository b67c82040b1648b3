//! The head of an HTTP request, looked at before the WebSocket library sees it: the library says nothing at all to who
//! does not ask for an upgrade.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// A longer head is no request of ours.
const MAX_HEAD: usize = 8 << 10;

/// A stream whose first bytes have been read already and are read again.
#[derive(Debug)]
pub(crate) struct Replay<S> {
    read: BytesMut,
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Replay<S> {
    /// Reads up to the end of the request's head.
    pub(crate) async fn read_head(mut stream: S) -> io::Result<Self> {
        let mut read = BytesMut::with_capacity(1024);
        loop {
            let seen = read.len().saturating_sub(3);
            if stream.read_buf(&mut read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if read[seen..].windows(4).any(|w| w == b"\r\n\r\n") {
                return Ok(Self { read, stream });
            }
            if read.len() > MAX_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }

    /// What is read and written below.
    pub(crate) fn inner(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Whether the request asks for a WebSocket.
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.lines().skip(1).any(|line| {
            let (name, value) = line.split_once(':').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("upgrade")
                && value.split(',').any(|v| v.trim().eq_ignore_ascii_case("websocket"))
        })
    }

    /// The path of the request, without a query.
    pub(crate) fn path(&self) -> &str {
        let target = self.lines().next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        target.split('?').next().unwrap_or_default()
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        let end = self.read.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(self.read.len());
        std::str::from_utf8(&self.read[..end]).unwrap_or_default().split("\r\n")
    }

    /// Answers without a WebSocket and ends the connection.
    pub(crate) async fn refuse(mut self, status: &str, header: &str, text: &str) -> io::Result<()> {
        let answer = format!(
            "HTTP/1.1 {status}\r\n{header}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{text}",
            text.len()
        );
        self.stream.write_all(answer.as_bytes()).await?;
        self.stream.shutdown().await
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replay<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.has_remaining() {
            let n = self.read.len().min(buf.remaining());
            buf.put_slice(&self.read[..n]);
            self.read.advance(n);
            if self.read.is_empty() {
                // gives the memory back: connections stay for hours
                self.read = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replay<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
