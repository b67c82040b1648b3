//! A streaming client.

use std::process::ExitCode;

use driver::cli;
use rtsp_programs::client::{Options, start};

// Not on the runtime: the first thread is the window's, if there is to be one.
fn main() -> ExitCode {
    let options: Options = cli::parse();
    if let Err(error) = options.logging.init(None) {
        return cli::exit(Err(error));
    }
    cli::exit(start(options))
}
