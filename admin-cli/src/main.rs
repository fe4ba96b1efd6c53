//! The binary `countersignctl`: reads the command line, runs it, ends with its exit status.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    countersign_admin::run(std::env::args_os()).await
}
