//! What the command line of an `exec` request means: which programs it runs, which files it reads, lists and writes.
//!
//! A server hands the line to the login's shell, so the line is a program of that shell. What is understood is the part of
//! the POSIX grammar (XCU 2.10) in which nothing is expanded: lists and pipelines of simple commands with literal words,
//! quoted or not, and redirections of the standard streams. In that part sh, dash, bash, ksh, zsh and fish agree; whatever
//! one of them reads otherwise is left out of it. The rest (expansions, substitutions, here-documents, compound commands,
//! functions, background jobs) is `opaque`, which no rule reaches that does not name it. Shells of the csh family read
//! `>&1` otherwise and are no login shells for targets.
//!
//! A program counts as a reader only in the ways that the catalogue lists: an option that is not on its list makes the use
//! not understood. Which file is behind a program's name, and where a link leads, is the target's.
//!
//! What requests of SFTP mean is said in `file`.
//!
//! This module judges nothing (the policy does) and talks to nobody.

mod asked;
mod catalogue;
mod command;
mod file;
mod grammar;
mod own;
mod path;
mod program;
mod reader;
mod word;

#[cfg(test)]
mod tests;

pub(crate) use file::file;

use asked::Asked;
use countersign_core::operation::{Action, Demand, Effect, Resource};
use std::collections::BTreeSet;

/// The longest command line that is read, in bytes. Longer ones are opaque.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Demands of a line; one with more is opaque, because each is judged apart.
pub const MAX_DEMANDS: usize = 256;
/// Shells within shells (`sh -c`) that are looked into.
const MAX_DEPTH: usize = 3;

/// What a command line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// Everything that it asks for. Never empty; the strictest verdict over all of them counts.
    pub demands: BTreeSet<Demand>,
    /// The simple commands that it consists of, those within others included, each as a line of its words.
    pub commands: BTreeSet<String>,
    /// Why it is opaque or stricter than it looks, for the reviewer.
    pub notes: BTreeSet<String>,
    /// One line for people: the programs, no arguments.
    pub summary: String,
}

impl Classified {
    /// Whether it can leave anything behind: only what is known to tell something, or to open SFTP, and to do nothing else
    /// does not.
    pub fn effect(&self) -> Effect {
        let passes = |demand: &Demand| {
            let known = [
                Action::SshQuery,
                Action::SshList,
                Action::SshRead,
                Action::SshScan,
                Action::SshSftp,
            ];
            known.contains(&demand.action)
        };
        if self.demands.iter().all(passes) { Effect::Passing } else { Effect::Lasting }
    }

    fn opaque(note: &str, summary: &str) -> Self {
        let demand = Demand { action: Action::SshOpaque, resource: Resource::Target };
        Self {
            demands: BTreeSet::from([demand]),
            commands: BTreeSet::new(),
            notes: BTreeSet::from([note.to_owned()]),
            summary: summary.to_owned(),
        }
    }
}

/// What `text` means, handed to the login's shell.
pub fn classify(text: &[u8]) -> Classified {
    let mut asked = Asked::default();
    script(text, &mut asked, 0);
    let classified = asked.finish();
    if classified.demands.len() > MAX_DEMANDS {
        return Classified::opaque("it asks for more than is judged at once", &classified.summary);
    }
    classified
}

/// Reads a text that a shell is given, `depth` shells inside the first one.
fn script(text: &[u8], asked: &mut Asked, depth: usize) {
    if depth > MAX_DEPTH {
        return asked.opaque("shells within shells are looked into only so far");
    }
    if text.len() > MAX_TEXT_BYTES {
        return asked.opaque("it is too long to be read");
    }
    match grammar::simple_commands(text) {
        Ok(commands) => commands.iter().for_each(|one| command::simple(one, asked, depth)),
        Err(unclear) => asked.opaque(unclear.reason()),
    }
}
