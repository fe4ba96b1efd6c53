//! The HTTP API as a script sees it: JSON in, JSON out, no types of ours, so that a test notices a field that changes its
//! name.

use crate::wait::{self, Look, PATIENCE};
use anyhow::Context as _;
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};
use std::{fmt, fs, time::Duration};

/// How long one request may take. Longer than the longest the node waits for a quorum, or lets a request of Kubernetes wait for people.
const DEADLINE: Duration = Duration::from_secs(40);

/// A caller of one node.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: String,
    token: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub content_type: String,
    /// The body; text that is no JSON comes as a string.
    pub body: Value,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}

impl Answer {
    /// The string at a JSON pointer; empty when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The items of a page.
    pub fn items(&self) -> &[Value] {
        self.body.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Installs the process's one provider of cryptography; doing it again does no harm.
pub fn install_crypto() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

impl Api {
    /// For a base URL, the file of its certificate authority, and a bearer token; an empty token sends none.
    pub fn new(base: &str, ca_file: &str, token: &str) -> anyhow::Result<Self> {
        install_crypto();
        let authority = Certificate::from_pem(&fs::read(ca_file)?)?;
        let client = Client::builder()
            .tls_certs_only([authority])
            .https_only(true)
            .timeout(DEADLINE)
            .no_proxy()
            .build()
            .context("no HTTP client")?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, None).await
    }

    /// `POST`.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Any method.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let content_type = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, content_type, body })
    }

    /// A hold.
    pub async fn hold(&self, id: &str) -> anyhow::Result<Value> {
        let answer = self.get(&format!("/v1/holds/{id}")).await?;
        anyhow::ensure!(answer.status == StatusCode::OK, "hold {id}: {answer}");
        Ok(answer.body)
    }

    /// Waits for a pending hold whose text contains this.
    pub async fn pending(&self, text: &str) -> anyhow::Result<Value> {
        self.hold_with(text, "pending").await
    }

    /// Waits for a hold in this state whose text contains this.
    pub async fn hold_with(&self, text: &str, state: &str) -> anyhow::Result<Value> {
        wait::until(&format!("a {state} hold of `{text}`"), PATIENCE, async || {
            let answer = self.get(&format!("/v1/holds?state={state}&limit=1000")).await?;
            let found =
                answer.items().iter().find(|hold| at(hold, "/operation/text").contains(text));
            Ok(Look::some(found.cloned(), answer.to_string()))
        })
        .await
    }

    /// Waits until a hold is in this state.
    pub async fn until_state(&self, id: &str, state: &str) -> anyhow::Result<Value> {
        wait::until(&format!("hold {id} to be {state}"), PATIENCE, async || {
            let hold = self.hold(id).await?;
            let reached = at(&hold, "/state") == state;
            Ok(Look::some(reached.then(|| hold.clone()), at(&hold, "/state")))
        })
        .await
    }

    /// Approves or rejects what the hold shows.
    pub async fn decide(&self, hold: &Value, decision: &str) -> anyhow::Result<Answer> {
        self.decide_seen(hold, decision, at(hold, "/fingerprint")).await
    }

    /// Approves or rejects with a fingerprint of the caller's choice.
    pub async fn decide_seen(
        &self,
        hold: &Value,
        decision: &str,
        seen: &str,
    ) -> anyhow::Result<Answer> {
        let body = json!({"decision": decision, "comment": "by a test", "fingerprint": seen});
        self.post(&format!("/v1/holds/{}/decision", at(hold, "/id")), &body).await
    }

    /// Approves, and insists on having been heard.
    pub async fn approve(&self, hold: &Value) -> anyhow::Result<()> {
        let answer = self.decide(hold, "approve").await?;
        anyhow::ensure!(answer.status.is_success(), "approving {}: {answer}", at(hold, "/id"));
        Ok(())
    }

    /// Every audit event after a sequence, in order.
    pub async fn events_after(&self, sequence: u64) -> anyhow::Result<Vec<Value>> {
        let mut events = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/audit/events?after={sequence}&limit=1000{cursor}");
            let page = self.get(&path).await?;
            anyhow::ensure!(page.status == StatusCode::OK, "{path}: {page}");
            events.extend_from_slice(page.items());
            match page.body.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(events),
            }
        }
    }

    /// Every event of a kind.
    pub async fn events_of(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        let events = self.events_after(0).await?;
        Ok(events.into_iter().filter(|event| at(event, "/kind") == kind).collect())
    }

    /// Waits for an event of a kind one of whose facts has this value.
    pub async fn event(&self, kind: &str, fact: &str, value: &str) -> anyhow::Result<Value> {
        wait::until(&format!("an event {kind} with {fact} = {value}"), PATIENCE, async || {
            let events = self.events_of(kind).await?;
            let found = events.iter().find(|event| field(event, fact) == value).cloned();
            Ok(Look::some(found, format!("{} events of that kind: {events:?}", events.len())))
        })
        .await
    }

    /// The head of the audit chain: sequence and hash.
    pub async fn head(&self) -> anyhow::Result<(u64, String)> {
        let answer = self.get("/v1/audit/head").await?;
        let sequence = answer.body.get("sequence").and_then(Value::as_u64);
        Ok((
            sequence.with_context(|| format!("no head: {answer}"))?,
            answer.text("/hash").to_owned(),
        ))
    }
}

/// The string at a JSON pointer; empty when there is none.
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// One fact of an audit event; empty when it has none of that name.
pub fn field<'a>(event: &'a Value, name: &str) -> &'a str {
    event
        .get("fields")
        .and_then(|fields| fields.get(name))
        .and_then(Value::as_str)
        .unwrap_or_default()
}
