//! How verdicts come together.

use super::*;
use crate::{
    hold::{Escalation, HoldTerms, ReasonRule, RejectionRule},
    permit::AuditLevel,
};

const READ: &str = r#"permit(principal, action == Action::"postgres:read", resource);"#;

fn verdict(text: &str, demands: &[Demand]) -> String {
    shown(&judge(&compile(text), &session("bot", &["ci"], "orders"), demands))
}

#[test]
fn without_any_rule_everything_is_denied() {
    let demands = [on(Action::PostgresRead, Resource::Target)];
    assert_eq!(verdict("", &demands), "deny : no rule permits postgres:read");
}

#[test]
fn the_strictest_verdict_of_all_demands_wins() {
    let text = r#"
        @id("reads") permit(principal, action == Action::"postgres:read", resource);
        @id("writes") @hold("dba") permit(principal, action == Action::"postgres:write", resource);
        @id("no-ddl") forbid(principal, action == Action::"postgres:ddl", resource);
    "#;
    let (read, write, ddl, lock) = (
        on(Action::PostgresRead, Resource::Target),
        on(Action::PostgresWrite, Resource::Target),
        on(Action::PostgresDdl, Resource::Target),
        on(Action::PostgresLock, Resource::Target),
    );
    assert_eq!(verdict(text, std::slice::from_ref(&read)), "allow before_reply by reads");
    assert_eq!(verdict(text, &[read.clone(), write.clone()]), "hold for 1 of dba by writes");
    assert_eq!(
        verdict(text, &[read.clone(), write.clone(), ddl]),
        "deny no-ddl: postgres:ddl is forbidden"
    );
    assert_eq!(verdict(text, &[read, write, lock]), "deny : no rule permits postgres:lock");
}

#[test]
fn a_rule_asks_for_the_repository_branch_and_job_of_a_workload() {
    let policies = compile(
        r#"@id("main") permit(principal, action == Action::"postgres:write", resource)
           when { context.workload.repository == "shop" && context.workload.branch == "refs/heads/main"
                  && context.workload.job like "*migrate*" };"#,
    );
    let of = |repository: &str, branch: &str, job: &str| {
        let plain = session("bot", &["ci"], "orders");
        let workload = Workload {
            repository: repository.to_owned(),
            branch: branch.to_owned(),
            job: job.to_owned(),
        };
        let session = Session::opened(Opening {
            id: plain.id(),
            agent: Agent { workload, ..plain.agent().clone() },
            target: plain.target().clone(),
            role: plain.role().to_owned(),
            opened_at: plain.opened_at(),
        });
        let demands = [on(Action::PostgresWrite, Resource::Target)];
        shown(&judge(&policies, &session, &demands))
    };
    // Each is judged by its own, also where another one's finding is kept.
    for _again in 0..2 {
        assert!(of("shop", "refs/heads/main", "deploy/migrate.yml").starts_with("allow"));
        assert!(of("shop", "refs/heads/evil", "deploy/migrate.yml").starts_with("deny"));
        assert!(of("fork", "refs/heads/main", "deploy/migrate.yml").starts_with("deny"));
        assert!(of("", "", "").starts_with("deny"));
    }
}

#[test]
fn a_rule_that_holds_wins_over_one_that_allows() {
    let text = format!(
        "{READ} @id(\"careful\") @hold(\"dba\") permit(principal, action, resource in Target::\"orders\");"
    );
    assert_eq!(
        verdict(&text, &[on(Action::PostgresRead, Resource::Target)]),
        "hold for 1 of dba by careful"
    );
}

#[test]
fn a_hold_asks_for_the_union_of_what_its_rules_ask_for() {
    let text = r#"
        @id("a") @hold("dba") @quorum("2") @expires("30m") @wait("9m")
        permit(principal, action == Action::"postgres:write", resource);
        @id("b") @hold("dba") @expires("20m") @reason("required")
        permit(principal, action == Action::"postgres:write", resource in Schema::"orders/public");
        @id("c") @hold("audit") @wait("3m")
        permit(principal, action == Action::"postgres:ddl", resource);
    "#;
    let demands = [
        on(Action::PostgresWrite, relation("public", "t")),
        on(Action::PostgresDdl, Resource::Target),
    ];
    let held = judge(&compile(text), &session("bot", &[], "orders"), &demands);
    let Verdict::Hold(terms) = held else { panic!("{held:?}") };
    assert_eq!(asked(&terms), ["1 × audit", "2 × dba"]);
    assert_eq!((terms.expires_after_ms, terms.wait_ms), (20 * 60_000, 3 * 60_000));
    assert_eq!(terms.reason, ReasonRule::Required);
    assert_eq!(terms.rules, ["a", "b", "c"]);
}

/// What terms ask for, a requirement each.
fn asked(terms: &HoldTerms) -> Vec<String> {
    let each = terms.requirements.iter();
    each.map(|needed| format!("{} × {}", needed.quorum, needed.reviewers)).collect()
}

/// The terms of a write that every rule of `text` holds.
fn terms_of(text: &str) -> HoldTerms {
    let demands = [on(Action::PostgresWrite, relation("public", "t"))];
    let held = judge(&compile(text), &session("bot", &[], "orders"), &demands);
    let Verdict::Hold(terms) = held else { panic!("{held:?}") };
    terms
}

#[test]
fn groups_joined_by_and_are_asked_each_and_a_quorum_asks_for_all_of_it_so_many_times() {
    for (hold, expected) in [
        (r#"@hold("dba and (security or on-call)")"#, ["1 × dba", "1 × on-call or security"]),
        (
            r#"@hold("(security or on-call) and dba") @quorum("2")"#,
            ["2 × dba", "2 × on-call or security"],
        ),
        (r#"@hold("dba and ops and dba")"#, ["2 × dba", "1 × ops"]),
    ] {
        assert_eq!(
            asked(&terms_of(&format!("{hold} permit(principal, action, resource);"))),
            expected
        );
    }
    let whole = terms_of(r#"@hold("(dba and ops) or cto") permit(principal, action, resource);"#);
    assert_eq!(asked(&whole), ["1 × cto or (dba and ops)"]);
    assert_eq!((whole.fewest(), whole.ways()), (1, 2));
}

#[test]
fn of_two_rules_that_hold_the_strictest_wins_in_each_thing_that_they_ask_for() {
    let rule = |annotations: &str| format!("{annotations} permit(principal, action, resource);\n");
    let both = |one: &str, other: &str| terms_of(&(rule(one) + &rule(other)));
    let terms = both(r#"@hold("dba and ops")"#, r#"@hold("dba or ops") @quorum("2")"#);
    assert_eq!(asked(&terms), ["1 × dba", "1 × ops", "2 × dba or ops"]);
    assert_eq!(terms.fewest(), 4);
    let terms = both(r#"@hold("dba") @rejection("noted")"#, r#"@hold("dba")"#);
    assert_eq!(terms.rejection, RejectionRule::Ends);
    let again = |one: &str, other: &str| {
        both(&format!(r#"@hold("dba") {one}"#), &format!(r#"@hold("ops") {other}"#)).again_after_ms
    };
    assert_eq!(again(r#"@again("5m")"#, r#"@again("0s")"#), 5 * 60_000);
    assert_eq!(again(r#"@again("5m")"#, ""), 10 * 60_000);
    let glass = |one: &str, other: &str| {
        both(&format!(r#"@hold("dba") {one}"#), &format!(r#"@hold("ops") {other}"#)).break_glass
    };
    let (incident, other) = (r#"@break_glass("incident")"#, r#"@break_glass("other")"#);
    assert_eq!(glass(incident, incident).as_deref(), Some("incident"));
    assert_eq!(glass(incident, ""), None);
    assert_eq!(glass(incident, other), None);
    let grantable = |one: &str, other: &str| {
        both(&format!(r#"@hold("dba") {one}"#), &format!(r#"@hold("ops") {other}"#)).grantable_ms
    };
    assert_eq!(grantable("@grantable", r#"@grantable("30m")"#), Some(30 * 60_000));
    assert_eq!(grantable("@grantable", ""), None);
    let escalation = |one: &str, other: &str| {
        both(&format!(r#"@hold("dba") {one}"#), &format!(r#"@hold("dba") {other}"#))
            .requirements
            .remove(0)
            .escalation
    };
    let early = r#"@escalate("leads after 5m")"#;
    assert_eq!(escalation(early, ""), None);
    assert_eq!(escalation(early, r#"@escalate("cto after 5m")"#), None);
    let later = Escalation { group: "leads".to_owned(), after_ms: 10 * 60_000 };
    assert_eq!(escalation(early, r#"@escalate("leads after 10m")"#), Some(later));
}

#[test]
fn a_hold_inside_a_transaction_is_what_the_strictest_of_its_rules_says() {
    let write = on(Action::PostgresWrite, relation("public", "t"));
    let ddl = on(Action::PostgresDdl, Resource::Target);
    let bot = session("bot", &[], "orders");
    // For each rule's annotation, how long a client may wait inside a transaction; none where it is refused.
    for (writes, ddls, expected) in [
        ("", "", Some(9 * 60_000)),
        (r#"@in_transaction("allow")"#, "", Some(9 * 60_000)),
        (r#"@in_transaction("30s")"#, "", Some(30_000)),
        (r#"@in_transaction("1h")"#, "", Some(9 * 60_000)),
        (r#"@in_transaction("30s")"#, r#"@in_transaction("10s")"#, Some(10_000)),
        (r#"@in_transaction("30s")"#, r#"@in_transaction("allow")"#, Some(30_000)),
        (r#"@in_transaction("30s")"#, r#"@in_transaction("refuse")"#, None),
        (r#"@in_transaction("refuse")"#, r#"@in_transaction("allow")"#, None),
    ] {
        let text = format!(
            r#"@id("a") @hold("dba") @wait("9m") {writes} permit(principal, action == Action::"postgres:write", resource);
               @id("b") @hold("dba") {ddls} permit(principal, action == Action::"postgres:ddl", resource);"#
        );
        let policies = compile(&text);
        let demands = [write.clone(), ddl.clone()];
        match (judge_within(&policies, &bot, &demands), expected) {
            (Verdict::Hold(terms), Some(wait_ms)) => assert_eq!(terms.wait_ms, wait_ms, "{text}"),
            (Verdict::Deny(reason), None) => {
                assert_eq!(reason.rules, ["a", "b"], "{text}");
                assert!(reason.message.contains("inside an open transaction"), "{text}");
            }
            (verdict, _) => panic!("{text}: {verdict:?}"),
        }
        // Outside a transaction none of it says anything.
        let Verdict::Hold(terms) = judge(&policies, &bot, &demands) else { panic!("{text}") };
        assert_eq!(terms.wait_ms, 9 * 60_000, "{text}");
    }
}

#[test]
fn a_rule_can_ask_whether_a_transaction_is_open() {
    let text = r#"
        permit(principal, action, resource);
        @id("alone") forbid(principal, action == Action::"postgres:ddl", resource) when { context.in_transaction };
    "#;
    let (policies, bot) = (compile(text), session("bot", &[], "orders"));
    let ddl = [on(Action::PostgresDdl, Resource::Target)];
    assert!(shown(&judge(&policies, &bot, &ddl)).starts_with("allow"));
    assert_eq!(
        shown(&judge_within(&policies, &bot, &ddl)),
        "deny alone: postgres:ddl is forbidden"
    );
}

#[test]
fn a_rule_that_cannot_be_evaluated_denies() {
    // The arithmetic overflows: Cedar would skip the forbid and permit.
    let text = r#"
        permit(principal, action, resource);
        @id("broken") forbid(principal, action, resource)
        when { 9223372036854775807 + 1 > 0 };
    "#;
    let demands = [on(Action::PostgresRead, Resource::Target)];
    assert_eq!(verdict(text, &demands), "deny : a rule could not be evaluated");
}

#[test]
fn opaque_is_not_allowed_by_a_rule_for_what_is_understood() {
    let opaque = [on(Action::PostgresOpaque, Resource::Target)];
    let refused = "deny : the operation is not fully understood, and no rule names that action";
    for broad in [
        "permit(principal, action, resource);",
        r#"permit(principal, action in Action::"postgres", resource);"#,
        r#"permit(principal, action in [Action::"postgres"], resource);"#,
    ] {
        assert_eq!(verdict(broad, &opaque), refused, "{broad}");
    }
    let named = r#"@id("o") permit(principal, action == Action::"postgres:opaque", resource);"#;
    assert_eq!(verdict(named, &opaque), "allow before_forward by o");
    let held = r#"@id("all") @hold("dba") permit(principal, action, resource);"#;
    assert_eq!(verdict(held, &opaque), "hold for 1 of dba by all");
    // Beside something that is allowed it stays what it is.
    let both = [on(Action::PostgresRead, Resource::Target), opaque[0].clone()];
    assert_eq!(verdict("permit(principal, action, resource);", &both), refused);
}

#[test]
fn an_operation_without_demands_is_opaque() {
    assert_eq!(
        verdict("permit(principal, action, resource);", &[]),
        "deny : the operation is not fully understood, and no rule names that action"
    );
}

#[test]
fn an_allowed_operation_is_audited_as_strictly_as_its_strictest_demand() {
    let text = r#"
        @id("all") permit(principal, action, resource);
        @id("late") @audit("before_reply") permit(principal, action == Action::"postgres:show", resource);
        @id("early") @audit("before_forward") permit(principal, action == Action::"postgres:show", resource);
    "#;
    let level = |actions: &[Action]| {
        let demands: Vec<_> = actions.iter().map(|action| on(*action, Resource::Target)).collect();
        match judge(&compile(text), &session("bot", &[], "orders"), &demands) {
            Verdict::Allow(cleared) => cleared.basis().audit,
            other @ (Verdict::Hold(..) | Verdict::Deny(..)) => panic!("{other:?}"),
        }
    };
    assert_eq!(level(&[Action::PostgresRead]), AuditLevel::BeforeReply);
    assert_eq!(level(&[Action::PostgresWrite]), AuditLevel::BeforeForward);
    assert_eq!(level(&[Action::PostgresRead, Action::PostgresWrite]), AuditLevel::BeforeForward);
    assert_eq!(level(&[Action::PostgresNotify]), AuditLevel::BeforeForward);
    // Three rules allow it; one of them asks for more.
    assert_eq!(level(&[Action::PostgresShow]), AuditLevel::BeforeForward);
}

#[test]
fn what_may_last_is_recorded_before_it_is_forwarded_whatever_a_rule_says() {
    let late = compile(
        r#"@audit("before_reply") permit(principal, action == Action::"postgres:transaction", resource);"#,
    );
    let session = session("bot", &["ci"], "orders");
    let commit = [on(Action::PostgresTransaction, Resource::Target)];
    for (effect, level) in
        [(Effect::Passing, AuditLevel::BeforeReply), (Effect::Lasting, AuditLevel::BeforeForward)]
    {
        let verdict = judge_effect(&late, &session, &commit, effect);
        let Verdict::Allow(cleared) = verdict else { panic!("{verdict:?}") };
        assert_eq!(cleared.basis().audit, level);
    }
}

#[test]
fn a_read_is_batched_only_where_every_rule_that_allows_it_says_so() {
    let text = r#"
        @id("a") @audit("batched") permit(principal, action == Action::"postgres:read", resource);
        @id("b") permit(principal, action == Action::"postgres:read", resource == Relation::"orders/public.plain");
        @id("c") @audit("before_reply") permit(principal, action == Action::"postgres:read", resource == Relation::"orders/public.asked");
        @id("d") @audit("batched") permit(principal, action == Action::"postgres:show", resource);
        @id("e") permit(principal, action == Action::"postgres:explain", resource);
    "#;
    let read = |name| on(Action::PostgresRead, relation("public", name));
    let (show, explain) =
        (on(Action::PostgresShow, Resource::Target), on(Action::PostgresExplain, Resource::Target));
    for (demands, level) in [
        (vec![read("other")], AuditLevel::Batched),
        (vec![read("other"), show.clone()], AuditLevel::Batched),
        (vec![read("plain")], AuditLevel::BeforeReply),
        (vec![read("asked")], AuditLevel::BeforeReply),
        (vec![read("other"), read("plain")], AuditLevel::BeforeReply),
        (vec![show, explain], AuditLevel::BeforeReply),
    ] {
        let session = session("bot", &[], "orders");
        let verdict = judge(&compile(text), &session, &demands);
        let Verdict::Allow(cleared) = verdict else { panic!("{verdict:?}") };
        assert_eq!(cleared.basis().audit, level, "{demands:?}");
        let lasting = judge_effect(&compile(text), &session, &demands, Effect::Lasting);
        let Verdict::Allow(cleared) = lasting else { panic!("{lasting:?}") };
        assert_eq!(cleared.basis().audit, AuditLevel::BeforeForward);
    }
}

#[test]
fn a_name_cannot_imitate_another_relation() {
    let text = r#"@id("t") permit(principal, action, resource == Relation::"orders/public.t");"#;
    assert!(
        verdict(text, &[on(Action::PostgresRead, relation("public", "t"))]).starts_with("allow")
    );
    for (schema, name) in
        [("public.t", ""), ("", "public.t"), ("public", "T"), ("Public", "t"), ("public", "t\"")]
    {
        let verdict = verdict(text, &[on(Action::PostgresRead, relation(schema, name))]);
        assert!(verdict.starts_with("deny"), "{schema} {name}: {verdict}");
    }
}

#[test]
fn an_agent_is_judged_by_issuer_and_subject() {
    let text = r#"permit(principal == Agent::"https://issuer#bot", action, resource);"#;
    let demands = [on(Action::PostgresRead, Resource::Target)];
    assert!(verdict(text, &demands).starts_with("allow"));
    let other = session("bot2", &[], "orders");
    assert!(shown(&judge(&compile(text), &other, &demands)).starts_with("deny"));
}

#[test]
fn a_deciding_rule_whose_terms_are_not_known_denies() {
    let mut policies = compile(r#"@hold("dba") permit(principal, action, resource);"#);
    policies.rules.clear();
    let demands = [on(Action::PostgresRead, Resource::Target)];
    assert_eq!(
        shown(&judge(&policies, &session("bot", &[], "orders"), &demands)),
        "deny : a rule that decides is not known"
    );
}

#[test]
fn rules_can_ask_for_the_columns_that_an_operation_names() {
    let policies = compile(
        r#"
        @id("some") permit(principal, action == Action::"postgres:read", resource)
        when { ["public.accounts.id", "public.accounts.name"].containsAll(context.columns) };
        @id("others") @hold("dba") permit(principal, action == Action::"postgres:read", resource)
        unless { ["public.accounts.id", "public.accounts.name"].containsAll(context.columns) };
        @id("never") forbid(principal, action, resource)
        when { context.columns.contains("public.accounts.iban") };
        "#,
    );
    let bot = session("ci-bot", &["ci"], "orders");
    let named = |schema: &str, relation: &str, column: Option<&str>| NamedColumn {
        schema: schema.to_owned(),
        relation: relation.to_owned(),
        column: column.map(str::to_owned),
    };
    let read = [on(Action::PostgresRead, relation("public", "accounts"))];
    for (columns, expected) in [
        (vec![], "allow"),
        (vec![named("public", "accounts", Some("id"))], "allow"),
        (vec![named("public", "accounts", Some("balance"))], "hold"),
        // Another relation's, a name with a dot in it, and columns that are not known.
        (vec![named("secret", "accounts", Some("id"))], "hold"),
        (vec![named("public", "accounts.id", Some("id"))], "hold"),
        (vec![named("public", "accounts", None)], "hold"),
        (
            vec![
                named("public", "accounts", Some("id")),
                named("public", "accounts", Some("iban")),
            ],
            "deny never",
        ),
    ] {
        let operation =
            operation_with(&bot, &read, (Effect::Passing, Transaction::None), columns.clone());
        let rules = Rules { policies: policies.clone(), masks: MaskRules::none(Revision(7)) };
        let verdict = shown(&evaluate(&rules, &bot, &operation));
        assert!(verdict.starts_with(expected), "{columns:?}: {verdict}");
    }
}
