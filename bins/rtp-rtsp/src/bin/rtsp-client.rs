//! A streaming client.

use std::process::ExitCode;

use driver::{cli, shutdown};
use rtsp_programs::client::{Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    let options: Options = cli::parse();
    if let Err(error) = options.logging.init(None) {
        return cli::exit(Err(error));
    }
    cli::exit(run(options, shutdown::on_signals()).await)
}
