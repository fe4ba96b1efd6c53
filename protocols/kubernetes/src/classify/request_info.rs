//! A request as the API server maps it, for its own authorisation and audit. The server calls the result `RequestInfo`.
//!
//! What it does, in its order: a path of fewer than three segments behind `api`, or four behind `apis`, belongs to no
//! resource; the verb is the method's, or `watch` behind that prefix; the namespace is taken off unless it is itself what is
//! asked for; then come resource, name, sub-resource. A GET without a name is a list or a watch, and a list that a field
//! selector leaves one object of has its name; a DELETE without a name is of the collection.

use super::{
    Method, Unclear,
    path::{Form, Path},
    query::Query,
    selector,
};

/// A verb of the API server's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// `get`.
    Get,
    /// `list`.
    List,
    /// `watch`.
    Watch,
    /// `create`.
    Create,
    /// `update`.
    Update,
    /// `patch`.
    Patch,
    /// `delete`.
    Delete,
    /// `deletecollection`.
    DeleteCollection,
    /// What belongs to no resource has its method for a verb, in small letters.
    Plain(Method),
}

impl Verb {
    /// The server's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get | Self::Plain(Method::Get) => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch | Self::Plain(Method::Patch) => "patch",
            Self::Delete | Self::Plain(Method::Delete) => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Plain(Method::Head) => "head",
            Self::Plain(Method::Post) => "post",
            Self::Plain(Method::Put) => "put",
        }
    }
}

/// An object, or a collection of them. What is not there is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// The API group; the core group is none.
    pub group: String,
    /// The version of the group.
    pub version: String,
    /// The namespace.
    pub namespace: String,
    /// The resource.
    pub resource: String,
    /// The name.
    pub name: String,
    /// The sub-resource.
    pub subresource: String,
}

/// What a request is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A path that belongs to no resource.
    Url(String),
    /// An object, or a collection.
    Object(Object),
}

/// A request as the server maps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestInfo {
    /// What is done.
    pub verb: Verb,
    /// With what.
    pub subject: Subject,
}

/// Maps a request.
pub(super) fn map(
    method: Method,
    path: &Path<'_>,
    query: &Query<'_>,
) -> Result<RequestInfo, Unclear> {
    let Form::Resource {
        group,
        version,
        watch,
        namespace,
        resource,
        name,
        subresource,
        goes_on: _,
    } = path.form
    else {
        let subject = Subject::Url(path.text.to_owned());
        return Ok(RequestInfo { verb: Verb::Plain(method), subject });
    };
    let verb = if watch { of_watch_prefix(method)? } else { of_method(method) };
    let mut object = Object {
        group: group.to_owned(),
        version: version.to_owned(),
        namespace: namespace.to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        subresource: subresource.to_owned(),
    };
    let verb = match verb {
        Verb::Get if name.is_empty() => {
            selector::name(query)?.unwrap_or_default().clone_into(&mut object.name);
            if watches(query) { Verb::Watch } else { Verb::List }
        }
        Verb::Delete if name.is_empty() => Verb::DeleteCollection,
        Verb::Get
        | Verb::List
        | Verb::Watch
        | Verb::Create
        | Verb::Update
        | Verb::Patch
        | Verb::Delete
        | Verb::DeleteCollection
        | Verb::Plain(_) => verb,
    };
    Ok(RequestInfo { verb, subject: Subject::Object(object) })
}

/// Behind the prefix `watch` the server takes any method for a watch. Only GET is one.
fn of_watch_prefix(method: Method) -> Result<Verb, Unclear> {
    match method {
        Method::Get => Ok(Verb::Watch),
        Method::Head | Method::Post | Method::Put | Method::Patch | Method::Delete => {
            Err(Unclear::WatchPrefix)
        }
    }
}

const fn of_method(method: Method) -> Verb {
    match method {
        Method::Get | Method::Head => Verb::Get,
        Method::Post => Verb::Create,
        Method::Put => Verb::Update,
        Method::Patch => Verb::Patch,
        Method::Delete => Verb::Delete,
    }
}

/// Everything but `false` and `0` is true for the server, nothing at all included.
fn watches(query: &Query<'_>) -> bool {
    query.value("watch").is_some_and(|value| !value.eq_ignore_ascii_case("false") && value != "0")
}
