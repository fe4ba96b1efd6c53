//! What holds for any request: nothing panics, nothing that acts is a read, and nothing is read in two ways.

use super::*;
use proptest::prelude::*;

/// Pieces that paths and queries are made of, good ones and bad ones.
const PIECES: &[&str] = &[
    "/",
    "//",
    "api",
    "apis",
    "v1",
    "namespaces",
    "shop",
    "pods",
    "secrets",
    "web",
    "exec",
    "log",
    "proxy",
    "watch",
    "status",
    "scale",
    "finalize",
    "apps",
    "rbac.authorization.k8s.io",
    "..",
    ".",
    "%2f",
    "%2e",
    "%",
    "%00",
    ";",
    "\\",
    "?",
    "&",
    "=",
    "#",
    "watch=1",
    "dryRun=All",
    "command=ls",
    "fieldSelector=metadata.name%3Dx",
    "A",
    "é",
    " ",
    "\n",
    "*",
    ":",
    "@",
    "+",
];

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(Method::ALL)
}

fn target() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..16);
    prop_oneof![pieces.prop_map(|pieces| pieces.concat()), "\\PC{0,40}", "/api/v1/[a-z/%.]{0,30}"]
}

/// Targets that are canonical more often than not.
fn plausible() -> impl Strategy<Value = String> {
    let prefix = prop::sample::select(vec!["/api/v1", "/apis/apps/v1", "/api/v1/watch"]);
    let segments = prop::collection::vec(
        prop::sample::select(vec![
            "namespaces",
            "shop",
            "pods",
            "web",
            "exec",
            "status",
            "finalize",
            "proxy",
            "log",
        ]),
        0..6,
    );
    let query = prop::sample::select(vec!["", "?watch=1", "?limit=3", "?watch=0&dryRun=All"]);
    (prefix, segments, query)
        .prop_map(|(prefix, segments, query)| format!("{prefix}/{}{query}", segments.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn anything_is_read_or_refused(method in method(), target in target()) {
        if let Ok(classified) = classify_head(method, &target) {
            prop_assert!(!classified.demands.is_empty());
            prop_assert!(target.is_ascii() && target.starts_with('/'));
        }
    }

    #[test]
    fn nothing_that_acts_is_a_read(method in method(), target in plausible()) {
        let Ok(classified) = classify_head(method, &target) else { return Ok(()) };
        if !method.is_safe() {
            prop_assert_eq!(classified.effect, Effect::Lasting);
        }
        let streams = ["exec", "attach", "portforward", "proxy"];
        if let Subject::Object(object) = &classified.info.subject
            && streams.contains(&object.subresource.as_str())
        {
            prop_assert_eq!(classified.effect, Effect::Lasting);
        }
    }

    #[test]
    fn a_path_that_is_read_is_the_one_that_its_parts_make(method in method(), target in plausible()) {
        let Ok(classified) = classify_head(method, &target) else { return Ok(()) };
        let Subject::Object(object) = &classified.info.subject else { return Ok(()) };
        let path = target.split('?').next().unwrap();
        // Each part stands in the path between slashes.
        for part in [&object.namespace, &object.resource, &object.name, &object.subresource] {
            prop_assert!(part.is_empty() || path.split('/').any(|segment| segment == part));
        }
        prop_assert!(!path.contains("//") && !path.contains('%'));
    }

    #[test]
    fn an_escape_anywhere_outside_a_proxied_path_is_refused(
        method in method(),
        target in plausible(),
        place in any::<prop::sample::Index>(),
    ) {
        let path = target.split('?').next().unwrap();
        let proxied = path.contains("/proxy/") || path.contains("exec/") || path.contains("log/");
        if proxied {
            return Ok(());
        }
        let at = 1 + place.index(path.len() - 1);
        let byte = path.as_bytes()[at];
        let escaped = format!("{}%{byte:02x}{}", &path[..at], &path[at + 1..]);
        let found = classify_head(method, &escaped);
        prop_assert!(found.is_err(), "{escaped}: {found:?}");
    }
}
