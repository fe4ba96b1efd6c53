//! `revoke`: returns when what was revoked is out on every node, which is what the node that is asked waits for.

use crate::{
    cli::{Global, RevokeCommand},
    connection,
    failure::Failure,
    output::{self, Terminal},
};
use countersign_api::revocation::RevocationRequest;
use std::time::Duration;

/// Runs a command of `revoke`.
pub(crate) async fn run(
    command: RevokeCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let request = match command {
        RevokeCommand::Identity { issuer, subject } => {
            RevocationRequest::Identity { issuer, subject }
        }
        RevokeCommand::Session { id } => RevocationRequest::Session { id },
        RevokeCommand::Credential { id } => RevocationRequest::Credential { id },
        RevokeCommand::Provider { name } => RevocationRequest::Provider { name },
    };
    let revoked = connection::client(global, terminal)?.revoke(&request).await?.body;
    terminal.answer(&revoked, |revoked, _| {
        let took = Duration::from_millis(revoked.everywhere_after_ms);
        let mut lines = vec![
            ("revoked at", revoked.at.to_string()),
            ("log index", revoked.index.to_string()),
            ("holds on", format!("every node, after {}", humantime::format_duration(took))),
        ];
        if !revoked.lapsed.is_empty() {
            let nodes: Vec<_> = revoked.lapsed.iter().map(u64::to_string).collect();
            let nodes = nodes.join(", ");
            lines.push(("not heard of", format!("node {nodes}, whose lease has run out")));
        }
        output::pairs(&lines)
    })
}
