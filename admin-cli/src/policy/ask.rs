//! `policy explain` and `policy simulate`: what a node says of operations, recorded or not.

use super::texts;
use crate::{
    audit,
    cli::{Explain, Global},
    connection, documents,
    failure::Failure,
    files,
    output::{self, Terminal},
    visible::visible,
};
use countersign_api::policy::{
    Change, ExplainRequest, Explanation, Given, SimulateRequest, Simulating, Simulation,
};
use std::path::{Path, PathBuf};

/// Explains what policies say of an operation.
pub(super) async fn explain(
    wanted: Explain,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let Explain { event, operation, hold, given, files } = wanted;
    let given = given.as_deref().map(read_given).transpose()?;
    let policies = if files.is_empty() { None } else { Some(texts(&files)?.0) };
    let request = ExplainRequest { event, operation, hold, given, policies };
    let client = connection::client(global, terminal)?;
    let explanation = client.explain_policy(&request).await?.body;
    terminal.answer(&explanation, |explanation, _| in_words(explanation))
}

fn read_given(file: &Path) -> Result<Given, Failure> {
    let text = files::read_text(file)?;
    serde_saphyr::from_str_with_options(&text, documents::strict())
        .map_err(|error| documents::problem(file, &error))
}

fn in_words(explanation: &Explanation) -> String {
    let mut lines: Vec<String> = explanation.words.iter().map(|line| visible(line)).collect();
    if let Some(was) = &explanation.recorded {
        lines.push(format!(
            "when it was recorded (event {}, policy revision {}): {} by {}",
            was.event,
            was.policy_revision,
            was.verdict.name(),
            visible(&was.rules)
        ));
    }
    lines.join("\n")
}

/// Judges recorded operations under new policies, page by page.
pub(super) async fn simulate(
    (files, since, prune): (&[PathBuf], &str, bool),
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (policies, _sources) = texts(files)?;
    let since = Some(audit::moment(since)?);
    let client = connection::client(global, terminal)?;
    let mut request = SimulateRequest { policies, prune, since, ..SimulateRequest::default() };
    let (mut whole, mut judged) = (Simulating::default(), 0);
    loop {
        let page = client.simulate_policy(&request).await?.body;
        let (last, next) = (page.last, page.next);
        judged += page.judged;
        whole.join(page);
        // A page that does not go on is the last one.
        let Some(next) = next.filter(|next| Some(*next) > request.after) else { break };
        terminal.note(&format!("{judged} operations judged; event {next} of {last}"));
        request.after = Some(next);
        request.until = Some(last);
    }
    let found = whole.finish();
    terminal.answer(&found, |found, _| summary(found))
}

fn summary(found: &Simulation) -> String {
    let mut parts = vec![format!(
        "{} operations judged again, {} would be judged otherwise",
        found.judged, found.changed
    )];
    if found.unjudged > 0 {
        parts.push(format!(
            "{} operations asked for more than the audit keeps, and were not judged again",
            found.unjudged
        ));
    }
    if !found.changes.is_empty() {
        let header = [
            "operations",
            "agent",
            "target",
            "actions",
            "was",
            "by",
            "would be",
            "by",
            "first event",
        ];
        parts.push(output::table(header, found.changes.iter().map(row)));
    }
    if found.left_out > 0 {
        parts.push(format!("and {} more, of too many kinds to be listed", found.left_out));
    }
    parts.join("\n")
}

fn row(change: &Change) -> [String; 9] {
    let by = if change.would_be.rules.is_empty() {
        change.would_be.message.clone()
    } else {
        change.would_be.rules.join(",")
    };
    [
        change.operations.to_string(),
        visible(&change.agent),
        visible(&change.target),
        change.actions.clone(),
        change.was.name().to_owned(),
        visible(&change.was_by),
        change.would_be.verdict.name().to_owned(),
        visible(&by),
        change.first_event.to_string(),
    ]
}
