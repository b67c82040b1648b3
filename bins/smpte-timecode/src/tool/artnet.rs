//! `artnet send` and `artnet listen`.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};

use anyhow::Context;
use clap::Subcommand;
use driver::{cli, shutdown};
use smpte_timecode::ArtNetError;
use smpte_timecode::artnet::{ArtTimeCode, PORT};

use super::failure::Failure;
use super::{output, parse};
use crate::artnet::host_and_port;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Send one label
    Send {
        /// The label, such as 01:02:03:04
        label: String,
        /// Its frame rate: 23.976, 24, 25, 29.97, 29.97df or 30
        #[arg(long)]
        rate: String,
        /// Whom to send it to; a broadcast address reaches all
        #[arg(long, value_name = "HOST[:6454]")]
        to: String,
        /// Which of several timecodes it is; 0 is the main one
        #[arg(long, default_value_t = 0)]
        stream: u8,
    },
    /// Print the labels that arrive, until stopped
    Listen {
        /// Address or name to listen on
        #[arg(long, default_value = "0.0.0.0")]
        host: String,
        /// UDP port; 0 picks a free one
        #[arg(long, default_value_t = PORT)]
        port: u16,
        /// Stop after so many labels
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// Print one JSON object a label; the line that says where it listens goes to stderr
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Send { label, rate, to, stream } => {
                let rate = parse::rate("--rate", rate)?;
                let label = parse::label("LABEL", label, rate)?;
                let packet = ArtTimeCode::try_new(label)
                    .map_err(|error| Failure::usage("--rate", format_args!("{rate}: {error}")))?
                    .for_stream(*stream);
                let to = destination(to)?;
                send(&packet.encode(), to)?;
                writeln!(out, "sent {label} to {to}")?;
                Ok(())
            }
            Self::Listen { host, port, count, json } => {
                let at = cli::resolve("--host", host, *port)?;
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(listen(at, count.unwrap_or(u64::MAX), *json, out))
            }
        }
    }
}

fn destination(text: &str) -> Result<SocketAddr, Failure> {
    let wrong = |what| Failure::usage("--to", format_args!("'{text}': {what}"));
    let (host, port) = host_and_port(text).map_err(wrong)?;
    Ok(cli::resolve("--to", host, port)?)
}

fn send(packet: &[u8], to: SocketAddr) -> anyhow::Result<()> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.set_broadcast(true)?;
    socket.send_to(packet, to).with_context(|| format!("cannot send to {to}"))?;
    Ok(())
}

async fn listen(at: SocketAddr, count: u64, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let stop = shutdown::on_signals();
    let socket = tokio::net::UdpSocket::bind(at)
        .await
        .with_context(|| format!("cannot listen on {at}: choose another with --host and --port"))?;
    let line = format!("listening on {} (artnet)", socket.local_addr()?);
    if json {
        eprintln!("{line}");
    } else {
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    let mut datagram = [0; 2048];
    let mut heard = 0;
    while heard < count {
        let (length, from) = tokio::select! {
            received = socket.recv_from(&mut datagram) => received?,
            () = stop.cancelled() => return Ok(()),
        };
        match ArtTimeCode::parse(&datagram[..length], None) {
            Ok(packet) => {
                write(&packet, from, json, out)?;
                out.flush()?;
                heard += 1;
            }
            // lights and their like
            Err(ArtNetError::OpCode { .. } | ArtNetError::NotArtNet) => {}
            Err(error) => eprintln!("ignored a datagram from {from}: {error}"),
        }
    }
    Ok(())
}

fn write(packet: &ArtTimeCode, from: SocketAddr, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let (label, stream) = (packet.timecode(), packet.stream());
    let rate = label.rate().to_string();
    if !json {
        return writeln!(out, "{label}  {rate:>7}  stream {stream}  from {from}");
    }
    let fields = [
        ("label", label.to_string().into()),
        ("rate", rate.into()),
        ("stream", stream.into()),
        ("from", from.to_string().into()),
    ];
    output::json_line(out, &fields)
}
