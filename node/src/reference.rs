//! Secrets that settings refer to: `file:PATH`, `env:NAME` or `command:PROGRAM ARGUMENT…`, such as the client of a key
//! management service. What they say is read, never kept here; what it must look like is for who asks.

use countersign_edge::SecretReference;
use std::{
    io::Read,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// What begins a reference to a command.
const COMMAND: &str = "command:";
/// How long a command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes that it may say.
const MOST_SAID: u64 = 4096;

/// Why a reference says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reference}: {reason}")]
pub struct ReferenceError {
    /// The reference.
    pub reference: String,
    /// Why.
    pub reason: String,
}

/// The text that a reference leads to, without white space at its end. Blocks.
pub(crate) fn read(reference: &str) -> Result<Zeroizing<String>, ReferenceError> {
    let text = match reference.strip_prefix(COMMAND) {
        Some(line) => said(line),
        None => SecretReference::parse(reference).map_err(|e| e.to_string()).and_then(|parsed| {
            match parsed {
                SecretReference::File(path) => {
                    std::fs::read_to_string(path).map_err(|e| e.to_string())
                }
                SecretReference::Environment(name) => {
                    std::env::var(name).map_err(|e| e.to_string())
                }
            }
            .map(Zeroizing::new)
        }),
    };
    let text = text.map_err(|reason| ReferenceError { reference: reference.to_owned(), reason })?;
    Ok(Zeroizing::new(text.trim_end().to_owned()))
}

/// What a command says. It is a program and its arguments with blanks between, and no shell sees it.
fn said(line: &str) -> Result<Zeroizing<String>, String> {
    let mut words = line.split_ascii_whitespace();
    let program = words.next().ok_or("there is no command")?;
    let child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the command does not start: {error}"))?;
    heard(child)
}

fn heard(mut child: Child) -> Result<Zeroizing<String>, String> {
    let until = Instant::now() + COMMAND_WITHIN;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => sleep(LOOK_EVERY),
            Ok(None) => {
                // It is given up either way.
                drop(child.kill());
                drop(child.wait());
                return Err(format!("the command has not ended in {} s", COMMAND_WITHIN.as_secs()));
            }
            Err(error) => return Err(format!("the command cannot be waited for: {error}")),
        }
    };
    if !status.success() {
        return Err(format!("the command ended with {status}"));
    }
    let mut text = Zeroizing::new(String::new());
    let said = child.stdout.take().ok_or("the command has no output")?;
    // What it says fits into a pipe, so that it can end before it is heard.
    said.take(MOST_SAID + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MOST_SAID {
        return Err(format!("the command says more than {MOST_SAID} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reference: &str) -> String {
        read(reference).unwrap_err().reason
    }

    #[test]
    fn a_secret_is_what_a_file_or_a_command_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "abc\n").unwrap();
        assert_eq!(*read(&format!("file:{}", path.display())).unwrap(), "abc");
        assert_eq!(*read(&format!("command:cat {}", path.display())).unwrap(), "abc");
    }

    #[test]
    fn a_command_that_fails_or_is_not_there_or_talks_too_much_gives_nothing() {
        assert!(refused("command:false").contains("exit status: 1"));
        assert!(refused("command:/nonexistent/kms").contains("does not start"));
        assert!(refused("command:").contains("no command"));
        assert!(refused("command:head -c 5000 /dev/zero").contains("more than"));
    }

    #[test]
    fn no_shell_sees_a_command() {
        assert_eq!(*read("command:echo $HOME;id").unwrap(), "$HOME;id");
    }
}
