//! Texts that differ only in plain numbers that something is compared with mean the same: the grammar reads any such number
//! as one kind of word, and of these statements nothing looks at its value. So the meaning of one serves for all; what many
//! clients send is such a text with another key each time.
//!
//! What is not plain beyond doubt is no template: a text has only bytes here that begin no string, quoted name, comment,
//! parameter or sign; a number has one to nine digits and stands between a comparison and what ends a number. Statements
//! in which a value decides what they do (SET, FETCH and the like) are none either.

use super::{Classified, Statement, StatementKind};

/// Stands for a number. No text of a template has it.
const NUMBER: char = '\0';
/// The most digits of a number: more could make another kind of number.
const MAX_DIGITS: usize = 9;
/// The longest text that is looked at.
const MAX_BYTES: usize = 4 * 1024;

/// The text with its numbers taken out; `None` when it is no template or has none.
pub(super) fn template(text: &str) -> Option<String> {
    if text.len() > MAX_BYTES || !text.bytes().all(is_plain) {
        return None;
    }
    let mut template = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let (number, behind) = number.split_at(end);
        template.push_str(before);
        let ends = behind.bytes().next().is_none_or(|byte| !continues_a_word(byte));
        if ends && number.len() <= MAX_DIGITS && is_compared(&template) {
            template.push(NUMBER);
            found = true;
        } else {
            template.push_str(number);
        }
        rest = behind;
    }
    template.push_str(rest);
    found.then_some(template)
}

/// What `known`, read in a text of `known_bytes` bytes, means for a text of `bytes` bytes of the same template.
pub(super) fn of_same_template(
    known: &Classified,
    (known_bytes, bytes): (usize, usize),
) -> Option<Classified> {
    let [statement] = known.statements.as_slice() else { return None };
    let end = (statement.span.end + bytes).checked_sub(known_bytes)?;
    let statement = Statement { span: statement.span.start..end, ..statement.clone() };
    Some(Classified { statements: vec![statement] })
}

/// Whether the meaning of a text serves for all of its template.
pub(super) fn serves_for_all(known: &Classified, text: &str) -> bool {
    let [statement] = known.statements.as_slice() else { return false };
    let kind = matches!(
        statement.kind,
        StatementKind::Select
            | StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
    );
    let has_numbers =
        |part: Option<&str>| part.is_none_or(|part| part.contains(|c: char| c.is_ascii_digit()));
    let (before, behind) = (text.get(..statement.span.start), text.get(statement.span.end..));
    kind && !has_numbers(before) && !has_numbers(behind)
}

/// Letters, digits, blanks, and signs of which no sequence begins something whose inside is read in another way.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'_' | b' '
                | b'\t'
                | b'\n'
                | b'\r'
                | b'.'
                | b','
                | b';'
                | b'('
                | b')'
                | b'='
                | b'<'
                | b'>'
                | b'*'
        )
}

const fn continues_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

/// Whether what stands in front of a number ends in a comparison.
fn is_compared(before: &str) -> bool {
    before.trim_end_matches([' ', '\t', '\n', '\r']).ends_with(['=', '<', '>'])
}

#[cfg(test)]
mod tests {
    use super::{super::classify, *};

    /// What the template of `first` makes of `second`, if it has the same.
    fn derived(first: &str, second: &str) -> Option<Classified> {
        let known = classify(first);
        let same = template(first).is_some() && template(first) == template(second);
        let serves = same && serves_for_all(&known, first);
        serves.then(|| of_same_template(&known, (first.len(), second.len()))).flatten()
    }

    #[test]
    fn what_a_template_makes_of_a_text_is_what_the_grammar_reads_in_it() {
        let texts = [
            "SELECT abalance FROM pgbench_accounts WHERE aid = #;",
            " select a1.x, lower(b) from s1.a1 join b2 using (id) where a1.id=# and n<# or z >= # ; ",
            "SELECT count(*) FROM t WHERE a <># AND b\n=\t# LIMIT 10",
            "UPDATE t SET a = #, b = 2 WHERE id = #",
            "DELETE FROM t WHERE id = #",
            "INSERT INTO t SELECT * FROM u WHERE id > # AND nextval(a) = #",
            "SELECT pg_sleep(a) FROM t WHERE x = #",
            "SELECT (a) = # FROM t ORDER BY 1",
            "WITH d AS (DELETE FROM t WHERE id = # RETURNING *) SELECT * FROM d WHERE n = #",
            "SELECT * FROM t WHERE a = # FOR UPDATE",
            "SELECT * FROM t WHERE a == #",
            "SELECT * FROM t WHERE f(x => #)",
        ];
        for text in texts {
            for (first, second) in
                [("1", "2"), ("7", "999999999"), ("123456789", "0"), ("007", "42")]
            {
                let (first, second) = (text.replace('#', first), text.replace('#', second));
                let derived = derived(&first, &second).unwrap_or_else(|| panic!("{first}"));
                assert_eq!(derived, classify(&second), "{first} -> {second}");
            }
        }
    }

    #[test]
    fn what_is_not_plain_beyond_doubt_is_no_template() {
        for text in [
            "SELECT 'a = 1'",
            "SELECT \"a = 1\" FROM t",
            "SELECT 1 -- = 1",
            "SELECT /* = 1 */ a FROM t WHERE b = 1",
            "SELECT $1 = 1",
            "SELECT $a$ = 1$a$",
            "SELECT a = -1",
            "SELECT E'\\' = 1",
            "SELECT a FROM t WHERE é = 1",
            "SELECT a FROM t WHERE b = 1::text",
            "SELECT a[1] FROM t WHERE b = 1",
            // No number that is compared with.
            "SELECT 1",
            "SELECT a FROM t LIMIT 1",
            "SELECT a FROM t WHERE b = 1.5",
            "SELECT a FROM t WHERE b = 1e5",
            "SELECT a FROM t WHERE b = 0x1F",
            "SELECT a FROM t WHERE b = 1_000",
            "SELECT a FROM t WHERE b = 1234567890",
            "SELECT a FROM t WHERE b = c1",
            "SELECT a FROM t1 WHERE b = .5",
        ] {
            assert_eq!(template(text), None, "{text}");
        }
    }

    #[test]
    fn a_template_tells_apart_what_it_must() {
        let same = |one: &str, other: &str| {
            assert_ne!(template(one), None, "{one}");
            template(one) == template(other)
        };
        let text = "SELECT a FROM t WHERE b = 1";
        assert!(same(text, "SELECT a FROM t WHERE b = 234"));
        for other in [
            "SELECT a FROM t WHERE b =  1",
            "SELECT a FROM t2 WHERE b = 1",
            "SELECT a FROM T WHERE b = 1",
            "SELECT a FROM t WHERE b = 1 ",
            "SELECT a FROM t WHERE b = 1;",
            "SELECT a FROM t WHERE b < 1",
            "SELECT a FROM t WHERE b = 1.0",
            "SELECT a FROM t WHERE b = a1",
        ] {
            assert!(!same(text, other), "{other}");
        }
        // A value decides, or there is more than one statement: the meaning of one does not serve for another.
        for (one, other) in [
            ("SET standard_conforming_strings = 1", "SET standard_conforming_strings = 0"),
            ("SELECT 1 = 1; SELECT 1 = 1", "SELECT 1 = 2; SELECT 1 = 3"),
            ("SELECT a = 1 FROM", "SELECT a = 2 FROM"),
            ("EXPLAIN SELECT 1 = 1", "EXPLAIN SELECT 1 = 2"),
        ] {
            assert!(same(one, other));
            assert_eq!(derived(one, other), None, "{one}");
        }
    }
}
