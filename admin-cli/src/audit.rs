//! `audit`: searching the trail, following it, taking it away, and proving that nothing of it is missing or changed.

mod chain_file;
mod live;
mod verify;

use crate::{
    cli::{AuditCommand, EventFilter, Global},
    connection,
    failure::Failure,
    output::{self, Terminal},
    visible::{excerpt, visible},
};
use countersign_api::{
    Client,
    audit::{AuditEvent, AuditQuery},
    page::MAX_PAGE,
    time::Timestamp,
};
use std::{collections::VecDeque, time::Duration};

/// How often `tail` asks for more.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Characters of an event's story in a table.
const STORY_WIDTH: usize = 70;
/// The most events that one search lists.
const MAX_SEARCH: usize = 100_000;

/// Runs a command of `audit`.
pub(crate) async fn run(
    command: AuditCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match command {
        AuditCommand::Search { filter, limit } => {
            let client = connection::client(global, terminal)?;
            let events = search(&client, query(filter)?, limit.min(MAX_SEARCH)).await?;
            terminal.answer(&events, |events, terminal| table(events, terminal))
        }
        AuditCommand::Tail { filter, lines } => {
            tail(&connection::client(global, terminal)?, query(filter)?, lines, terminal).await
        }
        AuditCommand::Export { format: _, after } => {
            chain_file::export(&connection::client(global, terminal)?, after, terminal).await
        }
        AuditCommand::Verify { live: true, .. } => live::verify(global, terminal).await,
        AuditCommand::Verify { file, head, live: false } => {
            let file = file.ok_or_else(|| Failure::usage("name a file, or say --live"))?;
            verify::file(&file, head.as_deref(), terminal)
        }
    }
}

fn query(filter: EventFilter) -> Result<AuditQuery, Failure> {
    let EventFilter { agent, target, verdict, kind, text, since, until } = filter;
    Ok(AuditQuery {
        agent,
        target,
        verdict,
        kind,
        text,
        since: since.as_deref().map(moment).transpose()?,
        until: until.as_deref().map(moment).transpose()?,
        ..AuditQuery::default()
    })
}

/// A time as RFC 3339 writes it, or so long ago.
fn moment(text: &str) -> Result<Timestamp, Failure> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text).map_err(|_| {
        Failure::usage(format!("`{text}` is no time"))
            .hint("write 2026-11-22T20:00:00Z, or 2h for two hours ago")
    })?;
    let now_ms = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
    let ago_ms = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
    Ok(Timestamp(now_ms.saturating_sub(ago_ms)))
}

/// The last `limit` events that fit, in the chain's order.
async fn search(
    client: &Client,
    mut query: AuditQuery,
    limit: usize,
) -> Result<Vec<AuditEvent>, Failure> {
    query.limit = Some(MAX_PAGE);
    let mut last = VecDeque::new();
    loop {
        let page = client.audit_events(&query).await?.body;
        last.extend(page.items);
        while last.len() > limit {
            last.pop_front();
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(last.into()),
        }
    }
}

/// Prints the last events, then new ones until Ctrl-C.
async fn tail(
    client: &Client,
    mut query: AuditQuery,
    lines: u64,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let head = client.audit_head().await?.body;
    let mut after = head.sequence.saturating_sub(lines);
    query.limit = Some(MAX_PAGE);
    loop {
        query.after = Some(after);
        // The head is read first: what comes while the page is read belongs to the next one.
        let end = client.audit_head().await?.body.sequence;
        let page = client.audit_events(&query).await?.body;
        for event in &page.items {
            terminal.item(event, |event, _| line(event))?;
        }
        let read = page.items.last().map_or(after, |event| event.sequence);
        after = if page.next.is_some() { read } else { read.max(end) };
        let pause = if page.next.is_some() { Duration::ZERO } else { ASK_EVERY };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

fn table(events: &[AuditEvent], terminal: &Terminal) -> String {
    if events.is_empty() {
        return "no events".to_owned();
    }
    let rows = events.iter().map(|event| {
        let [sequence, at, kind, agent, target] = narrow(event);
        let story = story(event);
        let story = if terminal.format().is_wide() {
            visible(&story)
        } else {
            excerpt(&story, STORY_WIDTH)
        };
        [sequence, at, kind, agent, target, story]
    });
    output::table(["event", "at", "kind", "agent", "target", "what"], rows)
}

fn line(event: &AuditEvent) -> String {
    let [sequence, at, kind, agent, target] = narrow(event);
    format!(
        "{sequence:>7}  {at}  {kind:<16}  {agent:<12}  {target:<12}  {}",
        excerpt(&story(event), STORY_WIDTH)
    )
}

fn narrow(event: &AuditEvent) -> [String; 5] {
    let field =
        |name: &str| event.fields.get(name).map_or_else(|| "-".to_owned(), |value| visible(value));
    [
        event.sequence.to_string(),
        event.at.to_string(),
        event.kind.clone(),
        field("agent.name"),
        field("target.name"),
    ]
}

/// What an event is about, from the facts that people look for first.
fn story(event: &AuditEvent) -> String {
    /// In this order; what is not there is left out.
    const FACTS: &[&str] = &[
        "decision",
        "reviewer.name",
        "operation.summary",
        "outcome",
        "rows",
        "word",
        "resource.kind",
        "resource.name",
        "author",
        "message",
        "reason",
        "comment",
        "node.id",
    ];
    let facts =
        FACTS.iter().filter_map(|name| event.fields.get(*name)).filter(|value| !value.is_empty());
    facts.cloned().collect::<Vec<_>>().join(" · ")
}
