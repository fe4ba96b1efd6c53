//! The API of a node over the real state machine, with a log in memory, tokens of an issuer in memory, and people of every
//! role.

use super::super::{caller::Peer, *};
use crate::{
    app::Node,
    archive::{Archive, Places},
    clock::Clock,
    cluster::{Figures, MemberStatus, Membership, MembershipError},
    config::Config,
    gate::tests::world::{self as gate_world, World},
    identify::{
        Browser, Fetch, Identify, Plane, Provider,
        tests::{
            issuer::{ISSUER, Issuer},
            provider,
        },
    },
    recording::SegmentPeers,
};
use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use countersign_core::{
    gate::{Held, OpenedSession},
    id::{HoldId, NodeId, Revision},
};
use countersign_raft_store::{
    command::{ApplyResources, Expected, ResourceBody, ResourceChange},
    engine::SegmentShelf,
    handle::BoxFuture,
    records::{RequestId, ResourceKind},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tower::ServiceExt;

/// How many credentials an agent may have at a time: fewer than by default, so that a test can reach it.
const MOST_CREDENTIALS: u64 = 100;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    /// An agent with a good token of its own plane.
    Agent,
    /// Identified, in no group that anybody knows.
    Stranger,
    /// In the group that decides about holds, without a role.
    Dba,
    Reviewer,
    Auditor,
    Admin,
}

impl Who {
    pub(super) const ALL: [Self; 7] = [
        Self::Nobody,
        Self::Agent,
        Self::Stranger,
        Self::Dba,
        Self::Reviewer,
        Self::Auditor,
        Self::Admin,
    ];

    const fn group(self) -> &'static str {
        match self {
            Self::Nobody | Self::Agent | Self::Stranger => "everybody",
            Self::Dba => "dba",
            Self::Reviewer => "reviewers",
            Self::Auditor => "auditors",
            Self::Admin => "admins",
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Heard {
    /// The last part of the problem's type.
    pub(super) fn problem(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
    }
}

pub(super) struct ApiWorld {
    pub(super) world: World,
    pub(super) api: Api,
    pub(super) issuer: Arc<Issuer>,
    /// The revision of the agents' provider.
    vouched: Revision,
}

impl ApiWorld {
    /// With administrators and the other roles.
    pub(super) async fn new() -> Self {
        let this = Self::founded().await;
        for role in ["reviewer", "auditor", "admin"] {
            this.bind(role).await;
        }
        this
    }

    /// Right after the cluster was made: there are no bindings yet.
    pub(super) async fn founded() -> Self {
        let world = World::new().await;
        let issuer = Issuer::new();
        let vouched = world.agents_provider("dev-agents", ISSUER).await;
        let api = process(&world, &issuer, (Clock::Fixed(gate_world::NOW_MS), vouched));
        Self { world, api, issuer, vouched }
    }

    /// The same cluster, on a node whose clock has gone on.
    pub(super) fn later(self, by_ms: u64) -> Self {
        let clock = Clock::Fixed(gate_world::NOW_MS + by_ms);
        let api = process(&self.world, &self.issuer, (clock, self.vouched));
        Self { api, ..self }
    }

    /// Gives a role to the group of that name.
    pub(super) async fn bind(&self, role: &str) {
        let body = json!({"provider": "dev-reviewers", "group": format!("{role}s"), "role": role});
        let change = ResourceChange {
            kind: ResourceKind::Binding,
            name: role.to_owned(),
            expected: Expected::Anything,
            to: ResourceBody::Put(body.to_string()),
        };
        let command = ApplyResources {
            id: RequestId(rand::random()),
            content: [0; 32],
            answer: String::new(),
            changes: vec![change],
            author: gate_world::author(),
            comment: String::new(),
        };
        self.world.store.apply_resources(command).await.unwrap();
        // What is held must be judged under the revision that binding has made.
        self.world.policy(gate_world::POLICY).await;
    }

    /// The token of such a caller, who is called `who`.
    pub(super) fn token(&self, who: Who) -> String {
        self.signed(&Self::claims(who))
    }

    /// What the token of such a caller says.
    pub(super) fn claims(who: Who) -> Value {
        let now = gate_world::NOW_MS / 1000;
        let agent = who == Who::Agent;
        json!({
            "iss": ISSUER,
            "aud": if agent { "countersign-agents" } else { "countersign" },
            "sub": format!("{who:?}"), "groups": [who.group()],
            "nbf": now, "iat": now, "exp": now + 300,
        })
    }

    /// A token of the issuer's.
    pub(super) fn signed(&self, claims: &Value) -> String {
        self.issuer.token(claims).expose_text().unwrap().to_owned()
    }

    pub(super) async fn send(&self, mut request: Request<Body>) -> axum::response::Response {
        request.extensions_mut().insert(Peer("127.0.0.1:1".parse().unwrap()));
        routes::router(self.api.clone()).oneshot(request).await.unwrap()
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Heard {
        let (parts, body) = self.send(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Heard { status: parts.status, headers: parts.headers, body }
    }

    pub(super) fn request(
        &self,
        who: Who,
        method: &str,
        path: &str,
    ) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        if who == Who::Nobody {
            return request;
        }
        request.header(header::AUTHORIZATION, format!("Bearer {}", self.token(who)))
    }

    pub(super) async fn get(&self, who: Who, path: &str) -> Heard {
        self.ask(self.request(who, "GET", path).body(Body::empty()).unwrap()).await
    }

    pub(super) async fn post(&self, who: Who, path: &str, body: &Value) -> Heard {
        self.ask(self.request(who, "POST", path).body(Body::from(body.to_string())).unwrap()).await
    }

    /// A hold of this text; the session that waits for it stays open as long as it is kept.
    pub(super) async fn hold(&self, text: &str) -> (HoldId, Waits) {
        let opened = self.world.open().await;
        let action = countersign_core::operation::Action::PostgresWrite;
        let operation = gate_world::operation(&opened.session, action, text);
        let (id, held) = self.world.hold(&opened.session, &operation).await;
        (id, Waits { held, _opened: opened })
    }
}

/// A client that waits for its hold.
pub(super) struct Waits {
    pub(super) held: Box<dyn Held>,
    _opened: OpenedSession,
}

fn process(world: &World, issuer: &Arc<Issuer>, (clock, vouched): (Clock, Revision)) -> Api {
    let fetch: Arc<dyn Fetch> = Arc::<Issuer>::clone(issuer);
    let identify = Identify::new(clock, fetch, 1000);
    let agents = Provider { revision: vouched, ..provider(Plane::Agents) };
    let browser = Browser {
        client_id: "countersign".to_owned(),
        client_secret: None,
        scopes: vec!["openid".to_owned(), "profile".to_owned()],
    };
    let people = Provider { browser: Some(browser), ..provider(Plane::Reviewers) };
    identify.trust(vec![agents, people]);
    let mut config = Config::default();
    config.limits.credentials_per_agent = MOST_CREDENTIALS;
    let app = Arc::new(App::new(config, clock));
    app.became(Node {
        id: NodeId(1),
        store: world.store.clone(),
        identify: Arc::new(identify),
        gate: world.gate.clone(),
        membership: Arc::new(Alone),
        membership_changes: Arc::default(),
        cluster_key: Arc::new(gate_world::cluster_key()),
        recordings: world.recordings.clone(),
        archive: Archive::at(Places::of([world.shared_folder()])),
    });
    Api::new(app)
}

/// A cluster of one.
#[derive(Debug)]
struct Alone;

impl Membership for Alone {
    fn initialise(&self, _: String) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn add_learner(
        &self,
        _: NodeId,
        _: String,
        _: [u8; 16],
    ) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn promote(&self, _: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn demote(&self, _: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn hand_vote(&self, _: NodeId, _: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn was_turned_away(&self) -> bool {
        false
    }

    fn remove(&self, _: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn transfer_leader(&self, _: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn members(&self) -> BTreeMap<NodeId, MemberStatus> {
        BTreeMap::new()
    }

    fn snapshot(&self) -> BoxFuture<'_, std::io::Result<std::fs::File>> {
        Box::pin(std::future::ready(Err(std::io::Error::other("there is none"))))
    }

    fn figures(&self) -> Figures {
        Figures::default()
    }

    fn is_running(&self) -> bool {
        true
    }

    fn segment_peers(&self) -> Arc<dyn SegmentPeers> {
        Arc::new(gate_world::NoPeers)
    }

    fn serve_segments(&self, _: Arc<dyn SegmentShelf>) {}

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
