//! Revoking over HTTP.

use super::world::{ApiWorld, Who};
use axum::http::StatusCode;
use countersign_core::{agent::Identity, record::EventKind};
use countersign_raft_store::records::ResourceKind;
use serde_json::json;

const OTHER: &str = "https://other.example";

#[tokio::test]
async fn everybody_of_a_revoked_provider_is_revoked() {
    let world = ApiWorld::new().await;
    world.world.agents_provider("other", OTHER).await;
    let provider = json!({"provider": {"name": "other"}});
    let revoked = world.post(Who::Admin, "/v1/revocations", &provider).await;
    assert_eq!(revoked.status, StatusCode::OK, "{revoked:?}");
    assert_eq!(revoked.body["lapsed"], json!([]));
    let anybody = Identity { issuer: OTHER.to_owned(), subject: "anybody".to_owned() };
    assert!(world.world.view().is_revoked(&anybody).unwrap());
    let event = world.world.event(EventKind::Revoked).await;
    assert_eq!((&*event.fields["provider"], &*event.fields["provider.issuer"]), ("other", OTHER));
    // Others go on.
    assert_eq!(world.get(Who::Admin, "/v1/whoami").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_revokes_a_provider_that_is_unknown_or_their_own() {
    let world = ApiWorld::new().await;
    let own = world.world.view().resources(ResourceKind::IdentityProvider).unwrap();
    let own = own.iter().map(|provider| (provider.name.clone(), "conflict"));
    for (name, problem) in own.chain([("nothing".to_owned(), "not-found")]) {
        let provider = json!({"provider": {"name": name}});
        let refused = world.post(Who::Admin, "/v1/revocations", &provider).await;
        assert_eq!(refused.problem(), problem, "{name}: {refused:?}");
    }
    assert!(world.world.events(EventKind::Revoked).is_empty());
}
