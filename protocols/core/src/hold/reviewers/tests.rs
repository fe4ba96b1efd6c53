//! Expressions: what is read in them, what is refused, and that what is written reads back.

use super::*;
use proptest::prelude::*;

#[test]
fn an_expression_is_written_as_it_is_read() {
    for (text, written) in [
        ("dba", "dba"),
        ("  dba ", "dba"),
        ("((dba))", "dba"),
        ("dba and (security or on-call)", "dba and (on-call or security)"),
        ("(security or on-call) and dba", "dba and (on-call or security)"),
        ("a and (b and c)", "a and b and c"),
        ("a or (b or c) or a", "a or b or c"),
        ("dba and dba", "dba and dba"),
        ("(a and b) or c", "c or (a and b)"),
        ("'release managers' or 'o''brien'", "'o''brien' or 'release managers'"),
        ("'and' and 'or'", "'and' and 'or'"),
        ("AND or Or", "AND or Or"),
        ("d\u{e9}p\u{f4}t", "d\u{e9}p\u{f4}t"),
    ] {
        let found = Reviewers::parse(text).unwrap();
        assert_eq!(found.to_string(), written, "{text}");
        assert_eq!(Reviewers::parse(written).unwrap(), found, "{text}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let unexpected = |word: &str| ReviewersError::Unexpected { word: word.to_owned() };
    let deep = format!("{}a{}", "(".repeat(9), ")".repeat(9));
    let many = vec!["a"; MAX_GROUPS + 1].join(" or ");
    for (text, error) in [
        ("", ReviewersError::Missing),
        ("and", ReviewersError::Missing),
        ("a or", ReviewersError::Missing),
        ("()", ReviewersError::Missing),
        ("''", ReviewersError::Missing),
        ("a and b or c", ReviewersError::Mixed),
        ("a or b and c", ReviewersError::Mixed),
        ("(a", ReviewersError::Unclosed),
        ("'a", ReviewersError::Unclosed),
        ("a)", unexpected(")")),
        ("release managers", unexpected("managers")),
        ("(release managers)", unexpected("managers")),
        ("a (b)", unexpected("(")),
        (&deep, ReviewersError::TooMany),
        (&many, ReviewersError::TooMany),
    ] {
        assert_eq!(Reviewers::parse(text), Err(error), "{text}");
    }
}

fn any_expression() -> impl Strategy<Value = Reviewers> {
    let name = prop::sample::select(vec!["a", "b", "on call", "and", "it's", "("]);
    name.prop_map(Reviewers::group).prop_recursive(3, 12, 3, |inner| {
        let parts = prop::collection::vec(inner, 1..4);
        (parts, any::<bool>()).prop_map(|(parts, all)| {
            if all { Reviewers::all(parts) } else { Reviewers::any(parts) }
        })
    })
}

proptest! {
    #[test]
    fn every_expression_reads_back_and_has_as_many_ways_as_are_counted(found in any_expression()) {
        let named = found.to_string().matches(|c: char| c == '\'' || c.is_alphanumeric()).count();
        prop_assume!(named < 40);
        match Reviewers::parse(&found.to_string()) {
            Ok(again) => prop_assert_eq!(&again, &found),
            Err(error) => prop_assert_eq!(error, ReviewersError::TooMany),
        }
        if found.ways() <= MAX_WAYS {
            prop_assert_eq!(found.each_way().len() as u64, found.ways());
        }
    }

    #[test]
    fn no_text_is_read_as_two_expressions(text in "[ab'() ]{0,12}(and|or)?[ab'() ]{0,6}") {
        if let Ok(found) = Reviewers::parse(&text) {
            prop_assert_eq!(Reviewers::parse(&found.to_string()), Ok(found));
        }
    }
}
