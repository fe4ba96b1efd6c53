//! Tests of the development issuer: what it signs is good under the keys that it publishes, and stays so.

use crate::{
    keys::{KeyRing, Signing},
    mint,
};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

const ISSUER: &str = "https://127.0.0.1:1";

fn minted(keys: &KeyRing, request: &Value) -> String {
    let answer = mint::answer(&request.to_string(), ISSUER, keys).unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// The claims of a token that the published keys verify.
fn claims(keys: &KeyRing, token: &str) -> Value {
    let header = decode_header(token).unwrap();
    let published = keys.published().unwrap();
    let jwk = published.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&["countersign-people"]);
    decode::<Value>(token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap().claims
}

fn wanted(algorithm: &str) -> Value {
    json!({"mint": {
        "audience": "countersign-people", "subject": "dana", "lifetime_seconds": 60, "groups": ["dba"], "algorithm": algorithm,
    }})
}

#[test]
fn tokens_of_both_algorithms_verify_under_the_published_keys() {
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyRing::open(folder.path()).unwrap();
    for algorithm in ["RS256", "ES256"] {
        let claims = claims(&keys, &minted(&keys, &wanted(algorithm)));
        assert_eq!(claims["preferred_username"], "dana");
        assert_eq!(claims["groups"], json!(["dba"]));
    }
}

#[test]
fn a_rotation_signs_with_a_new_key_and_keeps_the_old_tokens_good() {
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyRing::open(folder.path()).unwrap();
    let old = minted(&keys, &wanted("ES256"));
    keys.add(Signing::ES256).unwrap();
    let new = minted(&keys, &wanted("ES256"));
    assert_ne!(decode_header(&old).unwrap().kid, decode_header(&new).unwrap().kid);
    claims(&keys, &old);
    claims(&keys, &new);
    let reopened = KeyRing::open(folder.path()).unwrap();
    claims(&reopened, &new);
}

#[test]
fn an_unknown_request_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyRing::open(folder.path()).unwrap();
    assert!(mint::answer(r#"{"mint": {"audience": "a"}}"#, ISSUER, &keys).is_err());
    assert!(mint::answer("{}", ISSUER, &keys).is_err());
}
