//! What the programs with an HTTP port do alike: from the command line to the ports, and from the first client to the end.

use std::net::SocketAddr;

use anyhow::Result;
use driver::record::Recording;
use driver::{Events, cli, shutdown};
use dvb_css::config::{TvServerConfig, WcServerConfig};
use dvb_css::server::TvServerEvent;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use crate::options::{Common, Http, Telling, bind_udp, say};
use crate::serve::{self, EndPoints, Television, WallClockServer};

/// An address and a port as the command line has them, and what its help calls them.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Such as `ts_addr and ts_port`.
    pub names: &'a str,
    /// Address or name.
    pub host: &'a str,
    /// 0 picks a free one.
    pub port: u16,
}

/// A program that has its ports and machines, and lets nobody in yet.
#[derive(Debug)]
pub struct Program {
    television: Television,
    listener: TcpListener,
    http: SocketAddr,
    wall_clock: Option<(WallClockServer, SocketAddr)>,
    stop: CancellationToken,
    telling: Telling,
    /// Ends after the machines.
    recording: Option<Recording>,
}

impl Program {
    /// Begins to log and to heed signals, binds the ports and starts the machines behind them.
    ///
    /// # Errors
    /// With one line, when an address cannot be had.
    pub async fn start(
        common: &Common,
        options: &Http,
        http: Place<'_>,
        wall_clock: Option<Place<'_>>,
    ) -> Result<(Self, Events<TvServerEvent>)> {
        let mut logging = common.logging(LevelFilter::INFO);
        logging.http = !options.quiet_http;
        logging.init()?;
        let stop = shutdown::on_signals();
        cli::raise_descriptor_limit();
        let wall_clock = wall_clock.map(|at| bind_udp(at.names, at.host, Some(at.port))).transpose()?;
        let address = cli::resolve(http.names, http.host, http.port)?;
        let listener = cli::listen(http.names, address).await?;
        let http = listener.local_addr()?;
        let recording = options.record.start()?;
        let wall_clock = wall_clock.map(|socket| {
            let address = socket.local_addr()?;
            let config = WcServerConfig::new(driver::seed());
            let (server, _) = serve::wall_clock_recorded(socket, config, recording.as_ref())?;
            anyhow::Ok((server, address))
        });
        let wall_clock = wall_clock.transpose()?;
        let (television, events) =
            serve::start_television_recorded(TvServerConfig::default(), recording.as_ref());
        let telling = common.telling(options.announce);
        Ok((Self { television, listener, http, wall_clock, stop, telling, recording }, events))
    }

    /// The machine behind the HTTP port.
    pub fn television(&self) -> &Television {
        &self.television
    }

    /// What it prints.
    pub fn telling(&self) -> Telling {
        self.telling
    }

    /// Waits for a signal.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Where it listens.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where the wall clock is served, if it is.
    pub fn wall_clock(&self) -> Option<SocketAddr> {
        self.wall_clock.as_ref().map(|(_, address)| *address)
    }

    /// Says where the wall clock is, as the originals do.
    pub fn wall_clock_line(&self, name: &str) -> Option<String> {
        let address = self.wall_clock()?;
        Some(format!("{name} endpoint bound to host {} on port {}", address.ip(), address.port()))
    }

    /// Lets clients in, and says so with these lines; then goes on until a signal comes or the show is over, and ends in
    /// good order.
    ///
    /// # Errors
    /// Those of the show, and a closed standard output.
    pub async fn run(
        self,
        end_points: &EndPoints,
        lines: impl IntoIterator<Item = String>,
        show: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let wall_clock = self.wall_clock();
        serve::serve_television(&self.television, self.listener, end_points);
        if self.telling == Telling::Lines {
            say("----")?;
            lines.into_iter().try_for_each(say)?;
            say("----")?;
        }
        if let Some(address) = wall_clock {
            self.telling.listening(address, "wc");
        }
        self.telling.listening(self.http, "http");
        tokio::select! {
            () = self.stop.cancelled() => {}
            result = show => result?,
        }
        self.television.shutdown(shutdown::GRACE).await;
        if let Some((server, _)) = self.wall_clock {
            server.shutdown(shutdown::GRACE).await;
        }
        drop(self.recording);
        Ok(())
    }
}
