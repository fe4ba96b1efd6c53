//! What the shell needs: completions, manual pages, and usage errors with the right exit status.

use crate::{
    cli::Cli,
    failure::{Failure, Status},
    output::Terminal,
};
use anyhow::Context as _;
use clap::CommandFactory as _;
use std::{path::Path, process::ExitCode};

/// Prints the completions of a shell.
pub(crate) fn completion(
    shell: clap_complete::Shell,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "countersignctl", &mut script);
    terminal.raw(&script)
}

/// Writes the manual pages.
pub(crate) fn man(dir: &Path, terminal: &mut Terminal) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
        .with_context(|| format!("cannot write manual pages into {}", dir.display()))?;
    terminal.note(&format!("wrote manual pages into {}", dir.display()));
    Ok(())
}

/// Prints help, the version, or what is wrong with a command line.
pub(crate) fn explain_usage(error: &clap::Error) -> ExitCode {
    let status = if error.use_stderr() { Status::Usage } else { Status::Done };
    // When stdout or stderr is closed there is nobody to tell.
    drop(error.print());
    ExitCode::from(status.code())
}
