//! What attackers do with tokens.

use super::{super::*, identify, issuer::*, provider};
use aws_lc_rs::rsa::KeySize;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Why `token` is refused as an agent's.
async fn refused(issuer: &Arc<Issuer>, token: &Secret) -> String {
    match identify(issuer).agent(token, SOURCE).await {
        Err(IdentifyError::NotAccepted(why)) => why.to_string(),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Why a token with `change`d claims is refused.
async fn refused_claims(change: impl FnOnce(&mut Value)) -> String {
    let issuer = Issuer::new();
    let mut claims = claims();
    change(&mut claims);
    refused(&issuer, &issuer.token(&claims)).await
}

/// Why a token with a `change`d header is refused.
async fn refused_header(change: impl FnOnce(&mut Header)) -> String {
    let issuer = Issuer::new();
    let key = issuer.elliptic();
    let mut header = key.header();
    change(&mut header);
    refused(&issuer, &key.sign(&header, &claims())).await
}

fn raw(header: &Value, claims: &Value, signature: &str) -> Secret {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    secret(&format!("{}.{}.{signature}", part(header), part(claims)))
}

#[tokio::test]
async fn a_token_without_signature_is_refused_however_none_is_spelled() {
    let issuer = Issuer::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let token = raw(&json!({"alg": alg, "kid": "ec-1"}), &claims(), "");
        assert_eq!(refused(&issuer, &token).await, "it is not a JSON web token", "{alg}");
    }
    let stripped = raw(&json!({"alg": "ES256", "kid": "ec-1"}), &claims(), "");
    assert!(refused(&issuer, &stripped).await.contains("signature"));
}

#[tokio::test]
async fn a_public_key_is_never_a_shared_secret() {
    let issuer = Issuer::new();
    let rsa = issuer.rsa();
    let modulus = rsa.jwk["n"].as_str().unwrap();
    for secret_bytes in [modulus.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(modulus).unwrap()] {
        let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
        header.kid = Some("rsa-1".to_owned());
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(&secret_bytes)).unwrap();
        let why = refused(&issuer, &secret(&forged)).await;
        assert_eq!(why, "its algorithm is not the one of its key");
    }
}

#[tokio::test]
async fn a_symmetric_key_in_the_set_is_not_taken() {
    let issuer = Issuer::new();
    issuer.add_key(json!({"kty": "oct", "kid": "shared", "k": URL_SAFE_NO_PAD.encode([1; 32])}));
    let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some("shared".to_owned());
    let token = encode(&header, &claims(), &EncodingKey::from_secret(&[1; 32])).unwrap();
    assert_eq!(refused(&issuer, &secret(&token)).await, "its provider has no such key");
}

#[tokio::test]
async fn the_algorithm_is_the_key_s_not_the_header_s() {
    let issuer = Issuer::new();
    // A valid RSA signature under the key id of the elliptic key.
    let key = issuer.rsa();
    let mut header = key.header();
    header.kid = Some("ec-1".to_owned());
    let why = refused(&issuer, &key.sign(&header, &claims())).await;
    assert_eq!(why, "its algorithm is not the one of its key");
}

#[tokio::test]
async fn two_keys_of_different_types_may_have_one_key_id() {
    let issuer = Issuer::new();
    let twin = SigningKey::rsa("ec-1", KeySize::Rsa2048);
    issuer.add_key(twin.jwk.clone());
    let identify = identify(&issuer);
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    identify.agent(&twin.sign(&twin.header(), &claims()), SOURCE).await.unwrap();
}

#[tokio::test]
async fn a_provider_is_trusted_only_with_its_algorithms() {
    let issuer = Issuer::new();
    let identify = identify(&issuer);
    let mut elliptic_only = provider(Plane::Agents);
    elliptic_only.algorithms = [Algorithm::Es256].into();
    identify.trust(vec![elliptic_only]);
    identify.agent(&issuer.token(&claims()), SOURCE).await.unwrap();
    let refused = identify.agent(&issuer.rsa_token(&claims()), SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::NotAccepted(TokenError::UnknownKey))));
}

#[tokio::test]
async fn a_short_rsa_key_is_not_taken() {
    let issuer = Issuer::new();
    let key = SigningKey::rsa("short", KeySize::Rsa2048);
    let mut jwk = key.jwk.clone();
    jwk["n"] = json!(&jwk["n"].as_str().unwrap()[..172]);
    issuer.add_key(jwk);
    let why = refused(&issuer, &key.sign(&key.header(), &claims())).await;
    assert_eq!(why, "its provider has no such key");
}

#[tokio::test]
async fn a_key_id_is_only_a_lookup_key() {
    for kid in ["../../etc/passwd", "ec-1' OR '1'='1", "https://evil.example/key", "", "EC-1"] {
        let why = refused_header(|header| header.kid = Some(kid.to_owned())).await;
        assert_eq!(why, "its provider has no such key", "{kid}");
    }
    let why = refused_header(|header| header.kid = Some("k".repeat(10_000))).await;
    assert_eq!(why, "its header has a key id that is too long");
}

#[tokio::test]
async fn a_token_that_brings_its_own_key_is_refused_and_nothing_is_fetched() {
    let issuer = Issuer::new();
    let attacker = SigningKey::elliptic("ec-1");
    let url = "https://evil.example/keys".to_owned();
    let mut with_url = attacker.header();
    with_url.jku = Some(url.clone());
    let mut with_certificate = attacker.header();
    with_certificate.x5u = Some(url);
    let mut with_key = attacker.header();
    with_key.jwk = Some(serde_json::from_value(attacker.jwk.clone()).unwrap());
    for header in [with_url, with_certificate, with_key] {
        let why = refused(&issuer, &attacker.sign(&header, &claims())).await;
        assert_eq!(why, "its header brings its own key");
    }
    assert_eq!(issuer.fetches(), 0);
}

#[tokio::test]
async fn another_key_under_a_known_key_id_is_refused() {
    let issuer = Issuer::new();
    let attacker = SigningKey::elliptic("ec-1");
    let why = refused(&issuer, &attacker.sign(&attacker.header(), &claims())).await;
    assert_eq!(why, "its signature or a required claim is wrong");
}

#[tokio::test]
async fn what_is_critical_and_unknown_is_refused() {
    let why = refused_header(|header| header.crit = Some(vec!["exp".to_owned()])).await;
    assert_eq!(why, "its header has critical parameters");
}

#[tokio::test]
async fn a_token_for_another_purpose_is_refused() {
    for typ in ["logout+jwt", "dpop+jwt", "secevent+jwt"] {
        let why = refused_header(|header| header.typ = Some(typ.to_owned())).await;
        assert_eq!(why, "its header is of another type", "{typ}");
    }
}

#[tokio::test]
async fn changed_claims_break_the_signature() {
    let issuer = Issuer::new();
    let token = issuer.token(&claims());
    let text = token.expose_text().unwrap();
    let parts: Vec<_> = text.split('.').collect();
    let mut claims = claims();
    claims["sub"] = json!("admin");
    let forged =
        format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2]);
    let why = refused(&issuer, &secret(&forged)).await;
    assert_eq!(why, "its signature or a required claim is wrong");
}

#[tokio::test]
async fn times_that_are_not_numbers_are_wrong_and_not_absent() {
    let end = NOW_MS / 1000 + 300;
    for exp in [json!(end.to_string()), json!(null), json!([end]), json!(-1), json!(1e300)] {
        let why = refused_claims(|claims| claims["exp"] = exp.clone()).await;
        assert!(why.contains("`exp`") || why.contains("required claim"), "{exp}: {why}");
    }
    let why = refused_claims(|claims| claims["nbf"] = json!("0")).await;
    assert!(why.contains("`nbf`"), "{why}");
    let why = refused_claims(|claims| claims["iat"] = json!({})).await;
    assert!(why.contains("`iat`"), "{why}");
}

#[tokio::test]
async fn every_required_claim_is_required() {
    for claim in ["exp", "iss", "aud", "sub"] {
        let why = refused_claims(|claims| {
            claims.as_object_mut().unwrap().remove(claim);
        })
        .await;
        assert!(!why.is_empty());
    }
    let why = refused_claims(|claims| {
        claims.as_object_mut().unwrap().remove("nbf");
        claims.as_object_mut().unwrap().remove("iat");
    })
    .await;
    assert!(why.contains("`nbf`"), "{why}");
}

#[tokio::test]
async fn a_token_counts_from_its_beginning_to_its_end_give_or_take_the_leeway() {
    let issuer = Issuer::new();
    let now = NOW_MS / 1000;
    let at = |nbf: u64, exp: u64| {
        let mut claims = claims();
        claims["nbf"] = json!(nbf);
        claims["exp"] = json!(exp);
        claims
    };
    let identify = identify(&issuer);
    for (nbf, exp) in [(now, now - 29), (now + 30, now + 300), (now, now + 1)] {
        identify.agent(&issuer.token(&at(nbf, exp)), SOURCE).await.unwrap();
    }
    for (nbf, exp) in [(now - 100, now - 30), (now + 31, now + 300)] {
        let why = refused(&issuer, &issuer.token(&at(nbf, exp))).await;
        assert!(why.contains("does not fit now"), "{why}");
    }
}

#[tokio::test]
async fn issuer_and_audience_are_compared_exactly() {
    let nobody = "no identity provider in force has its issuer and audience";
    for iss in [
        format!("{ISSUER}/"),
        ISSUER.to_uppercase(),
        format!("{ISSUER}.evil.example"),
        "https://other.example".to_owned(),
    ] {
        assert_eq!(refused_claims(|claims| claims["iss"] = json!(iss)).await, nobody, "{iss}");
    }
    for aud in [json!("countersign-agents "), json!("Countersign-Agents"), json!("x"), json!([])] {
        assert_eq!(refused_claims(|claims| claims["aud"] = aud.clone()).await, nobody, "{aud}");
    }
    let several = json!([ISSUER, "https://other.example"]);
    let why = refused_claims(|claims| claims["iss"] = several).await;
    assert_eq!(why, "it is not a JSON web token");
}

#[tokio::test]
async fn a_token_that_others_may_use_too_must_be_issued_to_us() {
    let several = json!([AUDIENCE, "another-service"]);
    let why = refused_claims(|claims| claims["aud"] = several.clone()).await;
    assert_eq!(why, "it has several audiences, and azp is none of ours");
    let issuer = Issuer::new();
    let mut ours = claims();
    ours["aud"] = several;
    ours["azp"] = json!(AUDIENCE);
    identify(&issuer).agent(&issuer.token(&ours), SOURCE).await.unwrap();
}

#[tokio::test]
async fn an_agent_s_token_is_no_reviewer_s_and_the_other_way_round() {
    let issuer = Issuer::new();
    let identify = identify(&issuer);
    let refused = identify.person(&issuer.token(&claims()), SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::NotAccepted(TokenError::OtherPlane))));
    let mut people = claims();
    people["aud"] = json!("countersign");
    let refused = identify.agent(&issuer.token(&people), SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::NotAccepted(TokenError::OtherPlane))));
    // A token for both planes is for neither.
    people["aud"] = json!(["countersign", AUDIENCE]);
    let both = issuer.token(&people);
    assert!(identify.agent(&both, SOURCE).await.is_err());
    assert!(identify.person(&both, SOURCE).await.is_err());
}

#[tokio::test]
async fn the_same_subject_of_two_issuers_is_two_identities() {
    let one = Issuer::new();
    let identify = identify(&one);
    let mut elsewhere = provider(Plane::Agents);
    elsewhere.issuer = "https://other.example".to_owned();
    elsewhere.audiences = ["elsewhere".to_owned()].into();
    identify.trust(vec![provider(Plane::Agents), elsewhere]);
    // Signed by the first issuer, in the name of the second: the second's keys do not fit its own discovery document.
    let mut claims = claims();
    claims["iss"] = json!("https://other.example");
    claims["aud"] = json!("elsewhere");
    let refused = identify.agent(&one.token(&claims), SOURCE).await;
    assert!(matches!(refused, Err(IdentifyError::Unavailable { .. })), "{refused:?}");
}

#[tokio::test]
async fn claims_of_the_wrong_form_are_refused_and_not_ignored() {
    for (claim, value) in [
        ("owner", json!(7)),
        ("owner", json!(null)),
        ("owner", json!("")),
        ("owner", json!(["dana"])),
        ("groups", json!({"ci": true})),
        ("groups", json!(["ci", 7])),
        ("sub", json!(7)),
        ("sub", json!("ci\nbot")),
        ("sub", json!("x".repeat(2000))),
        ("preferred_username", json!("\u{1b}[31m")),
    ] {
        let why = refused_claims(|claims| claims[claim] = value.clone()).await;
        assert_eq!(why, "a claim cannot be used", "{claim} {value}");
    }
}

#[tokio::test]
async fn what_is_too_long_or_no_token_at_all_is_refused() {
    let issuer = Issuer::new();
    assert!(refused(&issuer, &secret(&"a".repeat(20_000))).await.contains("longer"));
    for garbage in ["", ".", "..", "...", "a.b.c", "hunter2", "\u{0}"] {
        assert_eq!(refused(&issuer, &secret(garbage)).await, "it is not a JSON web token");
    }
    let not_text = Secret::new(vec![0xff, 0xfe]);
    assert_eq!(refused(&issuer, &not_text).await, "it is not a JSON web token");
}
