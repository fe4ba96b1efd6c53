//! Where a name leads: the target is asked, right before the name is judged, and what it is sent then is the place that was
//! judged, without a link in it that it knew of. What becomes a link between the two, or is moved, nobody sees but the target.
//!
//! A name that the target cannot resolve is judged by its text, and goes no further: its answer is what the target said.

use super::Files;
use crate::sftp::{Answer, Named, Names, OpenFlags, Verb, question};
use bytes::Bytes;
use countersign_core::refusal::Refusal;
use std::time::Duration;
use tokio::{sync::oneshot, time::timeout};

use super::table::Waits;

/// How long a target may take to say where a name leads. It is not read while the agent does not read it.
const QUESTION_DEADLINE: Duration = Duration::from_mins(5);
/// The longest name, in bytes: Linux' own measure.
const MAX_NAME: usize = 4096;

/// A request whose names lead where they say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Resolved {
    /// What is forwarded.
    pub(super) named: Named,
    /// What is judged: for each name the place.
    pub(super) places: Vec<Bytes>,
    /// Why it is not forwarded, as the target said it.
    pub(super) failure: Option<u32>,
}

/// Whether what a link leads to is meant, or the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    Through,
    Itself,
}

struct Place {
    at: Bytes,
    failure: Option<u32>,
}

/// Whether these names can be any: a target is given them as C strings.
pub(super) fn are_names(names: &Names) -> bool {
    let is_name = |name: &Bytes| name.len() <= MAX_NAME && !name.contains(&0);
    match names {
        Names::One(name) => is_name(name),
        Names::Two(one, other) => is_name(one) && is_name(other),
    }
}

impl Files<'_> {
    /// Whether it is asked where names begin, which whoever may use SFTP at all is told: clients ask it first.
    pub(super) fn asks_for_start(named: &Named) -> bool {
        let start = |name: &Bytes| name.is_empty() || *name == b"."[..];
        matches!((&named.verb, &named.names), (Verb::RealPath | Verb::ExpandPath, Names::One(name)) if start(name))
    }

    pub(super) async fn resolve(&self, named: &Named) -> Result<Resolved, Refusal> {
        let verb = named.verb.clone();
        let reach = reach(&verb);
        let (names, places, failure) = match &named.names {
            Names::One(name) => {
                let Place { at, failure } = self.locate(&verb, name, reach).await?;
                (Names::One(at.clone()), vec![at], failure)
            }
            // What a link leads to begins at the folder of the link. It is kept as it is written only where it stays below that
            // folder: what climbs out of it would lead elsewhere once the link is moved, and is made to lead where it was judged.
            Names::Two(leads, link) if verb == Verb::SymbolicLink => {
                let link = self.locate(&verb, link, reach).await?;
                let folder = link.at.iter().rposition(|byte| *byte == b'/');
                let folder = folder.and_then(|at| link.at.get(..at)).unwrap_or_default();
                let there =
                    if leads.starts_with(b"/") { leads.clone() } else { join(folder, leads) };
                let Place { at, failure: _ } = self.locate(&verb, &there, Reach::Through).await?;
                let climbs = leads.split(|byte| *byte == b'/').any(|part| part == b"..");
                let leads = if climbs { at.clone() } else { leads.clone() };
                (Names::Two(leads, link.at.clone()), vec![at, link.at], link.failure)
            }
            Names::Two(one, other) => {
                // Some systems link to what a link leads to; so that is said.
                let of_one = if verb == Verb::HardLink { Reach::Through } else { reach };
                let one = self.locate(&verb, one, of_one).await?;
                let other = self.locate(&verb, other, reach).await?;
                let failure = one.failure.or(other.failure);
                (Names::Two(one.at.clone(), other.at.clone()), vec![one.at, other.at], failure)
            }
        };
        Ok(Resolved { named: Named { verb, names }, places, failure })
    }

    async fn locate(&self, verb: &Verb, name: &[u8], reach: Reach) -> Result<Place, Refusal> {
        let (asked, last) = match reach {
            Reach::Through => (name, None),
            Reach::Itself => split(verb, name),
        };
        let how = if *verb == Verb::ExpandPath { Verb::ExpandPath } else { Verb::RealPath };
        match self.ask(how, asked).await? {
            Answer::Name(base) => {
                let at = last.map_or(base.clone(), |last| join(&base, last));
                Ok(Place { at, failure: None })
            }
            Answer::Failed(code) => {
                Ok(Place { at: by_its_text(&self.start, name), failure: Some(code) })
            }
            Answer::Done | Answer::Handle(_) | Answer::Data(_) | Answer::Given => {
                Err(Refusal::TargetUnavailable)
            }
        }
    }

    async fn ask(&self, how: Verb, name: &[u8]) -> Result<Answer, Refusal> {
        self.table.room().await;
        let (said, heard) = oneshot::channel();
        let own = self.table.ask(Waits::Question(said));
        self.send(question(own, how, name)).await;
        match timeout(QUESTION_DEADLINE, heard).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Refusal::TargetUnavailable),
        }
    }
}

fn reach(verb: &Verb) -> Reach {
    match verb {
        // With `O_CREAT` (and never without: `OpenFlags`) `O_EXCL` goes through no link.
        Verb::Open(flags, _) if OpenFlags::is_exclusive(*flags) => Reach::Itself,
        Verb::Open(..)
        | Verb::OpenFolder
        | Verb::Stat
        | Verb::SetStat(_)
        | Verb::RealPath
        | Verb::ExpandPath
        | Verb::FileSystem => Reach::Through,
        Verb::StatLink
        | Verb::SetStatLink(_)
        | Verb::Remove
        | Verb::MakeFolder(_)
        | Verb::RemoveFolder
        | Verb::ReadLink
        | Verb::Rename
        | Verb::RenameOver
        | Verb::HardLink
        | Verb::SymbolicLink => Reach::Itself,
    }
}

/// The folder that a name is in, and its last part; where that is no part of its own, the whole.
fn split<'a>(verb: &Verb, name: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
    // Behind a slash, a link is what it leads to; but a folder that is made or removed is never a link.
    let cut = if matches!(verb, Verb::MakeFolder(_) | Verb::RemoveFolder) {
        let end = name.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        name.get(..end).unwrap_or_default()
    } else {
        name
    };
    let (folder, last) = match cut.iter().rposition(|byte| *byte == b'/') {
        None => (&b"."[..], cut),
        Some(0) => (&b"/"[..], cut.get(1..).unwrap_or_default()),
        Some(at) => (cut.get(..at).unwrap_or_default(), cut.get(at + 1..).unwrap_or_default()),
    };
    if last.is_empty() || last == b"." || last == b".." {
        (name, None)
    } else {
        (folder, Some(last))
    }
}

fn join(folder: &[u8], last: &[u8]) -> Bytes {
    let slash: &[u8] = if folder.ends_with(b"/") { b"" } else { b"/" };
    [folder, slash, last].concat().into()
}

/// The place that the text of a name shows. Where it has a `..` that says nothing, and is left in it.
fn by_its_text(start: &[u8], name: &[u8]) -> Bytes {
    let whole =
        if name.starts_with(b"/") { Bytes::copy_from_slice(name) } else { join(start, name) };
    let parts = whole.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let place: Vec<u8> = parts.flat_map(|part| [b"/", part].concat()).collect();
    if place.is_empty() { Bytes::from_static(b"/") } else { place.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_name_is_what_is_acted_on_and_its_folder_is_asked_for() {
        let check = |name: &str, folder: &str, last: Option<&str>| {
            let found = split(&Verb::Remove, name.as_bytes());
            assert_eq!(found, (folder.as_bytes(), last.map(str::as_bytes)), "{name}");
        };
        check("notes", ".", Some("notes"));
        check("/notes", "/", Some("notes"));
        check("/a/b/c", "/a/b", Some("c"));
        check("a/b", "a", Some("b"));
        for whole in ["", "/", ".", "..", "/a/..", "/a/.", "/a/"] {
            check(whole, whole, None);
        }
        let made = Verb::MakeFolder(crate::sftp::Attributes::default());
        assert_eq!(split(&made, b"/a/b//"), (&b"/a"[..], Some(&b"b"[..])));
    }

    #[test]
    fn a_name_that_nobody_resolves_is_what_its_text_shows() {
        let check = |name: &str, place: &str| {
            assert_eq!(by_its_text(b"/srv/a", name.as_bytes()), place.as_bytes(), "{name}");
        };
        check("x//./y", "/srv/a/x/y");
        check("/x//y/", "/x/y");
        check("/", "/");
        check("../b", "/srv/a/../b");
    }
}
