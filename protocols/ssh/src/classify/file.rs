//! What a request of SFTP asks for: which files it reads, lists, changes and names.
//!
//! The names come as the target resolved them (`channel::files`), so they lead where they say, as far as the target knew
//! then: what becomes a link afterwards, it does not see.

use super::{Classified, path::MAX_FOLDERS};
use crate::sftp::Verb;
use countersign_core::operation::{Action, Demand, Resource};
use std::collections::BTreeSet;

/// What `verb` asks for at these places: as many as it has names.
pub(crate) fn file(verb: &Verb, places: &[&[u8]]) -> Classified {
    let mut asked = Asked::default();
    match verb {
        Verb::Open(flags, attributes) => {
            if flags.reads() {
                asked.contents(Action::SshRead, places);
            }
            if flags.writes() {
                asked.contents(Action::SshWrite, places);
            }
            // What a new file gets beside an ordinary mode, it could not be given otherwise.
            if !attributes.is_ordinary() {
                asked.each(Action::SshSetstat, places);
            }
        }
        Verb::OpenFolder
        | Verb::Stat
        | Verb::StatLink
        | Verb::ReadLink
        | Verb::RealPath
        | Verb::ExpandPath
        | Verb::FileSystem => asked.each(Action::SshList, places),
        Verb::SetStat(attributes) | Verb::SetStatLink(attributes) => {
            asked.each(Action::SshSetstat, places);
            if attributes.size.is_some() {
                asked.contents(Action::SshWrite, places);
            }
        }
        Verb::Remove | Verb::RemoveFolder => asked.each(Action::SshRemove, places),
        Verb::MakeFolder(attributes) => {
            asked.each(Action::SshMkdir, places);
            if !attributes.is_ordinary() {
                asked.each(Action::SshSetstat, places);
            }
        }
        Verb::Rename | Verb::RenameOver => asked.moves(Action::SshRename, places),
        Verb::HardLink | Verb::SymbolicLink => asked.moves(Action::SshLink, places),
    }
    asked.finish(verb, places)
}

#[derive(Debug, Default)]
struct Asked {
    demands: BTreeSet<Demand>,
    notes: BTreeSet<String>,
}

impl Asked {
    fn each(&mut self, action: Action, places: &[&[u8]]) {
        for place in places {
            let resource = resource(place).unwrap_or_else(|| {
                self.opaque("a name does not say what it leads to");
                Resource::Target
            });
            self.demands.insert(Demand { action, resource });
        }
    }

    /// As a command line has it: what reading or writing a device does is the device's own affair.
    fn contents(&mut self, action: Action, places: &[&[u8]]) {
        self.each(action, places);
        if places.iter().any(|place| place.starts_with(b"/dev/") && *place != b"/dev/null") {
            self.opaque("it uses a device");
        }
    }

    /// Both places, and what is in the second one is another thing then: a rule about writing there covers it.
    fn moves(&mut self, action: Action, places: &[&[u8]]) {
        self.each(action, places);
        self.contents(Action::SshWrite, places.get(1..).unwrap_or_default());
    }

    fn opaque(&mut self, reason: &str) {
        self.notes.insert(reason.to_owned());
        self.demands.insert(Demand { action: Action::SshOpaque, resource: Resource::Target });
    }

    fn finish(mut self, verb: &Verb, places: &[&[u8]]) -> Classified {
        if self.demands.is_empty() {
            self.opaque("it names nothing");
        }
        let Self { demands, notes } = self;
        let places = places.iter().map(|place| shown(place)).collect::<Vec<_>>().join(" ");
        let summary = format!("sftp {} {places}", verb.word());
        Classified { demands, commands: BTreeSet::new(), notes, summary }
    }
}

/// What is there, if the name says where that is: text from the root on, of plain steps.
fn resource(place: &[u8]) -> Option<Resource> {
    let path = std::str::from_utf8(place).ok()?;
    let steps = path.strip_prefix('/')?;
    let mut parts = steps.split('/');
    let plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    let clear = steps.is_empty() || (parts.clone().count() <= MAX_FOLDERS && parts.all(plain));
    clear.then(|| Resource::Path { path: path.to_owned() })
}

/// For people: one line, whatever the name has in it.
fn shown(place: &[u8]) -> String {
    let text = String::from_utf8_lossy(place);
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
