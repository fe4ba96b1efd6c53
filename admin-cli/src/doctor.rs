//! `doctor`: proves from the machine that it runs on what can be proved of a cluster. Each node is asked itself; what one
//! says of another is not believed. It changes nothing, and what it cannot look at is a finding too.

mod nodes;
mod targets;

use crate::{
    cli::{DoctorOptions, Global},
    connection::Reached,
    failure::{Failure, Status},
    output::{self, Terminal, Tone},
};
use countersign_api::cluster::Cluster;
use serde::Serialize;

/// How good what was found is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    Warning,
    Bad,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// Of whom.
    of: String,
    /// What was looked at.
    check: &'static str,
    verdict: Verdict,
    /// What was found.
    detail: String,
}

/// The findings about one thing, as they come.
#[derive(Debug)]
struct Findings<'f> {
    of: String,
    all: &'f mut Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, check: &'static str, (verdict, detail): (Verdict, impl Into<String>)) {
        let (of, detail) = (self.of.clone(), detail.into());
        self.all.push(Finding { of, check, verdict, detail });
    }
}

/// Runs the command.
pub(crate) async fn run(
    options: DoctorOptions,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let reached = Reached::by(global, terminal)?;
    let client = reached.client()?;
    let cluster = client.cluster().await?.body;
    let mut findings = Vec::new();
    of_the_cluster(&cluster, &mut Findings { of: "cluster".to_owned(), all: &mut findings });
    let seen = nodes::look(&reached, &cluster, &mut findings).await;
    nodes::agree(&seen, &mut findings);
    if options.agents_network {
        targets::look(&client, &options.targets, &mut findings).await?;
    }
    told(&findings, terminal)
}

fn of_the_cluster(cluster: &Cluster, findings: &mut Findings<'_>) {
    let quorum = if cluster.quorum { Verdict::Good } else { Verdict::Bad };
    findings.add("quorum", (quorum, cluster.verdict.clone()));
    if let Some(warning) = &cluster.warning {
        findings.add("voters", (Verdict::Warning, warning.clone()));
    }
    if cluster.epoch.as_ref().is_some_and(|epoch| !epoch.open) {
        findings.add("open", (Verdict::Bad, "it was recovered and takes no agents yet"));
    }
}

fn told(findings: &[Finding], terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.answer(&findings, |findings, terminal| {
        let rows = findings.iter().map(|finding| {
            let (word, tone) = match finding.verdict {
                Verdict::Good => ("good", Tone::Good),
                Verdict::Warning => ("WARNING", Tone::Waiting),
                Verdict::Bad => ("BAD", Tone::Bad),
            };
            let word = terminal.toned(word, tone);
            [finding.of.clone(), finding.check.to_owned(), word, finding.detail.clone()]
        });
        output::table(["of", "check", "verdict", "found"], rows)
    })?;
    match findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count() {
        0 => Ok(()),
        1 => Err(Failure::answered(Status::Failed, "one thing is bad".to_owned())),
        bad => Err(Failure::answered(Status::Failed, format!("{bad} things are bad"))),
    }
}

#[cfg(test)]
mod tests;
