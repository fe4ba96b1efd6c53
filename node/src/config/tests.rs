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

/// A configuration with nothing wrong, whose files are in this folder.
fn sound(folder: &std::path::Path) -> Config {
    let made = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
    let (cert_file, key_file) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&cert_file, made.cert.pem()).unwrap();
    std::fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
    let mut config = Config { data_dir: folder.to_owned(), ..Config::default() };
    config.tls = Tls { cert_file, key_file, ca_file: None };
    config.cluster.advertise = Some("a:1".to_owned());
    config.listen.api_url = Some("https://a:2".to_owned());
    config
}

fn places(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut config = sound(folder.path());
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
    assert_eq!(places(|c| c.listen.api_url = Some("http://a:2".to_owned())), ["listen.api_url"]);
    assert_eq!(
        places(|c| c.limits.failed_logins_per_minute = 0),
        ["limits.failed_logins_per_minute"]
    );
    assert_eq!(places(|c| c.telemetry.log_level = "loud=very".to_owned()), ["telemetry.log_level"]);
    assert_eq!(places(|c| c.listen.api_url = None), ["listen.api_url"]);
    assert_eq!(places(|c| c.limits.sessions = 0), ["limits.sessions"]);
    assert_eq!(
        places(|c| c.limits.failed_logins_per_minute = 0),
        ["limits.failed_logins_per_minute"]
    );
    assert_eq!(
        places(|c| c.limits.api_connections_per_address = 0),
        ["limits.api_connections_per_address"]
    );
    assert_eq!(
        places(|c| c.cluster.join = vec!["http://a".to_owned()]),
        ["cluster.join", "cluster.token_file"]
    );
}

#[test]
fn a_listener_that_hears_balancers_needs_a_list_of_them() {
    assert_eq!(places(|c| c.listen.postgres_proxy_protocol = true), ["listen.balancers"]);
    assert_eq!(places(|c| c.listen.api_proxy_protocol = true), ["listen.balancers"]);
    let listed = |balancer: &'static str| {
        move |c: &mut Config| {
            c.listen.postgres_proxy_protocol = true;
            c.listen.balancers = vec![balancer.to_owned()];
        }
    };
    assert_eq!(places(listed("10.0.0.0/28")), Vec::<String>::new());
    assert_eq!(places(listed("0.0.0.0/0")), ["listen.balancers"]);
    let mut config = Config::default();
    config.listen.balancers = vec!["10.0.0.1".to_owned()];
    assert_eq!(warnings(&config)[0].place, "listen.balancers");
}

#[test]
fn names_for_ssh_are_names_of_hosts() {
    let named = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        places(move |c| c.listen.ssh_names = names)
    };
    assert_eq!(named(&["gate.example", "10.0.0.4", "2001:db8::4"]), Vec::<String>::new());
    for odd in ["", "*.example", "[gate.example]:22", "a,b", "a b", &"x".repeat(300)] {
        assert_eq!(named(&["gate.example", odd]), ["listen.ssh_names"], "{odd:?}");
    }
    assert_eq!(named(&["gate.example"; 33]), ["listen.ssh_names"]);
}

#[test]
fn files_that_cannot_be_used_are_problems() {
    let both = "tls.cert_file and tls.key_file";
    assert_eq!(places(|c| c.tls.key_file = "/nonexistent".into()), [both]);
    assert_eq!(places(|c| c.tls.key_file = c.tls.cert_file.clone()), [both]);
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(places(|c| std::fs::write(&c.tls.key_file, &other).unwrap()), [both]);
    assert_eq!(places(|c| std::fs::write(&c.tls.cert_file, "no PEM").unwrap()), [both]);
    assert_eq!(places(|c| c.tls.ca_file = Some(c.tls.key_file.clone())), ["tls.ca_file"]);
}

#[test]
fn a_folder_of_the_archive_that_is_not_there_is_a_problem_and_is_not_made() {
    let at = |name: &'static str| {
        move |c: &mut Config| c.archive.shared_folder = Some(c.data_dir.join(name))
    };
    assert_eq!(places(at("not mounted")), ["archive.shared_folder"]);
    assert_eq!(places(at("")), Vec::<String>::new());
    let file = |c: &mut Config| c.archive.shared_folder = Some(c.tls.cert_file.clone());
    assert_eq!(places(file), ["archive.shared_folder"]);
}

#[test]
fn a_node_that_is_to_join_needs_a_token_until_it_has_joined() {
    let joins = |c: &mut Config| {
        c.cluster.join = vec!["https://a".to_owned()];
        c.cluster.token_file = Some(c.data_dir.join("token"));
    };
    assert_eq!(places(joins), ["cluster.token_file"]);
    let unreadable = |c: &mut Config| {
        joins(c);
        std::fs::write(c.data_dir.join("token"), "cs-join.1").unwrap();
    };
    assert_eq!(places(unreadable), ["cluster.token_file"]);
    let token = crate::cluster::JoinTokenText::new(&[1; 8], &[2; 32], [3; 32]).expose();
    let fits = |c: &mut Config| {
        joins(c);
        std::fs::write(c.data_dir.join("token"), token).unwrap();
    };
    assert_eq!(places(fits), Vec::<String>::new());
    let joined = |c: &mut Config| {
        joins(c);
        std::fs::write(c.data_dir.join("member.json"), "{}").unwrap();
    };
    assert_eq!(places(joined), Vec::<String>::new());
}

#[test]
fn metrics_for_everybody_are_worth_a_warning_and_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = sound(folder.path());
    assert!(warnings(&config).is_empty());
    config.listen.metrics = "0.0.0.0:7490".parse().unwrap();
    assert_eq!(warnings(&config)[0].place, "listen.metrics");
    assert!(check(&config).is_empty());
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load::load_with(None, owned)
}

#[test]
fn a_text_of_the_environment_may_look_like_a_number() {
    let config = from_environment(&[
        ("COUNTERSIGN_CLUSTER_NAME", "2024"),
        ("COUNTERSIGN_DATA_DIR", "1"),
        ("COUNTERSIGN_NODE_ID", "3"),
        ("COUNTERSIGN_LIMITS_SESSIONS", "7"),
        ("COUNTERSIGN_CLUSTER_JOIN", "[\"https://a\", \"https://b\"]"),
        ("COUNTERSIGN_LISTEN_METRICS", "127.0.0.1:1"),
    ])
    .unwrap();
    assert_eq!(config.cluster.name, "2024");
    assert_eq!(config.data_dir, PathBuf::from("1"));
    assert_eq!((config.node_id, config.limits.sessions), (Some(3), 7));
    assert_eq!(config.cluster.join, ["https://a", "https://b"]);
    assert_eq!(config.listen.metrics, "127.0.0.1:1".parse().unwrap());
}

#[test]
fn every_text_setting_takes_a_text_from_the_environment() {
    for setting in SETTINGS.iter().filter(|setting| setting.is_text()) {
        let value = match setting.path {
            "telemetry.log_format" => "json",
            "recordings.places" => "local",
            path if path.starts_with("listen.") || path == "cluster.listen" => "127.0.0.1:1",
            _ => "2024",
        };
        let variable = setting.variable();
        from_environment(&[(variable.as_str(), value)])
            .unwrap_or_else(|error| panic!("{}: {error:?}", setting.path));
    }
}

#[test]
fn a_variable_that_is_no_setting_is_a_problem_and_names_what_may_be_meant() {
    let Err(ConfigError::Problems(found)) =
        from_environment(&[("COUNTERSIGN_LIMITS_SESSION", "7"), ("OTHER", "x")])
    else {
        panic!("it was taken");
    };
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place, "COUNTERSIGN_LIMITS_SESSION");
    assert!(found[0].hint.as_ref().unwrap().contains("COUNTERSIGN_LIMITS_SESSIONS"), "{found:?}");
}

#[test]
fn what_other_programs_are_told_is_no_problem() {
    from_environment(&[
        ("COUNTERSIGN_TOKEN", "x"),
        ("COUNTERSIGN_SERVICE_HOST", "10.0.0.1"),
        ("COUNTERSIGN_SERVICE_PORT_API", "7443"),
        ("COUNTERSIGN_PORT", "tcp://10.0.0.1:7443"),
        ("COUNTERSIGN_PORT_7443_TCP_ADDR", "10.0.0.1"),
    ])
    .unwrap();
}

#[test]
fn a_wrong_value_of_the_environment_names_its_variable() {
    let Err(ConfigError::Problems(found)) =
        from_environment(&[("COUNTERSIGN_LIMITS_SESSIONS", "many")])
    else {
        panic!("it was taken");
    };
    assert_eq!(found[0].place, "limits.sessions in COUNTERSIGN_LIMITS_SESSIONS");
}
