//! The corpus of command lines, what they really do in a sandbox, what shells say of their words, and garbage.

mod corpus;
mod garbage;
mod options;
mod policy;
mod sandbox;
mod shells;

use super::*;

/// What the classifier takes a line for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// It only tells something, and what is known.
    Plain,
    /// It only tells something, of a file that the text does not place.
    Unplaced,
    /// It writes, or runs programs with whatever they do; all of them are named.
    Exec,
    /// Something of it is not understood.
    Opaque,
}

fn class_of(classified: &Classified) -> Class {
    let asks = |action| classified.demands.iter().any(|demand| demand.action == action);
    if asks(Action::SshOpaque) {
        Class::Opaque
    } else if asks(Action::SshExec) || asks(Action::SshWrite) {
        Class::Exec
    } else if classified.demands.iter().any(|demand| demand.resource == Resource::Target) {
        Class::Unplaced
    } else {
        Class::Plain
    }
}

/// The names of the programs that it asks for.
fn programs(classified: &Classified) -> BTreeSet<String> {
    let name = |resource: &Resource| match resource {
        Resource::Program { name } => Some(name.clone()),
        Resource::Target
        | Resource::Relation { .. }
        | Resource::Path { .. }
        | Resource::ApiObject { .. }
        | Resource::Url { .. } => None,
    };
    classified.demands.iter().filter_map(|demand| name(&demand.resource)).collect()
}
