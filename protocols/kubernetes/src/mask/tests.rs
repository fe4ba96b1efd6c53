//! Answers of an API server, and what is left of them.

#![expect(clippy::disallowed_methods, reason = "a test has no gate")]

use super::*;
use crate::{
    classify::{Method, classify},
    request::Request,
};
use countersign_core::{
    agent::{Agent, Identity, Workload},
    id::{Revision, SessionId},
    log_time::LogTime,
    mask::{Detector, MaskKey, MaskKind, MaskRule, MaskRules, MaskTargets},
    secret::Secret,
    session::{Opening, Session},
    target::{Protocol, Target, TargetName},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const VALUE: &str = "aHVudGVyMg==";
const CLEAR: &str = "hunter2";
const SECRETS: &str = "/api/v1/namespaces/shop/secrets";

fn session() -> Session {
    Session::opened(Opening {
        id: SessionId::from_bytes([1; 16]),
        agent: Agent {
            identity: Identity { issuer: "https://issuer".to_owned(), subject: "bot".to_owned() },
            name: "bot".to_owned(),
            owner: None,
            groups: BTreeSet::new(),
            workload: Workload::default(),
            expires_at: LogTime(1_000),
        },
        target: Target {
            name: TargetName::parse("prod").unwrap(),
            revision: Revision(2),
            protocol: Protocol::Kubernetes,
        },
        role: "agent".to_owned(),
        opened_at: LogTime(1),
    })
}

fn no_rules() -> MaskPlan {
    MaskRules::none(Revision(1)).plan(&session())
}

fn emails(kind: MaskKind) -> MaskPlan {
    finding(kind, &[Detector::Email])
}

fn finding(kind: MaskKind, detectors: &[Detector]) -> MaskPlan {
    let rule = MaskRule {
        name: "mails".to_owned(),
        targets: MaskTargets::All,
        columns: Vec::new(),
        json_paths: Vec::new(),
        detectors: detectors.iter().copied().collect(),
        patterns: Vec::new(),
        kind,
        unless_groups: BTreeSet::new(),
    };
    let key = MaskKey::new(Secret::new([7; 32]));
    MaskRules::compile(&key, Revision(1), vec![rule]).unwrap().plan(&session())
}

fn masker(plan: &MaskPlan, target: &str) -> Masker {
    Masker::new(plan, &classify(&Request::head(Method::Get, target)).unwrap().info)
}

/// What is left of an answer, and what was counted.
fn left(plan: &MaskPlan, target: &str, answer: &Value) -> (Value, Vec<(String, u64)>) {
    let mut masker = masker(plan, target);
    let masked = masker.document(answer.to_string().as_bytes()).unwrap().into_inner();
    let tally = masker.tally().iter();
    let counts = tally.map(|(rule, place, count)| (format!("{rule} {place}"), count)).collect();
    (serde_json::from_slice(&masked).unwrap(), counts)
}

/// A Secret with its value in every place that one can have it in.
fn secret() -> Value {
    let applied = json!({"apiVersion": "v1", "kind": "Secret", "data": {"password": VALUE},
        "stringData": {"other": CLEAR}, "metadata": {"name": "db"}});
    json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "db", "namespace": "shop",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied.to_string(),
                "objectset.rio.cattle.io/applied": VALUE, "kapp.k14s.io/original": applied.to_string()},
            "managedFields": [{"fieldsV1": {"f:data": {"f:password": {}}, "v:\"hunter2\"": {}}}]},
        "data": {"password": VALUE, "empty": null}, "stringData": {"other": CLEAR}})
}

/// A Secret as it stands in a list, without its kind.
fn bare() -> Value {
    let mut bare = secret();
    bare.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "apiVersion");
    bare
}

fn is_clean(value: &Value) -> bool {
    let text = value.to_string();
    !text.contains(VALUE) && !text.contains(CLEAR)
}

#[test]
fn a_secret_keeps_its_names_and_loses_its_values() {
    let (left, counts) = left(&no_rules(), &format!("{SECRETS}/db"), &secret());
    assert!(is_clean(&left), "{left}");
    assert_eq!(left["data"], json!({"password": "W3JlZGFjdGVkXQ==", "empty": null}));
    assert_eq!(left["stringData"], json!({"other": "[redacted]"}));
    assert_eq!(left["metadata"]["name"], "db");
    assert_eq!(left["metadata"].get("managedFields"), None);
    let applied =
        left["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
            .as_str()
            .unwrap();
    let applied: Value = serde_json::from_str(applied).unwrap();
    assert_eq!(applied["data"], json!({"password": "W3JlZGFjdGVkXQ=="}));
    let other = &left["metadata"]["annotations"]["objectset.rio.cattle.io/applied"];
    assert_eq!(other, "[redacted]");
    let counted = [("annotations", 2), ("data", 4), ("last-applied-configuration", 1)];
    let counted = counted.map(|(place, count)| (format!("secrets {place}"), count));
    assert_eq!(counts, counted);
}

#[test]
fn it_loses_them_in_every_shape_that_an_answer_can_have() {
    let metadata = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": secret()["metadata"]});
    for answer in [
        json!({"kind": "SecretList", "apiVersion": "v1", "items": [bare(), bare()]}),
        json!({"kind": "List", "apiVersion": "v1", "items": [secret()]}),
        json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": [
            {"cells": ["db", "Opaque", 1], "object": secret()}, {"cells": [], "object": metadata}]}),
        json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "items": [metadata]}),
        json!({"type": "MODIFIED", "object": secret()}),
        json!({"type": "ADDED", "object": {"kind": "Table", "rows": [{"object": bare()}]}}),
        json!([[bare()]]),
        json!({"data": VALUE}),
        json!({"data": [VALUE, {"x": CLEAR}], "stringData": {"a": {"b": CLEAR}}}),
    ] {
        for target in [SECRETS, "/api/v1/secrets", "/api/v1/secrets?watch=1"] {
            let (left, counts) = left(&no_rules(), target, &answer);
            assert!(is_clean(&left), "{target}: {left}");
            assert!(!counts.is_empty());
        }
    }
}

#[test]
fn a_secret_that_another_object_carries_loses_them_too_whatever_the_rules_say() {
    let plan = no_rules();
    let kept =
        json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": secret().to_string()}});
    let (left_of_kept, _) = left(&plan, "/api/v1/namespaces/shop/configmaps/x", &kept);
    assert!(is_clean(&left_of_kept), "{left_of_kept}");
    let broken = json!({"data": {"a": format!(" {}", secret().to_string().replace("}}", "}"))}});
    assert!(is_clean(&left(&plan, "/api/v1/configmaps", &broken).0));
    let carrier =
        json!({"kind": "Bundle", "apiVersion": "example.com/v1", "spec": {"parts": [secret()]}});
    assert!(is_clean(&left(&plan, "/apis/example.com/v1/namespaces/shop/bundles/x", &carrier).0));
    let list = json!({"kind": "SecretList", "apiVersion": "v1", "items": [bare()]});
    assert!(is_clean(&left(&plan, "/apis/example.com/v1/bundles", &list).0));
    // A map is none, and neither is another group's kind of that name.
    let map = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "b"}});
    assert_eq!(left(&plan, "/api/v1/namespaces/shop/configmaps/x", &map).0, map);
    let other = json!({"kind": "Secret", "apiVersion": "example.com/v1", "data": {"a": "b"}});
    assert_eq!(left(&plan, "/apis/example.com/v1/namespaces/shop/secrets/x", &other).0, other);
}

#[test]
fn nothing_of_secrets_passes_unread_whatever_the_rules_say() {
    for target in [SECRETS, "/api/v1/secrets", "/api/v1/watch/secrets"] {
        let masker = masker(&no_rules(), target);
        assert!(!masker.passes(Reading::Document) && !masker.passes(Reading::Lines));
        assert_eq!(masker.pass(b"{}".to_vec()), Err(MaskError::Covered));
    }
    let other = masker(&no_rules(), "/api/v1/pods");
    assert!(!other.passes(Reading::Document), "any document can carry one");
    assert!(other.passes(Reading::Lines) && other.pass(b"{}".to_vec()).is_ok());
    let covered = masker(&emails(MaskKind::Redact), "/api/v1/pods");
    assert!(!covered.passes(Reading::Lines));
    assert_eq!(covered.pass(b"{}".to_vec()), Err(MaskError::Covered));
}

#[test]
fn what_is_not_json_is_not_written() {
    let types = [
        "application/vnd.kubernetes.protobuf",
        "application/cbor",
        "application/yaml",
        "application/json-seq",
        "text/html",
        "",
    ];
    for target in [SECRETS, "/api/v1/pods"] {
        let masker = masker(&no_rules(), target);
        for content_type in types {
            assert_eq!(masker.reading(content_type), Err(MaskError::Unreadable), "{content_type}");
        }
        assert_eq!(masker.reading("application/json;as=Table;v=v1"), Ok(Reading::Document));
    }
    assert!(masker(&no_rules(), SECRETS).reading("text/plain").is_err());
    let mut masker = masker(&no_rules(), SECRETS);
    for bytes in [&b"{"[..], b"\x1f\x8b\x08", b"k8s\0", b"{\"a\": \"\xff\"}", b"{} {}", b""] {
        assert_eq!(masker.document(bytes), Err(MaskError::Unreadable));
    }
    let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    assert_eq!(masker.document(&deep), Err(MaskError::Unreadable));
}

#[test]
fn a_key_that_stands_twice_hides_nothing() {
    let text =
        format!(r#"{{"data": {{"a": "{VALUE}"}}, "data": {{}}, "d\u0061ta": {{"b": "{VALUE}"}}}}"#);
    let masked = masker(&no_rules(), SECRETS).document(text.as_bytes()).unwrap().into_inner();
    assert!(!String::from_utf8(masked).unwrap().contains(VALUE));
    let list = format!(
        r#"{{"kind": "SecretList", "kind": "X", "items": [{{"data": {{"a": "{VALUE}"}}}}]}}"#
    );
    let masked = masker(&no_rules(), SECRETS).document(list.as_bytes()).unwrap().into_inner();
    assert!(!String::from_utf8(masked).unwrap().contains(VALUE));
}

#[test]
fn what_was_applied_is_redacted_whole_where_it_cannot_be_read() {
    let key = "kubectl.kubernetes.io/last-applied-configuration";
    for kept in ["{", "data: hunter2", "\"hunter2"] {
        let answer = json!({"metadata": {"annotations": {key: kept}}});
        let left = left(&no_rules(), SECRETS, &answer).0;
        assert_eq!(left["metadata"]["annotations"][key], "[redacted]");
    }
    // One in the other, deeper than it is looked into.
    let mut nested = json!({"data": {"a": VALUE}}).to_string();
    for _ in 0..6 {
        nested = json!({"metadata": {"annotations": {key: nested}}}).to_string();
    }
    let answer = serde_json::from_str(&nested).unwrap();
    assert!(is_clean(&left(&no_rules(), SECRETS, &answer).0));
}

#[test]
fn detectors_look_at_every_text_number_and_key() {
    let answer = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"to": "ann@example.com",
        "list": ["x", {"bob@example.com": 1}]}, "n": 5});
    let (seen, counts) = left(&emails(MaskKind::Redact), "/api/v1/configmaps", &answer);
    assert!(!seen.to_string().contains("example.com"), "{seen}");
    assert_eq!(counts, [("mails message".to_owned(), 2)]);
    let named = json!({"data": {"ann@example.com": VALUE}});
    let (seen, _) = left(&emails(MaskKind::Redact), SECRETS, &named);
    assert_eq!(seen, json!({"data": {"[redacted]": "W3JlZGFjdGVkXQ=="}}));
    let (seen, _) = left(&emails(MaskKind::Null), "/api/v1/configmaps", &answer);
    assert_eq!(seen["data"]["to"], Value::Null);
}

#[test]
fn a_private_key_over_several_lines_of_a_log_is_covered_whole() {
    let plan = finding(MaskKind::Partial { first: 2, last: 2 }, &[Detector::PrivateKey]);
    let mut reader = masker(&plan, "/api/v1/namespaces/shop/pods/web/log");
    let mut shown =
        |line: &str| String::from_utf8(reader.line(line.as_bytes()).unwrap().into_inner()).unwrap();
    assert_eq!(shown("before\n"), "before\n");
    let first = shown("2026-01-01T00:00:00Z -----BEGIN RSA PRIVATE KEY-----\n");
    assert!(first.ends_with("--\n") && !first.contains("PRIVATE"), "{first}");
    assert_eq!(shown("2026-01-01T00:00:00Z MIIEowIBAAKCAQEA\n"), "[redacted]\n");
    assert_eq!(shown("q83vEjRWeJCrze8=\n"), "[redacted]\n");
    assert_eq!(shown("-----END RSA PRIVATE KEY----- and on\n"), "[redacted] and on\n");
    assert_eq!(shown("behind"), "behind");
    // One in a single line, and one whose end never comes.
    let whole = shown("x -----BEGIN PRIVATE KEY-----abc-----END PRIVATE KEY----- y\n");
    assert!(whole.starts_with("x --") && whole.ends_with("-- y\n"), "{whole}");
    assert_eq!(shown("open\n"), "open\n");
    shown("-----BEGIN PRIVATE KEY-----\n");
    assert!((0..256).all(|_| shown("MIIE") == "[redacted]"));
    assert_eq!(shown("open\n"), "open\n");
    // No rule is about keys.
    let mut reader = masker(&emails(MaskKind::Redact), "/api/v1/namespaces/shop/pods/web/log");
    reader.line(b"-----BEGIN PRIVATE KEY-----\n").unwrap();
    assert_eq!(reader.line(b"MIIE\n").unwrap().into_inner(), b"MIIE\n");
}

#[test]
fn lines_of_a_log_are_searched() {
    let mut masker = masker(&emails(MaskKind::Redact), "/api/v1/namespaces/shop/pods/web/log");
    assert_eq!(masker.reading("text/plain"), Ok(Reading::Lines));
    let line = masker.line(b"mail to ann@example.com sent\n").unwrap().into_inner();
    assert_eq!(line, b"mail to [redacted] sent\n");
    assert_eq!(masker.line(b"\xff"), Err(MaskError::Unreadable));
    assert!(masker.line(&vec![b'x'; MAX_LINE_BYTES + 1]).is_err());
}

#[test]
fn frames_are_found_however_they_are_written_and_cut() {
    let stream = b"{\"a\":\"}{\\\"\"}\n{\n  \"b\": [1, {\"c\": \"\\\\\"}]\n}\r\n {} ";
    for cut in 0..stream.len() {
        let mut frames = Frames::default();
        let (one, two) = stream.split_at(cut);
        let mut whole = frames.push(one).unwrap();
        whole.extend(frames.push(two).unwrap());
        assert_eq!(whole.len(), 3, "cut at {cut}");
        assert_eq!(whole[0], b"{\"a\":\"}{\\\"\"}");
        assert!(frames.finish().is_ok());
    }
    for wrong in [&b"x"[..], b"[1]", b"{}]", b"\"{}\"", b"{}x"] {
        assert_eq!(Frames::default().push(wrong), Err(MaskError::Unreadable), "{wrong:?}");
    }
    let mut begun = Frames::default();
    assert!(begun.push(b"{\"a\":").unwrap().is_empty());
    assert!(begun.finish().is_err());
}

#[test]
fn a_frame_that_never_ends_is_refused() {
    let mut frames = Frames::default();
    frames.push(b"{\"a\": \"").unwrap();
    let piece = vec![b'x'; MAX_FRAME_BYTES / 4];
    let pushed: Result<Vec<_>, _> = (0..5).map(|_| frames.push(&piece)).collect();
    assert_eq!(pushed, Err(MaskError::TooLarge { most: MAX_FRAME_BYTES }));
}

/// Any document with the value of a Secret in `data`, somewhere.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(secret()),
        Just(json!({"data": {"a": VALUE}})),
        Just(json!({"stringData": {"a": CLEAR}})),
        Just(json!(null)),
        any::<i64>().prop_map(|n| json!(n)),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(
                prop::sample::select(vec!["items", "object", "rows", "metadata", "kind", "data"]),
                inner,
                0..4,
            )
            .prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_of_a_secret_is_left_wherever_it_stands(document in document()) {
        let left = left(&no_rules(), SECRETS, &document).0;
        prop_assert!(is_clean(&left), "{left}");
    }

    #[test]
    fn anything_at_all_is_masked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(masked) = masker(&no_rules(), SECRETS).document(&bytes) {
            prop_assert!(serde_json::from_slice::<Value>(masked.get()).is_ok());
        }
        drop(Frames::default().push(&bytes));
    }
}
