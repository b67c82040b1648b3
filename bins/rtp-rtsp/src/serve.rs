//! A streaming server on sockets: the machine of `rtp-rtsp` under the driver.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use driver::record::Recording;
use driver::{Driver, Events, Limits, UdpOptions};
use machine::record::Recorded;
use machine::{QueueLimits, SocketId};
use rtp_rtsp::config::ServerConfig;
use rtp_rtsp::server::{Event, RTSP, Server, ServerCalls, UdpPorts};
use tokio::net::TcpListener;

const RTP_SOCKET: SocketId = SocketId(0);
const RTCP_SOCKET: SocketId = SocketId(1);

/// Bytes that the kernel may keep for a publisher while we are busy.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Bytes that the kernel may keep of what leaves for all readers.
const SEND_BUFFER: usize = 4 << 20;

/// A running streaming server: the driver's handle to it. Programs act on it through [`ServerCalls`].
pub type RtspServer = Driver<Recorded<Server>>;

/// Starts a server without listeners and without sockets for UDP. Drop the events if nobody reads them, but not where
/// the server has files: then they are asked for through them.
pub fn start(config: ServerConfig) -> (RtspServer, Events<Event>) {
    start_recorded(config, None)
}

/// The same, recorded if there is a recording.
pub fn start_recorded(config: ServerConfig, recording: Option<&Recording>) -> (RtspServer, Events<Event>) {
    let mut limits = Limits::default();
    limits.max_connections = usize::try_from(config.max_sessions).unwrap_or(usize::MAX).saturating_add(1024);
    // A frame is one item: several of the largest have to find room. What waits is shared by all readers.
    limits.queue = QueueLimits { max_bytes: 12 << 20, if_room_bytes: 8 << 20 };
    // What a slow reader gets to see later is what waits here, so that it loses frames soon and whole.
    limits.unsent_limit = Some(128 << 10);
    Driver::start(Recorded::new(config, recording.map(Recording::sink)), limits)
}

/// Serves RTSP and the classroom dialect.
pub fn serve_tcp(server: &RtspServer, listener: TcpListener) {
    server.serve_tcp(listener, RTSP);
}

/// Binds a pair of UDP ports at this address and lets sessions use it.
///
/// # Errors
/// When no pair can be had.
pub fn serve_udp(server: &RtspServer, address: IpAddr, multicast_ttl: u8) -> io::Result<(u16, u16)> {
    let (rtp, rtcp) = bind_pair(address)?;
    for socket in [&rtp, &rtcp] {
        let socket = socket2::SockRef::from(socket);
        if let IpAddr::V4(address) = address {
            socket.set_multicast_ttl_v4(multicast_ttl.into())?;
            // Groups are reached from where the server is; at all addresses the system chooses.
            if !address.is_unspecified() {
                socket.set_multicast_if_v4(&address)?;
            }
        }
    }
    let ports = (rtp.local_addr()?.port(), rtcp.local_addr()?.port());
    server.serve_udp(rtp, RTP_SOCKET, UdpOptions::PLAIN)?;
    server.serve_udp(rtcp, RTCP_SOCKET, UdpOptions::PLAIN)?;
    server.call(|machine, _| {
        machine.set_udp(Some(UdpPorts { rtp: RTP_SOCKET, rtcp: RTCP_SOCKET, ports }));
    });
    Ok(ports)
}

/// Two sockets on ports that follow one another, the first even (RFC 3550 §11).
///
/// # Errors
/// When none are free after many tries.
pub fn bind_pair(address: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..64 {
        let first = bind(SocketAddr::new(address, 0))?;
        let port = first.local_addr()?.port();
        let (rtp, rtcp) = if port % 2 == 0 { (port, port.checked_add(1)) } else { (port - 1, Some(port)) };
        let Some(rtcp) = rtcp else { continue };
        let other = if port % 2 == 0 { rtcp } else { rtp };
        match bind(SocketAddr::new(address, other)) {
            Ok(second) if port % 2 == 0 => return Ok((first, second)),
            Ok(second) => return Ok((second, first)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Two sockets on this port and the next; the second on any if that is taken, as the classroom dialect has no RTCP.
///
/// # Errors
/// When the port is taken.
pub fn bind_at(address: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtp = bind(SocketAddr::new(address, port))?;
    let next = bind(SocketAddr::new(address, port.saturating_add(1)));
    Ok((rtp, next.or_else(|_| bind(SocketAddr::new(address, 0)))?))
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    let options = socket2::SockRef::from(&socket);
    // As much as the system allows.
    let _ = options.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = options.set_send_buffer_size(SEND_BUFFER);
    Ok(socket)
}

/// Says what happens, for programs that log.
pub fn log(event: Event) {
    match event {
        Event::ReaderJoined { path, remote, carrier, .. } => {
            tracing::info!(%remote, ?carrier, "reads {path}");
        }
        Event::Published { path, remote, again } => tracing::info!(%remote, again, "publishes {path}"),
        Event::PublisherLeft { path } => tracing::info!("the publisher of {path} is gone"),
        Event::PublisherUnsupported { path, reason } => {
            tracing::warn!("what is published to {path} cannot be passed on: {reason}");
        }
        Event::Unpublished { path } => tracing::info!("{path} is gone"),
        Event::Unauthorized { remote } => tracing::warn!(%remote, "wrong credentials"),
        event => tracing::debug!(?event),
    }
}
