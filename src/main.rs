//! The `cove` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    cove::app::main()
}
