//! `holds`: operations that wait for a human. Whoever decides is first shown what is decided, and the decision names the
//! fingerprint of exactly that.

mod decide;
mod show;
mod watch;

use crate::{
    cli::{ChoiceName, Global, HoldsCommand, StateName},
    connection,
    failure::{Failure, Status},
    output::{self, Terminal},
    visible::{excerpt, visible},
};
use countersign_api::{
    Client,
    client::{Answer, ClientError},
    hold::{Choice, Hold, HoldQuery, HoldState, WithdrawRequest},
    problem::ProblemKind,
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
        HoldsCommand::List { state, target, agent, decision } => {
            let (state, decision) = (state.map(StateName::state), decision.map(ChoiceName::choice));
            let query = HoldQuery { state, target, agent, decision, ..HoldQuery::default() };
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
        HoldsCommand::BreakGlass(wanted) => {
            decide::run(&client, Choice::BreakGlass, wanted, terminal).await
        }
        HoldsCommand::Withdraw { id, comment } => {
            let withdrawn = client.withdraw(&id, &WithdrawRequest { comment }).await;
            let hold = acted(&client, &id, withdrawn).await?;
            terminal.answer(&hold, |hold, _| format!("{} is {}", hold.id, hold.state.name()))
        }
        HoldsCommand::Watch { since_index } => watch::run(&client, since_index, terminal).await,
    }
}

/// What came of acting on a hold. That it cannot be acted on any more has two statuses: somebody was first, or it has
/// ended by itself. The problem is the same; the hold says which.
async fn acted(
    client: &Client,
    id: &str,
    answer: Result<Answer<Hold>, ClientError>,
) -> Result<Hold, Failure> {
    let error = match answer {
        Ok(answer) => return Ok(answer.body),
        Err(error) => error,
    };
    let settled = error.problem_kind() == Some(ProblemKind::HoldSettled);
    let failure = Failure::from(error);
    if settled
        && let Ok(hold) = client.hold(id).await
        && has_ended(hold.state)
    {
        return Err(failure.with_status(Status::Ended));
    }
    Err(failure)
}

/// Whether a hold has ended without anybody's decision about it.
const fn has_ended(state: HoldState) -> bool {
    match state {
        HoldState::Withdrawn | HoldState::Expired | HoldState::Invalidated => true,
        HoldState::Pending | HoldState::Approved | HoldState::Consumed | HoldState::Rejected => {
            false
        }
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

impl ChoiceName {
    const fn choice(self) -> Choice {
        match self {
            Self::Approve => Choice::Approve,
            Self::Reject => Choice::Reject,
            Self::BreakGlass => Choice::BreakGlass,
        }
    }
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
