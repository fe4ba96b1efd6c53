//! `apply`, `diff`, `get`, `describe`, `delete`, `export`: what administrators declare. A node checks and compares;
//! here documents are read and answers are shown.

mod changes;

use crate::{
    cli::{
        ApplyOptions, DeleteOptions, DiffOptions, ExportOptions, Format, GetOptions, Global, Named,
    },
    connection,
    documents::{self, Found},
    failure::Failure,
    output::{self, Terminal},
    visible::visible,
};
use countersign_api::{
    Client,
    audit::{AuditEvent, AuditQuery, Order},
    page::{MAX_PAGE, Paging},
    resource::{ApplyAnswer, ApplyRequest, Kind, Resource, ResourceReference},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Changes that `describe` shows.
const MAX_HISTORY: usize = 20;

/// Applies documents, all or none.
pub(crate) async fn apply(
    options: ApplyOptions,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let request = ApplyRequest {
        dry_run: options.dry_run,
        prune: options.prune,
        allow_lockout: options.allow_lockout,
        comment: options.comment,
        ..request(&options.files)?
    };
    let applied = connection::client(global, terminal)?.apply(&request).await?.body;
    warn(&applied, terminal);
    terminal.answer(&applied, |applied, _| changes::summary(applied))
}

/// Shows what `apply` would change.
pub(crate) async fn diff(
    options: DiffOptions,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let request = ApplyRequest {
        dry_run: true,
        prune: options.prune,
        // What would be changed is shown whatever it is.
        allow_lockout: true,
        ..request(&options.files)?
    };
    let applied = connection::client(global, terminal)?.apply(&request).await?.body;
    warn(&applied, terminal);
    terminal.answer(&applied, changes::whole)
}

fn request(files: &[PathBuf]) -> Result<ApplyRequest, Failure> {
    let found = documents::read(files)?;
    if found.is_empty() {
        return Err(Failure::usage("there is no document to apply"));
    }
    for Found { place, document } in &found {
        if let Err(error) = document.kind.parse::<Kind>() {
            return Err(Failure::usage(format!("{place}: {error}")));
        }
    }
    Ok(ApplyRequest {
        documents: found.into_iter().map(|one| one.document).collect(),
        ..ApplyRequest::default()
    })
}

/// Scripts find the warnings in the answer itself.
fn warn(applied: &ApplyAnswer, terminal: &mut Terminal) {
    for warning in &applied.warnings {
        terminal.note(&format!("warning: {warning}"));
    }
}

/// Lists the resources of a kind, or shows one.
pub(crate) async fn get(
    options: GetOptions,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let kind = kind(&options.kind)?;
    let client = connection::client(global, terminal)?;
    if let Some(name) = options.name {
        let resource = client.resource(kind, &name).await?.body;
        return terminal.answer(&resource, |resource, _| yaml(&document(resource)));
    }
    let resources = of_kind(&client, Some(kind)).await?;
    terminal.answer(&resources, |resources, _| {
        if resources.is_empty() {
            return format!("no resources of kind {kind}");
        }
        let rows = resources.iter().map(|resource| {
            [
                resource.name.clone(),
                resource.revision.to_string(),
                resource.updated_at.to_string(),
                visible(&resource.author),
            ]
        });
        output::table(["name", "revision", "changed", "by"], rows)
    })
}

/// Shows a resource with its history.
pub(crate) async fn describe(
    named: Named,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let kind = kind(&named.kind)?;
    let client = connection::client(global, terminal)?;
    let resource = client.resource(kind, &named.name).await?.body;
    let history = history(&client, kind, &named.name).await?;
    let described = json!({ "resource": resource, "history": history });
    terminal.answer(&described, |_, _| {
        let rows = history.iter().map(|event| {
            let field = |name: &str| visible(event.fields.get(name).map_or("", String::as_str));
            [event.at.to_string(), field("revision.after"), field("author"), field("comment")]
        });
        let history = output::table(["changed", "revision", "by", "comment"], rows);
        format!("{}\n{history}", yaml(&document(&resource)))
    })
}

async fn history(client: &Client, kind: Kind, name: &str) -> Result<Vec<AuditEvent>, Failure> {
    let mut query = AuditQuery {
        kind: Some("resource_changed".to_owned()),
        text: Some(name.to_owned()),
        order: Some(Order::Desc),
        limit: Some(MAX_PAGE),
        ..AuditQuery::default()
    };
    let is = |event: &AuditEvent, field: &str, value: &str| {
        event.fields.get(field).is_some_and(|found| found == value)
    };
    let mut found = Vec::new();
    while found.len() < MAX_HISTORY {
        let page = client.audit_events(&query).await?.body;
        found.extend(page.items.into_iter().filter(|event| {
            is(event, "resource.kind", kind.name()) && is(event, "resource.name", name)
        }));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    found.truncate(MAX_HISTORY);
    Ok(found)
}

/// Deletes a resource as it was last seen: somebody else's change in between is a conflict.
pub(crate) async fn delete(
    options: DeleteOptions,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let kind = kind(&options.what.kind)?;
    let client = connection::client(global, terminal)?;
    let found = client.resource(kind, &options.what.name).await?.body;
    let request = ApplyRequest {
        delete: vec![ResourceReference {
            kind: kind.name().to_owned(),
            name: options.what.name,
            revision: Some(options.revision.unwrap_or(found.revision)),
        }],
        comment: options.comment,
        allow_lockout: options.allow_lockout,
        ..ApplyRequest::default()
    };
    let applied = client.apply(&request).await?.body;
    warn(&applied, terminal);
    terminal.answer(&applied, |applied, _| changes::summary(applied))
}

/// Writes resources as documents that `apply` takes: YAML, or a JSON array under `-o json`.
pub(crate) async fn export(
    options: ExportOptions,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let kind = options.kind.as_deref().map(kind).transpose()?;
    let resources = of_kind(&connection::client(global, terminal)?, kind).await?;
    let documents: Vec<_> = resources.iter().map(document).collect();
    match terminal.format() {
        Format::Json => terminal.answer(&documents, |_, _| String::new()),
        Format::Table | Format::Wide | Format::Yaml => {
            let texts: Vec<_> = documents.iter().map(yaml).collect();
            terminal.line(texts.join("---\n").trim_end())
        }
    }
}

async fn of_kind(client: &Client, kind: Option<Kind>) -> Result<Vec<Resource>, Failure> {
    let mut paging = Paging::default();
    let mut resources = Vec::new();
    loop {
        let page = match kind {
            Some(kind) => client.resources_of(kind, &paging).await?.body,
            None => client.resources(&paging).await?.body,
        };
        resources.extend(page.items);
        match page.next {
            Some(next) => paging.cursor = Some(next),
            None => return Ok(resources),
        }
    }
}

/// The kind, also in small letters and in the plural.
fn kind(text: &str) -> Result<Kind, Failure> {
    let singular = match text.to_lowercase().as_str() {
        "policies" => "policy".to_owned(),
        lower => lower.strip_suffix('s').unwrap_or(lower).to_owned(),
    };
    singular
        .parse()
        .or_else(|_| text.parse())
        .map_err(|error: countersign_api::resource::KindError| Failure::usage(error.to_string()))
}

/// The resource as a document: what was applied.
fn document(resource: &Resource) -> Value {
    json!({ "kind": resource.kind, "name": resource.name, "spec": resource.spec })
}

fn yaml(document: &Value) -> String {
    // A document that came as JSON can be written as YAML; if it could not, JSON is YAML too.
    serde_saphyr::to_string(document).unwrap_or_else(|_| format!("{document}\n"))
}
