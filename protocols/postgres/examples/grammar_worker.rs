//! The smallest program around the grammar worker; the tests of the pool start it. The gateway itself is its own worker.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign_postgres::classify::run_grammar_worker()
}
