//! What a command's name says about what will run, as far as a name says it.

use super::{
    path::{self, Place},
    word::Word,
};

/// Folders of the system's own programs: a program there is called by its name alone, too.
const SYSTEM_FOLDERS: &[&str] = &["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"];

/// Words that a shell takes for its own grammar, or that change what the shell does with what follows. Some are such words
/// in one shell only.
const SHELL_WORDS: &[&str] = &[
    "!",
    ".",
    ":",
    "[",
    "[[",
    "]]",
    "{",
    "}",
    "-",
    "abbr",
    "alias",
    "and",
    "argparse",
    "autoload",
    "begin",
    "bg",
    "bind",
    "bindkey",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "command",
    "compctl",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disable",
    "disown",
    "do",
    "done",
    "echotc",
    "elif",
    "else",
    "emulate",
    "enable",
    "end",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "fc",
    "fg",
    "fi",
    "float",
    "for",
    "foreach",
    "funced",
    "function",
    "functions",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "integer",
    "jobs",
    "let",
    "local",
    "logout",
    "mapfile",
    "nameref",
    "nocorrect",
    "noglob",
    "not",
    "or",
    "popd",
    "print",
    "printf",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "repeat",
    "return",
    "select",
    "set",
    "setopt",
    "shift",
    "shopt",
    "source",
    "suspend",
    "switch",
    "then",
    "time",
    "times",
    "trap",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unfunction",
    "unset",
    "unsetopt",
    "until",
    "vared",
    "wait",
    "whence",
    "while",
    "zcompile",
    "zle",
    "zmodload",
    "zparseopts",
    "zstyle",
];

/// What a command's first word names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A program that is looked for in the usual places, or a command that the shell has itself.
    Usual(String),
    /// A program at a place of its own.
    Placed(String),
    /// Something of the shell's own.
    Shell,
    /// The name does not say what runs.
    Unknown,
}

/// What `word` names as the first word of a command.
pub(super) fn named(word: &Word) -> Named {
    let Some(text) = word.as_literal().filter(|text| !text.is_empty()) else {
        return Named::Unknown;
    };
    // `NAME=value` sets a variable, `%1` is something that runs already.
    if text.contains('=') || text.starts_with('%') {
        return Named::Unknown;
    }
    let system = SYSTEM_FOLDERS.iter().find_map(|folder| text.strip_prefix(folder));
    if let Some(name) =
        system.filter(|name| !name.starts_with('.') && !name.is_empty() && !name.contains('/'))
    {
        return Named::Usual(name.to_owned());
    }
    if !text.contains('/') {
        let own = SHELL_WORDS.contains(&text);
        return if own { Named::Shell } else { Named::Usual(text.to_owned()) };
    }
    match path::place(word) {
        Place::At(path) => Named::Placed(path),
        Place::Nowhere | Place::Device | Place::Unknown => Named::Unknown,
    }
}
