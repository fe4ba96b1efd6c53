//! Tests of identification: every attack on tokens that the threat list names, and what must go on working.

mod attacks;
pub(crate) mod issuer;
mod rotation;

use super::*;
use countersign_core::id::Revision;
use issuer::{AUDIENCE, ISSUER, Issuer, NOW_MS, claims, secret};
use serde_json::json;
use std::collections::BTreeSet;

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

pub(crate) fn provider(plane: Plane) -> Provider {
    Provider {
        name: format!("dev-{}", plane.name()),
        revision: Revision(1),
        issuer: ISSUER.to_owned(),
        audiences: BTreeSet::from([match plane {
            Plane::Agents => AUDIENCE.to_owned(),
            Plane::Reviewers => "countersign".to_owned(),
        }]),
        plane,
        claims: ClaimNames::default(),
        asserts: Asserts::Any,
        ca_file: None,
        algorithms: Algorithm::ALL.iter().copied().collect(),
        browser: None,
        leeway_s: 30,
    }
}

fn identify(issuer: &Arc<Issuer>) -> Identify {
    let fetch: Arc<dyn Fetch> = Arc::<Issuer>::clone(issuer);
    let identify = Identify::new(Clock::Fixed(NOW_MS), fetch, 1000);
    identify.trust(vec![provider(Plane::Agents), provider(Plane::Reviewers)]);
    identify
}

#[tokio::test]
async fn an_agent_is_what_its_claims_say() {
    let issuer = Issuer::new();
    let Automation { agent, voucher } =
        identify(&issuer).agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    assert_eq!((&*voucher.provider, voucher.revision), ("dev-agents", Revision(1)));
    assert_eq!(agent.identity.issuer, ISSUER);
    assert_eq!(agent.identity.subject, "ci-bot");
    assert_eq!(agent.name, "CI bot");
    assert_eq!(agent.owner.as_deref(), Some("dana"));
    assert_eq!(agent.groups, BTreeSet::from(["ci".to_owned()]));
    assert_eq!(agent.expires_at, LogTime(NOW_MS + 300_000));
}

#[tokio::test]
async fn a_reviewer_carries_the_other_names_of_the_same_human() {
    let issuer = Issuer::new();
    let mut claims = claims();
    claims["aud"] = json!("countersign");
    claims["email"] = json!("Dana@example.com");
    let person = identify(&issuer).person(&issuer.token(&claims), SOURCE).await.unwrap();
    assert_eq!(person.provider, "dev-reviewers");
    assert!(person.reviewer.may_be("dana@EXAMPLE.com"));
    assert!(person.reviewer.may_be("ci-bot"));
    assert!(!person.reviewer.may_be("rui"));
}

#[tokio::test]
async fn a_missing_group_claim_means_no_groups() {
    let issuer = Issuer::new();
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("groups");
    let agent = identify(&issuer).agent(&issuer.token(&claims), SOURCE).await.unwrap().agent;
    assert!(agent.groups.is_empty());
}

#[tokio::test]
async fn rsa_and_elliptic_keys_both_serve() {
    let issuer = Issuer::new();
    let identify = identify(&issuer);
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    identify.agent(&issuer.rsa_token(&claims()), SOURCE).await.unwrap();
}

#[tokio::test]
async fn nobody_is_trusted_before_a_provider_is() {
    let issuer = Issuer::new();
    let fetch: Arc<dyn Fetch> = Arc::<Issuer>::clone(&issuer);
    let identify = Identify::new(Clock::Fixed(NOW_MS), fetch, 10);
    let refused = identify.agent(&issuer.token(&claims()), SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::NotAccepted(TokenError::NobodyTrusted))));
    assert_eq!(issuer.fetches(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_refused_tokens_are_throttled() {
    let issuer = Issuer::new();
    let fetch: Arc<dyn Fetch> = Arc::<Issuer>::clone(&issuer);
    let identify = Identify::new(Clock::Fixed(NOW_MS), fetch, 3);
    identify.trust(vec![provider(Plane::Agents), provider(Plane::Reviewers)]);
    for _ in 0..3 {
        let refused = identify.agent(&secret("guess"), SOURCE).await;
        assert!(matches!(refused, Err(IdentifyError::NotAccepted(TokenError::Form))));
    }
    let refused = identify.agent(&secret("guess"), SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::TooMany)));
    // Who has a good token gets in from the same address.
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    // And what agents did wrong is not held against people.
    let refused = identify.person(&secret("guess"), SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::NotAccepted(TokenError::Form))));
}

/// The claims of a person, as `change` leaves them.
fn person(change: impl FnOnce(&mut serde_json::Value)) -> serde_json::Value {
    let mut claims = claims();
    claims["aud"] = json!("countersign");
    claims["sub"] = json!("8f2c");
    claims["preferred_username"] = json!("dana");
    claims.as_object_mut().unwrap().remove("owner");
    change(&mut claims);
    claims
}

/// What identifying that person gives where the provider says that two more claims name the same human.
async fn with_other_names(claims: &serde_json::Value) -> Result<Person, IdentifyError> {
    let issuer = Issuer::new();
    let fetch: Arc<dyn Fetch> = Arc::<Issuer>::clone(&issuer);
    let identify = Identify::new(Clock::Fixed(NOW_MS), fetch, 1000);
    let mut reviewers = provider(Plane::Reviewers);
    reviewers.claims.also_known_as = ["employee_number", "mails"].map(str::to_owned).to_vec();
    identify.trust(vec![reviewers]);
    identify.person(&issuer.token(claims), SOURCE).await
}

#[tokio::test]
async fn the_claims_that_a_provider_names_are_other_names_of_the_human() {
    let claims = person(|claims| {
        claims["employee_number"] = json!("E-4711");
        claims["mails"] = json!(["dana@example.com", "d@example.org"]);
    });
    let reviewer = with_other_names(&claims).await.unwrap().reviewer;
    for owner in ["e-4711", "D@example.org", "dana", "8f2c"] {
        assert!(reviewer.may_be(owner), "{owner}");
    }
    assert!(!reviewer.may_be("rui"));
}

#[tokio::test]
async fn another_name_that_is_there_and_cannot_be_read_is_no_missing_one() {
    for wrong in [json!(4711), json!(null), json!({"no": "E-4711"}), json!([4711]), json!("")] {
        let claims = person(|claims| claims["employee_number"] = wrong.clone());
        let refused = with_other_names(&claims).await;
        let Err(IdentifyError::NotAccepted(TokenError::Claim(_))) = refused else {
            panic!("{wrong}: {refused:?}")
        };
    }
    with_other_names(&person(|_| {})).await.unwrap();
    // Claims that nobody named are looked at too, and one that says nothing is common.
    with_other_names(&person(|claims| claims["nickname"] = json!(null))).await.unwrap();
    with_other_names(&person(|claims| claims["email"] = json!(7))).await.unwrap_err();
}
