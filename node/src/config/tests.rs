//! Tests of the configuration.

use super::*;
use std::collections::BTreeMap;

fn flatten(prefix: &str, value: &serde_json::Value, into: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let path =
                    if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&path, value, into);
            }
        }
        serde_json::Value::Null => {
            into.insert(prefix.to_owned(), String::new());
        }
        value @ (serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_)
        | serde_json::Value::Array(_)) => {
            into.insert(prefix.to_owned(), value.to_string());
        }
    }
}

#[test]
fn every_setting_is_listed_with_its_true_default() {
    let mut actual = BTreeMap::new();
    flatten("", &serde_json::to_value(Config::default()).unwrap(), &mut actual);
    let listed: BTreeMap<_, _> =
        SETTINGS.iter().map(|s| (s.path.to_owned(), s.default.to_owned())).collect();
    assert_eq!(actual, listed);
}

fn load_text(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    std::fs::write(&path, text).unwrap();
    load(Some(&path))
}

fn problems(text: &str) -> Vec<Problem> {
    match load_text(text) {
        Err(ConfigError::Problems(problems)) => problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn a_file_overrides_the_defaults_it_names_and_no_others() {
    let config =
        load_text("data_dir = \"/tmp/d\"\n[listen]\npostgres = \"127.0.0.1:5\"\n").unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/tmp/d"));
    assert_eq!(config.listen.postgres, "127.0.0.1:5".parse().unwrap());
    assert_eq!(config.listen.api, Listen::default().api);
}

#[test]
fn an_unknown_key_is_a_problem_with_its_place_and_the_nearest_name() {
    let found = problems("[cluster]\ntoken_fil = \"x\"\n");
    assert!(found[0].place.contains("cluster"), "{found:?}");
    assert!(found[0].message.contains("token_fil"), "{found:?}");
    assert!(found[0].hint.as_ref().unwrap().contains("`token_file`"), "{found:?}");
}

#[test]
fn a_value_of_the_wrong_type_names_the_setting_and_its_default() {
    let found = problems("[limits]\nsessions = \"many\"\n");
    assert!(found[0].place.starts_with("limits.sessions in "), "{found:?}");
    assert!(found[0].hint.as_ref().unwrap().contains("10000"), "{found:?}");
}

#[test]
fn a_syntax_error_names_the_file_and_the_line() {
    let found = problems("[cluster\n");
    assert!(found[0].place.ends_with("node.toml"), "{found:?}");
    assert!(found[0].message.contains("line 1"), "{found:?}");
}

#[test]
fn a_missing_file_is_not_an_empty_one() {
    assert!(matches!(
        load(Some(std::path::Path::new("/nonexistent/node.toml"))),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn names_of_variables_follow_the_path() {
    let names: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
    assert!(names.contains(&"COUNTERSIGN_CLUSTER_TOKEN_FILE".to_owned()));
    let mut unique = names.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
}

fn places(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut config = Config::default();
    config.tls.cert_file = file.path().to_owned();
    config.tls.key_file = file.path().to_owned();
    config.cluster.advertise = Some("a:1".to_owned());
    config.listen.api_url = Some("https://a:2".to_owned());
    change(&mut config);
    check(&config).into_iter().map(|problem| problem.place).collect()
}

#[test]
fn what_fits_together_has_no_problems() {
    assert_eq!(places(|_| {}), Vec::<String>::new());
}

#[test]
fn what_cannot_work_is_a_problem() {
    let all = "cluster.heartbeat_ms, election_min_ms, election_max_ms";
    assert_eq!(places(|c| c.cluster.election_min_ms = 200), [all]);
    assert_eq!(places(|c| c.cluster.advertise = None), ["cluster.advertise"]);
    assert_eq!(places(|c| c.cluster.name = "Über".to_owned()), ["cluster.name"]);
    assert_eq!(places(|c| c.tls.key_file = "/nonexistent".into()), ["tls.key_file"]);
    assert_eq!(places(|c| c.listen.api_url = None), ["listen.api_url"]);
    assert_eq!(places(|c| c.limits.sessions = 0), ["limits.sessions"]);
    assert_eq!(
        places(|c| c.cluster.join = vec!["http://a".to_owned()]),
        ["cluster.join", "cluster.token_file"]
    );
}
