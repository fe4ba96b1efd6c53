//! A finding that is kept is never taken for another matter's.

use super::{
    super::{Matter, evaluate_within, find_counted},
    *,
};

/// Every way in which two matters differ decides something here.
const TEXT: &str = r#"
    @id("group") permit(principal in Group::"ci", action == Action::"postgres:read", resource in Target::"orders");
    @id("name") permit(principal, action == Action::"postgres:read", resource) when { principal.name == "named" };
    @id("role") @hold("dba") @in_transaction("refuse") permit(principal, action == Action::"postgres:read", resource) when { context.role == "owner" };
    @id("bot") forbid(principal == Agent::"https://issuer#banned", action, resource)
      unless { context.tables.contains("public.secret") };
    @id("beside") forbid(principal, action, resource) when { context.tables.contains("public.secret") };
    @id("writes") permit(principal, action == Action::"postgres:write", resource);
    @id("show") @audit("before_forward") permit(principal, action == Action::"postgres:show", resource);
"#;

fn sessions() -> Vec<Session> {
    let with = |subject: &str, name: &str, groups: &[&str], (target, role): (&str, &str)| {
        let plain = session(subject, groups, target);
        Session::opened(Opening {
            id: plain.id(),
            agent: Agent { name: name.to_owned(), ..plain.agent().clone() },
            target: plain.target().clone(),
            role: role.to_owned(),
            opened_at: plain.opened_at(),
        })
    };
    vec![
        with("bot", "bot", &["ci"], ("orders", "app")),
        with("bot", "bot", &[], ("orders", "app")),
        with("bot", "named", &[], ("orders", "app")),
        with("bot", "bot", &["ci"], ("stock", "app")),
        with("bot", "bot", &["ci"], ("orders", "owner")),
        with("banned", "bot", &["ci"], ("orders", "app")),
    ]
}

fn demands() -> Vec<Vec<Demand>> {
    let read = |name| on(Action::PostgresRead, relation("public", name));
    vec![
        vec![],
        vec![read("accounts")],
        vec![read("secret")],
        vec![read("accounts"), read("secret")],
        vec![on(Action::PostgresWrite, relation("public", "accounts"))],
        vec![on(Action::PostgresShow, Resource::Target)],
        vec![read("accounts"), on(Action::PostgresShow, Resource::Target)],
    ]
}

#[test]
fn what_was_found_before_changes_no_verdict() {
    let policies = compile(TEXT);
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        for session in sessions() {
            for demands in demands() {
                for how in [
                    (Effect::Passing, Transaction::None),
                    (Effect::Lasting, Transaction::None),
                    (Effect::Lasting, Transaction::Open),
                ] {
                    let kept = judge_as(&policies, &session, &demands, how);
                    let fresh = judge_as(&compile(TEXT), &session, &demands, how);
                    assert_eq!(shown(&kept), shown(&fresh), "{session:?} {demands:?} {how:?}");
                    seen.insert(shown(&kept));
                }
            }
        }
    }
    // The corpus reaches every sort of verdict, or it would show nothing.
    for part in [
        "allow before_reply",
        "allow before_forward",
        "hold for",
        "deny :",
        "deny bot",
        "deny beside",
        "deny role: it would wait",
    ] {
        assert!(seen.iter().any(|verdict| verdict.starts_with(part)), "{part}: {seen:#?}");
    }
    assert_eq!(policies.findings.kept(), sessions().len() * demands().len() * 3);
}

#[test]
fn findings_are_bounded_in_number_and_size() {
    let policies = compile(TEXT);
    let session = session("bot", &["ci"], "orders");
    let read = |n: usize| on(Action::PostgresRead, relation("public", &format!("t{n}")));
    for n in 0..5_000 {
        let found = shown(&judge(&policies, &session, &[read(n)]));
        assert_eq!(found, "allow before_reply by group");
    }
    let kept = policies.findings.kept();
    assert!(kept <= 4_096, "{kept}");
    let many: Vec<Demand> = (0..100).map(read).collect();
    let long = on(Action::PostgresRead, relation("public", &"t".repeat(5_000)));
    for demands in [many, vec![long]] {
        assert_eq!(shown(&judge(&policies, &session, &demands)), "allow before_reply by group");
        assert_eq!(policies.findings.kept(), kept);
    }
}

#[test]
fn a_finding_that_names_many_rules_is_not_kept() {
    let rule = |n: usize| {
        format!(
            "@id(\"{n:0>100}\") permit(principal, action == Action::\"postgres:read\", resource);\n"
        )
    };
    let policies = compile(&(0..50).map(rule).collect::<String>());
    let session = session("bot", &["ci"], "orders");
    let read = on(Action::PostgresRead, relation("public", "t"));
    assert!(shown(&judge(&policies, &session, &[read])).starts_with("allow"));
    assert_eq!(policies.findings.kept(), 0);
}

#[test]
fn what_takes_too_much_work_for_now_is_found_to_be_nothing() {
    let policies = compile(TEXT);
    let session = session("bot", &["ci"], "orders");
    let read = [on(Action::PostgresRead, relation("public", "t"))];
    let operation = operation(&session, &read, (Effect::Passing, Transaction::None));
    let matter = || Matter::of(&session, &operation);
    let rules = Rules { policies, masks: MaskRules::none(Revision(7)) };
    let within = |work| evaluate_within(&rules, &session, &operation, work);
    assert!(within(0).is_none() && within(10).is_none());
    assert_eq!(rules.policies.findings.kept(), 0);
    let (_, work) = find_counted(&rules.policies, matter());
    assert!(work > 10, "{work}");
    // What is known costs what is told of it.
    assert_eq!(find_counted(&rules.policies, matter()).1, 2);
    assert!(matches!(within(0), Some(Verdict::Allow(_))));
}
