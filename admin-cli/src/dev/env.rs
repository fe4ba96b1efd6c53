//! `dev env`: what scripts and acceptance checks need to know about a running development cluster, as shell assignments.

use super::{directory::Directory, process, resources, state::State, token};
use crate::{cli::Person, failure::Failure, output::Terminal};
use std::{fmt::Display, path::Path};

/// Prints the assignments, with fresh tokens.
pub(super) async fn run(directory: &Directory, terminal: &mut Terminal) -> Result<(), Failure> {
    let state = State::load(directory)?;
    let own = std::env::current_exe().map_err(|error| Failure::failed(error.to_string()))?;
    let mut lines = vec![
        assign("CS_CTL", own.display()),
        assign("CS_CHAOS", own.with_file_name("countersign-chaos").display()),
        assign("CS_NODES", state.nodes.len()),
    ];
    for node in &state.nodes {
        let id = node.id;
        let pid =
            node.process.filter(process::Running::is_alive).map(|running| running.pid.to_string());
        lines.extend([
            assign(&format!("CS_API_{id}"), node.api_url()),
            assign(&format!("CS_PG_{id}"), format!("127.0.0.1:{}", node.postgres)),
            assign(&format!("CS_PID_{id}"), pid.unwrap_or_default()),
            assign(&format!("CS_DATA_{id}"), directory.node_data(id).display()),
        ]);
    }
    lines.extend([
        assign("CS_CA", directory.ca_file().display()),
        assign("CS_ISSUER", state.issuer.url()),
        assign("COUNTERSIGN_DEV_DIR", Path::display(directory.path())),
    ]);
    for (name, who, person) in [
        ("CS_AGENT_TOKEN", Person::Agent, "ci-bot"),
        ("CS_REVIEWER_TOKEN", Person::Reviewer, "dana"),
        ("CS_REVIEWER2_TOKEN", Person::Reviewer, "rui"),
        ("CS_ADMIN_TOKEN", Person::Reviewer, "ada"),
    ] {
        lines.push(assign(name, token::of(directory, who, person).await?));
    }
    if let Some(url) = &state.postgres {
        lines.push(assign("CS_TARGET_PG", resources::TARGET));
        lines.push(assign("CS_DIRECT_PG", url));
    }
    terminal.line(&lines.join("\n"))
}

/// One assignment, quoted for a POSIX shell (XCU 2.2.2): nothing inside single quotes is special but they themselves.
fn assign(name: &str, value: impl Display) -> String {
    format!("{name}='{}'", value.to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_gets_out_of_its_quotes() {
        assert_eq!(assign("A", "x'; rm -rf $HOME #"), r"A='x'\''; rm -rf $HOME #'");
    }
}
