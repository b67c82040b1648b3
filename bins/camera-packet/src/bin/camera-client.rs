//! The client of a camera server.

use std::process::ExitCode;

use anyhow::Result;
use camera_packet::UsageError;
use camera_packet::config::ClientConfig;
use camera_packet::dialect::Dialect;
use camera_programs::client::{self, Assignment, Session};
use camera_programs::options::address;
use clap::{Args, Parser, Subcommand};
use driver::cli;

/// Log in to a camera server, watch its telemetry, read and change its settings
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  camera-client --password 1111 login
  camera-client watch --json
  camera-client set gain=4 brightness=0.2
  camera-client --legacy-server get          an original server, kept in step"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    to: To,
    #[command(flatten)]
    logging: cli::Logging,
}

#[derive(Args)]
struct To {
    /// Address or name of the server
    #[arg(long, default_value = "127.0.0.1", global = true)]
    host: String,
    /// Port for telemetry, or HOST:PORT
    #[arg(long, value_name = "[HOST:]PORT", default_value = "5000", global = true)]
    data_port: String,
    /// Port for settings, or HOST:PORT
    #[arg(long, value_name = "[HOST:]PORT", default_value = "5001", global = true)]
    settings_port: String,
    /// Port for authentication, or HOST:PORT
    #[arg(long, value_name = "[HOST:]PORT", default_value = "5002", global = true)]
    auth_port: String,
    /// The password; asked for without echo if a login needs it
    #[arg(long, env = "AUTH_PASSWORD", hide_env_values = true, global = true)]
    password: Option<String>,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
    /// Log in by SCRAM, without sending the password; before other commands too, for the token
    #[arg(long, global = true)]
    scram: bool,
    /// With --scram: send the password as it is to a server that does not know SCRAM
    #[arg(long, requires = "scram", global = true)]
    allow_plaintext: bool,
    /// Send settings requests without checksum, which keeps an original server in step
    #[arg(long, global = true)]
    legacy_server: bool,
    /// Generation of the server: G1, G1b, G2 to G7
    #[arg(long, default_value = "G7", value_parser = str::parse::<Dialect>, global = true)]
    dialect: Dialect,
}

#[derive(Subcommand)]
enum Command {
    /// Log in; status 0 if the password is right, 1 if not
    Login,
    /// Show telemetry, its clock offset, rate and jitter
    Watch {
        /// End after so many items
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Show the settings
    Get,
    /// Change settings: shutter, gain, awb_red, awb_blue, contrast, brightness, or raw=12 hex digits
    Set {
        /// What to change
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = str::parse::<Assignment>)]
        changes: Vec<Assignment>,
        /// Do not hold values within the ranges of the original's window
        #[arg(long)]
        raw: bool,
    },
    /// Read commands from standard input
    Shell,
}

#[tokio::main]
async fn main() -> ExitCode {
    let line: CommandLine = cli::parse();
    let ended = line.logging.init(None).map(|()| line);
    match ended {
        Ok(line) => {
            let ended = run(line).await;
            cli::exit(ended.map_err(|error| cli::usage_if(|cause| cause.is::<UsageError>(), error)))
        }
        Err(error) => cli::exit(Err(error)),
    }
}

async fn run(line: CommandLine) -> Result<()> {
    let to = line.to;
    let config = ClientConfig::new(driver::seed())
        .with_dialect(to.dialect)
        .with_legacy_server(to.legacy_server)
        .with_scram(to.scram)
        .with_allow_plaintext(to.allow_plaintext);
    let addresses = [
        address("--data-port", ("--host", &to.host), &to.data_port)?,
        address("--settings-port", ("--host", &to.host), &to.settings_port)?,
        address("--auth-port", ("--host", &to.host), &to.auth_port)?,
    ];
    let mut session = Session::start(config, addresses);
    if to.scram && !matches!(line.command, Command::Login | Command::Shell) {
        client::log_in(&mut session, to.password.as_deref()).await?;
    }
    match line.command {
        Command::Login => {
            client::log_in(&mut session, to.password.as_deref()).await?;
            println!("{}", if to.json { client::LOGGED_IN } else { "ready" });
        }
        Command::Watch { count } => client::watch(&mut session, count, to.json).await?,
        Command::Get => client::get(&mut session).await?.print(to.json),
        Command::Set { changes, raw } => {
            client::set(&mut session, to.dialect, &changes, raw).await?.print(to.json);
        }
        Command::Shell => client::shell(&mut session, to.dialect, to.password.as_deref(), to.json).await?,
    }
    session.end().await;
    Ok(())
}
