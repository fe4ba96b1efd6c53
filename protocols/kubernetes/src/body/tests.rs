//! Bodies: which are read, which are opaque, which are refused, and what reviewers are told first.

use super::*;
use crate::classify::{Classified, Method, Unclear, classify};
use countersign_core::operation::{Action, Effect};

const POD: &str = "/api/v1/namespaces/shop/pods/web";
const PODS: &str = "/api/v1/namespaces/shop/pods";

fn sent(
    method: Method,
    target: &str,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Classified, Unclear> {
    classify(&Request { method, target, content_type, body })
}

fn put(body: &str) -> Result<Classified, Unclear> {
    sent(Method::Put, POD, Some("application/json"), body.as_bytes())
}

fn is_opaque(classified: &Classified) -> bool {
    classified.demands.iter().any(|demand| demand.action == Action::KubernetesOpaque)
}

fn problem(found: Result<Classified, Unclear>) -> Unreadable {
    match found {
        Err(Unclear::Body(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_documented_type_goes_with_its_methods_alone() {
    let json = br#"{"metadata": {"name": "web"}}"#;
    for (content_type, patches) in [
        ("application/json", false),
        ("application/json; charset=utf-8", false),
        ("application/json;charset=UTF-8", false),
        ("application/yaml", false),
        ("application/merge-patch+json", true),
        ("application/strategic-merge-patch+json", true),
        ("application/apply-patch+yaml", true),
    ] {
        for method in [Method::Put, Method::Patch, Method::Delete] {
            let found = sent(method, POD, Some(content_type), json);
            if patches == (method == Method::Patch) {
                assert!(!is_opaque(&found.unwrap()), "{method:?} {content_type}");
            } else {
                assert_eq!(problem(found), Unreadable::TypeForMethod, "{method:?} {content_type}");
            }
        }
    }
    let patch = br#"[{"op": "replace", "path": "/spec/x", "value": 1}]"#;
    let found = sent(Method::Patch, POD, Some("application/json-patch+json"), patch).unwrap();
    assert_eq!(found.facts, [("body".to_owned(), "JSON patch".to_owned())]);
}

#[test]
fn other_types_parameters_and_none_at_all_are_refused() {
    for content_type in [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/cbor"),
        Some("application/apply-patch+cbor"),
        Some("Application/JSON"),
        Some("application/json;stream=watch"),
        Some("application/json, application/yaml"),
        Some("application/json; charset=utf-16"),
        Some("application/json; charset=utf-8; charset=utf-16"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
    ] {
        let found = sent(Method::Put, POD, content_type, b"{}");
        assert_eq!(problem(found), Unreadable::Type, "{content_type:?}");
    }
}

#[test]
fn a_read_has_no_body_and_a_write_none_that_is_too_long() {
    let body = sent(Method::Get, PODS, Some("application/json"), b"{}");
    assert_eq!(problem(body), Unreadable::OfRead);
    let long = vec![b' '; MAX_BODY_BYTES + 1];
    let found = sent(Method::Put, POD, Some("application/json"), &long);
    assert_eq!(problem(found), Unreadable::TooLong);
    assert!(sent(Method::Delete, POD, None, b"").is_ok());
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for twice in [
        r#"{"a": 1, "a": 2}"#,
        r#"{"spec": {"containers": [{"image": "x", "image": "y"}]}}"#,
        r#"{"a": 1, "\u0061": 2}"#,
    ] {
        assert_eq!(problem(put(twice)), Unreadable::Twice, "{twice}");
    }
    let yaml =
        |body: &str| problem(sent(Method::Put, POD, Some("application/yaml"), body.as_bytes()));
    assert_eq!(yaml("a: 1\na: 2\n"), Unreadable::Twice);
    for unclear in [
        "a: &x [1]\nb: *x\n",
        "a: &x 1\n",
        "a: 1\n---\nb: 2\n",
        "a: [",
        "\u{0}",
        "a: {<<: {b: 1}}\n",
    ] {
        assert_eq!(yaml(unclear), Unreadable::Malformed, "{unclear:?}");
    }
}

#[test]
fn what_is_not_what_its_type_says_is_refused() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for body in ["{", "{} {}", "{'a': 1}", "// x\n{}", "a: 1", "[1,]", "\u{feff}{}", "NaN", &deep] {
        assert_eq!(problem(put(body)), Unreadable::Malformed, "{}", &body[..body.len().min(20)]);
    }
    let latin = sent(Method::Put, POD, Some("application/json"), b"{\"a\": \"\xe9\"}");
    assert_eq!(problem(latin), Unreadable::Malformed);
}

#[test]
fn a_body_is_for_the_object_of_its_path() {
    for other in [
        r#"{"metadata": {"name": "db"}}"#,
        r#"{"metadata": {"name": "web", "namespace": "prod"}}"#,
        r#"{"metadata": {"namespace": "prod"}}"#,
    ] {
        assert_eq!(problem(put(other)), Unreadable::OtherObject, "{other}");
    }
    assert!(put(r#"{"metadata": {"name": "web", "namespace": "shop"}}"#).is_ok());
    let create = |body: &str| sent(Method::Post, PODS, Some("application/json"), body.as_bytes());
    assert!(create(r#"{"metadata": {"name": "any", "namespace": "shop"}}"#).is_ok());
    let elsewhere = create(r#"{"metadata": {"name": "any", "namespace": "prod"}}"#);
    assert_eq!(problem(elsewhere), Unreadable::OtherObject);
    let eviction = br#"{"kind": "Eviction", "metadata": {"name": "web", "namespace": "shop"}}"#;
    assert!(
        sent(Method::Post, &format!("{POD}/eviction"), Some("application/json"), eviction).is_ok()
    );
}

#[test]
fn a_masked_value_is_not_written_back() {
    for body in [
        r#"{"data": {"password": "W3JlZGFjdGVkXQ=="}}"#,
        r#"{"stringData": {"password": "[redacted]"}}"#,
        r#"{"data": {"x": "{\"kind\": \"Secret\", \"data\": {\"x\": \"W3JlZGFjdGVkXQ==\"}}"}}"#,
        r#"{"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"x\":\"W3JlZGFjdGVkXQ==\"}}"}}}"#,
    ] {
        assert_eq!(problem(put(body)), Unreadable::MaskedValue, "{body}");
    }
    let patch = br#"[{"op": "replace", "path": "/data/x", "value": "[redacted]"}]"#;
    let found = sent(Method::Patch, POD, Some("application/json-patch+json"), patch);
    assert_eq!(problem(found), Unreadable::MaskedValue);
    assert!(put(r#"{"data": {"note": "it says [redacted] there"}}"#).is_ok());
}

#[test]
fn what_cannot_be_shown_is_opaque_beside_what_the_request_is() {
    let protobuf = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x01x";
    let found =
        sent(Method::Put, POD, Some("application/vnd.kubernetes.protobuf"), protobuf).unwrap();
    let actions: Vec<_> = found.demands.iter().map(|demand| demand.action).collect();
    assert_eq!(actions, [Action::KubernetesUpdate, Action::KubernetesOpaque]);
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        found.facts,
        [fact("body", "not understood: protobuf"), fact("apiVersion", "v1"), fact("kind", "Pod")]
    );
    let bare = sent(Method::Put, POD, Some("application/vnd.kubernetes.protobuf"), b"{}");
    assert_eq!(problem(bare), Unreadable::Malformed);
    let proxied = format!("{POD}/proxy/x");
    let found = sent(Method::Post, &proxied, Some("text/plain"), b"anything").unwrap();
    assert!(is_opaque(&found) && found.effect == Effect::Lasting);
}

#[test]
fn a_reviewer_is_told_first_what_reaches_out_of_a_container() {
    let body = r#"{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": {
        "hostNetwork": true, "hostPID": false, "serviceAccountName": "admin",
        "volumes": [{"hostPath": {"path": "/"}}, {"secret": {"secretName": "db"}}],
        "containers": [{"securityContext": {"privileged": true}}, {"securityContext": {"privileged": true}}]}}"#;
    let facts = put(body).unwrap().facts;
    let told: Vec<_> = facts
        .iter()
        .filter(|(name, _)| name == "attention")
        .map(|(_, what)| what.as_str())
        .collect();
    let expected =
        ["hostNetwork", "privileged", "hostPath: /", "secretName: db", "serviceAccountName: admin"];
    let sorted = |mut all: Vec<_>| {
        all.sort_unstable();
        all
    };
    assert_eq!(sorted(told), sorted(expected.to_vec()));
    assert!(facts.contains(&("kind".to_owned(), "Pod".to_owned())));
}

fn attention(content_type: &str, body: &str) -> Vec<String> {
    let found = sent(Method::Patch, POD, Some(content_type), body.as_bytes()).unwrap();
    let told = found.facts.into_iter().filter(|(name, _)| name == "attention");
    told.map(|(_, what)| what).collect()
}

#[test]
fn a_json_patch_is_read_by_the_end_of_its_paths() {
    for (operation, told) in [
        (
            r#"{"op": "add", "path": "/spec/containers/0/securityContext/privileged", "value": true}"#,
            &["privileged"][..],
        ),
        (r#"{"op": "replace", "path": "/spec/hostNetwork", "value": false}"#, &[]),
        (
            r#"{"op": "replace", "path": "/spec/volumes/0/hostPath/path", "value": "/"}"#,
            &["hostPath: /"],
        ),
        (
            r#"{"op": "add", "path": "/spec/volumes/-", "value": {"hostPath": {"path": "/etc"}}}"#,
            &["hostPath: /etc"],
        ),
        (
            r#"{"op": "add", "path": "/spec/volumes/0/hostPath", "value": {"path": "/etc"}}"#,
            &["hostPath: /etc"],
        ),
        (
            r#"{"op": "add", "path": "/spec/serviceAccountName", "value": "a"}"#,
            &["serviceAccountName: a"],
        ),
        (
            r#"{"op": "copy", "from": "/spec/x", "path": "/spec/hostPID"}"#,
            &["/spec/hostPID: from /spec/x"],
        ),
        (r#"{"op": "copy", "from": "/spec/hostPID", "path": "/spec/x"}"#, &[]),
        (r#"{"op": "remove", "path": "/spec/hostPID"}"#, &[]),
        (r#"{"op": "add", "path": "/metadata/labels/a~1hostPID", "value": true}"#, &[]),
    ] {
        let body = format!("[{operation}]");
        assert_eq!(attention("application/json-patch+json", &body), told, "{operation}");
    }
}

#[test]
fn what_an_api_server_reads_as_true_in_yaml_is_true() {
    for yes in ["true", "yes", "Yes", "on", "ON", "y", "True", "\"yes\""] {
        let body = format!("spec: {{hostNetwork: {yes}}}");
        assert_eq!(attention("application/apply-patch+yaml", &body), ["hostNetwork"], "{yes}");
    }
    for no in ["false", "no", "off", "n", "null", "1"] {
        let body = format!("spec: {{hostNetwork: {no}}}");
        assert!(attention("application/apply-patch+yaml", &body).is_empty(), "{no}");
    }
}

/// What `kubectl auth can-i get pods -n dev` of version 1.32 sends.
const CAN_I: &[u8] = b"k8s\0\n2\n\x17authorization.k8s.io/v1\x12\x17SelfSubjectAccessReview\x128\n\x10\n\0\x12\0\x1a\0\"\0*\x002\08\0B\0\x12\x1a\n\x18\n\x03dev\x12\x03get\x1a\0\"\0*\x04pods2\0:\0\x1a\x08\x08\0\x12\0\x1a\0 \0\x1a\0\"\0";

#[test]
fn a_question_about_oneself_is_understood_in_protobuf_too_and_nothing_else_is() {
    let protobuf = Some("application/vnd.kubernetes.protobuf");
    let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let asked = sent(Method::Post, &format!("{reviews}?timeout=2s"), protobuf, CAN_I).unwrap();
    let actions: Vec<Action> = asked.demands.iter().map(|demand| demand.action).collect();
    assert_eq!((actions, asked.effect), (vec![Action::KubernetesReview], Effect::Passing));
    // The same bytes anywhere else, another's review among it, are not understood.
    for (method, target) in [
        (Method::Post, PODS),
        (Method::Put, POD),
        (Method::Post, "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
        (Method::Post, "/apis/authentication.k8s.io/v1/tokenreviews"),
        (Method::Post, "/apis/other.example/v1/selfsubjectaccessreviews"),
        (Method::Put, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x"),
        (Method::Put, "/apis/coordination.k8s.io/v1/namespaces/shop/leases/x"),
    ] {
        let found = sent(method, target, protobuf, CAN_I).unwrap();
        assert!(is_opaque(&found), "{method:?} {target}: {found:?}");
    }
}

#[test]
fn no_patch_of_a_secret_has_its_values_put_or_told_elsewhere() {
    let patch = |target: &str, body: &str| {
        sent(Method::Patch, target, Some("application/json-patch+json"), body.as_bytes())
    };
    let secret = "/api/v1/namespaces/shop/secrets/db";
    for operations in [
        r#"[{"op":"copy","from":"/data/password","path":"/metadata/labels/x"}]"#,
        r#"[{"op":"move","from":"/data","path":"/metadata/labels"}]"#,
        r#"[{"op":"test","path":"/data/password","value":"eA=="}]"#,
        r#"[{"op":"add","path":"/metadata/labels/x","value":"y"},{"op":"copy","from":"","path":"/x"}]"#,
        r#"[{"op":"Copy","from":"/data","path":"/x"}]"#,
        r#"[{"from":"/data","path":"/x"}]"#,
        r#"["copy"]"#,
    ] {
        for target in [secret.to_owned(), format!("{secret}?dryRun=All")] {
            let found = patch(&target, operations);
            assert_eq!(problem(found), Unreadable::PatchOfSecret, "{operations}");
        }
        let elsewhere = patch("/api/v1/namespaces/shop/configmaps/db", operations);
        assert!(elsewhere.is_ok(), "{operations}");
    }
    let whole = patch(secret, r#"{"op":"copy","from":"/data","path":"/x"}"#);
    assert_eq!(problem(whole), Unreadable::Malformed);
    let set = r#"[{"op":"replace","path":"/data/password","value":"eA=="},{"op":"remove","path":"/data/old"}]"#;
    assert!(!is_opaque(&patch(secret, set).unwrap()));
}

#[test]
fn what_has_too_many_values_is_not_read() {
    let many = |one: &str| format!("[{}]", vec![one; MAX_VALUES].join(","));
    for body in [many("0"), many(r#"{"":0}"#), many("[]")] {
        assert_eq!(problem(put(&body)), Unreadable::TooMany);
    }
    // What stands in a text is one value, however many commas it has.
    let text =
        format!(r#"{{"metadata":{{"name":"web"}},"x":"\\\",[{{{}"}}"#, ",[{".repeat(MAX_VALUES));
    assert!(put(&text).is_ok());
}
