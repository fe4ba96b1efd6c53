//! What a change of a resource was, as the audit shows it: the documents around the place where they differ, and digests of
//! the whole documents. A change far behind in a long document is shown like any other.

use crate::{limits::MAX_AUDIT_TEXT, records::clipped};
use sha2::{Digest, Sha256};

/// Bytes that are shown in front of and behind what differs.
const AROUND: usize = 200;

/// Before and after, without what they have in common in front and behind.
pub(super) fn diff(was: &str, is: &str) -> String {
    let front = common(was.bytes(), is.bytes());
    let shorter = was.len().min(is.len());
    let back = common(was.bytes().rev(), is.bytes().rev()).min(shorter - front);
    format!("- {}\n+ {}", part(was, front, back), part(is, front, back))
}

fn common(one: impl Iterator<Item = u8>, other: impl Iterator<Item = u8>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

/// A document around what differs, with its place where it is not all of it.
fn part(document: &str, front: usize, back: usize) -> String {
    let begin = document.floor_char_boundary(front.saturating_sub(AROUND));
    let end =
        document.ceil_char_boundary(document.len().saturating_sub(back).saturating_add(AROUND));
    let shown = clipped(document.get(begin..end).unwrap_or_default(), MAX_AUDIT_TEXT / 2);
    let before = if begin > 0 { format!("…[{begin} bytes] ") } else { String::new() };
    let behind = document.len().saturating_sub(end);
    let behind = if behind > 0 { format!(" [{behind} bytes]…") } else { String::new() };
    format!("{before}{shown}{behind}")
}

/// The digest of a whole document.
pub(super) fn digest(document: &str) -> String {
    hex::encode(Sha256::digest(document.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_change_is_shown_whole() {
        assert_eq!(diff("", "{\"a\":1}"), "- \n+ {\"a\":1}");
        assert_eq!(diff("{\"a\":1}", "{\"a\":2}"), "- {\"a\":1}\n+ {\"a\":2}");
        assert_eq!(diff("aaa", "aa"), "- aaa\n+ aa");
    }

    #[test]
    fn a_change_far_behind_is_shown_with_its_place() {
        let long = "é".repeat(100_000);
        let (was, is) = (format!("{long}permit{long}"), format!("{long}forbid{long}"));
        let shown = diff(&was, &is);
        assert!(shown.contains("permit") && shown.contains("forbid"), "{shown}");
        assert!(shown.contains("bytes]") && shown.len() < 2_000);
        assert_ne!(digest(&was), digest(&is));
    }

    #[test]
    fn a_change_of_everything_is_cut_and_says_so() {
        let shown = diff(&"a".repeat(200_000), &"b".repeat(200_000));
        assert!(shown.len() < MAX_AUDIT_TEXT + 200 && shown.contains("cut: "));
    }
}
