//! Why a request is not read. Each is said to the agent as it is here: there is nothing in it but the rule.

use crate::body::Unreadable;

/// A request that the server might read otherwise than it looks. It is refused, whatever policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// Another method than those that the API has.
    #[error("the method is none of GET, HEAD, POST, PUT, PATCH and DELETE, in capitals")]
    Method,
    /// The path is longer than any that means something.
    #[error("the path is longer than {} bytes", super::path::MAX_PATH_BYTES)]
    LongPath,
    /// An absolute or relative form.
    #[error("the path does not begin with a slash")]
    NoSlash,
    /// Two slashes, or one at the end.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`.
    #[error("the path has a segment of dots")]
    Dots,
    /// An escape, a capital, or what a name of its kind cannot have.
    #[error("the path has a character that a {0} cannot have, or has it escaped")]
    Character(&'static str),
    /// The paths that the API had before sub-resources.
    #[error("the prefix `proxy` is not spoken any more: name the sub-resource")]
    ProxyPrefix,
    /// `DELETE /api/v1/watch/pods` is a watch for the server.
    #[error("the prefix `watch` goes with GET alone")]
    WatchPrefix,
    /// Segments behind a sub-resource that takes none.
    #[error("the path goes on behind what it names")]
    Rest,
    /// A question mark with nothing behind it.
    #[error("the query is empty")]
    EmptyQuery,
    /// The query is longer than any that means something.
    #[error("the query is longer than {} bytes", super::query::MAX_QUERY_BYTES)]
    LongQuery,
    /// `&&`, `;`, a key that is escaped or has other characters than keys have.
    #[error("the query has a key that is empty or not plainly written")]
    Key,
    /// A value that does not decode to UTF-8, or has characters that must be escaped.
    #[error("the query has a value that is not UTF-8, or not escaped as it should be")]
    Value,
    /// The server takes the first of several, others the last.
    #[error("the query has a key twice")]
    Twice,
    /// `dryrun` means nothing to the server, and `dryRun` does.
    #[error("the query has a key that differs from one that means something only in its capitals")]
    Capitals,
    /// A field selector with backslashes, or for a name that no path can have.
    #[error("the field selector has an escape, or a name that cannot stand in a path")]
    Selector,
    /// A list of one object by its name, with another option that the server may not read: then it takes no name.
    #[error("the field selector has a name, beside an option that is not plainly written")]
    ListOption,
    /// What is wrong with the body.
    #[error(transparent)]
    Body(#[from] Unreadable),
}
