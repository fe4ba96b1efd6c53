//! What a command line asks for, gathered while it is read. It judges nothing; it only never lets a demand get lost.

use super::{
    Classified,
    path::{self, Place},
    word::{self, Word},
};
use countersign_core::operation::{Action, Demand, Resource};
use std::collections::BTreeSet;

/// Programs that the summary names.
const MOST_IN_SUMMARY: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Asked {
    demands: BTreeSet<Demand>,
    commands: BTreeSet<String>,
    notes: BTreeSet<String>,
    programs: Vec<String>,
}

impl Asked {
    /// A simple command with these words is part of it.
    pub(super) fn command(&mut self, words: &[Word]) {
        self.commands.insert(word::line(words));
    }

    /// How many commands are part of it.
    pub(super) fn commands(&self) -> usize {
        self.commands.len()
    }

    /// The program tells something, and does nothing else.
    pub(super) fn query(&mut self, program: &str) {
        self.program(Action::SshQuery, program);
    }

    /// The program does whatever it does.
    pub(super) fn exec(&mut self, program: &str) {
        self.program(Action::SshExec, program);
    }

    /// Something of it is not understood.
    pub(super) fn opaque(&mut self, reason: &str) {
        self.notes.insert(reason.to_owned());
        self.demand(Action::SshOpaque, Resource::Target);
    }

    /// Names and attributes of files are told.
    pub(super) fn list(&mut self, word: &Word) {
        self.at(Action::SshList, path::place(word));
    }

    /// Names and attributes in the login's own folder are told.
    pub(super) fn list_own_folder(&mut self) {
        self.at(Action::SshList, Place::At(path::OWN_FOLDER.to_owned()));
    }

    /// The contents of the file are told; or, of a pattern, of what matches.
    pub(super) fn read(&mut self, word: &Word) {
        let action = match word.as_literal() {
            Some(_) => Action::SshRead,
            None => Action::SshScan,
        };
        self.contents(action, word);
    }

    /// The contents of everything below are told.
    pub(super) fn scan(&mut self, word: &Word) {
        self.contents(Action::SshScan, word);
    }

    /// The file is written to.
    pub(super) fn write(&mut self, word: &Word) {
        self.contents(Action::SshWrite, word);
    }

    /// A device is no file: what reading or writing one does is the device's own affair, and some names are connections.
    fn contents(&mut self, action: Action, word: &Word) {
        match path::place(word) {
            Place::Nowhere => (),
            Place::Device => self.opaque("it uses a device"),
            place @ (Place::At(_) | Place::Unknown) => self.at(action, place),
        }
    }

    fn at(&mut self, action: Action, place: Place) {
        let resource = match place {
            Place::At(path) => Resource::Path { path },
            Place::Nowhere | Place::Device => Resource::Path { path: "/dev".to_owned() },
            Place::Unknown => {
                self.notes.insert("a path does not say what it leads to".to_owned());
                Resource::Target
            }
        };
        self.demand(action, resource);
    }

    fn program(&mut self, action: Action, program: &str) {
        if !self.programs.iter().any(|known| known == program) {
            self.programs.push(program.to_owned());
        }
        self.demand(action, Resource::Program { name: program.to_owned() });
    }

    fn demand(&mut self, action: Action, resource: Resource) {
        self.demands.insert(Demand { action, resource });
    }

    /// All of it. What asks for nothing was not understood.
    pub(super) fn finish(mut self) -> Classified {
        if self.demands.is_empty() {
            self.opaque("there is no command in it");
        }
        let Self { demands, commands, notes, programs } = self;
        let shown: Vec<&str> = programs.iter().take(MOST_IN_SUMMARY).map(String::as_str).collect();
        let summary = match programs.len() {
            0 => "a command line that is not understood".to_owned(),
            count if count > shown.len() => {
                format!("{} and {} more", shown.join(", "), count - shown.len())
            }
            _ => shown.join(", "),
        };
        Classified { demands, commands, notes, summary }
    }
}
