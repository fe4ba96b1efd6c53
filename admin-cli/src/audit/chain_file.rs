//! `audit export`: the terms that the cluster has signed, with every event between its first and last line.

use crate::{failure::Failure, output::Terminal};
use countersign_api::{
    Client,
    audit::{
        AuditQuery, ExportRequest, ExportTerms,
        export::{FORMAT, Form, Header, Line},
    },
    page::MAX_PAGE,
};

/// Writes the part of the chain that is asked for.
pub(super) async fn export(
    client: &Client,
    request: &ExportRequest,
    form: Form,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let terms = client.export_audit(request).await?.body;
    lines(client, terms, |line| {
        let text = line
            .text_as(form)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        terminal.line(&text)
    })
    .await
}

/// Every line of an export under these terms.
pub(super) async fn lines(
    client: &Client,
    terms: ExportTerms,
    mut write: impl FnMut(&Line) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // A page may be another node's answer: it must have applied what the end stands for.
    let client = client.at_least(terms.index);
    let ExportTerms { cluster_id, after, keys, end, index: _ } = terms;
    let header = Header { format: FORMAT.to_owned(), cluster_id, after, keys };
    write(&Line::Export(header))?;
    let mut query =
        AuditQuery { after: Some(after), limit: Some(MAX_PAGE), ..AuditQuery::default() };
    let mut last = after;
    while last < end.sequence {
        let page = client.audit_events(&query).await?.body;
        for event in page.items.into_iter().filter(|event| event.sequence <= end.sequence) {
            last = event.sequence;
            write(&Line::Event(event))?;
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    // Whether events are missing is for `verify` to say: the end is written as it was signed.
    write(&Line::End(end))
}
