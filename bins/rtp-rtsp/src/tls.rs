//! RTSP over TLS (`rtsps:`): what is encrypted is the connection, and all that travels on it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rtp_rtsp::server::RTSPS;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::serve::RtspServer;

/// As other streaming servers have it.
pub const PORT: u16 = 8322;
/// A handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who a server says it is.
#[derive(Clone)]
pub struct Identity(TlsAcceptor);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// A chain of certificates, the server's own first, and its private key, in PEM.
    ///
    /// # Errors
    /// With one line that names the option.
    pub fn load(certificates: &Path, key: &Path) -> Result<Self> {
        let unreadable = |option: &str, path: &Path| format!("{option}: {} cannot be read", path.display());
        let chain = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| unreadable("--tls-cert", certificates))?;
        let key = PrivateKeyDer::from_pem_file(key).with_context(|| unreadable("--tls-key", key))?;
        anyhow::ensure!(!chain.is_empty(), "--tls-cert: no certificate in {}", certificates.display());
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        let config = config.context("--tls-cert and --tls-key do not fit together")?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Serves RTSP over TLS until the server is ended. To be called within a tokio runtime.
pub fn serve(server: &RtspServer, listener: TcpListener, identity: Identity) {
    let server = server.clone();
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = server.stopped() => return,
            };
            match accepted {
                Ok((stream, remote)) => {
                    let (server, identity) = (server.clone(), identity.clone());
                    tokio::spawn(async move {
                        if let Err(error) = carry(&server, stream, remote, &identity).await {
                            tracing::debug!(%remote, %error, "a connection over TLS has ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections now; those that stand go on");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    });
}

/// Decrypts one connection, and brings what it says to the server by a connection within this machine, so that the
/// driver's rules for slow readers hold for it as for any other.
async fn carry(
    server: &RtspServer,
    stream: TcpStream,
    remote: SocketAddr,
    identity: &Identity,
) -> io::Result<()> {
    let local = stream.local_addr()?;
    stream.set_nodelay(true)?;
    let mut open = tokio::time::timeout(HANDSHAKE, identity.0.accept(stream)).await??;
    let (mut outer, inner) = pair().await?;
    server.attach_tcp(inner, RTSPS, local, remote).ok_or(io::ErrorKind::QuotaExceeded)?;
    copy_bidirectional(&mut open, &mut outer).await.map(drop)
}

/// Both ends of a connection that nobody else has a part in.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let outer = TcpStream::connect(door.local_addr()?).await?;
    outer.set_nodelay(true)?;
    let expected = outer.local_addr()?;
    loop {
        let (inner, from) = door.accept().await?;
        if from == expected {
            return Ok((outer, inner));
        }
    }
}
