//! `audit verify --live`: the running cluster's chain, walked on every node from its first event to one common, signed head.

use super::verify;
use crate::{
    cli::Global,
    connection::Reached,
    failure::{Failure, Status},
    output::{self, Terminal},
};
use countersign_api::{
    Client,
    audit::{
        AuditHead, AuditKeys, AuditQuery,
        export::{Known, Proof},
        ring,
    },
    page::MAX_PAGE,
};
use countersign_core::record::{AuditEvent, ChainHead, KeyRing, ProofWalk, Signed};
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

/// What every node's chain must come to.
struct Goal {
    head: AuditHead,
    end: Signed,
    ring: KeyRing,
}

impl Goal {
    /// As the first answering node says, under keys that follow from the one that is known.
    async fn of(client: &Client, known: Known) -> Result<Self, Failure> {
        let head = client.audit_head().await?.body;
        let AuditKeys { cluster_id, keys } = client.at_least(head.index).audit_keys().await?.body;
        let unreadable = || Failure::failed("the head is not signed, or cannot be read");
        let end = head.signed().ok_or_else(unreadable)?;
        let cluster = cluster_id.parse().map_err(|_| unreadable())?;
        let ring = ring(cluster, &keys)
            .map_err(|error| Failure::failed(format!("the keys do not hold: {error}")))?;
        match known.key {
            Some(key) if ring.number_of(&key).is_none() => {
                Err(Failure::failed(format!("key {key} is not among this cluster's")))
            }
            Some(_) | None => Ok(Self { head, end, ring }),
        }
    }
}

/// Verifies every node's chain against the head that the first answering node has.
pub(super) async fn verify(
    global: &Global,
    known: Known,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let reached = Reached::by(global, terminal)?;
    let client = reached.client()?;
    let goal = Goal::of(&client, known).await?;
    let cluster = client.cluster().await?.body;
    let (mut nodes, mut checkpoints) = (Vec::new(), 0);
    for node in &cluster.nodes {
        let finding = match node.api.as_deref() {
            Some(server) => look(&reached.client_of(server)?, &goal, &mut checkpoints).await,
            None => Finding::Unreachable("the address of its API is not known".to_owned()),
        };
        nodes.push(NodeResult { node: node.id, finding });
    }
    let ok = nodes.iter().all(|result| matches!(result.finding, Finding::Same));
    let end = goal.end.statement.head;
    let proof = Proof {
        ok,
        events: end.sequence,
        checkpoints,
        first: 1,
        sequence: end.sequence,
        hash: end.hash.to_string(),
        at: goal.head.at,
        cluster_id: goal.head.cluster_id,
        key: goal.end.key.to_string(),
        key_known: known.key.is_some(),
    };
    let verified = Verified { proof, nodes };
    terminal.answer(&verified, |verified, _| text(verified))?;
    verify::warn_of_key(&verified.proof, terminal);
    verdict(&verified.nodes)
}

async fn look(client: &Client, goal: &Goal, checkpoints: &mut u64) -> Finding {
    match walk(client, goal).await {
        Ok(seen) => {
            *checkpoints = seen;
            Finding::Same
        }
        Err(failure) if failure.status == Status::NoQuorum => {
            Finding::Unreachable(failure.to_string())
        }
        Err(failure) => Finding::Different(failure.to_string()),
    }
}

/// Walks one node's chain from its beginning to the goal; how many checkpoints stand in it.
async fn walk(client: &Client, goal: &Goal) -> Result<u64, Failure> {
    let client = client.at_least(goal.head.index);
    let broken = |error: String| Failure::failed(error);
    let end = goal.end.statement.head;
    let mut walk = ProofWalk::new(goal.ring.clone(), ChainHead::default());
    let mut query = AuditQuery { limit: Some(MAX_PAGE), ..AuditQuery::default() };
    while walk.head().sequence < end.sequence {
        let page = client.audit_events(&query).await?.body;
        for event in page.items.into_iter().take_while(|event| event.sequence <= end.sequence) {
            let event = AuditEvent::try_from(event).map_err(|error| broken(error.to_string()))?;
            walk.step(&event).map_err(|error| broken(error.to_string()))?;
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    let checkpoints = walk.checkpoints();
    walk.finish(&goal.end).map_err(|error| broken(error.to_string()))?;
    Ok(checkpoints)
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
