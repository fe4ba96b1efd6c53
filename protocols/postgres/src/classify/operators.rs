//! PostgreSQL's own operators by name. What argument types they are used with is not known here: a user operator of such a
//! name for closer types can shadow one, which the target's catalogue and the read-only fence must settle.

use super::Name;

/// The names of all operators of `pg_catalog`.
const BUILT_IN: &[&str] = &[
    "!!", "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#>", "#>>", "%", "&", "&&", "&<", "&<|",
    "&>", "*", "*<", "*<=", "*<>", "*=", "*>", "*>=", "+", "-", "->", "->>", "-|-", "/", "<",
    "<->", "<<", "<<=", "<<|", "<=", "<>", "<@", "<^", "=", ">", ">=", ">>", ">>=", ">^", "?",
    "?#", "?&", "?-", "?-|", "?|", "?||", "@", "@-@", "@>", "@?", "@@", "@@@", "^", "^@", "|",
    "|&>", "|/", "|>>", "||", "||/", "~", "~*", "~<=~", "~<~", "~=", "~>=~", "~>~", "~~", "~~*",
];

/// Whether an operator of this name is PostgreSQL's own.
pub(super) fn is_built_in(name: &Name) -> bool {
    // The grammar turns != into <> before the tree is built.
    name.built_in().is_some_and(|bare| BUILT_IN.contains(&bare))
}

/// Every operator name on the list, for a look into the target's catalogue.
pub fn built_in_operators() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().copied()
}
