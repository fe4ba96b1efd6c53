//! `holds`: operations that wait for a human. Whoever decides is first shown what is decided, and the decision names the
//! fingerprint of exactly that.

mod decide;
mod show;
mod watch;

use crate::{
    cli::{Global, HoldsCommand, StateName},
    connection,
    failure::Failure,
    output::{self, Terminal},
    visible::{excerpt, visible},
};
use countersign_api::{
    Client,
    hold::{Choice, Hold, HoldQuery, HoldState, WithdrawRequest},
};

/// Characters of a summary in a table.
const SUMMARY_WIDTH: usize = 60;

/// Runs a command of `holds`.
pub(crate) async fn run(
    command: HoldsCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let client = connection::client(global, terminal)?;
    match command {
        HoldsCommand::List { state, target, agent } => {
            let state = state.map(StateName::state);
            let query = HoldQuery { state, target, agent, ..HoldQuery::default() };
            let holds = all(&client, query).await?;
            terminal.answer(&holds, |holds, terminal| table(holds, terminal))
        }
        HoldsCommand::Show { id, wait } => {
            let hold = match wait {
                Some(at_most) => watch::until_settled(&client, &id, at_most, terminal).await?,
                None => client.hold(&id).await?.body,
            };
            terminal.answer(&hold, show::whole)?;
            if wait.is_some() { watch::outcome(&hold) } else { Ok(()) }
        }
        HoldsCommand::Approve(wanted) => {
            decide::run(&client, Choice::Approve, wanted, terminal).await
        }
        HoldsCommand::Reject(wanted) => {
            decide::run(&client, Choice::Reject, wanted, terminal).await
        }
        HoldsCommand::Withdraw { id, comment } => {
            let hold = client.withdraw(&id, &WithdrawRequest { comment }).await?.body;
            terminal.answer(&hold, |hold, _| format!("{} is {}", hold.id, hold.state.name()))
        }
        HoldsCommand::Watch { since_index } => watch::run(&client, since_index, terminal).await,
    }
}

async fn all(client: &Client, mut query: HoldQuery) -> Result<Vec<Hold>, Failure> {
    let mut holds = Vec::new();
    loop {
        let page = client.holds(&query).await?.body;
        holds.extend(page.items);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(holds),
        }
    }
}

fn table(holds: &[Hold], terminal: &Terminal) -> String {
    if holds.is_empty() {
        return "no holds".to_owned();
    }
    if !terminal.format().is_wide() {
        let header = ["id", "state", "agent", "target", "operation", "decides", "expires"];
        return output::table(header, holds.iter().map(narrow));
    }
    let header = [
        "id",
        "state",
        "agent",
        "target",
        "operation",
        "decides",
        "expires",
        "key",
        "client",
        "node",
        "rules",
    ];
    let rows = holds.iter().map(|hold| {
        let [id, state, agent, target, operation, decides, expires] = narrow(hold);
        let waits = if hold.waiting { "waits" } else { "parked" };
        [
            id,
            state,
            agent,
            target,
            operation,
            decides,
            expires,
            hold.key.clone(),
            waits.to_owned(),
            hold.node.to_string(),
            hold.rules.join(","),
        ]
    });
    output::table(header, rows)
}

fn narrow(hold: &Hold) -> [String; 7] {
    [
        hold.id.clone(),
        hold.state.name().to_owned(),
        visible(&hold.agent.name),
        hold.target.clone(),
        excerpt(&hold.operation.summary, SUMMARY_WIDTH),
        show::reviewers(hold),
        hold.expires_at.to_string(),
    ]
}

impl StateName {
    const fn state(self) -> HoldState {
        match self {
            Self::Pending => HoldState::Pending,
            Self::Approved => HoldState::Approved,
            Self::Consumed => HoldState::Consumed,
            Self::Rejected => HoldState::Rejected,
            Self::Withdrawn => HoldState::Withdrawn,
            Self::Expired => HoldState::Expired,
            Self::Invalidated => HoldState::Invalidated,
        }
    }
}
