//! Agents × demands × verdict, for the sample policy of a development cluster and for one with every kind of rule.

use super::*;
use std::fmt::Write;

/// Reads of schema `public` and what touches no relation are allowed to `ci`; everything else is held for `dba`.
const DEVELOPMENT: &str = include_str!("development.cedar");

const WITH_EVERYTHING: &str = r#"
@id("reads") permit(principal in Group::"ci", action == Action::"postgres:read", resource in Target::"orders");
@id("writes") @hold("dba") @quorum("2") @expires("30m") @wait("4m") @audit("before_forward") @reason("required") @in_transaction("refuse")
permit(principal in Group::"ci", action == Action::"postgres:write", resource in Target::"orders")
when { context.tables.contains("public.orders") };
@id("no-program") forbid(principal, action == Action::"postgres:program", resource);
@id("ops") @audit("before_forward") permit(principal in Group::"ops", action in Action::"postgres", resource);
"#;

fn agents() -> Vec<(&'static str, Session)> {
    vec![
        ("ci-bot", session("ci-bot", &["ci"], "orders")),
        ("ci-bot on another target", session("ci-bot", &["ci"], "stock")),
        ("ops-bot", session("ops-bot", &["ops"], "orders")),
        ("in no group", session("stray", &[], "orders")),
    ]
}

fn questions() -> Vec<(String, Vec<Demand>)> {
    let mut questions = vec![
        (
            "reads public.orders and writes public.orders".to_owned(),
            vec![
                on(Action::PostgresRead, relation("public", "orders")),
                on(Action::PostgresWrite, relation("public", "orders")),
            ],
        ),
        (
            "reads public.orders and pg_catalog.pg_authid".to_owned(),
            vec![
                on(Action::PostgresRead, relation("public", "orders")),
                on(Action::PostgresRead, relation("pg_catalog", "pg_authid")),
            ],
        ),
        ("nothing that could be told".to_owned(), Vec::new()),
    ];
    for action in Action::ALL {
        for (name, resource) in resources(action.protocol()) {
            questions.push((format!("{} on {name}", action.name()), vec![on(*action, resource)]));
        }
    }
    questions
}

fn resources(protocol: Protocol) -> [(&'static str, Resource); 3] {
    match protocol {
        Protocol::Postgres => [
            ("the target", Resource::Target),
            ("public.orders", relation("public", "orders")),
            ("secret.orders", relation("secret", "orders")),
        ],
        Protocol::Ssh => [
            ("the target", Resource::Target),
            ("/var/log/syslog", Resource::Path { path: "/var/log/syslog".to_owned() }),
            ("uptime", Resource::Program { name: "uptime".to_owned() }),
        ],
        Protocol::Kubernetes => [
            ("the target", Resource::Target),
            ("shop/pods/web", api_object("shop/pods/web")),
            ("/version", Resource::Url { path: "/version".to_owned() }),
        ],
    }
}

fn matrix(policies: &Policies) -> String {
    let mut out = String::new();
    for (agent, session) in agents() {
        writeln!(out, "== {agent}").unwrap();
        for (question, demands) in questions() {
            let verdict = shown(&judge(policies, &session, &demands));
            writeln!(out, "{question:<45} {verdict}").unwrap();
            // A line more only where an open transaction makes a difference.
            let within = shown(&judge_within(policies, &session, &demands));
            if within != verdict && !verdict.starts_with("allow") {
                writeln!(out, "{:<45} {within}", "  in a transaction").unwrap();
            }
        }
    }
    out
}

#[test]
fn the_development_policy_judges_as_it_is_described() {
    insta::assert_snapshot!(matrix(&compile(DEVELOPMENT)));
}

#[test]
fn a_policy_with_every_kind_of_rule_judges_as_it_is_written() {
    insta::assert_snapshot!(matrix(&compile(WITH_EVERYTHING)));
}

#[test]
fn every_action_appears_in_the_matrix() {
    let asked: BTreeSet<_> =
        questions().into_iter().flat_map(|(_, demands)| demands).map(|d| d.action).collect();
    assert_eq!(asked.len(), Action::ALL.len());
    let all = matrix(&compile(DEVELOPMENT));
    for action in Action::ALL {
        assert!(all.contains(action.name()), "{}", action.name());
    }
}

#[test]
fn the_development_policy_allows_plain_reads_and_holds_the_rest() {
    let policies = compile(DEVELOPMENT);
    let bot = session("ci-bot", &["ci"], "orders");
    let check = |demand: Demand, expected: &str| {
        let verdict = shown(&judge(&policies, &bot, &[demand]));
        assert!(verdict.starts_with(expected), "{verdict}");
    };
    check(on(Action::PostgresRead, relation("public", "accounts")), "allow");
    check(on(Action::PostgresRead, Resource::Target), "allow");
    check(on(Action::PostgresShow, Resource::Target), "allow");
    check(on(Action::PostgresPreference, Resource::Target), "allow");
    check(on(Action::PostgresTransaction, Resource::Target), "allow");
    check(on(Action::PostgresDescribe, Resource::Target), "allow");
    check(on(Action::PostgresRead, relation("pg_catalog", "pg_class")), "hold for 1 of dba");
    for action in Action::ALL.iter().filter(|action| action.protocol() == Protocol::Postgres) {
        if !matches!(
            action,
            Action::PostgresRead
                | Action::PostgresShow
                | Action::PostgresPreference
                | Action::PostgresTransaction
                | Action::PostgresDescribe
        ) {
            check(on(*action, relation("public", "accounts")), "hold for 1 of dba");
        }
    }
}
