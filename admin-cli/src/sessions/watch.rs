//! `sessions watch`: what happens in a session, as it happens, from its beginning to its end or until somebody has seen enough.
//! What it shows is what is recorded by then; nothing else leaves the gateway.

use super::timeline;
use crate::{failure::Failure, output::Terminal};
use countersign_api::{
    Client,
    recording::{RecordingQuery, RecordingState},
};

/// Watches a session.
pub(super) async fn watch(
    client: &Client,
    id: &str,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    tokio::select! {
        watched = follow(client, id, terminal) => watched,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn follow(client: &Client, id: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut query = RecordingQuery::default();
    loop {
        let page = client.live(id, &query).await?.body;
        // A text that goes on is shown as far as it has come: whoever watches does not wait for the rest.
        for recorded in &page.items {
            terminal.item(recorded, |recorded, _| timeline::lines(recorded).join("\n"))?;
        }
        match (page.next, page.state) {
            (Some(next), _) => query.cursor = Some(next),
            (None, RecordingState::Whole) => return Ok(()),
            (None, RecordingState::Unfinished) => {
                terminal.note("(the session is over, and its recording has no end)");
                return Ok(());
            }
        }
    }
}
