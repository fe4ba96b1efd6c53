//! Following holds: all of them, or one until it is settled.

use crate::{
    failure::{Failure, Status},
    output::Terminal,
    visible::{excerpt, visible},
};
use countersign_api::{
    Client,
    hold::{Hold, HoldEvent, HoldState},
};
use std::time::Duration;
use tokio::time::timeout;

/// How often a hold that is waited for is read although the stream says nothing of it.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Prints every change until Ctrl-C.
pub(super) async fn run(
    client: &Client,
    since: Option<u64>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut events = client.hold_events(since);
    events.connect().await?;
    terminal.note("watching; Ctrl-C ends");
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        terminal.item(&event, |event, _| line(event))?;
    }
}

fn line(event: &HoldEvent) -> String {
    let hold = &event.hold;
    format!(
        "{:>8}  {:<11}  {}  {} → {}  {}",
        event.index,
        hold.state.name(),
        hold.id,
        visible(&hold.agent.name),
        hold.target,
        excerpt(&hold.operation.summary, super::SUMMARY_WIDTH),
    )
}

/// The hold once it is settled.
pub(super) async fn until_settled(
    client: &Client,
    id: &str,
    at_most: Duration,
    terminal: &mut Terminal,
) -> Result<Hold, Failure> {
    let settled = async {
        // The stream is open before the hold is read, so that no change falls between the two.
        let mut events = client.hold_events(None);
        events.connect().await?;
        let mut hold = client.hold(id).await?.body;
        while !hold.state.is_settled() {
            match timeout(LOOK_EVERY, events.next()).await {
                Ok(event) => {
                    let event = event?;
                    if event.hold.id == id {
                        // An event shows an excerpt; what is shown to people is the whole hold.
                        hold = client.at_least(event.index).hold(id).await?.body;
                    }
                }
                Err(_silent) => hold = client.hold(id).await?.body,
            }
        }
        Ok::<_, Failure>(hold)
    };
    terminal.note("waiting until it is settled");
    match timeout(at_most, settled).await {
        Ok(hold) => hold,
        Err(_) => Err(Failure::new(Status::Pending, format!("{id} is not settled yet"))),
    }
}

/// The exit status of having waited for a hold.
pub(super) fn outcome(hold: &Hold) -> Result<(), Failure> {
    let ended = |why: &str| Err(Failure::new(Status::Ended, format!("{} {why}", hold.id)));
    match hold.state {
        HoldState::Consumed => Ok(()),
        HoldState::Pending | HoldState::Approved => {
            Err(Failure::new(Status::Pending, format!("{} is {}", hold.id, hold.state.name())))
        }
        HoldState::Rejected => {
            Err(Failure::new(Status::Refused, format!("{} was rejected", hold.id)))
        }
        HoldState::Withdrawn => ended("was withdrawn"),
        HoldState::Expired => ended("has expired"),
        HoldState::Invalidated => ended("is void: what it was judged under has changed"),
    }
}
