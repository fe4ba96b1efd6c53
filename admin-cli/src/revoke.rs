//! `revoke`: returns when what was revoked is out on every node.

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
    };
    let revoked = connection::client(global, terminal)?.revoke(&request).await?.body;
    let lease = Duration::from_millis(revoked.everywhere_after_ms);
    terminal.note(&format!(
        "committed; waiting {} until it holds on every node, even one that is cut off",
        humantime::format_duration(lease)
    ));
    // A node without contact keeps its lease no longer than this.
    tokio::time::sleep(lease).await;
    terminal.answer(&revoked, |revoked, _| {
        output::pairs(&[
            ("revoked at", revoked.at.to_string()),
            ("log index", revoked.index.to_string()),
            ("holds on", "every node".to_owned()),
        ])
    })
}
