//! `DEALLOCATE` by SQL. Drivers close with it what they prepared over the protocol. The name of such a statement exists
//! only here (at the target it has one of the gateway's own), so that it is closed here, as a Close would close it: nothing
//! goes to the target. Every other DEALLOCATE is an operation like others; what it drops at the target is parsed there
//! again when it is used.

use super::Session;
use crate::{
    classify::{Classified, Statement, StatementKind},
    frame,
    mask::Masker,
    state::Block,
};
use bytes::BufMut;

/// Whether a text was carried out here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Here {
    Done,
    NotOurs,
}

impl Session {
    /// Closes the statement that a text deallocates, if it is one of the protocol's, and says so.
    pub(super) fn deallocate(&mut self, classified: &Classified, text: &[u8]) -> Here {
        // In a failed transaction the server refuses it too.
        let name = (self.block != Block::Failed).then(|| deallocated(classified, text)).flatten();
        match name {
            Some(name) if self.names.statement(&name).is_ok() => {
                self.names.close_statement(&name);
                let tag = frame::message(b'C', |out| out.put_slice(b"DEALLOCATE\0"));
                self.writer.say(Masker::own(tag));
                Here::Done
            }
            Some(_) | None => Here::NotOurs,
        }
    }

    /// Takes note of what an operation that was carried out has dropped.
    pub(super) fn note_dropped(&mut self, classified: &Classified, text: &[u8]) {
        let drops = |statement: &Statement| {
            // DISCARD is among those that set many.
            matches!(statement.kind, StatementKind::Deallocate | StatementKind::Set(None))
        };
        match (classified.statements.as_slice(), words(text).as_slice()) {
            ([one], [first, .., all])
                if drops(one)
                    && all.eq_ignore_ascii_case("all")
                    && !first.eq_ignore_ascii_case("reset") =>
            {
                self.names.deallocate_all();
            }
            (many, _) if many.iter().any(drops) => self.names.doubt_all(),
            _ => {}
        }
    }
}

/// The words of a text, without the blanks and semicolons around it; none where it is not UTF-8.
fn words(text: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let blank = |c: char| c.is_ascii_whitespace() || c == ';';
    text.trim_matches(blank).split_ascii_whitespace().collect()
}

/// The name in `DEALLOCATE [PREPARE] name`, where it is written plainly. The grammar has found that it is one statement of
/// this kind; what is written otherwise is left to the target.
fn deallocated(classified: &Classified, text: &[u8]) -> Option<String> {
    let [one] = classified.statements.as_slice() else { return None };
    if one.kind != StatementKind::Deallocate {
        return None;
    }
    let name = match words(text).as_slice() {
        [_deallocate, name] => *name,
        [_deallocate, prepare, name] if prepare.eq_ignore_ascii_case("prepare") => *name,
        _ => return None,
    };
    if let Some(quoted) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        return (!quoted.contains('"')).then(|| quoted.to_owned());
    }
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let folded = name.to_ascii_lowercase();
    (is_plain && folded != "all").then_some(folded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::classify;

    #[test]
    fn the_name_is_read_where_it_is_plain_and_not_guessed_where_it_is_not() {
        for (text, name) in [
            ("DEALLOCATE s1", Some("s1")),
            (" deallocate  PREPARE\n_PG3_0 ; ", Some("_pg3_0")),
            ("DEALLOCATE \"Mine\"", Some("Mine")),
            ("DEALLOCATE prepare", Some("prepare")),
            ("DEALLOCATE \"all\"", Some("all")),
            ("DEALLOCATE ALL", None),
            ("DEALLOCATE PREPARE ALL", None),
            ("DEALLOCATE \"a\"\"b\"", None),
            ("DEALLOCATE/**/s1", None),
            ("DEALLOCATE s1 -- ever", None),
            ("DEALLOCATE s1; DEALLOCATE s2", None),
            ("SELECT s1", None),
        ] {
            let found = deallocated(&classify(text), text.as_bytes());
            assert_eq!(found.as_deref(), name, "{text}");
        }
    }
}
