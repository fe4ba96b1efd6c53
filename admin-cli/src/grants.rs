//! `grants`: what was approved for a time. A grant is made by `holds approve --for`.

use crate::{
    cli::{Global, GrantsCommand},
    connection,
    failure::Failure,
    output::{self, Terminal},
    visible::{excerpt, visible},
};
use countersign_api::{
    Client,
    grant::{Grant, GrantQuery},
};

/// Characters of what a grant covers in a table.
const SHAPE_WIDTH: usize = 60;

/// Runs a command of `grants`.
pub(crate) async fn run(
    command: GrantsCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let client = connection::client(global, terminal)?;
    match command {
        GrantsCommand::List { all } => {
            let grants = every(&client, all.then(|| "any".to_owned())).await?;
            terminal.answer(&grants, |grants, _| table(grants))
        }
        GrantsCommand::Show { id } => {
            let grant = client.grant(&id).await?.body;
            terminal.answer(&grant, |grant, _| whole(grant))
        }
        GrantsCommand::Revoke { id } => {
            let grant = client.revoke_grant(&id).await?.body;
            terminal.answer(&grant, |grant, _| {
                format!("{} is {}; it was used {} times", grant.id, grant.state.name(), grant.uses)
            })
        }
    }
}

async fn every(client: &Client, state: Option<String>) -> Result<Vec<Grant>, Failure> {
    let mut query = GrantQuery { state, ..GrantQuery::default() };
    let mut grants = Vec::new();
    loop {
        let page = client.grants(&query).await?.body;
        grants.extend(page.items);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(grants),
        }
    }
}

fn table(grants: &[Grant]) -> String {
    let rows = grants.iter().map(|grant| {
        [
            grant.id.clone(),
            grant.state.name().to_owned(),
            visible(&grant.agent.name),
            grant.target.clone(),
            grant.uses.to_string(),
            grant.expires_at.to_string(),
            excerpt(&grant.shape, SHAPE_WIDTH),
        ]
    });
    output::table(["grant", "state", "agent", "target", "uses", "expires", "covers"], rows)
}

fn whole(grant: &Grant) -> String {
    let state = match &grant.state_reason {
        Some(reason) => format!("{}: {}", grant.state.name(), visible(reason)),
        None => grant.state.name().to_owned(),
    };
    let last = grant.last_used_at.as_ref().map_or("never".to_owned(), ToString::to_string);
    let by: Vec<_> = grant.decisions.iter().map(|made| visible(&made.reviewer.name)).collect();
    output::pairs(&[
        ("grant", grant.id.clone()),
        ("state", state),
        (
            "agent",
            format!(
                "{} ({}#{})",
                visible(&grant.agent.name),
                visible(&grant.agent.issuer),
                visible(&grant.agent.subject)
            ),
        ),
        ("target", format!("{} ({})", grant.target, grant.protocol)),
        ("covers", visible(&grant.shape)),
        ("held by", visible(&grant.rules.join(", "))),
        ("granted by", by.join(", ")),
        ("granted", grant.granted_at.to_string()),
        ("expires", grant.expires_at.to_string()),
        ("uses", grant.uses.to_string()),
        ("last used", last),
        ("policy revision", grant.policy_revision.to_string()),
        ("made with", grant.hold.clone()),
    ])
}
