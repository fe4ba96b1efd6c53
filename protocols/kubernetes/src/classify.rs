//! What a request to an API server means: which objects or URLs it is about, and what it asks to do with them.
//!
//! The path and the query are read only where they are written in the one canonical way, because the server reads several
//! ways as the same (an escaped slash, an empty namespace): what is written otherwise is refused, never made canonical and
//! sent on. From the canonical path the request is mapped as the server itself maps it for its own authorisation
//! ([`RequestInfo`]), and that to the actions of policies, where a sub-resource is never a plain read or write of its
//! object. What the gateway does not know (a sub-resource of an extension) is `opaque`, which no rule reaches that does not
//! name it.
//!
//! Resources need not be known: extensions' are read like the server's own. A body is read as far as its form is known
//! ([`crate::body`]); one that is not makes the request opaque beside whatever else it is. This module judges nothing (the
//! policy does) and talks to nobody.

mod actions;
mod arguments;
mod method;
mod path;
mod query;
mod request_info;
mod selector;
mod unclear;

#[cfg(test)]
mod tests;

pub use method::Method;
pub use request_info::{Object, RequestInfo, Subject, Verb};
pub use unclear::Unclear;

use crate::{body, request::Request};
use countersign_core::operation::{Demand, Effect};
use query::Query;
use std::collections::BTreeSet;

/// What a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The request as the server maps it.
    pub info: RequestInfo,
    /// Everything that it asks for. Never empty; the strictest verdict over all of them counts.
    pub demands: BTreeSet<Demand>,
    /// The command that it runs in a container, as a line of its words.
    pub commands: BTreeSet<String>,
    /// Whether it can leave anything behind.
    pub effect: Effect,
    /// One line for people: what is done with what, no values.
    pub summary: String,
    /// What a reviewer is told of the body before its text, as name and value.
    pub facts: Vec<(String, String)>,
}

/// What a request means.
pub fn classify(request: &Request<'_>) -> Result<Classified, Unclear> {
    let head = classify_head(request.method, request.target)?;
    let read = body::read(request, &head.info)?;
    Ok(match read.form {
        body::Form::Opaque if !actions::only_ask(&head.demands) => {
            Classified { facts: read.facts, ..head }.and_opaque()
        }
        body::Form::Opaque | body::Form::Empty | body::Form::Object | body::Form::Patch => {
            Classified { facts: read.facts, ..head }
        }
    })
}

impl Classified {
    /// The same, with something in it that is not understood.
    fn and_opaque(mut self) -> Self {
        self.demands.insert(actions::opaque(&self.info));
        self.effect = actions::effect(&self.demands);
        self
    }
}

/// What the head of a request means.
fn classify_head(method: Method, target: &str) -> Result<Classified, Unclear> {
    let (path, query) = match target.split_once('?') {
        None => (target, ""),
        Some((_, "")) => return Err(Unclear::EmptyQuery),
        Some((path, query)) => (path, query),
    };
    let path = path::read(path)?;
    let query = Query::read(query)?;
    let info = request_info::map(method, &path, &query)?;
    let demands = actions::demands(method, &info);
    if !actions::passes_on(&demands) {
        query.is_unambiguous()?;
        path.has_no_rest()?;
    }
    Ok(Classified {
        commands: arguments::commands(&demands, &query),
        effect: actions::effect(&demands),
        summary: actions::summary(&info),
        facts: Vec::new(),
        demands,
        info,
    })
}
