//! `policy`: checking and testing policies as a node would, without one, and asking a node about recorded operations.

mod ask;
mod cases;

use crate::{
    cli::{Global, PolicyCommand},
    documents,
    failure::{Failure, Status},
    files,
    output::Terminal,
};
use countersign_api::policy::{PolicyCase, PolicySchema, PolicyText};
use countersign_core::policy::{Policies, PolicyDocument, PolicyProblem, schema_text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_saphyr::Spanned;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Runs a command of `policy`.
pub(crate) async fn run(
    command: PolicyCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match command {
        PolicyCommand::Test { paths } if paths.is_empty() => {
            cases::in_force(global, terminal).await
        }
        PolicyCommand::Test { paths } => cases::offline(&paths, terminal),
        PolicyCommand::Explain(wanted) => ask::explain(wanted, global, terminal).await,
        PolicyCommand::Simulate { files, since, prune } => {
            ask::simulate((&files, &since, prune), global, terminal).await
        }
        PolicyCommand::Check { paths } => check(&paths, terminal),
        PolicyCommand::Schema => {
            let schema = PolicySchema { cedar_schema: schema_text().clone() };
            terminal.answer(&schema, |schema, _| schema.cedar_schema.clone())
        }
    }
}

/// Where a policy's text lies in its file.
#[derive(Debug, Clone)]
struct Source {
    file: String,
    /// Lines of the file before the first of the text.
    lines: usize,
    /// Characters before each line of the text.
    indent: usize,
}

#[derive(Debug, Serialize)]
struct Checked {
    ok: bool,
    policies: usize,
    rules: Vec<String>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    file: String,
    line: usize,
    column: usize,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// The policies of files and directories, with their test cases, and where each lies.
fn texts(paths: &[PathBuf]) -> Result<(Vec<PolicyText>, BTreeMap<String, Source>), Failure> {
    let mut texts = Vec::new();
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    for file in documents::expand(paths, &documents::ENDINGS)? {
        for (text, source) in read(&file)? {
            if let Some(other) = sources.insert(text.name.clone(), source.clone()) {
                let message =
                    format!("{}: policy {} is in {} already", source.file, text.name, other.file);
                return Err(Failure::usage(message));
            }
            texts.push(text);
        }
    }
    if texts.is_empty() {
        return Err(Failure::usage("there is no policy in these files"));
    }
    Ok((texts, sources))
}

/// The policies compiled together, or what is wrong with them, told and then failed by.
fn compiled(
    texts: &[PolicyText],
    sources: &BTreeMap<String, Source>,
) -> Result<Policies, Vec<Problem>> {
    let document =
        |text: &PolicyText| PolicyDocument { name: text.name.clone(), text: text.cedar.clone() };
    let documents: Vec<_> = texts.iter().map(document).collect();
    Policies::compile(&documents)
        .map_err(|problems| problems.into_iter().map(|problem| located(problem, sources)).collect())
}

fn check(paths: &[PathBuf], terminal: &mut Terminal) -> Result<(), Failure> {
    let (policies, sources) = texts(paths)?;
    let checked = match compiled(&policies, &sources) {
        Ok(compiled) => {
            let rules = compiled.rule_names().map(str::to_owned).collect();
            Checked { ok: true, policies: policies.len(), rules, problems: Vec::new() }
        }
        Err(problems) => {
            Checked { ok: false, policies: policies.len(), rules: Vec::new(), problems }
        }
    };
    terminal.answer(&checked, |checked, _| text(checked))?;
    if checked.ok {
        return Ok(());
    }
    let problems = checked.problems.len();
    Err(Failure::answered(Status::Failed, format!("the policies have {problems} problems")))
}

fn text(checked: &Checked) -> String {
    if checked.ok {
        return format!(
            "{} policies, {} rules: no problems",
            checked.policies,
            checked.rules.len()
        );
    }
    let lines = checked.problems.iter().map(line);
    lines.collect::<Vec<_>>().join("\n")
}

/// A problem with its place and what to do about it.
fn line(problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    format!("{}:{}:{}: {}{hint}", problem.file, problem.line, problem.column, problem.message)
}

fn located(problem: PolicyProblem, sources: &BTreeMap<String, Source>) -> Problem {
    let PolicyProblem { document, line, column, message, help } = problem;
    let (file, line, column) = match sources.get(&document) {
        Some(source) => (source.file.clone(), line + source.lines, column + source.indent),
        None => (document, line, column),
    };
    Problem { file, line, column, message, hint: help }
}

fn read(file: &Path) -> Result<Vec<(PolicyText, Source)>, Failure> {
    let text = files::read_text(file)?;
    if documents::is_cedar(file) {
        let source = Source { file: documents::shown(file), lines: 0, indent: 0 };
        let (name, tests) = (documents::name_of(file), documents::cases_beside(file)?);
        return Ok(vec![(PolicyText { name, cedar: text, tests }, source)]);
    }
    of_documents(file, &text)
}

#[derive(Debug, Deserialize)]
struct Document {
    kind: String,
    name: String,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    cedar: Option<Spanned<String>>,
    #[serde(default)]
    tests: Vec<PolicyCase>,
    #[serde(flatten)]
    _others: BTreeMap<String, Value>,
}

fn of_documents(file: &Path, text: &str) -> Result<Vec<(PolicyText, Source)>, Failure> {
    let documents: Vec<Document> =
        serde_saphyr::from_multiple_with_options(text, documents::strict())
            .map_err(|error| documents::problem(file, &error))?;
    let policies = documents.into_iter().filter(|document| document.kind == "Policy");
    policies
        .map(|document| {
            let Some(cedar) = document.spec.cedar else {
                let message = format!(
                    "{}: policy {} has no spec.cedar",
                    documents::shown(file),
                    document.name
                );
                return Err(Failure::usage(message));
            };
            let source = source(file, text, &cedar);
            let (name, tests) = (document.name, document.spec.tests);
            Ok((PolicyText { name, cedar: cedar.value, tests }, source))
        })
        .collect()
}

/// The lines of a block scalar (YAML 1.2.2, section 8.1) are indented alike, and its place is that of its first one. Of
/// other scalars only the beginning is known; a quoted one begins behind its quote.
fn source(file: &Path, text: &str, cedar: &Spanned<String>) -> Source {
    let place = |number: u64| usize::try_from(number).unwrap_or(1).max(1) - 1;
    let (lines, column) = (place(cedar.referenced.line()), place(cedar.referenced.column()));
    let first = text.lines().nth(lines).and_then(|line| line.chars().nth(column));
    let quoted = matches!(first, Some('"' | '\''));
    let indent = if quoted { column + 1 } else { column };
    Source { file: documents::shown(file), lines, indent }
}

#[cfg(test)]
mod tests;
