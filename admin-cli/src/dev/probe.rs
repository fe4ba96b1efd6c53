//! Asking the nodes of a development cluster, and waiting until they are where they should be.

use super::{directory::Directory, process::Running};
use crate::{failure::Failure, files};
use anyhow::{Context as _, bail};
use countersign_api::{Client, client::ClientConfig};
use countersign_core::secret::Secret;
use std::{fs, time::Duration};
use tokio::time::{Instant, sleep};

/// How long one answer may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// How long a node may take to come up, to join or to get ready.
const READY_DEADLINE: Duration = Duration::from_mins(1);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Lines of a log that are shown when a process failed.
const LOG_LINES: usize = 15;

/// A client of these nodes.
pub(super) fn client(
    directory: &Directory,
    urls: Vec<String>,
    token: Option<&str>,
) -> Result<Client, Failure> {
    let mut config = ClientConfig::new(urls);
    config.ca_pem = Some(files::read_text(&directory.ca_file())?.into_bytes());
    config.token = token.map(Secret::new);
    config.timeout = ANSWER_DEADLINE;
    config.rounds = 1;
    Ok(Client::new(config)?)
}

/// Whether a node says that it may take agents; an error when it does not answer.
pub(super) async fn is_ready(client: &Client) -> bool {
    client.readiness().await.is_ok_and(|readiness| readiness.body.ready)
}

/// Waits until a process answers over HTTP at all, and fails when it ends instead.
pub(super) async fn wait_live(
    directory: &Directory,
    url: &str,
    running: Running,
) -> Result<(), Failure> {
    let client = client(directory, vec![url.to_owned()], None)?;
    let title = title_of(directory, running);
    wait_for(&title, || async {
        if !running.is_alive() {
            bail!("process {} has ended:\n{}", running.pid, last_lines(directory, &title));
        }
        // A refusal is an answer too: it is alive, whatever it thinks of being asked.
        Ok(match client.readiness().await {
            Ok(_) => true,
            Err(error) => error.problem().is_some(),
        })
    })
    .await?;
    Ok(())
}

/// Repeats a question until it is answered by yes, an error, or the deadline.
pub(super) async fn wait_for<F: Future<Output = anyhow::Result<bool>>>(
    what: &str,
    question: impl Fn() -> F,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_DEADLINE;
    while !question().await.with_context(|| format!("waiting for {what}"))? {
        if Instant::now() >= deadline {
            bail!("waited {} for {what} in vain", humantime::format_duration(READY_DEADLINE));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The last lines of a process's log.
pub(super) fn last_lines(directory: &Directory, title: &str) -> String {
    let text = fs::read(directory.log(title)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
    shown
        .iter()
        .map(|line| format!("  {}", crate::visible::visible(line)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The name of a node's log, from its process.
fn title_of(directory: &Directory, running: Running) -> String {
    let state = super::state::State::load(directory).ok();
    let node = state.and_then(|state| {
        state.nodes.iter().find(|node| node.process == Some(running)).map(|node| node.id)
    });
    node.map_or_else(|| "the node".to_owned(), |id| format!("node-{id}"))
}
