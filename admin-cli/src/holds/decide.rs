//! `holds approve` and `holds reject`. The fingerprint that is sent is the one of what was shown, or the one that the
//! reviewer gave: never one that was fetched unseen.

use super::{show, watch};
use crate::{
    cli::Decide,
    failure::{Failure, Status},
    output::Terminal,
};
use countersign_api::{
    Client,
    hold::{Choice, DecisionRequest, Hold},
};
use countersign_core::fingerprint::Fingerprint;
use std::io::{self, BufRead as _, IsTerminal as _};

/// Decides about one hold.
pub(super) async fn run(
    client: &Client,
    choice: Choice,
    wanted: Decide,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let fingerprint = match &wanted.fingerprint {
        Some(text) => {
            let seen: Fingerprint =
                text.parse().map_err(|error| Failure::usage(format!("--fingerprint: {error}")))?;
            seen.to_string()
        }
        None => seen(client, choice, &wanted, terminal).await?,
    };
    let request = DecisionRequest {
        decision: choice,
        comment: wanted.comment,
        fingerprint: Some(fingerprint),
        for_seconds: wanted.granted_for.map_or(0, |granted_for| granted_for.as_secs().max(1)),
    };
    let decided = client.decide(&wanted.id, &request).await;
    let mut hold = super::acted(client, &wanted.id, decided).await?;
    if let Some(at_most) = wanted.wait {
        hold = watch::until_settled(client, &wanted.id, at_most, terminal).await?;
    }
    terminal.answer(&hold, |hold, _| said(hold, choice))?;
    match choice {
        Choice::Approve | Choice::BreakGlass if wanted.wait.is_some() => watch::outcome(&hold),
        Choice::Approve | Choice::BreakGlass | Choice::Reject => Ok(()),
    }
}

/// Shows the hold and asks, unless the reviewer said that it need not be asked; the fingerprint of what was shown.
async fn seen(
    client: &Client,
    choice: Choice,
    wanted: &Decide,
    terminal: &mut Terminal,
) -> Result<String, Failure> {
    let hold = client.hold(&wanted.id).await?.body;
    if hold.operation.excerpt {
        let message = "the node shows only the beginning of the operation";
        return Err(Failure::failed(message).hint("decide with a node that shows all of it"));
    }
    let shown = show::whole(&hold, terminal);
    terminal.note(&shown);
    if wanted.yes {
        return Ok(hold.fingerprint);
    }
    if !io::stdin().is_terminal() || !terminal.is_for_people() {
        return Err(Failure::usage("nobody can be asked: this is no terminal, or not for people")
            .hint("say --fingerprint with the fingerprint that you have seen, or --yes"));
    }
    let verb = verb(choice);
    terminal.note(&format!(
        "\n{verb} exactly this? Type the first word of its key ({}) to {verb}:",
        hold.key
    ));
    let mut typed = String::new();
    io::stdin()
        .lock()
        .read_line(&mut typed)
        .map_err(|error| Failure::failed(format!("cannot read stdin: {error}")))?;
    let first = hold.key.split('-').next().unwrap_or_default();
    if first.is_empty() || typed.trim() != first {
        return Err(Failure::new(Status::Pending, "not decided: the word does not match"));
    }
    Ok(hold.fingerprint)
}

const fn verb(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "approve",
        Choice::Reject => "reject",
        Choice::BreakGlass => "break the glass for",
    }
}

fn said(hold: &Hold, choice: Choice) -> String {
    let done = match choice {
        Choice::Approve => "approved",
        Choice::Reject => "rejected",
        Choice::BreakGlass => "broke the glass for",
    };
    let state = hold.state.name();
    match (choice, hold.state.is_settled()) {
        (Choice::Approve, false) if hold.reviewers.missing > 0 => {
            format!(
                "you {done} {}; it is {state} and needs more approvals: {}",
                hold.id,
                show::reviewers(hold)
            )
        }
        (Choice::Approve, _) if hold.grant.is_some() => format!(
            "you {done} {}; it is {state}, and what is like it is granted: {}",
            hold.id,
            hold.grant.as_deref().unwrap_or_default()
        ),
        (Choice::Approve | Choice::Reject | Choice::BreakGlass, _) => {
            format!("you {done} {}; it is {state}", hold.id)
        }
    }
}
