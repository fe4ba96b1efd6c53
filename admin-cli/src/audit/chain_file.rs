//! The file of `audit export --format jsonl`: a line that says what it is, one line for each event, a line with the head.
//! The last line makes a file that was cut short tell so.

use crate::{failure::Failure, output::Terminal};
use countersign_api::{
    Client,
    audit::{AuditEvent, AuditHead, AuditQuery},
    page::MAX_PAGE,
};
use serde::{Deserialize, Serialize};

/// The format of the file.
pub(super) const FORMAT: &str = "countersign-audit-export-v1";

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    /// The first: what the file is.
    Export(Header),
    /// An event.
    Event(AuditEvent),
    /// The last: where the chain ends.
    Head(AuditHead),
}

/// What a file is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) cluster_id: String,
    /// The event behind which the file begins; 0 for the whole chain.
    pub(super) after: u64,
}

/// Writes the chain behind event `after`, as far as it reaches now.
pub(super) async fn export(
    client: &Client,
    after: u64,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let head = client.audit_head().await?;
    // A page may be another node's answer: it must have applied what this head stands for.
    let client = client.at_least(head.body.index);
    let head = head.body;
    let header = Header { format: FORMAT.to_owned(), cluster_id: head.cluster_id.clone(), after };
    write(&Line::Export(header), terminal)?;
    let mut query =
        AuditQuery { after: Some(after), limit: Some(MAX_PAGE), ..AuditQuery::default() };
    loop {
        let page = client.audit_events(&query).await?.body;
        for event in page.items {
            if event.sequence <= head.sequence {
                write(&Line::Event(event), terminal)?;
            }
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    write(&Line::Head(head), terminal)
}

fn write(line: &Line, terminal: &mut Terminal) -> Result<(), Failure> {
    let text = serde_json::to_string(line)
        .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
    terminal.line(&text)
}
