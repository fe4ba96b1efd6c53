//! `policy check` and `policy schema`: what a node would say of policies at `apply`, said without one.

use crate::{
    cli::PolicyCommand,
    documents,
    failure::{Failure, Status},
    files,
    output::Terminal,
};
use countersign_api::policy::PolicySchema;
use countersign_core::policy::{Policies, PolicyDocument, PolicyProblem, schema_text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_saphyr::Spanned;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Runs a command of `policy`.
pub(crate) fn run(command: PolicyCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    match command {
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

fn check(paths: &[PathBuf], terminal: &mut Terminal) -> Result<(), Failure> {
    let mut policies = Vec::new();
    let mut sources = BTreeMap::new();
    for file in documents::expand(paths, &["cedar", "yaml", "yml", "json"])? {
        for (document, source) in read(&file)? {
            if let Some(other) = sources.insert(document.name.clone(), source.clone()) {
                let message = format!(
                    "{}: policy {} is in {} already",
                    source.file, document.name, other.file
                );
                return Err(Failure::usage(message));
            }
            policies.push(document);
        }
    }
    if policies.is_empty() {
        return Err(Failure::usage("there is no policy to check"));
    }
    let checked = match Policies::compile(&policies) {
        Ok(compiled) => {
            let rules = compiled.rule_names().map(str::to_owned).collect();
            Checked { ok: true, policies: policies.len(), rules, problems: Vec::new() }
        }
        Err(problems) => {
            let problems = problems.into_iter().map(|problem| located(problem, &sources)).collect();
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
    let lines = checked.problems.iter().map(|problem| {
        let hint =
            problem.hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        format!("{}:{}:{}: {}{hint}", problem.file, problem.line, problem.column, problem.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn located(problem: PolicyProblem, sources: &BTreeMap<String, Source>) -> Problem {
    let PolicyProblem { document, line, column, message, help } = problem;
    let (file, line, column) = match sources.get(&document) {
        Some(source) => (source.file.clone(), line + source.lines, column + source.indent),
        None => (document, line, column),
    };
    Problem { file, line, column, message, hint: help }
}

fn read(file: &Path) -> Result<Vec<(PolicyDocument, Source)>, Failure> {
    let text = files::read_text(file)?;
    if file.extension().is_some_and(|ending| ending == "cedar") {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let source = Source { file: documents::shown(file), lines: 0, indent: 0 };
        return Ok(vec![(PolicyDocument { name, text }, source)]);
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
    #[serde(flatten)]
    _others: BTreeMap<String, Value>,
}

fn of_documents(file: &Path, text: &str) -> Result<Vec<(PolicyDocument, Source)>, Failure> {
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
            Ok((PolicyDocument { name: document.name, text: cedar.value }, source))
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
