//! Timecode from the command line: labels, LTC, VITC, MIDI timecode, Art-Net.

use std::process::ExitCode;

fn main() -> ExitCode {
    smpte_programs::tool::main()
}
