//! An identity provider for tests: real keys, documents in memory.

use crate::identify::{Fetch, FetchError, Form, Provider};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_core::{gate::BoxFuture, secret::Secret};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

pub(crate) const ISSUER: &str = "https://issuer.example/dev";
pub(crate) const AUDIENCE: &str = "countersign-agents";
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes())
}

/// Claims that are accepted.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ci-bot", "preferred_username": "CI bot",
        "groups": ["ci"], "owner": "dana",
        "nbf": NOW_MS / 1000, "iat": NOW_MS / 1000, "exp": NOW_MS / 1000 + 300,
    })
}

#[derive(Debug)]
pub(crate) struct Issuer {
    state: Mutex<State>,
    fetches: AtomicUsize,
}

#[derive(Debug)]
struct State {
    elliptic: SigningKey,
    rsa: SigningKey,
    reachable: bool,
    discovery: Value,
    extra_keys: Vec<Value>,
    answers_after: Duration,
    /// What its codes stand for; each is good once.
    codes: BTreeMap<String, String>,
    forms: Vec<BTreeMap<String, String>>,
}

#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) encoding: EncodingKey,
    pub(crate) jwk: Value,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kid)
    }
}

impl SigningKey {
    pub(crate) fn elliptic(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        Self::new(kid, Algorithm::ES256, EncodingKey::from_ec_der(der.as_ref()))
    }

    pub(crate) fn rsa(kid: &str, size: KeySize) -> Self {
        let pair = RsaKeyPair::generate(size).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        Self::new(kid, Algorithm::RS256, EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap())
    }

    fn new(kid: &str, algorithm: Algorithm, encoding: EncodingKey) -> Self {
        let mut jwk = Jwk::from_encoding_key(&encoding, algorithm).unwrap();
        jwk.common.key_id = Some(kid.to_owned());
        Self { kid: kid.to_owned(), algorithm, encoding, jwk: serde_json::to_value(jwk).unwrap() }
    }

    pub(crate) fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.clone());
        header
    }

    pub(crate) fn sign(&self, header: &Header, claims: &Value) -> Secret {
        secret(&encode(header, claims, &self.encoding).unwrap())
    }
}

impl Issuer {
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            elliptic: SigningKey::elliptic("ec-1"),
            rsa: SigningKey::rsa("rsa-1", KeySize::Rsa2048),
            reachable: true,
            discovery: json!({
                "issuer": ISSUER,
                "jwks_uri": format!("{ISSUER}/keys"),
                "authorization_endpoint": format!("{ISSUER}/authorize"),
                "token_endpoint": format!("{ISSUER}/token"),
            }),
            extra_keys: Vec::new(),
            answers_after: Duration::ZERO,
            codes: BTreeMap::new(),
            forms: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), fetches: AtomicUsize::new(0) })
    }

    pub(crate) fn elliptic(&self) -> SigningKey {
        self.state.lock().unwrap().elliptic.clone()
    }

    pub(crate) fn rsa(&self) -> SigningKey {
        self.state.lock().unwrap().rsa.clone()
    }

    pub(crate) fn token(&self, claims: &Value) -> Secret {
        let key = self.elliptic();
        key.sign(&key.header(), claims)
    }

    pub(crate) fn rsa_token(&self, claims: &Value) -> Secret {
        let key = self.rsa();
        key.sign(&key.header(), claims)
    }

    pub(crate) fn rotate(&self, kid: &str) {
        self.state.lock().unwrap().elliptic = SigningKey::elliptic(kid);
    }

    pub(crate) fn add_key(&self, jwk: Value) {
        self.state.lock().unwrap().extra_keys.push(jwk);
    }

    pub(crate) fn set_discovery(&self, discovery: Value) {
        self.state.lock().unwrap().discovery = discovery;
    }

    pub(crate) fn go_down(&self) {
        self.state.lock().unwrap().reachable = false;
    }

    pub(crate) fn come_up(&self) {
        self.state.lock().unwrap().reachable = true;
    }

    pub(crate) fn answer_after(&self, pause: Duration) {
        self.state.lock().unwrap().answers_after = pause;
    }

    /// How many documents were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn document(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let state = self.state.lock().unwrap();
        if !state.reachable {
            let problem = "status 503".to_owned();
            return Err(FetchError::Answer { url: url.to_owned(), problem });
        }
        let document = if url.ends_with("/.well-known/openid-configuration") {
            state.discovery.clone()
        } else {
            let mut keys = vec![state.elliptic.jwk.clone(), state.rsa.jwk.clone()];
            keys.extend(state.extra_keys.iter().cloned());
            json!({ "keys": keys })
        };
        Ok(document.to_string().into_bytes())
    }
}

impl Fetch for Issuer {
    fn fetch<'a>(
        &'a self,
        _provider: &'a Provider,
        url: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let pause = self.state.lock().unwrap().answers_after;
        Box::pin(async move {
            if pause > Duration::ZERO {
                tokio::time::sleep(pause).await;
            }
            self.document(url)
        })
    }

    fn submit<'a>(
        &'a self,
        _provider: &'a Provider,
        url: &'a str,
        form: Form<'a>,
    ) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        let fields =
            form.fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Box::pin(std::future::ready(self.redeem(url, fields.collect())))
    }
}

impl Issuer {
    /// Gives `token` to whoever brings `code`, once.
    pub(crate) fn will_redeem(&self, code: &str, token: &Secret) {
        let token = token.expose_text().unwrap().to_owned();
        self.state.lock().unwrap().codes.insert(code.to_owned(), token);
    }

    /// The forms that were sent.
    pub(crate) fn forms(&self) -> Vec<BTreeMap<String, String>> {
        self.state.lock().unwrap().forms.clone()
    }

    fn redeem(&self, url: &str, form: BTreeMap<String, String>) -> Result<Vec<u8>, FetchError> {
        let mut state = self.state.lock().unwrap();
        let token = form.get("code").and_then(|code| state.codes.remove(code));
        state.forms.push(form);
        match token {
            Some(token) => {
                Ok(json!({ "id_token": token, "token_type": "Bearer" }).to_string().into_bytes())
            }
            None => {
                Err(FetchError::Answer { url: url.to_owned(), problem: "status 400".to_owned() })
            }
        }
    }
}
