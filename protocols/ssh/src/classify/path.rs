//! Where a path leads, as far as its text says. Links are the target's: nothing here knows them, except those that the
//! kernel makes of processes, which lead anywhere.

use super::word::{Shape, Word};

/// The login's own folder, where relative paths begin.
pub(super) const OWN_FOLDER: &str = "~";
/// Folders within folders that a path may have: each is an entity that the policy is told.
pub(super) const MAX_FOLDERS: usize = 64;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Here: `/`, `/var/log`, `~`, `~/notes`; of a pattern, `/var/log/*`.
    At(String),
    /// To the device that gives nothing and keeps nothing.
    Nowhere,
    /// To a device.
    Device,
    /// The text does not say.
    Unknown,
}

/// Where `word` leads.
pub(super) fn place(word: &Word) -> Place {
    let text = word.text.as_str();
    let parts: Vec<&str> =
        text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    // Fish reads a backslash in quotes otherwise than the others.
    if text.is_empty() || text.contains('\\') || parts.len() > MAX_FOLDERS {
        return Place::Unknown;
    }
    // Behind a link, `..` is not the folder that the text shows.
    if parts.contains(&"..") {
        return Place::Unknown;
    }
    if !text.starts_with('/') {
        let inside = std::iter::once(OWN_FOLDER).chain(parts).collect::<Vec<_>>().join("/");
        return match word.shape {
            Shape::Literal => Place::At(inside),
            Shape::Pattern => Place::Unknown,
        };
    }
    match (parts.as_slice(), word.shape) {
        (["dev", "null"], Shape::Literal) => Place::Nowhere,
        (["dev", _, ..], _) => Place::Device,
        (["proc", process, ..], shape) if leads_anywhere(process, shape) => Place::Unknown,
        (parts, Shape::Pattern) if !is_harmless(parts) => Place::Unknown,
        (parts, _) => Place::At(format!("/{}", parts.join("/"))),
    }
}

/// Whether this entry of `/proc` is a process, whose `root`, `cwd` and `fd` lead out of `/proc`.
fn leads_anywhere(entry: &str, shape: Shape) -> bool {
    let process = entry.bytes().all(|byte| byte.is_ascii_digit());
    shape == Shape::Pattern || process || entry == "self" || entry == "thread-self"
}

/// A pattern stays below the folder that it is written in, unless it can match `.` and `..` or a folder that is special.
fn is_harmless(parts: &[&str]) -> bool {
    let special = |part: &str| part.contains(['*', '?']);
    let first_is_special = parts.first().is_some_and(|first| special(first));
    !first_is_special && !parts.iter().any(|part| part.starts_with('.') && special(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Place) {
        let shape = if text.contains(['*', '?']) { Shape::Pattern } else { Shape::Literal };
        assert_eq!(place(&Word { text: text.to_owned(), shape }), expected, "{text}");
    }

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        for text in ["/var/log", "/var//log", "//var/log/", "/var/./log/.", "/./var/log"] {
            check(text, Place::At("/var/log".to_owned()));
        }
        check("/", Place::At("/".to_owned()));
        check("//", Place::At("/".to_owned()));
        for text in ["notes", "./notes", "notes/", ".//notes"] {
            check(text, Place::At("~/notes".to_owned()));
        }
        check(".", Place::At("~".to_owned()));
        check("~root", Place::At("~/~root".to_owned()));
    }

    #[test]
    fn a_path_whose_text_does_not_say_where_it_leads_is_unknown() {
        for text in [
            "",
            "..",
            "/var/log/../../etc/shadow",
            "notes/..",
            "/proc/self/cwd/shadow",
            "/proc//self/cwd",
            "/proc/thread-self/fd/0",
            "/proc/1/root",
            "/proc/*/cwd/shadow",
            "/proc/?/environ",
            "/var/log/.*",
            "/var/log/.?/passwd",
            "/*/shadow",
            "/pro?/self/root",
            "*",
            "logs/*",
            r"a\b",
        ] {
            check(text, Place::Unknown);
        }
        check(&"/a".repeat(MAX_FOLDERS + 1), Place::Unknown);
    }

    #[test]
    fn a_device_is_no_file() {
        for text in ["/dev/tcp/10.0.0.1/80", "/dev/stdin", "//dev//sda", "/dev/fd/3", "/dev/*"] {
            check(text, Place::Device);
        }
        check("/dev/null", Place::Nowhere);
        check("/dev/./null", Place::Nowhere);
        check("/dev", Place::At("/dev".to_owned()));
    }

    #[test]
    fn a_pattern_stays_in_the_folder_that_it_is_written_in() {
        for text in ["/var/log/*", "/var/log/*.log", "/var/*/syslog", "/proc/meminf?x"] {
            let known = !text.starts_with("/proc");
            let expected = if known { Place::At(text.to_owned()) } else { Place::Unknown };
            check(text, expected);
        }
    }
}
