//! `audit verify --live`: the running cluster's chain, walked on every node from its first event to one common head.

use super::verify::{self, Proof};
use crate::{
    cli::Global,
    connection::Reached,
    failure::{Failure, Status},
    output::{self, Terminal},
};
use countersign_api::{
    Client,
    audit::{AuditHead, AuditQuery},
    page::MAX_PAGE,
};
use countersign_core::record::{AuditEvent, ChainHead, ChainWalk};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Verified {
    #[serde(flatten)]
    proof: Proof,
    nodes: Vec<NodeResult>,
}

/// What was found on one node.
#[derive(Debug, Serialize)]
struct NodeResult {
    node: u64,
    #[serde(flatten)]
    finding: Finding,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "finding", content = "detail")]
enum Finding {
    /// It has the same chain.
    Same,
    /// It has another chain, or a broken one.
    Different(String),
    /// It did not answer.
    Unreachable(String),
}

/// Verifies every node's chain against the head that the first answering node has.
pub(super) async fn verify(global: &Global, terminal: &mut Terminal) -> Result<(), Failure> {
    let reached = Reached::by(global, terminal)?;
    let client = reached.client()?;
    let head = client.audit_head().await?.body;
    let end = head.chain_head().ok_or_else(|| Failure::failed("the head's hash cannot be read"))?;
    let cluster = client.cluster().await?.body;
    let mut nodes = Vec::new();
    for node in &cluster.nodes {
        let finding = match node.api.as_deref() {
            Some(server) => look(&reached.client_of(server)?, &head, end).await,
            None => Finding::Unreachable("the address of its API is not known".to_owned()),
        };
        nodes.push(NodeResult { node: node.id, finding });
    }
    let ok = nodes.iter().all(|result| matches!(result.finding, Finding::Same));
    let proof = Proof {
        ok,
        events: end.sequence,
        first: 1,
        sequence: end.sequence,
        hash: end.hash.to_string(),
    };
    let verified = Verified { proof, nodes };
    terminal.answer(&verified, |verified, _| text(verified))?;
    verdict(&verified.nodes)
}

async fn look(client: &Client, head: &AuditHead, end: ChainHead) -> Finding {
    match walk(client, head, end).await {
        Ok(()) => Finding::Same,
        Err(failure) if failure.status == Status::NoQuorum => {
            Finding::Unreachable(failure.to_string())
        }
        Err(failure) => Finding::Different(failure.to_string()),
    }
}

/// Walks one node's chain from its beginning to `end`.
async fn walk(client: &Client, head: &AuditHead, end: ChainHead) -> Result<(), Failure> {
    let client = client.at_least(head.index);
    let broken = |error: String| Failure::failed(error);
    let mut walk = ChainWalk::default();
    let mut query = AuditQuery { limit: Some(MAX_PAGE), ..AuditQuery::default() };
    while walk.head().sequence < end.sequence {
        let page = client.audit_events(&query).await?.body;
        for event in page.items.iter().take_while(|event| event.sequence <= end.sequence) {
            let event = AuditEvent::try_from(event).map_err(|error| broken(error.to_string()))?;
            walk.step(&event).map_err(|error| broken(error.to_string()))?;
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    walk.finish(end).map(drop).map_err(|error| broken(error.to_string()))
}

fn text(verified: &Verified) -> String {
    let rows = verified.nodes.iter().map(|result| {
        let (word, detail) = match &result.finding {
            Finding::Same => ("same chain", ""),
            Finding::Different(why) => ("DIFFERENT", why.as_str()),
            Finding::Unreachable(why) => ("unreachable", why.as_str()),
        };
        [result.node.to_string(), word.to_owned(), crate::visible::visible(detail)]
    });
    let nodes = output::table(["node", "finding", ""], rows);
    let proof = if verified.proof.ok {
        verify::text(&verified.proof)
    } else {
        output::pairs(&[(
            "NOT verified on all nodes; head",
            format!("{}:{}", verified.proof.sequence, verified.proof.hash),
        )])
    };
    format!("{nodes}\n\n{proof}")
}

fn verdict(nodes: &[NodeResult]) -> Result<(), Failure> {
    if nodes.iter().any(|result| matches!(result.finding, Finding::Different(_))) {
        return Err(Failure::failed("the nodes do not have the same chain"));
    }
    let silent: Vec<_> = nodes
        .iter()
        .filter(|result| matches!(result.finding, Finding::Unreachable(_)))
        .map(|result| result.node.to_string())
        .collect();
    if silent.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Status::NoQuorum, format!("node {} could not be verified", silent.join(", "))))
}
