//! `sessions`: connections of agents to targets, and their recordings.

mod export;
mod pages;
mod replay;
mod timeline;
mod watch;

use crate::{
    cli::{Global, SessionsCommand},
    connection,
    failure::Failure,
    output::{self, Terminal},
    visible::{excerpt, visible},
};
use countersign_api::{
    Client,
    recording::RecordingIndex,
    session::{EndRequest, Session, SessionQuery},
};

/// Characters of a client's name in a table.
const CLIENT_WIDTH: usize = 30;

/// Runs a command of `sessions`.
pub(crate) async fn run(
    command: SessionsCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let client = connection::client(global, terminal)?;
    match command {
        SessionsCommand::List { target, agent } => {
            let sessions =
                all(&client, SessionQuery { target, agent, ..SessionQuery::default() }).await?;
            terminal.answer(&sessions, |sessions, terminal| table(sessions, terminal))
        }
        SessionsCommand::Show { id } => show(&client.session(&id).await?.body, terminal),
        SessionsCommand::Replay { id, speed, idle } => {
            let pace = replay::Pace::new(speed, idle)?;
            replay::replay(&client, &id, pace, terminal).await
        }
        SessionsCommand::Watch { id } => watch::watch(&client, &id, terminal).await,
        SessionsCommand::Export { id, format } => {
            export::export(&client, &id, format, terminal).await
        }
        SessionsCommand::End { id, reason } => {
            let ended = client.end_session(&id, &EndRequest { reason }).await?.body;
            terminal.answer(&ended, |session, _| format!("session {} is ended", session.id))
        }
    }
}

async fn all(client: &Client, mut query: SessionQuery) -> Result<Vec<Session>, Failure> {
    let mut sessions = Vec::new();
    loop {
        let page = client.sessions(&query).await?.body;
        sessions.extend(page.items);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(sessions),
        }
    }
}

fn table(sessions: &[Session], terminal: &Terminal) -> String {
    if sessions.is_empty() {
        return "no open sessions".to_owned();
    }
    if terminal.format().is_wide() {
        let header = ["id", "agent", "target", "role", "node", "opened", "source", "client"];
        let rows = sessions.iter().map(|session| {
            let [id, agent, target, role, node, opened] = narrow(session);
            [
                id,
                agent,
                target,
                role,
                node,
                opened,
                visible(&session.source),
                excerpt(&session.client, CLIENT_WIDTH),
            ]
        });
        return output::table(header, rows);
    }
    output::table(["id", "agent", "target", "role", "node", "opened"], sessions.iter().map(narrow))
}

fn narrow(session: &Session) -> [String; 6] {
    [
        session.id.clone(),
        visible(&session.agent.name),
        session.target.clone(),
        visible(&session.role),
        session.node.to_string(),
        session.opened_at.to_string(),
    ]
}

fn show(session: &Session, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.answer(session, |session, _| {
        let state = if session.open { "open" } else { "ended" };
        let shown = output::pairs(&[
            ("session", session.id.clone()),
            ("state", state.to_owned()),
            ("agent", agent(&session.agent)),
            ("target", format!("{} (revision {})", session.target, session.target_revision)),
            ("protocol", session.protocol.clone()),
            ("role", visible(&session.role)),
            ("source", visible(&session.source)),
            ("client", visible(&session.client)),
            ("node", session.node.to_string()),
            ("opened", session.opened_at.to_string()),
        ]);
        match &session.recording {
            Some(recording) => format!("{shown}\n{}", index(recording)),
            None => shown,
        }
    })
}

/// What there is of a session's recording.
fn index(recording: &RecordingIndex) -> String {
    let header = ["segment", "bytes", "places", "digest"];
    let rows = recording.segments.iter().map(|segment| {
        let nodes = segment.places.iter().map(ToString::to_string);
        let bucket = segment.in_bucket.then(|| "bucket".to_owned());
        let places: Vec<String> = nodes.chain(bucket).collect();
        let (sequence, size) = (segment.sequence.to_string(), segment.size.to_string());
        [sequence, size, places.join(","), segment.digest.clone()]
    });
    let (state, count) = (recording.state.name(), recording.segment_count);
    format!("\nrecording: {state}, {count} segments\n{}", output::table(header, rows))
}

/// An agent with all that identifies it.
pub(crate) fn agent(agent: &countersign_api::agent::Agent) -> String {
    let owner = agent.owner.as_ref().map(|owner| format!(", acts for {owner}")).unwrap_or_default();
    visible(&format!("{} ({} at {}{owner})", agent.name, agent.subject, agent.issuer))
}
