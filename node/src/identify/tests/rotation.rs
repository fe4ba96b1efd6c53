//! Keys that change, providers that are down.

use super::{super::*, identify, issuer::*};
use serde_json::json;
use std::time::Duration;
use tokio::time::advance;

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// Documents of one renewal: discovery and keys.
const RENEWAL: usize = 2;

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_for_many_tokens() {
    let issuer = Issuer::new();
    let identify = identify(&issuer);
    for _ in 0..20 {
        identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    }
    assert_eq!(issuer.fetches(), RENEWAL);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_when_a_token_names_it() {
    let issuer = Issuer::new();
    let identify = identify(&issuer);
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    let old = issuer.token(&claims());
    issuer.rotate("ec-2");
    advance(Duration::from_secs(11)).await;
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    // The withdrawn key is gone with the set it was in.
    advance(Duration::from_secs(11)).await;
    let refused = identify.agent(&old, SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::NotAccepted(TokenError::UnknownKey))));
}

#[tokio::test(start_paused = true)]
async fn unknown_key_ids_cause_one_fetch_in_ten_seconds() {
    let issuer = Issuer::new();
    let identify = identify(&issuer);
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    advance(Duration::from_secs(11)).await;
    let attacker = SigningKey::elliptic("made-up");
    for _ in 0..50 {
        identify.agent(&attacker.sign(&attacker.header(), &claims()), SOURCE).await.unwrap_err();
    }
    assert_eq!(issuer.fetches(), 2 * RENEWAL);
}

#[tokio::test(start_paused = true)]
async fn the_last_keys_serve_for_an_hour_while_the_provider_is_down_and_no_longer() {
    let issuer = Issuer::new();
    let identify = identify(&issuer);
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    issuer.go_down();
    advance(Duration::from_mins(59)).await;
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    advance(Duration::from_mins(2)).await;
    let refused = identify.agent(&issuer.token(&claims()), SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::Unavailable { .. })), "{refused:?}");
    issuer.come_up();
    advance(Duration::from_secs(11)).await;
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_login_does_not_wait_while_keys_that_still_do_are_renewed() {
    let issuer = Issuer::new();
    let identify = identify(&issuer);
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    let waited = async || {
        let begun = tokio::time::Instant::now();
        identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
        begun.elapsed()
    };
    issuer.answer_after(Duration::from_secs(4));
    advance(Duration::from_mins(6)).await;
    assert_eq!(waited().await, Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(issuer.fetches(), 2 * RENEWAL, "they were renewed behind");
    // After a long silence a key may have been withdrawn: now it is waited for.
    advance(Duration::from_mins(11)).await;
    assert_eq!(waited().await, Duration::from_secs(8));
    // Of a provider that is known to be down it is not.
    issuer.go_down();
    advance(Duration::from_mins(11)).await;
    assert_eq!(waited().await, Duration::from_secs(4));
    advance(Duration::from_mins(11)).await;
    assert_eq!(waited().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_from_the_start_identifies_nobody() {
    let issuer = Issuer::new();
    issuer.go_down();
    let identify = identify(&issuer);
    for _ in 0..20 {
        let refused = identify.agent(&issuer.token(&claims()), SOURCE).await;
        assert!(matches!(refused, Err(IdentifyError::Unavailable { .. })), "{refused:?}");
    }
    assert_eq!(issuer.fetches(), 1, "failures are remembered for the pause");
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_not_believed() {
    let issuer = Issuer::new();
    issuer.set_discovery(
        json!({"issuer": "https://evil.example", "jwks_uri": "https://evil.example/k"}),
    );
    let refused = identify(&issuer).agent(&issuer.token(&claims()), SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::Unavailable { .. })), "{refused:?}");
}

#[tokio::test]
async fn addresses_that_are_not_https_are_not_fetched() {
    let provider = super::provider(Plane::Agents);
    for url in ["http://issuer.example/", "file:///etc/passwd", "https://user@issuer.example/", "x"]
    {
        let refused = HttpsFetch.fetch(&provider, url).await;
        assert!(matches!(refused, Err(FetchError::Address { .. })), "{url}: {refused:?}");
    }
}
