//! The description of the API (OpenAPI 3.1), made of the handlers and types themselves.

use super::{
    audit, cluster, credentials, events, grants, holds, members, policy, recordings, rejudge,
    resources, revocations, sessions, snapshots, ssh_keys, token,
};
use crate::health;
use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::LazyLock;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "The HTTP API of a Countersign node. Errors are problem documents (RFC 9457). Every answer carries X-Request-Id, X-Countersign-Node and X-Countersign-Applied-Index; every GET takes ?min_index= to read one's own writes on another node.",
    ),
    paths(
        health::live, health::ready, serve,
        holds::whoami, holds::list, holds::show, holds::decide, holds::withdraw, events::follow,
        grants::list, grants::show, grants::revoke,
        sessions::list, sessions::show, sessions::end, recordings::read, recordings::live::follow,
        audit::events, audit::signed::head, audit::signed::keys, audit::signed::rotate, audit::signed::export,
        resources::list, resources::list_kind, resources::show, resources::replace, resources::remove, resources::apply,
        policy::check, policy::schema, rejudge::test, rejudge::explain, rejudge::simulate,
        cluster::show, cluster::init, cluster::create_token, cluster::join, cluster::transfer_leader, members::remove,
        members::replace, members::promote, snapshots::save, snapshots::reopen, cluster::drain, cluster::undrain,
        revocations::revoke, token::exchange, credentials::list, credentials::postgres, credentials::ssh, ssh_keys::show, ssh_keys::rotate,
    ),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of a reviewers' identity provider, or the bootstrap token of a new cluster; for a credential, the agent's own token."))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The description.
pub fn document() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// Describes the API.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "meta", security(()), responses((status = 200, description = "This document")))]
pub(crate) async fn serve() -> Response {
    // Written once: it is the largest answer that strangers get, as often as they ask.
    static WRITTEN: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&document()).unwrap_or_default().into());
    ([(header::CONTENT_TYPE, "application/json")], WRITTEN.clone()).into_response()
}
