//! A node whose gate is broken on purpose (see the feature `broken-gate`): the counter-proof of `countersign-chaos`. It takes
//! the arguments that the development cluster gives, `serve --config FILE`, and nothing else.

use anyhow::Context;
use countersign_node::{config, serve, telemetry, tls};
use std::{path::Path, process::ExitCode};

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == countersign_postgres::WORKER_ARGUMENT) {
        return Ok(countersign_postgres::run_grammar_worker());
    }
    let file = arguments.get(3).context("usage: countersign-broken serve --config FILE")?;
    let config = config::load(Some(Path::new(file)))?;
    telemetry::install(&config.telemetry).context("set up the log")?;
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve::run(config))?;
    Ok(ExitCode::SUCCESS)
}
