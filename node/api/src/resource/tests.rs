//! Documents that are accepted, and documents that are refused, each with the place of its fault.

use super::*;
use countersign_core::mask::{Detector, MaskKind, MaskTargets};
use serde_json::{Value, json};

fn check(kind: &str, spec: Value) -> Result<Document, Vec<String>> {
    let document =
        ResourceDocument { kind: kind.into(), name: "orders".into(), spec, revision: None };
    Document::read(&document).map_err(|found| found.iter().map(ToString::to_string).collect())
}

fn target() -> Value {
    json!({"postgres": {
        "address": "127.0.0.1:5432", "tls": {"mode": "disable"}, "databases": ["orders"],
        "roles": {"app": {"user": "orders_app", "password": "file:/run/pw", "default": true}}
    }})
}

fn target_with(pointer: &str, value: Value) -> Value {
    let mut spec = target();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    spec.pointer_mut(parent).unwrap()[name] = value;
    spec
}

#[test]
fn a_target_gets_its_documented_defaults() {
    let document = check("Target", target()).unwrap();
    let Spec::Target(TargetSpec::Postgres(target)) = document.spec else { panic!("a target") };
    assert_eq!(target.search_path, ["public"]);
    assert_eq!(target.address(), Ok(PostgresAddress::Tcp { host: "127.0.0.1".into(), port: 5432 }));
}

#[test]
fn a_fault_in_a_target_is_told_with_its_place() {
    let cases = [
        ("/postgres/adress", json!("x"), "/spec/postgres/adress: unknown field"),
        (
            "/postgres/address",
            json!("db.example.com:5432"),
            "/spec/postgres/tls/mode: `disable` is only",
        ),
        ("/postgres/address", json!("nowhere"), "/spec/postgres/address: an address is host:port"),
        ("/postgres/tls/mode", json!("prefer"), "/spec/postgres/tls/mode: unknown variant"),
        ("/postgres/databases", json!([]), "/spec/postgres/databases: name at least one"),
        ("/postgres/search_path", json!(["a", "$user"]), "/spec/postgres/search_path/1: `$user`"),
        ("/postgres/search_path", json!(["pg_catalog"]), "/spec/postgres/search_path/0: `pg_cat"),
        ("/postgres/search_path", json!(["pg_temp_3"]), "/spec/postgres/search_path/0: temporary"),
        (
            "/postgres/databases",
            json!(["a\u{0}b"]),
            "/spec/postgres/databases/0: a name has no control",
        ),
        (
            "/postgres/roles/app/password",
            json!("hunter2"),
            "/spec/postgres/roles/app/password: a secret is a reference",
        ),
        (
            "/postgres/roles/app/password",
            json!("file:pw"),
            "/spec/postgres/roles/app/password: the path",
        ),
        (
            "/postgres/roles/app/password",
            json!("sealed:x"),
            "/spec/postgres/roles/app/password: this version",
        ),
        ("/postgres/roles", json!({}), "/spec/postgres/roles: define at least one"),
        ("/postgres/tls", json!({}), "/spec/postgres/tls/ca_file: verify-full needs"),
        (
            "/postgres/tls/channel_binding",
            json!("require"),
            "/spec/postgres/tls/channel_binding: without TLS",
        ),
        (
            "/postgres/roles/app/certificate",
            json!({"cert": "file:/run/c", "key": "file:/run/k"}),
            "/spec/postgres/roles/app/certificate: a certificate is shown over TLS only",
        ),
        (
            "/postgres/roles/app/certificate",
            json!({"cert": "file:/run/c", "key": "-----BEGIN PRIVATE KEY-----"}),
            "/spec/postgres/roles/app/certificate/key: a secret is a reference",
        ),
    ];
    for (place, value, expected) in cases {
        let found = check("Target", target_with(place, value)).unwrap_err();
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{expected}: {found:?}");
        assert!(!found.concat().contains("hunter2"), "a misplaced secret is not repeated");
    }
}

#[test]
fn a_target_over_tls_may_ask_for_channel_binding_and_be_shown_a_certificate() {
    let mut spec = target_with(
        "/postgres/tls",
        json!({"ca_file": "/etc/ca.pem", "channel_binding": "require"}),
    );
    spec["postgres"]["roles"]["app"]["certificate"] =
        json!({"cert": "file:/run/c", "key": "env:KEY"});
    check("Target", spec.clone()).unwrap();
    spec["postgres"]["roles"]["app"]["password"] = Value::Null;
    let found = check("Target", spec).unwrap_err();
    assert!(found[0].contains("channel binding is the password's"), "{found:?}");
}

#[test]
fn kinds_of_later_versions_and_misspelt_kinds_are_refused_clearly() {
    let fault = |kind: &str| check(kind, json!({})).unwrap_err().concat();
    assert_eq!(fault("Notifier"), "/kind: this version does not know Notifier resources yet");
    assert_eq!(fault("target"), "/kind: write it as `Target`");
    assert!(fault("Tarjet").contains("does not know resources of kind `Tarjet`"));
    let later = check("Target", json!({"telnet": {}})).unwrap_err().concat();
    assert!(later.contains("unknown variant `telnet`"), "{later}");
}

#[test]
fn an_issuer_is_an_https_url() {
    let provider = |issuer: &str| {
        check(
            "IdentityProvider",
            json!({"oidc": {"issuer": issuer, "audiences": ["a"], "for": "agents"}}),
        )
    };
    assert!(provider("https://id.example.com/realms/x").is_ok());
    for issuer in ["http://id.example.com", "https://", "https://a@b", "https://a?b", ""] {
        assert!(provider(issuer).is_err(), "{issuer}");
    }
}

#[test]
fn a_binding_has_a_known_role() {
    assert!(check("Binding", json!({"provider": "p", "group": "g", "role": "admin"})).is_ok());
    let found =
        check("Binding", json!({"provider": "p", "group": "g", "role": "root"})).unwrap_err();
    assert!(found.concat().starts_with("/spec/role: unknown variant `root`"), "{found:?}");
}

#[test]
fn addresses_are_read_exactly() {
    let read = |text: &str| text.parse::<PostgresAddress>();
    assert_eq!(read("[::1]:5"), Ok(PostgresAddress::Tcp { host: "::1".into(), port: 5 }));
    assert_eq!(
        read("unix:/run/pg?port=6"),
        Ok(PostgresAddress::Unix { directory: "/run/pg".into(), port: 6 })
    );
    assert_eq!(
        read("unix:/run/pg"),
        Ok(PostgresAddress::Unix { directory: "/run/pg".into(), port: 5432 })
    );
    for wrong in
        ["", "a", "a:", "a:0", ":1", "::1:5", "unix:run", "unix:/run?port=x", "a b:1", "a:70000"]
    {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn changes_name_the_places_that_differ() {
    let found =
        changes(Some(&json!({"a": {"b/c": 1, "d": 2}})), Some(&json!({"a": {"b/c": 3, "e": 4}})));
    let places: Vec<_> = found.iter().map(|change| change.pointer.as_str()).collect();
    assert_eq!(places, ["/a/b~1c", "/a/d", "/a/e"]);
    assert!(changes(Some(&json!({"a": 1})), Some(&json!({"a": 1}))).is_empty());
    assert_eq!(changes(None, Some(&json!({}))).len(), 1);
}

fn mask_rule(place: &str, value: Value) -> Value {
    let mut spec =
        json!({"targets": ["orders"], "columns": ["public.users.email"], "mask": "redact"});
    spec[place] = value;
    spec
}

#[test]
fn a_mask_rule_is_read_as_it_is_meant() {
    let spec = json!({
        "targets": ["*"],
        "detectors": ["default", "uuid"],
        "patterns": [{"name": "badge", "regex": "B-[0-9]{6}"}],
        "mask": {"partial": {"last": 4}},
        "unless_groups": ["dba"],
    });
    let Spec::MaskRule(spec) = check("MaskRule", spec).unwrap().spec else { panic!("a mask rule") };
    let rule = spec.rule("contacts").unwrap();
    assert_eq!(rule.targets, MaskTargets::All);
    assert!(rule.detectors.iter().eq(Detector::ALL));
    assert_eq!(rule.kind, MaskKind::Partial { first: 0, last: 4 });
    let kinds = [
        (json!(null), MaskKind::Null),
        (json!("null"), MaskKind::Null),
        (json!("hash"), MaskKind::Hash),
        (json!("fake"), MaskKind::Fake),
    ];
    for (written, expected) in kinds {
        let document = check("MaskRule", mask_rule("mask", written)).unwrap();
        let Spec::MaskRule(spec) = document.spec else { panic!("a mask rule") };
        assert_eq!(spec.rule("r").unwrap().kind, expected);
    }
}

#[test]
fn a_fault_in_a_mask_rule_is_told_with_its_place() {
    let cases = [
        ("colums", json!([]), "/spec/colums: unknown field"),
        ("mask", json!("blur"), "/spec/mask: unknown variant `blur`"),
        ("mask", json!({"partial": {"middle": 3}}), "/spec/mask/partial/middle: unknown field"),
        ("mask", json!({"partial": {}}), "/spec/mask/partial: say how many characters"),
        ("mask", json!({"partial": {"first": 40}}), "/spec/mask/partial: at most 16 characters"),
        ("columns", json!([]), "/spec: the rule covers nothing"),
        ("columns", json!(["users.email"]), "/spec/columns/0: a column is `schema.table.column`"),
        ("detectors", json!(["email", "mail"]), "/spec/detectors/1: there is no detector"),
        ("patterns", json!([{"name": "x", "regex": "("}]), "/spec/patterns/0/regex: no regular"),
        ("patterns", json!([{"name": "x", "regex": "a*"}]), "/spec/patterns/0/regex: the pattern"),
        ("patterns", json!([{"name": " ", "regex": "a"}]), "/spec/patterns/0/name: a name is not"),
        ("patterns", json!([{"regex": "a"}]), "/spec/patterns/0: missing field `name`"),
        ("targets", json!([]), "/spec/targets: name at least one target"),
        ("targets", json!(["Orders"]), "/spec/targets/0: a target name has"),
        ("targets", json!(["*", "orders"]), "/spec/targets: `*` stands for all"),
        ("unless_groups", json!([""]), "/spec/unless_groups/0: a name is not empty"),
    ];
    for (place, value, expected) in cases {
        let found = check("MaskRule", mask_rule(place, value)).unwrap_err();
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{expected}: {found:?}");
    }
    let found = check("MaskRule", json!({"targets": ["a"], "columns": ["a.b.c"]})).unwrap_err();
    assert_eq!(found, ["/spec: missing field `mask`"]);
}
