//! Every route, with what it asks of its caller. A route cannot be added without saying so.

use super::{
    Api, answers, audit,
    caller::{Access, guard},
    cluster, credentials, events, grants, holds, input, members, open_api, own_token, policy,
    recordings, rejudge, resources, revocations, sessions, snapshots, ssh_keys, token,
};
use crate::{health, page};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Method,
    middleware,
    routing::{MethodRouter, delete, get, post, put},
};

/// A route.
pub(crate) struct Route {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the handler knows its method; the table's tests need it")
    )]
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    handler: MethodRouter<Api>,
}

fn route(method: Method, path: &'static str, access: Access, handler: MethodRouter<Api>) -> Route {
    Route { method, path, access, handler }
}

/// The table of the API.
pub(crate) fn table() -> Vec<Route> {
    let mut all = operations();
    all.extend(administration());
    all
}

/// What people look at with a browser; no part of the API and its document.
pub(crate) fn pages() -> Vec<Route> {
    use Access::{Open, Page};
    vec![
        route(Method::GET, "/", Page, get(page::list)),
        route(Method::GET, "/holds/{id}", Page, get(page::show)),
        route(Method::POST, "/holds/{id}/decision", Page, post(page::decide).layer(small())),
        route(Method::GET, "/login", Access::Browser, get(page::choose)),
        route(Method::GET, "/login/{provider}", Access::Browser, get(page::begin)),
        route(Method::GET, "/login/callback", Access::Browser, get(page::finish)),
        route(Method::POST, "/logout", Page, post(page::leave).layer(small())),
        route(Method::GET, "/assets/page.css", Open, get(page::style)),
        route(Method::GET, "/assets/page.js", Open, get(page::script)),
        route(Method::GET, "/assets/icon.svg", Open, get(page::icon)),
    ]
}

/// Health, and what reviewers and auditors use.
fn operations() -> Vec<Route> {
    use Access::{Audit, Identified, Open};
    vec![
        route(Method::GET, "/livez", Open, get(health::live)),
        route(Method::GET, "/readyz", Open, get(health::ready)),
        route(Method::GET, "/v1/openapi.json", Open, get(open_api::serve)),
        route(Method::GET, "/v1/whoami", Identified, get(holds::whoami)),
        route(Method::GET, "/v1/holds", Identified, get(holds::list)),
        route(Method::GET, "/v1/holds/events", Identified, get(events::follow)),
        route(Method::GET, "/v1/holds/{id}", Identified, get(holds::show)),
        route(Method::POST, "/v1/holds/{id}/decision", Identified, post(holds::decide)),
        route(Method::POST, "/v1/holds/{id}/withdraw", Access::Admin, post(holds::withdraw)),
        route(Method::GET, "/v1/grants", Identified, get(grants::list)),
        route(Method::GET, "/v1/grants/{id}", Identified, get(grants::show)),
        route(Method::DELETE, "/v1/grants/{id}", Identified, delete(grants::revoke)),
        route(Method::GET, "/v1/sessions", Audit, get(sessions::list)),
        route(Method::GET, "/v1/sessions/{id}", Audit, get(sessions::show)),
        route(Method::GET, "/v1/sessions/{id}/recording", Audit, get(recordings::read)),
        route(Method::GET, "/v1/sessions/{id}/live", Audit, get(recordings::live::follow)),
        route(Method::POST, "/v1/sessions/{id}/end", Access::Admin, post(sessions::end)),
        route(Method::POST, "/v1/token", Access::TokenInBody, post(token::exchange).layer(small())),
        route(
            Method::POST,
            "/v1/credentials/ssh",
            Access::Agent,
            post(credentials::ssh).layer(small()),
        ),
        route(Method::GET, "/v1/ssh/keys", Open, get(ssh_keys::show)),
        route(Method::POST, "/v1/ssh/keys", Access::Admin, post(ssh_keys::rotate)),
        route(Method::GET, "/v1/credentials", Access::Resources, get(credentials::list)),
        route(
            Method::POST,
            "/v1/credentials/postgres",
            Access::Agent,
            post(credentials::postgres).layer(small()),
        ),
        route(Method::GET, "/v1/audit/events", Audit, get(audit::events)),
        route(Method::GET, "/v1/audit/head", Audit, get(audit::signed::head)),
        route(Method::GET, "/v1/audit/keys", Audit, get(audit::signed::keys)),
        route(Method::POST, "/v1/audit/keys", Access::Admin, post(audit::signed::rotate)),
        route(Method::POST, "/v1/audit/exports", Audit, post(audit::signed::export)),
    ]
}

/// What administrators use, and what makes a cluster.
fn administration() -> Vec<Route> {
    use Access::{Admin, Identified, OwnToken, Resources};
    vec![
        route(Method::GET, "/v1/resources", Resources, get(resources::list)),
        route(Method::GET, "/v1/resources/{kind}", Resources, get(resources::list_kind)),
        route(Method::GET, "/v1/resources/{kind}/{name}", Resources, get(resources::show)),
        route(Method::PUT, "/v1/resources/{kind}/{name}", Admin, put(resources::replace)),
        route(Method::DELETE, "/v1/resources/{kind}/{name}", Admin, delete(resources::remove)),
        route(Method::POST, "/v1/apply", Admin, post(resources::apply)),
        route(Method::POST, "/v1/policy/check", Access::Audit, post(policy::check)),
        route(Method::POST, "/v1/policy/test", Access::Audit, post(rejudge::test)),
        route(Method::POST, "/v1/policy/explain", Access::Audit, post(rejudge::explain)),
        route(Method::POST, "/v1/policy/simulate", Access::Audit, post(rejudge::simulate)),
        route(Method::GET, "/v1/policy/schema", Identified, get(policy::schema)),
        route(Method::GET, "/v1/cluster", Access::Looking, get(cluster::show)),
        route(Method::POST, "/v1/cluster/init", OwnToken, post(cluster::init).layer(small())),
        route(Method::POST, "/v1/cluster/tokens", Admin, post(cluster::create_token)),
        route(Method::POST, "/v1/cluster/join", OwnToken, post(cluster::join).layer(small())),
        route(Method::POST, "/v1/cluster/transfer-leader", Admin, post(cluster::transfer_leader)),
        route(Method::POST, "/v1/cluster/remove", Admin, post(members::remove)),
        route(Method::POST, "/v1/cluster/replace", Admin, post(members::replace)),
        route(Method::POST, "/v1/cluster/promote", Admin, post(members::promote)),
        route(Method::POST, "/v1/cluster/snapshot", Admin, post(snapshots::save)),
        route(Method::POST, "/v1/cluster/reopen", Admin, post(snapshots::reopen)),
        route(Method::POST, "/v1/cluster/drain", Admin, post(cluster::drain)),
        route(Method::POST, "/v1/cluster/undrain", Admin, post(cluster::undrain)),
        route(Method::POST, "/v1/revocations", Admin, post(revocations::revoke)),
    ]
}

/// The limit of bodies that nobody who is known sends.
fn small() -> DefaultBodyLimit {
    DefaultBodyLimit::max(own_token::MAX_BODY)
}

/// The router of all routes.
pub(crate) fn router(api: Api) -> Router {
    let mut router = Router::new();
    for Route { method: _, path, access, handler } in table().into_iter().chain(pages()) {
        let guarded = handler.layer(middleware::from_fn_with_state((api.clone(), access), guard));
        router = router.route(path, guarded);
    }
    router
        .fallback(answers::nothing_here)
        .layer(DefaultBodyLimit::max(input::MAX_BODY))
        .layer(middleware::from_fn_with_state(api.clone(), answers::around))
        .with_state(api)
}
