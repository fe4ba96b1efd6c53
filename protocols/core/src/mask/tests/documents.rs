//! JSON documents: which places a path names, and what is left of a document.

use super::*;

fn by_path(kind: MaskKind, paths: &[&str]) -> MaskRule {
    let mut rule = rule("paths", kind);
    rule.json_paths = paths
        .iter()
        .map(|path| JsonColumn { column: "s.t.c".parse().unwrap(), path: path.parse().unwrap() })
        .collect();
    rule
}

/// What is shown of a document.
fn document(all: &[MaskRule], text: &str) -> String {
    let column = column("s.t.c");
    let mut mask = plan(all).documents([&column]);
    mask.mask_document(text).unwrap().unwrap_or_else(|| text.to_owned())
}

#[test]
fn a_path_names_members_elements_all_of_them_and_any_depth() {
    for (path, text, expected) in [
        ("$.a", r#"{"a": "x", "b": "x"}"#, r#"{"a": "[redacted]", "b": "x"}"#),
        (
            "$.a.b",
            r#"{"b": 1, "a": {"b": 2, "c": {"b": 3}}}"#,
            r#"{"b": 1, "a": {"b": "[redacted]", "c": {"b": 3}}}"#,
        ),
        ("$.a", r#"{"a": {"b": [1, {"c": "}"}]}, "d": 1}"#, r#"{"a": "[redacted]", "d": 1}"#),
        (
            "$.a[*].b",
            r#"{"a": [{"b": "x"}, {"c": 1}, {"b": null}]}"#,
            r#"{"a": [{"b": "[redacted]"}, {"c": 1}, {"b": "[redacted]"}]}"#,
        ),
        ("$.a[1]", r#"{"a": [1, 2, 3]}"#, r#"{"a": [1, "[redacted]", 3]}"#),
        (
            "$[0].*",
            r#"[{"a": 1, "b": [2]}, {"a": 3}]"#,
            r#"[{"a": "[redacted]", "b": "[redacted]"}, {"a": 3}]"#,
        ),
        (
            "$..b",
            r#"{"a": [{"b": 1}, [[{"b": {"b": 2}}]]], "b": 3}"#,
            r#"{"a": [{"b": "[redacted]"}, [[{"b": "[redacted]"}]]], "b": "[redacted]"}"#,
        ),
        (
            "$..a.b",
            r#"{"a": {"a": {"b": 1}}, "b": 2}"#,
            r#"{"a": {"a": {"b": "[redacted]"}}, "b": 2}"#,
        ),
        ("$['a b'][\"c'd\"]", r#"{"a b": {"c'd": 1}}"#, r#"{"a b": {"c'd": "[redacted]"}}"#),
        // However the document writes the name, and as often as it has it.
        (
            "$.email",
            r#"{"\u0065mail":"x","email":"y","Email":"z"}"#,
            r#"{"\u0065mail":"[redacted]","email":"[redacted]","Email":"z"}"#,
        ),
        ("$.😀", r#"{"\ud83d\ude00":1}"#, r#"{"\ud83d\ude00":"[redacted]"}"#),
        // A place that is not there, or of another sort.
        ("$.a.b", r#"{"a": "b"}"#, r#"{"a": "b"}"#),
        ("$.a[0]", r#"{"a": {"0": 1}}"#, r#"{"a": {"0": 1}}"#),
        ("$.a", r#"["a"]"#, r#"["a"]"#),
        ("$.a", r#" "a" "#, r#" "a" "#),
        ("$.a", "{}", "{}"),
    ] {
        assert_eq!(
            document(&[by_path(MaskKind::Redact, &[path])], text),
            expected,
            "{path} {text}"
        );
    }
}

#[test]
fn each_kind_leaves_a_valid_document() {
    let text = r#"{"n": "a\"b\\cdefg", "m": 123456789, "o": {"x": 1}}"#;
    for (kind, expected) in [
        (MaskKind::Null, r#"{"n": null, "m": null, "o": null}"#),
        (
            MaskKind::Partial { first: 2, last: 1 },
            r#"{"n": "a\"******g", "m": "12******9", "o": "[redacted]"}"#,
        ),
    ] {
        assert_eq!(document(&[by_path(kind, &["$.*"])], text), expected);
    }
    // The length of a literal, and the punctuation of an object, would tell them.
    for kind in [MaskKind::Partial { first: 0, last: 0 }, MaskKind::Fake] {
        let text = r#"[true, false, null, [true], {"a": 1}, []]"#;
        let left = document(&[by_path(kind, &["$[*]"])], text);
        assert_eq!(left, format!("[{}]", [r#""[redacted]""#; 6].join(", ")));
    }
    let hash = document(&[by_path(MaskKind::Hash, &["$.n"])], r#"{"n": "x"}"#);
    assert_eq!(hash, document(&[by_path(MaskKind::Hash, &["$.n"])], r#"{"n": "\u0078"}"#));
}

#[test]
fn the_strictest_rule_counts_for_what_is_below_a_place_too() {
    let inner = by_path(MaskKind::Null, &["$.a.b"]);
    let outer = MaskRule {
        name: "outer".to_owned(),
        ..by_path(MaskKind::Partial { first: 3, last: 3 }, &["$.a"])
    };
    assert_eq!(document(&[inner.clone(), outer], r#"{"a": {"b": "secret"}}"#), r#"{"a": null}"#);
    // A rule for the whole column takes the strictest of all with it.
    let whole = rule("whole", MaskKind::Partial { first: 3, last: 3 }).columns(&["s.t.c"]);
    let column = column("s.t.c");
    let plan = plan(&[inner, whole]);
    assert_eq!(plan.documents([&column]).whole(), Some(MaskKind::Null));
}

#[test]
fn what_is_no_document_or_is_computed_from_one_is_covered_whole() {
    let plan = plan(&[by_path(MaskKind::Hash, &["$.a"])]);
    let column = column("s.t.c");
    assert!(plan.covers(&column) && plan.covers_columns());
    assert_eq!(plan.columns([&column]).whole(), Some(MaskKind::Hash));
    assert_eq!(plan.computed([&column], MaskPlace::Position(1)).whole(), Some(MaskKind::Redact));
    assert_eq!(plan.anything(MaskPlace::Position(1)).whole(), Some(MaskKind::Redact));
    assert_eq!(plan.documents([&column]).whole(), None);
    assert!(!plan.documents([&column]).is_clear());
}

#[test]
fn detectors_read_what_no_path_covers_and_make_what_one_covers_stricter() {
    let mails = rule("mails", MaskKind::Null).detectors(&[Detector::Email]);
    let path = by_path(MaskKind::Partial { first: 9, last: 9 }, &["$.a"]);
    let text = r#"{"a": "write to ann@example.com today", "b": ["ann@example.com", 1]}"#;
    assert_eq!(document(&[mails, path], text), r#"{"a": null, "b": ["", 1]}"#);
}

#[test]
fn what_is_masked_in_documents_is_counted() {
    let column = column("s.t.c");
    let mut mask = plan(&[by_path(MaskKind::Redact, &["$..a"])]).documents([&column]);
    mask.mask_document(r#"[{"a": 1}, {"a": 2}]"#).unwrap();
    let mut tally = MaskTally::default();
    mask.add_to(&mut tally);
    assert_eq!(tally.iter().collect::<Vec<_>>(), [("paths", "s.t.c", 2)]);
}

#[test]
fn what_is_no_json_is_not_shown() {
    let column = column("s.t.c");
    let mut mask = plan(&[by_path(MaskKind::Redact, &["$.a"])]).documents([&column]);
    for text in [r#"{"a": "#, r#"{"a": "x"#, r#"{"b": [1"#, "{\"a\u{0}", r#"{"\ux": 1}"#] {
        assert_eq!(mask.mask_document(text), Err(MaskError::Unreadable), "{text}");
    }
    // Nor does a deep one take the stack.
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(mask.mask_document(&deep), Ok(None));
}

#[test]
fn a_text_that_is_no_path_is_refused() {
    for text in [
        "",
        "$",
        "a",
        "$a",
        "$.",
        "$..",
        "$[",
        "$[]",
        "$[-1]",
        "$[01]",
        "$[1",
        "$['a",
        "$['a'",
        "$[?@.a]",
        "$[1:2]",
        "$['a','b']",
        "$.a b",
        "$.1a",
        "$['\\n']",
        "$..*",
        "$..[0]",
        "@.a",
    ] {
        assert!(text.parse::<JsonPath>().is_err(), "{text}");
    }
    for text in ["$.a", "$['']", "$[\"a\\\"b\"]", "$.ä_1[12].*..z[*]"] {
        assert_eq!(text.parse::<JsonPath>().unwrap().to_string(), text);
    }
}
