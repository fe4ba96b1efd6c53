//! Tests of the places that `policy check` names.

use super::*;

fn problems(name: &str, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let read = read(&file).unwrap();
    let sources =
        read.iter().map(|(document, source)| (document.name.clone(), source.clone())).collect();
    let documents: Vec<_> = read.into_iter().map(|(document, _)| document).collect();
    let problems = Policies::compile(&documents).err().unwrap_or_default();
    problems
        .into_iter()
        .map(|problem| located(problem, &sources))
        .map(|problem| format!("{}:{}", problem.line, problem.column))
        .collect()
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
