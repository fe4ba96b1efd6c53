//! Tests of the places that `policy check` names.

use super::*;

fn problems(name: &str, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let (texts, sources) = texts(&[file]).unwrap();
    let problems = compiled(&texts, &sources).err().unwrap_or_default();
    problems.into_iter().map(|problem| format!("{}:{}", problem.line, problem.column)).collect()
}

#[test]
fn a_problem_of_a_cedar_file_is_where_the_file_has_it() {
    assert_eq!(
        problems("p.cedar", "// one\npermit(principal, action, resource) when { nothing };\n"),
        ["2:44"]
    );
}

#[test]
fn a_problem_of_a_block_scalar_is_where_the_yaml_file_has_it() {
    let text = "kind: Binding\nname: b\nspec: {}\n---\nkind: Policy\nname: p\nspec:\n  cedar: |\n    // one\n    permit(principal, action, resource) when { nothing };\n";
    assert_eq!(problems("p.yaml", text), ["10:48"]);
}

#[test]
fn a_problem_of_a_quoted_scalar_is_where_the_yaml_file_has_it() {
    let text = "kind: Policy\nname: p\nspec: {cedar: 'permit(principal, action, resource) when { nothing };'}\n";
    assert_eq!(problems("p.yaml", text), ["3:59"]);
}

#[test]
fn the_sample_policy_has_no_problems() {
    assert_eq!(problems("p.yaml", include_str!("../dev/sample/policy.yaml")), Vec::<String>::new());
}

#[test]
fn cases_beside_a_cedar_file_belong_to_it_and_are_no_document() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("teams");
    std::fs::create_dir_all(folder.path().join(".git")).unwrap();
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(folder.path().join(".git/not-this.yaml"), "{").unwrap();
    std::fs::write(
        inner.join("reads.cedar"),
        "@id(\"r\") permit(principal in Group::\"ci\", action == Action::\"postgres:read\", resource);",
    )
    .unwrap();
    let case = |name: &str, group: &str, expect: &str| {
        format!(
            "- name: {name}\n  given: {{agent: {{subject: bot, groups: [{group}]}}, target: orders, asks: [{{action: 'postgres:read', relation: public.a}}]}}\n  expect: {expect}\n"
        )
    };
    let cases = case("members read", "ci", "allow") + &case("others do not", "x", "deny");
    std::fs::write(inner.join("reads.tests.yaml"), cases + &case("wrong", "x", "hold")).unwrap();
    let (texts, sources) = texts(&[folder.path().to_owned()]).unwrap();
    assert_eq!(texts.len(), 1);
    let policies = compiled(&texts, &sources).map_err(|_| ()).unwrap();
    let ran = countersign_api::policy::run(&policies, texts[0].cases(), u64::MAX).unwrap();
    let ran: Vec<_> = ran.cases.into_iter().map(|case| case.problem.unwrap_or_default()).collect();
    assert_eq!(ran, ["", "", "expected hold, found deny (no rule permits postgres:read)"]);
    let found = documents::read(&[folder.path().to_owned()]).unwrap();
    assert_eq!((found.len(), found[0].document.kind.as_str()), (1, "Policy"));
    assert_eq!(found[0].document.spec["tests"].as_array().map(Vec::len), Some(3));
}
