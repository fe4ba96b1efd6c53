//! The exchange of tokens: what comes out, and what nobody gets.

use super::world::{ApiWorld, Heard, Who};
use crate::{api::convert::credential, gate::tests::log::Weather, identify::tests::issuer::ISSUER};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign_api::{
    credential::IssuedState,
    token::{ACCESS_TOKEN, CLIENT_CERTIFICATE, GRANT_TYPE, KUBERNETES_TOKEN},
};
use countersign_core::{
    gate::{Gate, Proof, Source},
    id::CredentialId,
    log_time::LogTime,
    record::EventKind,
    refusal::Refusal,
    secret::Secret,
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

impl ApiWorld {
    /// The exchange that an agent asks for.
    fn exchange(&self, who: Who) -> Value {
        let token = if who == Who::Nobody { String::new() } else { self.token(who) };
        json!({"grant_type": GRANT_TYPE, "subject_token_type": JWT, "subject_token": token})
    }

    async fn exchanged(&self, request: &Value) -> Heard {
        self.post(Who::Nobody, "/v1/token", request).await
    }

    async fn form(&self, body: String) -> Heard {
        let request = Request::post("/v1/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body));
        self.ask(request.unwrap()).await
    }

    async fn identified(&self, token: &str) -> Result<CredentialId, Refusal> {
        let proof = Proof::Token(Secret::new(token));
        let source = Source { address: "192.0.2.1:40000".parse().unwrap() };
        let who = self.world.gate.identify(proof, source).await?;
        assert_eq!(who.agent.identity.subject, "Agent");
        Ok(who.credential.unwrap())
    }
}

/// Refused as RFC 8693, section 2.2.2 says.
fn is_invalid(heard: &Heard, error: &str) {
    assert_eq!(heard.status, StatusCode::BAD_REQUEST, "{heard:?}");
    assert_eq!(heard.body["error"], error, "{heard:?}");
    assert!(heard.body.get("access_token").is_none());
}

#[tokio::test]
async fn an_agent_gets_a_short_token_for_its_own_and_comes_by_it() {
    let world = ApiWorld::new().await;
    let issued = world.exchanged(&world.exchange(Who::Agent)).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    assert_eq!(issued.body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(issued.body["token_type"], "Bearer");
    assert_eq!(issued.body["expires_in"], 300, "no longer than the token");
    let token = issued.body["access_token"].as_str().unwrap();
    assert!(token.len() < 200, "{token}");
    let id = world.identified(token).await.unwrap();
    assert_eq!(issued.body["id"], id.to_string());
    // The audit knows which, and not the token.
    let event = world.world.event(EventKind::CredentialIssued).await;
    assert_eq!(event.fields["credential.id"], id.to_string());
    assert_eq!(event.fields["credential.form"], "token");
    assert!(!format!("{event:?}").contains(token));
    let list = world.get(Who::Admin, "/v1/credentials").await;
    assert_eq!(list.body["items"][0]["id"], id.to_string(), "{list:?}");
    assert_eq!(list.body["items"][0]["state"], "valid");
    assert!(!list.body.to_string().contains(token));
    let revoked = json!({"credential": {"id": id.to_string()}});
    let revoked = world.post(Who::Admin, "/v1/revocations", &revoked).await;
    assert_eq!(revoked.status, StatusCode::OK, "{revoked:?}");
    assert_eq!(world.identified(token).await, Err(Refusal::NotIdentified));
    let list = world.get(Who::Admin, "/v1/credentials").await;
    assert_eq!(list.body["items"][0]["state"], "revoked");
}

#[tokio::test]
async fn the_exchange_takes_a_form_as_the_rfc_has_it() {
    let world = ApiWorld::new().await;
    let token = world.token(Who::Agent);
    let form = format!(
        "grant_type={}&subject_token={token}&subject_token_type={}",
        GRANT_TYPE.replace(':', "%3A"),
        JWT.replace(':', "%3A"),
    );
    let issued = world.form(form.clone()).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    is_invalid(&world.form(format!("{form}&subject_token={token}")).await, "invalid_request");
    is_invalid(&world.form(format!("{form}&actor_token={token}")).await, "invalid_request");
    is_invalid(&world.form(format!("{form}&audience=a")).await, "invalid_target");
    is_invalid(&world.form(String::new()).await, "unsupported_grant_type");
}

#[tokio::test]
async fn a_token_for_kubernetes_names_its_target() {
    let world = ApiWorld::new().await;
    let mut request = world.exchange(Who::Agent);
    request["requested_token_type"] = json!(KUBERNETES_TOKEN);
    for audience in ["", "Shop", "shop/orders", "https://shop", "-"] {
        request["audience"] = json!(audience);
        is_invalid(&world.exchanged(&request).await, "invalid_target");
    }
    request["audience"] = json!("shop");
    for beside in ["csr", "public_key", "principals", "source_address"] {
        let mut with = request.clone();
        with[beside] = json!("x");
        is_invalid(&world.exchanged(&with).await, "invalid_request");
    }
    let mut with = request.clone();
    with["resource"] = json!("https://shop.example");
    is_invalid(&world.exchanged(&with).await, "invalid_target");
    let issued = world.exchanged(&request).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    assert_eq!(issued.body["issued_token_type"], KUBERNETES_TOKEN);
    assert_eq!(issued.body["token_type"], "Bearer");
    assert_eq!(issued.body["expires_in"], 300, "no longer than the token");
    let token = issued.body["access_token"].as_str().unwrap();
    assert_eq!(issued.body["id"], world.identified(token).await.unwrap().to_string());
    let event = world.world.event(EventKind::CredentialIssued).await;
    assert_eq!(event.fields["target.name"], "shop");
    let list = world.get(Who::Admin, "/v1/credentials").await;
    assert_eq!(list.body["items"][0]["target"], "shop", "{list:?}");
    // For nothing else is there a target to name, and what was issued is exchanged for nothing.
    request["requested_token_type"] = json!(ACCESS_TOKEN);
    is_invalid(&world.exchanged(&request).await, "invalid_target");
    request["requested_token_type"] = json!(KUBERNETES_TOKEN);
    request["subject_token"] = json!(token);
    is_invalid(&world.exchanged(&request).await, "invalid_request");
}

#[tokio::test]
async fn a_client_certificate_comes_out_of_the_same_exchange() {
    let world = ApiWorld::new().await;
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let mut request = world.exchange(Who::Agent);
    request["requested_token_type"] = json!(CLIENT_CERTIFICATE);
    is_invalid(&world.exchanged(&request).await, "invalid_request");
    request["csr"] = json!(csr);
    let issued = world.exchanged(&request).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    assert_eq!(issued.body["token_type"], "N_A");
    assert!(issued.body["access_token"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    request["requested_token_type"] = json!(ACCESS_TOKEN);
    is_invalid(&world.exchanged(&request).await, "invalid_request");
}

#[tokio::test]
async fn nothing_but_an_agents_token_is_exchanged() {
    let world = ApiWorld::new().await;
    for who in [Who::Nobody, Who::Stranger, Who::Reviewer, Who::Admin] {
        is_invalid(&world.exchanged(&world.exchange(who)).await, "invalid_request");
    }
    // What was issued is not exchanged again: it would have no end.
    let issued = world.exchanged(&world.exchange(Who::Agent)).await;
    let mut again = world.exchange(Who::Agent);
    again["subject_token"] = issued.body["access_token"].clone();
    for called in [JWT, ACCESS_TOKEN] {
        again["subject_token_type"] = json!(called);
        is_invalid(&world.exchanged(&again).await, "invalid_request");
    }
    // Nor does it open anything of the API.
    let bearer = format!("Bearer {}", issued.body["access_token"].as_str().unwrap());
    for (method, path) in
        [("GET", "/v1/whoami"), ("GET", "/v1/holds"), ("POST", "/v1/credentials/postgres")]
    {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, &bearer);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let heard = world.ask(request.body(Body::from(r#"{"csr":""}"#)).unwrap()).await;
        assert_eq!(heard.status, StatusCode::UNAUTHORIZED, "{path}: {heard:?}");
    }
    assert_eq!(world.world.events(EventKind::CredentialIssued).len(), 1);
}

#[tokio::test]
async fn an_exchange_that_asks_for_something_else_is_refused() {
    let world = ApiWorld::new().await;
    let with = |member: &str, value: &str| {
        let mut request = world.exchange(Who::Agent);
        request[member] = json!(value);
        request
    };
    for (request, error) in [
        (with("grant_type", "client_credentials"), "unsupported_grant_type"),
        (with("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request"),
        (with("requested_token_type", JWT), "invalid_request"),
        (with("audience", "somebody"), "invalid_target"),
        (with("resource", "https://somebody.example"), "invalid_target"),
        (with("scope", "admin"), "invalid_scope"),
        (with("actor_token", "somebody"), "invalid_request"),
    ] {
        is_invalid(&world.exchanged(&request).await, error);
    }
    assert!(world.world.events(EventKind::CredentialIssued).is_empty());
}

#[tokio::test]
async fn what_is_unknown_or_empty_is_as_if_it_were_not_said() {
    let world = ApiWorld::new().await;
    let mut request = world.exchange(Who::Agent);
    request["client_hint"] = json!("ours");
    for empty in ["audience", "scope", "csr", "principals", "requested_token_type"] {
        request[empty] = json!("");
    }
    let issued = world.exchanged(&request).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    assert_eq!(issued.body["issued_token_type"], ACCESS_TOKEN);
    let token = world.token(Who::Agent);
    let form = format!(
        "grant_type={GRANT_TYPE}&subject_token={token}&subject_token_type={JWT}&scope=&x=1&x=2"
    );
    assert_eq!(world.form(form).await.status, StatusCode::OK);
    let long = world.form(format!("subject_token={}", "x".repeat(100_000))).await;
    assert_eq!((long.status.as_u16(), &long.body["error"]), (413, &json!("invalid_request")));
}

#[tokio::test]
async fn a_credential_that_nobody_was_given_is_revoked() {
    let world = ApiWorld::new().await;
    let request = world.exchange(Who::Agent);
    world.world.log.weather(Weather::AnswersLost);
    let lost = world.exchanged(&request).await;
    assert_eq!(lost.status, StatusCode::SERVICE_UNAVAILABLE, "{lost:?}");
    assert_eq!(lost.body["error"], "temporarily_unavailable");
    let revoked = world.world.event(EventKind::Revoked).await;
    let issued = world.world.event(EventKind::CredentialIssued).await;
    assert_eq!(revoked.fields["credential.id"], issued.fields["credential.id"]);
}

#[tokio::test]
async fn the_list_says_what_counts_for_nothing() {
    let world = ApiWorld::new().await;
    world.exchanged(&world.exchange(Who::Agent)).await;
    let shown = |at| {
        let view = world.world.view();
        let record = view.credentials(None, 1).unwrap().remove(0);
        credential(&view, &record, at).unwrap().state
    };
    let ends = world.world.view().credentials(None, 1).unwrap()[0].agent.expires_at;
    assert_eq!(shown(LogTime(ends.0 - 1)), IssuedState::Valid);
    assert_eq!(shown(ends), IssuedState::Expired);
    let identity = json!({"identity": {"issuer": ISSUER, "subject": "Agent"}});
    let revoked = world.post(Who::Admin, "/v1/revocations", &identity).await;
    assert_eq!(revoked.status, StatusCode::OK, "{revoked:?}");
    assert_eq!(shown(LogTime(ends.0 - 1)), IssuedState::Revoked);
    let list = world.get(Who::Admin, "/v1/credentials").await;
    assert_eq!(list.body["items"][0]["state"], "revoked");
}

#[tokio::test]
async fn a_token_that_has_ended_is_exchanged_for_nothing() {
    let world = ApiWorld::new().await;
    let request = world.exchange(Who::Agent);
    // Its leeway is over too.
    let later = world.later(10 * 60 * 1000);
    is_invalid(&later.exchanged(&request).await, "invalid_request");
}

#[tokio::test]
async fn an_agent_with_too_many_credentials_gets_no_more() {
    let world = ApiWorld::new().await;
    let most = world.api.app.config.limits.credentials_per_agent;
    let request = world.exchange(Who::Agent);
    let mut last = Value::Null;
    for _ in 0..most {
        last = world.exchanged(&request).await.body;
    }
    let over = world.exchanged(&request).await;
    assert_eq!((over.status.as_u16(), over.problem()), (429, "too-many-requests"), "{over:?}");
    assert_eq!(over.body["error"], "temporarily_unavailable");
    let page = world.get(Who::Admin, "/v1/credentials?limit=60").await;
    let next = page.body["next"].as_str().unwrap();
    let rest = world.get(Who::Admin, &format!("/v1/credentials?limit=60&cursor={next}")).await;
    let count = |heard: &Heard| heard.body["items"].as_array().unwrap().len();
    assert_eq!((count(&page), count(&rest)), (60, 40));
    assert!(rest.body.get("next").is_none());
    let revoked = json!({"credential": {"id": last["id"]}});
    world.post(Who::Admin, "/v1/revocations", &revoked).await;
    assert_eq!(world.exchanged(&request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_without_groups_is_exchanged_for_a_credential_without_groups() {
    let world = ApiWorld::new().await;
    let mut claims = ApiWorld::claims(Who::Agent);
    claims.as_object_mut().unwrap().remove("groups");
    let mut request = world.exchange(Who::Agent);
    request["subject_token"] = json!(world.signed(&claims));
    let issued = world.exchanged(&request).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    let proof = Proof::Token(Secret::new(issued.body["access_token"].as_str().unwrap()));
    let source = Source { address: "192.0.2.1:40000".parse().unwrap() };
    let who = world.world.gate.identify(proof, source).await.unwrap();
    assert!(who.agent.groups.is_empty(), "{who:?}");
}
