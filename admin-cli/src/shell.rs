//! What the shell needs: completions, manual pages, and usage errors with the right exit status.

use crate::{
    cli::Cli,
    failure::{Failure, Status},
    output::Terminal,
};
use anyhow::Context as _;
use clap::CommandFactory as _;
use std::{ffi::OsString, io::Write as _, path::Path, process::ExitCode};

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

/// Prints help, the version, or what is wrong with a command line: as a problem document where JSON was asked for.
pub(crate) fn explain_usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        // When stdout is closed there is nobody to tell.
        drop(error.print());
        return ExitCode::from(Status::Done.code());
    }
    if wants_json(arguments) {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ");
        drop(writeln!(std::io::stderr(), "{}", Failure::usage(message).document(&[])));
    } else {
        drop(error.print());
    }
    ExitCode::from(Status::Usage.code())
}

/// Whether a command line that could not be read asks for JSON.
fn wants_json(arguments: &[OsString]) -> bool {
    let texts: Vec<_> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    texts.iter().any(|text| matches!(*text, "-ojson" | "-o=json" | "--output=json"))
        || texts.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "json"]))
}
