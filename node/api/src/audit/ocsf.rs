//! Audit events as OCSF 1.5 has them (Open Cybersecurity Schema Framework), for systems that gather events of many origins.
//! Nothing is lost: `unmapped.countersign` has the event as the chain has it, and everything else is made of that, so that
//! an export in this form is proved like any other and no word of it can be changed alone.
//!
//! | events | class |
//! |---|---|
//! | held, intent, outcome, refused | Datastore Activity (6005), Query |
//! | session opened and closed, signed in, access refused, credential issued | Authentication (3002) |
//! | decided, glass broken, withdrawn, expired, invalidated, parked, evidence attached | API Activity (6003), Update |
//! | resource changed, revoked, audit key introduced | Entity Management (3004) |
//! | node up, cluster changed | Application Lifecycle (6002) |
//! | checkpoint; first and last line of an export | Base Event (0) |

use super::{
    AuditEvent,
    export::{Header, Line},
};
use countersign_core::record::EventKind;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The version of the schema.
const SCHEMA: &str = "1.5.0";
const PRODUCT: &str = "Countersign";

/// A class of the schema and what happens in it.
struct Class {
    category: u64,
    uid: u64,
    activity: u64,
}

const fn class(category: u64, uid: u64, activity: u64) -> Class {
    Class { category, uid, activity }
}

const OTHER: Class = class(0, 0, 99);

fn class_of(event: &AuditEvent) -> Class {
    let Some(kind) = EventKind::named(&event.kind) else { return OTHER };
    match kind {
        EventKind::Held | EventKind::Intent | EventKind::Outcome | EventKind::Refused => {
            class(6, 6005, 4)
        }
        EventKind::SessionOpened | EventKind::AccessRefused | EventKind::SignedIn => {
            class(3, 3002, 1)
        }
        EventKind::SessionClosed | EventKind::RecordingEnded => class(3, 3002, 2),
        EventKind::CredentialIssued => class(3, 3002, 3),
        EventKind::Decided
        | EventKind::GlassBroken
        | EventKind::Granted
        | EventKind::GrantEnded
        | EventKind::Escalated
        | EventKind::Withdrawn
        | EventKind::Expired
        | EventKind::Invalidated
        | EventKind::Parked
        | EventKind::EvidenceAttached => class(6, 6003, 3),
        EventKind::ResourceChanged => class(3, 3004, changed(event)),
        EventKind::AuditKeyIntroduced => class(3, 3004, 1),
        EventKind::Revoked => class(3, 3004, 9),
        EventKind::NodeUp => class(6, 6002, 3),
        EventKind::ClusterChanged => class(6, 6002, 8),
        EventKind::NotesLost => class(6, 6002, 99),
        EventKind::Checkpoint => OTHER,
    }
}

/// Created, updated or deleted.
fn changed(event: &AuditEvent) -> u64 {
    if !event.fields.contains_key("revision.before") {
        1
    } else if event.fields.contains_key("body.after_sha256") {
        3
    } else {
        4
    }
}

/// A line in this form.
pub(super) fn text(line: &Line) -> serde_json::Result<String> {
    let mut written = match line {
        Line::Event(event) => of_event(event),
        Line::Export(Header { after, .. }) => {
            let message = format!("audit export: the events behind event {after} follow");
            base(OTHER, 0, &message)
        }
        Line::End(end) => {
            let message = format!("audit export: ends with event {}", end.sequence);
            base(OTHER, end.at.0, &message)
        }
    };
    written.insert("unmapped".to_owned(), json!({ "countersign": line }));
    serde_json::to_string(&sorted(Value::Object(written)))
}

/// The line that a text in this form was made of. Whether the text is what would be made of it is the caller's to see.
pub(super) fn read(text: &str) -> serde_json::Result<Line> {
    #[derive(Deserialize)]
    struct Whole {
        unmapped: Unmapped,
    }
    #[derive(Deserialize)]
    struct Unmapped {
        countersign: Line,
    }
    serde_json::from_str(text).map(|Whole { unmapped }| unmapped.countersign)
}

/// The same without members that have no value, and with the others in order, whatever order this build's maps keep.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.into_iter().filter(|(_, value)| !value.is_null()).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(members.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

fn base(class: Class, at_ms: u64, message: &str) -> Map<String, Value> {
    let Class { category, uid, activity } = class;
    let mut written = Map::new();
    let mut put = |name: &str, value: Value| drop(written.insert(name.to_owned(), value));
    put("activity_id", json!(activity));
    put("category_uid", json!(category));
    put("class_uid", json!(uid));
    put("type_uid", json!(uid * 100 + activity));
    put("severity_id", json!(1));
    put("time", json!(at_ms));
    put("message", json!(message));
    let product = json!({"name": PRODUCT, "vendor_name": PRODUCT});
    put("metadata", json!({"product": product, "version": SCHEMA, "log_name": "audit"}));
    written
}

fn of_event(event: &AuditEvent) -> Map<String, Value> {
    let class = class_of(event);
    let uid = class.uid;
    let mut written = base(class, event.at.0, &message(event));
    if let Some(Value::Object(metadata)) = written.get_mut("metadata") {
        metadata.insert("sequence".to_owned(), json!(event.sequence));
        metadata.insert("uid".to_owned(), json!(event.hash));
        metadata.insert("event_code".to_owned(), json!(event.kind));
        if let Some(id) = fact(event, "operation.id").or(fact(event, "hold.id")) {
            metadata.insert("correlation_uid".to_owned(), json!(id));
        }
    }
    let (status, severity) = standing(event);
    written.insert("severity_id".to_owned(), json!(severity));
    written.insert("status_id".to_owned(), json!(status));
    let more = match uid {
        6005 => json!({
            "actor": {"user": user(event), "session": session(event)},
            "src_endpoint": source(event),
            "database": database(event),
            "type_id": 1,
            "query_info": query(event),
        }),
        6003 => json!({
            "actor": {"user": user(event), "app_name": PRODUCT},
            "src_endpoint": source(event),
            "api": {"operation": event.kind, "service": {"name": PRODUCT}},
        }),
        3002 => json!({
            "user": user(event),
            "src_endpoint": source(event),
            "service": {"name": fact(event, "target.name").unwrap_or(PRODUCT)},
            "session": session(event),
        }),
        3004 => json!({"actor": {"user": user(event)}, "entity": entity(event)}),
        6002 => json!({"app": {"name": PRODUCT, "vendor_name": PRODUCT}}),
        _ => json!({}),
    };
    if let Value::Object(more) = more {
        written.extend(more);
    }
    written
}

fn fact<'e>(event: &'e AuditEvent, name: &str) -> Option<&'e str> {
    event.fields.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// `status_id` and `severity_id`: what was refused or failed is worth a look, what is unknown is worth more, and an emergency
/// the most.
fn standing(event: &AuditEvent) -> (u64, u64) {
    const SUCCESS: (u64, u64) = (1, 1);
    const FAILURE: (u64, u64) = (2, 2);
    const HIGH: (u64, u64) = (1, 4);
    if event.kind == EventKind::GlassBroken.name() {
        return HIGH;
    }
    let refused = [EventKind::Refused, EventKind::AccessRefused];
    if refused.iter().any(|kind| kind.name() == event.kind) {
        return FAILURE;
    }
    match fact(event, "outcome") {
        Some("completed") => SUCCESS,
        Some("failed" | "refused") => FAILURE,
        Some(_) => (99, 3),
        None if fact(event, "verdict") == Some("withheld") => FAILURE,
        None => SUCCESS,
    }
}

fn message(event: &AuditEvent) -> String {
    let names = ["operation.summary", "resource.name", "message", "reason", "word"];
    let about = names.iter().find_map(|name| fact(event, name)).unwrap_or_default();
    format!("{}: {about}", event.kind)
}

/// Who it is about or who did it: an agent, a reviewer, an administrator; where nobody is known, that is said.
fn user(event: &AuditEvent) -> Value {
    let who = ["reviewer", "author", "agent"].iter().find_map(|who| {
        let subject = fact(event, &format!("{who}.subject"))?;
        let issuer = fact(event, &format!("{who}.issuer")).unwrap_or_default();
        let name = fact(event, &format!("{who}.name")).or(fact(event, who)).unwrap_or(subject);
        Some(json!({"name": name, "uid": subject, "domain": issuer}))
    });
    who.unwrap_or_else(|| json!({"name": "unknown"}))
}

fn session(event: &AuditEvent) -> Value {
    fact(event, "session.id").map_or(Value::Null, |id| json!({ "uid": id }))
}

fn source(event: &AuditEvent) -> Value {
    let address = fact(event, "source.address");
    let socket = address.and_then(|text| text.parse::<std::net::SocketAddr>().ok());
    if let Some(socket) = socket {
        return json!({"ip": socket.ip().to_string(), "port": socket.port()});
    }
    json!({"name": fact(event, "agent.name").unwrap_or(PRODUCT)})
}

fn database(event: &AuditEvent) -> Value {
    json!({"name": fact(event, "target.name").unwrap_or("unknown"), "type_id": 1})
}

fn query(event: &AuditEvent) -> Value {
    let Some(text) = fact(event, "operation.text") else { return Value::Null };
    json!({"query_string": text, "uid": fact(event, "operation.id").unwrap_or("unknown")})
}

fn entity(event: &AuditEvent) -> Value {
    let name = ["resource.name", "credential.id", "session.id", "agent.subject", "audit.key"]
        .iter()
        .find_map(|name| fact(event, name));
    let kind = fact(event, "resource.kind").unwrap_or(event.kind.as_str());
    json!({"name": name.unwrap_or("unknown"), "type": kind})
}
