//! Each node by itself: its API and certificate, whether it is ready, its clock and disk; and whether the nodes agree.

use super::{Finding, Findings, Verdict};
use crate::connection::Reached;
use countersign_api::{
    Client,
    client::ClientError,
    cluster::{Cluster, ClusterNode},
    time::Timestamp,
};
use futures::future::join_all;
use std::{collections::BTreeSet, error::Error};
use x509_parser::parse_x509_certificate;

/// A certificate that runs out so soon is warned of, in seconds.
const SOON: i64 = 14 * 24 * 3600;
/// A clock that is further from the others' is bad, in milliseconds.
const MOST_APART_MS: i64 = 500;
/// A clock cannot be told better than by so much of the time that its answer took.
const MOST_TRIP_MS: i64 = 1000;
/// A disk whose small synced writes take longer is warned of, in milliseconds: ten of them do not fit into an election.
const SLOW_DISK_MS: u64 = 50;
/// A node that is more entries behind the furthest is warned of.
const MOST_BEHIND: u64 = 1000;

/// What a node said of itself.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) id: u64,
    pub(super) cluster: Cluster,
    /// How far its clock is ahead of this machine's, in milliseconds, where that can be told.
    pub(super) ahead_ms: Option<i64>,
}

/// Looks at every node, at the same time.
pub(super) async fn look(
    reached: &Reached,
    cluster: &Cluster,
    findings: &mut Vec<Finding>,
) -> Vec<Seen> {
    let looks = cluster.nodes.iter().map(|node| async move {
        let mut found = Vec::new();
        let of = format!("node {}", node.id);
        let seen = look_at(reached, node, &mut Findings { of, all: &mut found }).await;
        (seen, found)
    });
    let mut all = Vec::new();
    for (seen, found) in join_all(looks).await {
        findings.extend(found);
        all.extend(seen);
    }
    all
}

async fn look_at(
    reached: &Reached,
    node: &ClusterNode,
    findings: &mut Findings<'_>,
) -> Option<Seen> {
    let Some(url) = node.api.as_deref() else {
        findings.add("api", (Verdict::Bad, "the URL of its API is not known: it never started"));
        return None;
    };
    let client = match reached.client_of(url) {
        Ok(client) => client,
        Err(error) => {
            findings.add("api", (Verdict::Bad, error.text()));
            return None;
        }
    };
    certificate(&client, url, findings).await?;
    ready(&client, findings).await;
    let asked = now();
    let answer = client.cluster().await;
    let answered = now();
    match answer {
        Ok(answer) => {
            let own = answer.body;
            disk(node.id, &own, findings);
            let ahead_ms = own.clock.and_then(|clock| ahead(clock, asked, answered));
            Some(Seen { id: node.id, cluster: own, ahead_ms })
        }
        Err(error) => {
            findings.add("api", (Verdict::Bad, chain(&error)));
            None
        }
    }
}

/// This machine's clock.
fn now() -> Timestamp {
    Timestamp(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default())
}

/// How far a clock that was read between the two is ahead of their middle.
pub(super) fn ahead(clock: Timestamp, asked: Timestamp, answered: Timestamp) -> Option<i64> {
    let [clock, asked, answered] = [clock, asked, answered].map(|it| i64::try_from(it.0).ok());
    let (clock, asked, answered) = (clock?, asked?, answered?);
    let trip = answered.checked_sub(asked).filter(|trip| (0..=MOST_TRIP_MS).contains(trip))?;
    clock.checked_sub(asked.checked_add(trip / 2)?)
}

/// Its chain and name were checked by the connection itself; none without both.
async fn certificate(client: &Client, url: &str, findings: &mut Findings<'_>) -> Option<()> {
    let shown = match client.certificate().await {
        Ok(shown) => shown,
        Err(error) => {
            findings.add("api", (Verdict::Bad, chain(&error)));
            return None;
        }
    };
    findings.add("api", (Verdict::Good, url));
    let left = shown.as_deref().and_then(|der| {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let until = certificate.validity().not_after.timestamp();
        until.checked_sub(i64::try_from(now().0 / 1000).ok()?)
    });
    findings.add("certificate", runs_out(left));
    Some(())
}

pub(super) fn runs_out(left: Option<i64>) -> (Verdict, String) {
    match left {
        None => (Verdict::Warning, "when it runs out cannot be told".to_owned()),
        Some(left) if left <= 0 => (Verdict::Bad, "it has run out".to_owned()),
        Some(left) => {
            let verdict = if left < SOON { Verdict::Warning } else { Verdict::Good };
            let (days, hours) = (left / (24 * 3600), left / 3600);
            let when = if days > 1 { format!("{days} days") } else { format!("{hours} hours") };
            (verdict, format!("chain and name are good; it runs out in {when}"))
        }
    }
}

async fn ready(client: &Client, findings: &mut Findings<'_>) {
    match client.readiness().await {
        Ok(answer) if answer.body.ready => {
            findings.add("ready", (Verdict::Good, "it takes agents"));
        }
        Ok(answer) => {
            for failed in answer.body.checks.iter().filter(|check| !check.ok) {
                let detail = format!("{}: {}", failed.name, failed.detail);
                findings.add("ready", (Verdict::Bad, detail));
            }
        }
        Err(error) => findings.add("ready", (Verdict::Bad, chain(&error))),
    }
}

fn disk(id: u64, own: &Cluster, findings: &mut Findings<'_>) {
    let known = own.nodes.iter().find(|node| node.id == id).and_then(|node| node.disk_sync_ms);
    let Some(ms) = known else {
        findings.add("disk", (Verdict::Warning, "it does not say how fast its disk is"));
        return;
    };
    let verdict = if ms > SLOW_DISK_MS { Verdict::Warning } else { Verdict::Good };
    findings.add("disk", (verdict, format!("a small synced write takes up to {ms} ms")));
}

/// Whether the nodes are of one cluster, one version, one policy, and of one mind about the time.
pub(super) fn agree(seen: &[Seen], findings: &mut Vec<Finding>) {
    let mut findings = Findings { of: "nodes".to_owned(), all: findings };
    let different = |of: fn(&Seen) -> String| seen.iter().map(of).collect::<BTreeSet<_>>();
    let same = |values: &BTreeSet<String>, worst: Verdict| {
        let verdict = if values.len() > 1 { worst } else { Verdict::Good };
        (verdict, values.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    let clusters = different(|it| it.cluster.cluster_id.clone().unwrap_or_default());
    findings.add("cluster id", same(&clusters, Verdict::Bad));
    let versions = different(|it| {
        let own = it.cluster.nodes.iter().find(|node| node.id == it.id);
        own.and_then(|node| node.version.clone()).unwrap_or_else(|| "unknown".to_owned())
    });
    findings.add("version", same(&versions, Verdict::Warning));
    let revisions = different(|it| it.cluster.policy_revision.to_string());
    findings.add("policy revision", same(&revisions, Verdict::Warning));
    findings.add("applied", applied(seen));
    clocks(seen, &mut findings);
}

fn applied(seen: &[Seen]) -> (Verdict, String) {
    let furthest = seen.iter().map(|it| it.cluster.applied_index).max().unwrap_or_default();
    let behind = |it: &&Seen| furthest - it.cluster.applied_index > MOST_BEHIND;
    let late: Vec<String> =
        seen.iter().filter(behind).map(|it| format!("node {}", it.id)).collect();
    if late.is_empty() {
        (Verdict::Good, format!("up to entry {furthest}"))
    } else {
        (Verdict::Warning, format!("more than {MOST_BEHIND} entries behind: {}", late.join(", ")))
    }
}

/// Clocks are held against the middle one of the nodes, not against this machine's, which may be wrong itself.
fn clocks(seen: &[Seen], findings: &mut Findings<'_>) {
    let mut known: Vec<(i64, u64)> =
        seen.iter().filter_map(|it| Some((it.ahead_ms?, it.id))).collect();
    known.sort_unstable();
    let Some((middle, _)) = known.get(known.len() / 2).copied() else {
        findings.add("clocks", (Verdict::Warning, "no clock could be told"));
        return;
    };
    for (ahead, id) in &known {
        let apart = ahead - middle;
        if apart.abs() > MOST_APART_MS {
            let detail = format!("node {id} is {apart} ms ahead of the nodes' middle");
            findings.add("clocks", (Verdict::Bad, detail));
        }
    }
    let own = if middle.abs() > MOST_APART_MS { Verdict::Warning } else { Verdict::Good };
    let untold = seen.len() - known.len();
    let detail = format!("the nodes' middle is {middle} ms ahead of this machine; {untold} untold");
    findings.add("clocks", (own, detail));
}

fn chain(error: &ClientError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        text = format!("{text}: {next}");
        source = next.source();
    }
    text
}
