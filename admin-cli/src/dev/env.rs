//! `dev env`: what scripts and acceptance checks need to know about a running development cluster, as shell assignments.

use super::{
    directory::Directory,
    issuer, process, resources,
    state::{Node, State},
    token,
};
use crate::{cli::Person, failure::Failure, output::Terminal};
use std::{collections::BTreeMap, fmt::Display, path::Path};

/// Prints the assignments, with fresh tokens; an object of the same names for scripts that read JSON.
pub(super) async fn run(directory: &Directory, terminal: &mut Terminal) -> Result<(), Failure> {
    let state = State::load(directory)?;
    let mut variables = Variables::default();
    variables.programs()?;
    variables.set("CS_NODES", state.nodes.len());
    for node in &state.nodes {
        variables.node(directory, node);
    }
    variables.set("CS_CA", directory.ca_file().display());
    variables.set("CS_SSH_KNOWN_HOSTS", directory.ssh_known_hosts().display());
    variables.set("CS_ISSUER", state.issuer.url());
    variables.set("CS_PEOPLE_PASSWORD", issuer::password(directory)?);
    variables.set("COUNTERSIGN_DEV_DIR", Path::display(directory.path()));
    for (name, who, person) in [
        ("CS_AGENT_TOKEN", Person::Agent, "ci-bot"),
        ("CS_REVIEWER_TOKEN", Person::Reviewer, "dana"),
        ("CS_REVIEWER2_TOKEN", Person::Reviewer, "rui"),
        ("CS_ADMIN_TOKEN", Person::Reviewer, "ada"),
    ] {
        variables.set(name, token::of(directory, who, person).await?);
    }
    if let Some(url) = &state.postgres {
        variables.set("CS_TARGET_PG", resources::TARGET);
        variables.set("CS_DIRECT_PG", url);
    }
    if state.ssh {
        variables.set("CS_TARGET_SSH", resources::SSH_TARGET);
    }
    if state.kubernetes {
        variables.set("CS_TARGET_K8S", resources::KUBERNETES_TARGET);
    }
    terminal.answer(&variables.0, |variables, _| {
        let lines: Vec<_> = variables.iter().map(|(name, value)| assign(name, value)).collect();
        lines.join("\n")
    })
}

/// Names and values.
#[derive(Debug, Default)]
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn set(&mut self, name: impl Into<String>, value: impl Display) {
        self.0.insert(name.into(), value.to_string());
    }

    fn programs(&mut self) -> Result<(), Failure> {
        let own = std::env::current_exe().map_err(|error| Failure::failed(error.to_string()))?;
        self.set("CS_CTL", own.display());
        self.set("CS_CHAOS", own.with_file_name("countersign-chaos").display());
        Ok(())
    }

    fn node(&mut self, directory: &Directory, node: &Node) {
        let id = node.id;
        let alive = node.process.filter(process::Running::is_alive);
        self.set(format!("CS_API_{id}"), node.api_url());
        self.set(format!("CS_PG_{id}"), format!("127.0.0.1:{}", node.postgres));
        self.set(format!("CS_SSH_{id}"), format!("127.0.0.1:{}", node.ssh));
        self.set(format!("CS_K8S_{id}"), format!("127.0.0.1:{}", node.kubernetes));
        let pid = alive.map(|running| running.pid.to_string()).unwrap_or_default();
        self.set(format!("CS_PID_{id}"), pid);
        self.set(format!("CS_DATA_{id}"), directory.node_data(id).display());
    }
}

/// One assignment, quoted for a POSIX shell (XCU 2.2.2): nothing inside single quotes is special but they themselves.
fn assign(name: &str, value: &str) -> String {
    format!("{name}='{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_gets_out_of_its_quotes() {
        assert_eq!(assign("A", "x'; rm -rf $HOME #"), r"A='x'\''; rm -rf $HOME #'");
    }
}
