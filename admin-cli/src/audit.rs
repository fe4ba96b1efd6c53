//! `audit`: searching the trail, following it, taking it away, and proving that nothing of it is missing or changed.

mod archive;
mod chain_file;
mod keys;
mod live;
mod source;
mod verify;

use crate::{
    cli::{AuditCommand, EventFilter, ExportFormat, Global},
    connection,
    failure::Failure,
    output::{self, Terminal},
    visible::{excerpt, visible},
};
use countersign_api::{
    Client,
    audit::{
        AuditEvent, AuditQuery, ExportRequest, Order,
        export::{Form, Known, Proof},
        query::{self, Search},
    },
    page::MAX_PAGE,
    time::Timestamp,
};
use std::{collections::VecDeque, path::Path, time::Duration};

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
        AuditCommand::Search { filter, limit, archive } => {
            let (query, limit) = (query(filter)?, limit.min(MAX_SEARCH));
            let events = match archive {
                Some(path) => {
                    let (events, proof) = archived(&path, &query, limit)?;
                    verify::warn_of_key(&proof, terminal);
                    events
                }
                None => search(&connection::client(global, terminal)?, query, limit).await?,
            };
            terminal.answer(&events, |events, terminal| table(events, terminal))
        }
        AuditCommand::Tail { filter, lines } => {
            tail(&connection::client(global, terminal)?, query(filter)?, lines, terminal).await
        }
        AuditCommand::Export { format, after, from, to, dir } => {
            let form = match format {
                ExportFormat::Jsonl => Form::Native,
                ExportFormat::Ocsf => Form::Ocsf,
            };
            let [from, to] = [from, to].map(|time| time.as_deref().map(moment).transpose());
            let request = ExportRequest { after: Some(after), through: None, from: from?, to: to? };
            let client = connection::client(global, terminal)?;
            match dir {
                Some(dir) => archive::export(&client, &request, (form, &dir), terminal).await,
                None => chain_file::export(&client, &request, form, terminal).await,
            }
        }
        AuditCommand::Keys => keys::show(&connection::client(global, terminal)?, terminal).await,
        AuditCommand::RotateKey => {
            keys::rotate(&connection::client(global, terminal)?, terminal).await
        }
        AuditCommand::Verify { live: true, key, .. } => {
            live::verify(global, verify::known(None, key.as_deref())?, terminal).await
        }
        AuditCommand::Verify { file, head, key, live: false } => {
            let file = file.ok_or_else(|| Failure::usage("name a file, or say --live"))?;
            verify::path(&file, verify::known(head.as_deref(), key.as_deref())?, terminal)
        }
    }
}

/// Everything that is asked for in one search: the options are words of it.
fn query(filter: EventFilter) -> Result<AuditQuery, Failure> {
    let EventFilter { search, agent, target, verdict, kind, text, since, until } = filter;
    let mut words = search;
    let named = [("agent:", agent), ("target:", target), ("verdict:", verdict), ("kind:", kind)];
    let named = named.into_iter().chain([("", text)]);
    for (name, value) in named.filter_map(|(name, value)| Some((name, value?))) {
        words.push(format!("{name}{}", query::quoted(&value)));
    }
    for (name, time) in [("since", since), ("until", until)] {
        if let Some(time) = time {
            words.push(format!("{name}:{}", moment(&time)?));
        }
    }
    let q = words.join(" ");
    Search::parse(&q).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(AuditQuery { q: (!q.is_empty()).then_some(q), ..AuditQuery::default() })
}

/// The last `limit` events of exported files that fit. The files are proved on the way.
fn archived(
    path: &Path,
    query: &AuditQuery,
    limit: usize,
) -> Result<(Vec<AuditEvent>, Proof), Failure> {
    let search = Search::parse(query.q.as_deref().unwrap_or_default())
        .map_err(|error| Failure::usage(error.to_string()))?;
    let mut found = VecDeque::new();
    let proof = source::prove_all(path, Known::default(), |event| {
        if search.takes(&event) {
            if found.len() >= limit {
                found.pop_front();
            }
            found.push_back(event);
        }
    })?;
    Ok((found.iter().take(limit).map(AuditEvent::from).collect(), proof))
}

/// A time as RFC 3339 writes it, or so long ago.
pub(crate) fn moment(text: &str) -> Result<Timestamp, Failure> {
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

/// The last `limit` events that fit, in the chain's order. They are asked for from the end, so that a long chain costs
/// nothing.
async fn search(
    client: &Client,
    mut query: AuditQuery,
    limit: usize,
) -> Result<Vec<AuditEvent>, Failure> {
    query.order = Some(Order::Desc);
    let mut found = Vec::new();
    while found.len() < limit {
        query.limit = Some(MAX_PAGE.min(limit - found.len()));
        let page = client.audit_events(&query).await?.body;
        found.extend(page.items);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    found.reverse();
    Ok(found)
}

/// Prints the last events, then new ones until Ctrl-C.
async fn tail(
    client: &Client,
    query: AuditQuery,
    lines: usize,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    tokio::select! {
        ended = follow(client, &query, lines, terminal) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn follow(
    client: &Client,
    query: &AuditQuery,
    lines: usize,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    // The head is read first: what comes while the last events are read is new.
    let mut after = client.audit_head().await?.body.sequence;
    for event in search(client, query.clone(), lines.min(MAX_SEARCH)).await? {
        after = after.max(event.sequence);
        terminal.item(&event, |event, _| line(event))?;
    }
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        after = news(client, query, after, terminal).await?;
    }
}

/// Prints what has happened after an event; the last event that was looked at.
async fn news(
    client: &Client,
    query: &AuditQuery,
    after: u64,
    terminal: &mut Terminal,
) -> Result<u64, Failure> {
    // The head is read first: what comes while the pages are read belongs to the next look.
    let mut seen = client.audit_head().await?.body.sequence.max(after);
    let mut query = AuditQuery { after: Some(after), limit: Some(MAX_PAGE), ..query.clone() };
    loop {
        let page = client.audit_events(&query).await?.body;
        for event in &page.items {
            seen = seen.max(event.sequence);
            terminal.item(event, |event, _| line(event))?;
        }
        match page.next {
            // A page may hold nothing that fits: the cursor goes on all the same.
            Some(next) => query.cursor = Some(next),
            None => return Ok(seen),
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
