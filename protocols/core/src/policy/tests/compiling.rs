//! What is refused when policies are compiled, and how people are told where it is.

use super::*;

fn one(text: &str) -> PolicyProblem {
    let mut found = problems(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn an_unknown_annotation_is_refused_with_its_place() {
    let text = "// first line\n  @id(\"x\") @hodl(\"dba\")\npermit(principal, action, resource);";
    let problem = one(text);
    assert_eq!((problem.line, problem.column), (2, 3), "{problem}");
    assert!(problem.message.starts_with("unknown annotation @hodl"), "{problem}");
    assert!(problem.to_string().starts_with("sample:2:3: "), "{problem}");
}

#[test]
fn the_place_of_a_rule_without_an_id_is_its_own() {
    let text = "permit(principal, action, resource);\n\n @hodl(\"dba\")\npermit(principal, action, resource);";
    let problem = one(text);
    assert_eq!((problem.line, problem.column), (3, 2), "{problem}");
}

#[test]
fn annotations_that_cannot_be_read_are_refused() {
    for (annotations, told) in [
        ("@hold(\"\")", "@hold needs the group"),
        ("@hold(\"dba\") @quorum(\"0\")", "@quorum(\"0\") is not a number from 1 to 16"),
        ("@hold(\"dba\") @quorum(\"many\")", "is not a number"),
        ("@hold(\"dba\") @expires(\"soon\")", "@expires(\"soon\") is not a time span"),
        ("@hold(\"dba\") @expires(\"8d\")", "up to 7 days"),
        ("@hold(\"dba\") @wait(\"0s\")", "is not a time span"),
        (
            "@hold(\"dba\") @in_transaction(\"perhaps\")",
            "@in_transaction(\"perhaps\") is neither \"allow\" nor \"refuse\" nor a time span such as \"30s\"",
        ),
        ("@hold(\"dba\") @in_transaction(\"0s\")", "nor a time span"),
        ("@in_transaction(\"refuse\")", "mean something only beside @hold"),
        ("@hold(\"dba\") @reason(\"maybe\")", "neither required nor optional"),
        ("@audit(\"never\")", "none of before_forward, before_reply, batched"),
        ("@hold(\"dba\") @audit(\"before_reply\")", "always audited before_forward"),
        ("@hold(\"dba\") @audit(\"batched\")", "always audited before_forward"),
        ("@quorum(\"2\")", "mean something only beside @hold"),
        ("@hold(\"dba and ops or cto\")", "needs parentheses"),
        ("@hold(\"release managers\")", "put in single quotes"),
        ("@hold(\"dba and\")", "a group is missing"),
        ("@hold(\"(a and b) or c\") @quorum(\"16\")", "in more than 64 ways"),
        ("@hold(\"dba and dba\") @quorum(\"9\")", "more than 16 humans are asked of one group"),
        ("@hold(\"dba\") @rejection(\"never\")", "neither ends nor noted"),
        ("@rejection(\"noted\")", "mean something only beside @hold"),
        ("@hold(\"dba\") @grantable(\"2d\")", "is longer than a day"),
        ("@hold(\"dba\") @grantable(\"often\")", "is not a time span"),
        ("@hold(\"dba\") @break_glass(\"a or b\")", "is not one group"),
        ("@hold(\"dba\") @break_glass(\"\")", "@break_glass(\"\")"),
        ("@break_glass(\"incident\")", "mean something only beside @hold"),
        ("@grantable", "mean something only beside @hold"),
        ("@hold(\"dba\") @again(\"later\")", "is not a time span"),
        ("@again(\"5m\")", "mean something only beside @hold"),
        ("@hold(\"dba\") @escalate(\"leads\")", "is not a group and a time"),
        ("@hold(\"dba\") @escalate(\"a or b after 5m\")", "is not a group and a time"),
        ("@hold(\"dba\") @escalate(\"leads after soon\")", "is not a time span"),
        ("@hold(\"dba\") @escalate(\"leads after 1h\")", "has expired by the time"),
    ] {
        let problem = one(&format!("{annotations} permit(principal, action, resource);"));
        assert!(problem.message.contains(told), "{annotations}: {problem}");
    }
}

#[test]
fn no_rule_weakens_the_audit_of_what_can_act() {
    let refused = "@audit(\"before_reply\") is not enough for postgres:";
    for scope in [
        "action",
        r#"action in Action::"postgres""#,
        r#"action == Action::"postgres:write""#,
        r#"action == Action::"postgres:ddl""#,
        r#"action == Action::"postgres:program""#,
        r#"action == Action::"postgres:admin""#,
        r#"action == Action::"postgres:opaque""#,
        r#"action in [Action::"postgres:read", Action::"postgres:copy"]"#,
        r#"action in [Action::"postgres:read", Action::"postgres"]"#,
    ] {
        let problem =
            one(&format!("@audit(\"before_reply\") permit(principal, {scope}, resource);"));
        assert!(problem.message.starts_with(refused), "{scope}: {problem}");
    }
    for scope in [
        r#"action == Action::"postgres:read""#,
        r#"action in [Action::"postgres:show", Action::"postgres:explain"]"#,
    ] {
        compile(&format!("@audit(\"before_reply\") permit(principal, {scope}, resource);"));
    }
    for scope in ["action", r#"action == Action::"postgres:explain""#] {
        let problem = one(&format!("@audit(\"batched\") permit(principal, {scope}, resource);"));
        assert!(problem.message.starts_with("@audit(\"batched\") is not enough for"), "{problem}");
    }
    let reads = r#"action in [Action::"postgres:read", Action::"postgres:show"]"#;
    compile(&format!("@audit(\"batched\") permit(principal, {reads}, resource);"));
}

#[test]
fn the_rules_have_a_limit() {
    let rule = r#"permit(principal, action == Action::"postgres:read", resource == Target::"t");"#;
    assert_eq!(compile(&rule.repeat(2_000)).rule_names().count(), 2_000);
    assert_eq!(one(&rule.repeat(2_001)).message, "there are more than 2000 rules");
}

#[test]
fn rules_of_several_documents_are_counted_together_and_before_they_are_read() {
    // Each of them would be wrong once for each action.
    let rule = "permit(principal, action, resource) when { context.x };\n";
    let documents = ["a", "b", "c"]
        .map(|name| PolicyDocument { name: name.to_owned(), text: rule.repeat(1_001) });
    let found = Policies::compile(&documents).unwrap_err();
    let too_many = found.last().unwrap();
    assert_eq!(too_many.to_string(), "b:1:1: there are more than 2000 rules");
    assert!(found.iter().all(|problem| problem.document != "c"));
}

#[test]
fn only_the_first_problems_of_a_document_are_told() {
    let found =
        problems(&"permit(principal, action, resource) when { context.x };\n".repeat(1_900));
    assert_eq!(found.len(), 101);
    let lines: Vec<_> = found[..100].iter().map(|problem| problem.line).collect();
    assert_eq!(lines, (1..=100).collect::<Vec<_>>());
    assert_eq!(found[100].message, "there are more problems than the first 100");
    let found = problems(&"permit(principal, action resource);\n".repeat(300));
    assert_eq!(found.len(), 101);
}

#[test]
fn two_documents_of_one_name_are_refused() {
    let document = |text: &str| PolicyDocument { name: "a".to_owned(), text: text.to_owned() };
    let rule = "permit(principal, action == Action::\"postgres:read\", resource);";
    let held = format!("@id(\"held\") @hold(\"dba\") {rule}");
    let allowed = format!("@id(\"allowed\") {rule}");
    let found = Policies::compile(&[document(&held), document(&allowed)]).unwrap_err();
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("another policy of the name a"), "{}", found[0]);
}

#[test]
fn the_place_of_a_problem_is_counted_in_characters() {
    let text = "// \u{e9}\n@x(\"\u{e9}\u{e9}\") permit(principal, action, resource);\r\n\u{a0}@y permit(principal, action, resource);";
    let found = problems(text);
    let places: Vec<_> = found.iter().map(|problem| (problem.line, problem.column)).collect();
    assert_eq!(places, [(2, 1), (3, 2)], "{found:#?}");
}

#[test]
fn the_name_of_a_rule_has_a_limit() {
    let long = "a".repeat(201);
    let problem = one(&format!("@id(\"{long}\") permit(principal, action, resource);"));
    assert_eq!(problem.message, "@id is longer than 200 bytes");
}

#[test]
fn a_forbid_takes_no_annotation_that_would_soften_it() {
    let problem = one("@hold(\"dba\") forbid(principal, action, resource);");
    assert!(problem.message.contains("always denies"), "{problem}");
}

#[test]
fn a_policy_that_does_not_parse_is_refused_with_its_place() {
    let found =
        problems("permit(principal, action, resource);\npermit(principal action, resource);");
    assert_eq!(found[0].line, 2, "{found:#?}");
    assert!(found[0].column > 1, "{found:#?}");
}

#[test]
fn a_rule_that_names_what_does_not_exist_is_refused_with_help() {
    let found = problems("\npermit(principal, action == Action::\"postgres:wriite\", resource);");
    assert!(found.iter().any(|problem| problem.line == 2), "{found:#?}");
    assert!(
        found.iter().any(|p| p.help.as_deref().is_some_and(|h| h.contains("postgres:write"))),
        "{found:#?}"
    );
    let found = problems("permit(principal, action, resource) when { context.tabels.isEmpty() };");
    assert!(found.iter().all(|problem| problem.line == 1), "{found:#?}");
}

#[test]
fn a_template_is_refused() {
    let problem = one("permit(principal == ?principal, action, resource);");
    assert!(problem.message.contains("without slots"), "{problem}");
}

#[test]
fn two_rules_of_one_name_are_refused() {
    let text = "@id(\"a\") permit(principal, action, resource);\n@id(\"a\") permit(principal, action, resource);";
    assert!(one(text).message.contains("another rule with @id(\"a\")"));
}

#[test]
fn all_problems_of_all_documents_are_told_at_once() {
    let documents = ["@x(\"1\") permit(principal, action, resource);", "permit(", ""]
        .map(|text| PolicyDocument { name: format!("d{}", text.len()), text: text.to_owned() });
    let found = Policies::compile(&documents).unwrap_err();
    let named: BTreeSet<_> = found.iter().map(|p| p.document.as_str()).collect();
    assert_eq!(named.len(), 2, "{found:#?}");
}

#[test]
fn the_schema_has_every_action() {
    let schema = crate::policy::schema_text();
    for action in Action::ALL {
        assert!(schema.contains(&format!("action \"{}\"", action.name())), "{}", action.name());
    }
}
