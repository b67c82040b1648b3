//! One reader of an RTSP stream that counts and throws away.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rtp_rtsp::rtp::Packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

/// What a reader has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Packets of its stream.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Packets with the marker.
    pub frames: u64,
    /// Sequence numbers left out.
    pub lost: u64,
    /// Packets of another SSRC.
    pub foreign: u64,
    last: Option<(u32, u16)>,
}

/// A reader after its SETUP.
#[derive(Debug)]
pub struct Reader {
    control: TcpStream,
    buffer: Vec<u8>,
    url: String,
    session: String,
    cseq: u32,
    sockets: Option<(Rtp, std::net::UdpSocket)>,
    seen: Seen,
}

/// How packets travel to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Interleaved with replies.
    Tcp,
    /// As datagrams.
    Udp {
        /// The reader looks for them every so often; `None`: it is woken by each.
        poll: Option<Duration>,
        /// What left in one call arrives in one (`UDP_GRO`), as if a network card had cut it and another joined it.
        joined: bool,
    },
}

#[derive(Debug)]
enum Rtp {
    Woken(UdpSocket),
    Polled(std::net::UdpSocket, Duration),
}

impl Reader {
    /// Connects and does DESCRIBE and SETUP of the first medium.
    ///
    /// # Errors
    /// If the server does not answer 200, or cannot be reached.
    pub async fn connect(server: SocketAddr, url: &str, carrier: Carrier) -> Result<Self> {
        let control = TcpStream::connect(server).await.context("the server cannot be reached")?;
        control.set_nodelay(true)?;
        let mut reader = Self {
            control,
            buffer: Vec::new(),
            url: url.trim_end_matches('/').into(),
            session: String::new(),
            cseq: 0,
            sockets: None,
            seen: Seen::default(),
        };
        let (head, body) = reader.request("DESCRIBE", url, "Accept: application/sdp\r\n").await?;
        let base = header(&head, "Content-Base").unwrap_or(url).trim_end_matches('/').to_owned();
        let media = body.split_once("m=").context("no medium in the description")?.1;
        let line = media.lines().find_map(|l| l.strip_prefix("a=control:")).unwrap_or("*").trim();
        let track = match line {
            "*" => base,
            absolute if absolute.starts_with("rtsp://") => absolute.to_owned(),
            relative => format!("{base}/{relative}"),
        };
        let transport = match carrier {
            Carrier::Tcp => "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned(),
            Carrier::Udp { poll, joined } => {
                let (rtp, rtcp) = Self::pair(&reader.control)?;
                let ports = (rtp.local_addr()?.port(), rtcp.local_addr()?.port());
                if joined {
                    join(&rtp)?;
                }
                let rtp = match poll {
                    Some(every) => Rtp::Polled(rtp, every),
                    None => Rtp::Woken(UdpSocket::from_std(rtp)?),
                };
                reader.sockets = Some((rtp, rtcp));
                format!("RTP/AVP;unicast;client_port={}-{}", ports.0, ports.1)
            }
        };
        let (head, _) = reader.request("SETUP", &track, &format!("Transport: {transport}\r\n")).await?;
        let session = header(&head, "Session").context("no session")?;
        reader.session = session.split(';').next().unwrap_or(session).trim().to_owned();
        Ok(reader)
    }

    /// An even port and the next one.
    fn pair(control: &TcpStream) -> Result<(std::net::UdpSocket, std::net::UdpSocket)> {
        use std::net::UdpSocket;
        let local = control.local_addr()?.ip();
        for _ in 0..100 {
            let rtp = UdpSocket::bind((local, 0))?;
            let port = rtp.local_addr()?.port();
            if port % 2 == 0
                && let Ok(rtcp) = UdpSocket::bind((local, port + 1))
            {
                rtp.set_nonblocking(true)?;
                return Ok((rtp, rtcp));
            }
        }
        bail!("no pair of UDP ports is free")
    }

    /// PLAY.
    ///
    /// # Errors
    /// If the server does not answer 200.
    pub async fn play(&mut self) -> Result<()> {
        self.request("PLAY", &self.url.clone(), "Range: npt=0.000-\r\n").await?;
        Ok(())
    }

    /// TEARDOWN.
    ///
    /// # Errors
    /// If the server does not answer 200.
    pub async fn teardown(&mut self) -> Result<()> {
        self.request("TEARDOWN", &self.url.clone(), "").await?;
        Ok(())
    }

    /// Forgets what was counted, but not where the numbers are.
    pub fn reset(&mut self) {
        self.seen = Seen { last: self.seen.last, ..Seen::default() };
    }

    /// Reads for a while, or until the first frame is whole.
    ///
    /// # Errors
    /// If no frame comes, or the stream ends.
    pub async fn read_for(&mut self, time: Duration, first: bool) -> Result<Seen> {
        let until = Instant::now() + time;
        loop {
            match timeout_at(until, self.read()).await {
                Ok(result) => result?,
                Err(_) if first => bail!("no frame comes"),
                Err(_) => return Ok(self.seen),
            }
            if first && self.seen.frames > 0 {
                return Ok(self.seen);
            }
        }
    }

    /// Reads until it is stopped.
    ///
    /// # Errors
    /// If the stream ends.
    pub async fn read_forever(&mut self) -> Result<()> {
        loop {
            self.read().await?;
        }
    }

    /// The datagrams that are there, or what the connection has.
    async fn read(&mut self) -> Result<()> {
        if let Some((rtp, _)) = &self.sockets {
            match rtp {
                Rtp::Woken(socket) => socket.readable().await?,
                Rtp::Polled(_, every) => tokio::time::sleep(*every).await,
            }
            let mut data = [0; 65_536];
            // All that is there, without going through the runtime for each.
            loop {
                let Ok((n, segment)) = rtp.receive(&mut data) else { return Ok(()) };
                let packets = data.get(..n).unwrap_or_default().chunks(segment.max(1));
                packets.for_each(|packet| self.seen.count(packet));
            }
        }
        ensure!(self.control.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        self.take_frames();
        Ok(())
    }

    /// Takes interleaved frames off the front, up to a reply.
    fn take_frames(&mut self) {
        let mut at = 0;
        while let Some([b'$', channel, l0, l1]) = self.buffer.get(at..at + 4) {
            let len = usize::from(u16::from_be_bytes([*l0, *l1]));
            let Some(packet) = self.buffer.get(at + 4..at + 4 + len) else { break };
            if *channel == 0 {
                self.seen.count(packet);
            }
            at += 4 + len;
        }
        self.buffer.drain(..at);
    }

    async fn request(&mut self, method: &str, url: &str, headers: &str) -> Result<(String, String)> {
        self.cseq += 1;
        let session =
            if self.session.is_empty() { String::new() } else { format!("Session: {}\r\n", self.session) };
        let text = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n{session}{headers}\r\n", self.cseq);
        self.control.write_all(text.as_bytes()).await?;
        loop {
            self.take_frames();
            if self.buffer.first().is_some_and(|b| *b != b'$')
                && let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n")
            {
                let head = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default()).into_owned();
                let body: usize = header(&head, "Content-Length").and_then(|l| l.parse().ok()).unwrap_or(0);
                if let Some(whole) = self.buffer.get(end + 4..end + 4 + body) {
                    let text = String::from_utf8_lossy(whole).into_owned();
                    self.buffer.drain(..end + 4 + body);
                    ensure!(
                        head.starts_with("RTSP/1.0 200"),
                        "{method}: {}",
                        head.lines().next().unwrap_or("")
                    );
                    return Ok((head, text));
                }
            }
            ensure!(
                self.control.read_buf(&mut self.buffer).await? > 0,
                "{method}: the server closed the connection"
            );
        }
    }
}

impl Rtp {
    /// What is there: how many bytes, and how many of them are one packet.
    #[cfg(target_os = "linux")]
    fn receive(&self, data: &mut [u8]) -> std::io::Result<(usize, usize)> {
        use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
        use std::os::fd::{AsRawFd, RawFd};
        let mut receive = |socket: RawFd| {
            let mut control = nix::cmsg_space!(i32);
            let mut slices = [std::io::IoSliceMut::new(data)];
            let message = recvmsg::<()>(socket, &mut slices, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
            let segment = message.cmsgs()?.find_map(|control| match control {
                ControlMessageOwned::UdpGroSegments(bytes) => usize::try_from(bytes).ok(),
                _ => None,
            });
            Ok((message.bytes, segment.unwrap_or(message.bytes)))
        };
        match self {
            Self::Woken(socket) => {
                socket.try_io(tokio::io::Interest::READABLE, || receive(socket.as_raw_fd()))
            }
            Self::Polled(socket, _) => receive(socket.as_raw_fd()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn receive(&self, data: &mut [u8]) -> std::io::Result<(usize, usize)> {
        let n = match self {
            Self::Woken(socket) => socket.try_recv(data)?,
            Self::Polled(socket, _) => socket.recv(data)?,
        };
        Ok((n, n))
    }
}

#[cfg(target_os = "linux")]
fn join(socket: &std::net::UdpSocket) -> Result<()> {
    nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::UdpGroSegment, &true)
        .context("this kernel does not join datagrams")
}

#[cfg(not(target_os = "linux"))]
fn join(_: &std::net::UdpSocket) -> Result<()> {
    bail!("datagrams are joined on Linux only")
}

impl Seen {
    fn count(&mut self, data: &[u8]) {
        let Ok(packet) = Packet::parse(data) else {
            self.foreign += 1;
            return;
        };
        let header = packet.header;
        if let Some((ssrc, sequence)) = self.last {
            if ssrc != header.ssrc {
                self.foreign += 1;
                return;
            }
            let missing = header.sequence.wrapping_sub(sequence).wrapping_sub(1);
            // What came late was counted as lost before.
            self.lost =
                if missing < 0x8000 { self.lost + u64::from(missing) } else { self.lost.saturating_sub(1) };
            if missing >= 0x8000 {
                return;
            }
        }
        self.last = Some((header.ssrc, header.sequence));
        self.packets += 1;
        self.bytes += data.len() as u64;
        self.frames += u64::from(header.marker);
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|l| {
        let (n, value) = l.split_once(':')?;
        n.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
