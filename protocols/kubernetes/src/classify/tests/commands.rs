//! The command of an `exec`, and the line that people read of a request.

use super::*;

fn command(target: &str) -> Vec<String> {
    classify_head(Method::Get, target).unwrap().commands.into_iter().collect()
}

#[test]
fn the_words_of_a_command_are_one_line_that_is_read_one_way_only() {
    let exec = "/api/v1/namespaces/shop/pods/web/exec";
    for (query, expected) in [
        ("command=ls&command=-l", "ls -l"),
        ("container=c&command=ls&stdin=true&command=/tmp", "ls /tmp"),
        ("command=sh&command=-c&command=rm+-rf+%2F", "sh -c 'rm -rf /'"),
        ("command=echo&command=", "echo ''"),
        ("command=echo&command=it%27s", r"echo 'it'\''s'"),
        ("command=echo&command=%24HOME&command=%2A", "echo '$HOME' '*'"),
        ("command=a+b", "'a b'"),
    ] {
        assert_eq!(command(&format!("{exec}?{query}")), [expected], "{query}");
    }
    assert!(command(exec).is_empty());
    assert!(command("/api/v1/namespaces/shop/pods/web/log?command=ls").is_empty());
}

#[test]
fn the_summary_says_verb_object_and_namespace() {
    for (method, target, expected) in [
        (Method::Delete, "/api/v1/namespaces/prod", "delete namespaces/prod in prod"),
        (Method::Get, "/api/v1/secrets?watch=1", "watch secrets"),
        (
            Method::Patch,
            "/apis/apps/v1/namespaces/shop/deployments/web/scale",
            "patch deployments.apps/web/scale in shop",
        ),
        (Method::Get, "/livez", "get /livez"),
    ] {
        assert_eq!(classify_head(method, target).unwrap().summary, expected);
    }
}
