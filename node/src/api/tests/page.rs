//! The reviewers' page over the real state: signing in, looking, deciding, and what another site or another person can make
//! of it.

use super::world::{ApiWorld, Waits, Who};
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use countersign_core::id::HoldId;
use http_body_util::BodyExt;
use std::collections::BTreeMap;

const HOST: &str = "gateway.example:8443";

/// What a browser got.
#[derive(Debug)]
struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Seen {
    fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    /// The value of a hidden field.
    fn field(&self, name: &str) -> String {
        let marked = format!("name=\"{name}\" value=\"");
        let (_, behind) = self.text.split_once(&marked).unwrap_or_else(|| panic!("{self:?}"));
        behind.split_once('"').unwrap().0.to_owned()
    }
}

/// A browser with its cookies.
struct Browser<'w> {
    world: &'w ApiWorld,
    jar: BTreeMap<String, String>,
}

impl<'w> Browser<'w> {
    const fn new(world: &'w ApiWorld) -> Self {
        Self { world, jar: BTreeMap::new() }
    }

    async fn signed_in(world: &'w ApiWorld, who: Who) -> Self {
        let mut browser = Self::new(world);
        let seen = browser.sign_in(who, "/").await;
        assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/"), "{seen:?}");
        browser
    }

    async fn sign_in(&mut self, who: Who, to: &str) -> Seen {
        let asked = self.begin(to).await;
        let mut claims = ApiWorld::claims(who);
        claims["nonce"] = asked["nonce"].clone().into();
        self.world.issuer.will_redeem("the-code", &self.world.issuer.token(&claims));
        let iss = encoded("https://issuer.example/dev");
        self.get(&format!("/login/callback?code=the-code&state={}&iss={iss}", asked["state"])).await
    }

    /// What the provider is asked.
    async fn begin(&mut self, to: &str) -> BTreeMap<String, String> {
        let seen = self.get(&format!("/login/dev-reviewers?to={to}")).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{seen:?}");
        let url = reqwest::Url::parse(seen.location()).unwrap();
        assert_eq!(url.path(), "/dev/authorize");
        url.query_pairs().into_owned().collect()
    }

    async fn get(&mut self, path: &str) -> Seen {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Seen {
        self.post_from(path, form, &[("origin", "https://gateway.example:8443")]).await
    }

    async fn post_from(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Seen {
        let form: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(form.join("&").into()).unwrap()).await
    }

    async fn send(&mut self, mut request: Request<Body>) -> Seen {
        let jar: Vec<String> =
            self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = request.headers_mut();
        headers.insert(header::HOST, HOST.parse().unwrap());
        headers.insert(header::COOKIE, jar.join("; ").parse().unwrap());
        let (parts, body) = self.world.send(request).await.into_parts();
        for set in parts.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
                assert!(set.contains(attribute), "{set}");
            }
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{set}");
            if set.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Seen { status: parts.status, headers: parts.headers, text }
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

async fn held(world: &ApiWorld, text: &str) -> (String, Waits) {
    let (id, waits): (HoldId, Waits) = world.hold(text).await;
    (format!("/holds/{id}"), waits)
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_sent_to_sign_in_and_comes_back() {
    let world = ApiWorld::new().await;
    let (path, _waits) = held(&world, "DELETE FROM orders").await;
    let mut browser = Browser::new(&world);
    let seen = browser.get(&path).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    assert_eq!(seen.location(), format!("/login?to={}", encoded(&path)));
    let choice = browser.get(seen.location()).await;
    assert!(choice.text.contains("Sign in with dev-reviewers"), "{choice:?}");
    let back = browser.sign_in(Who::Dba, &encoded(&path)).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, path.as_str()));
    let seen = browser.get(&path).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.text.contains("DELETE FROM orders"), "{seen:?}");
    // The code came with what only this browser's attempt knew (RFC 7636), and to the address it was asked for.
    let form = world.issuer.forms().pop().unwrap();
    assert_eq!(form["redirect_uri"], format!("https://{HOST}/login/callback"));
    assert_eq!(form["client_id"], "countersign");
    assert_eq!(form["code_verifier"].len(), 43);
}

#[tokio::test]
async fn a_reviewer_sees_what_waits_approves_exactly_that_and_sees_it_decided() {
    let world = ApiWorld::new().await;
    let (path, _waits) = held(&world, "DELETE FROM orders").await;
    let mut browser = Browser::signed_in(&world, Who::Dba).await;
    let inbox = browser.get("/").await;
    assert!(inbox.text.contains(&format!("href=\"{path}\"")), "{inbox:?}");
    let hold = browser.get(&path).await;
    let (word, fingerprint) = (hold.field("word"), hold.field("fingerprint"));
    let form = [
        ("word", word.as_str()),
        ("fingerprint", &fingerprint),
        ("decision", "approve"),
        ("comment", "fine\r\nby me"),
    ];
    let decided = browser.post(&format!("{path}/decision"), &form).await;
    assert_eq!((decided.status, decided.location()), (StatusCode::SEE_OTHER, path.as_str()));
    let hold = browser.get(&path).await;
    assert!(hold.text.contains("approved"), "{hold:?}");
    assert!(!hold.text.contains("/decision"), "what is decided has no form: {hold:?}");
    let api = world.get(Who::Dba, &format!("/v1{path}")).await.body;
    assert_eq!(api["decisions"][0]["comment"], "fine\nby me");
    assert_eq!(api["decisions"][0]["reviewer"]["subject"], "Dba");
}

#[tokio::test]
async fn nobody_decides_about_anything_but_what_the_page_showed() {
    let world = ApiWorld::new().await;
    let (path, _waits) = held(&world, "DELETE FROM orders").await;
    let mut browser = Browser::signed_in(&world, Who::Dba).await;
    let word = browser.get(&path).await.field("word");
    for fingerprint in ["", "abcd", &"0".repeat(64)] {
        let form = [("word", word.as_str()), ("fingerprint", fingerprint), ("decision", "approve")];
        let seen = browser.post(&format!("{path}/decision"), &form).await;
        assert!(seen.status.is_client_error(), "{fingerprint}: {seen:?}");
        assert!(seen.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    }
    let api = world.get(Who::Dba, &format!("/v1{path}")).await.body;
    assert_eq!(api["state"], "pending");
}

#[tokio::test]
async fn bug_decision_by_a_form_on_another_site() {
    let world = ApiWorld::new().await;
    let (path, _waits) = held(&world, "DELETE FROM orders").await;
    let mut browser = Browser::signed_in(&world, Who::Dba).await;
    let seen = browser.get(&path).await;
    let (word, fingerprint) = (seen.field("word"), seen.field("fingerprint"));
    let to = format!("{path}/decision");
    let good = [("word", word.as_str()), ("fingerprint", &*fingerprint), ("decision", "approve")];
    // Browsers say where a form was; each of these would be another site's.
    for header in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://gateway.example:8443"),
        ("origin", "https://gateway.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
    ] {
        let seen = browser.post_from(&to, &good, &[header]).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{header:?}: {seen:?}");
    }
    // Without the word of this very sign-in nothing is done, wherever it is from.
    let mut other = Browser::signed_in(&world, Who::Dba).await;
    let others = other.get(&path).await.field("word");
    assert_ne!(others, word, "a word is for one sign-in");
    for wrong in ["", "x", &others] {
        let form = [("word", wrong), ("fingerprint", &*fingerprint), ("decision", "approve")];
        let seen = browser.post(&to, &form).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{wrong}: {seen:?}");
    }
    let missing = [("fingerprint", &*fingerprint), ("decision", "approve")];
    assert_eq!(browser.post(&to, &missing).await.status, StatusCode::BAD_REQUEST);
    // The API takes a cookie for looking only.
    let api = Request::post(format!("/v1{path}/decision"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(format!(r#"{{"decision":"approve","fingerprint":"{fingerprint}"}}"#)));
    assert_eq!(browser.send(api.unwrap()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/v1/whoami").await.status, StatusCode::OK);
    let state = world.get(Who::Dba, &format!("/v1{path}")).await.body;
    assert_eq!((&state["state"], &state["decisions"]), (&"pending".into(), &serde_json::json!([])));
}

#[tokio::test]
async fn nobody_is_signed_in_by_what_another_began_or_a_token_that_was_made_for_something_else() {
    let world = ApiWorld::new().await;
    let mut victim = Browser::new(&world);
    let callback = |code: &str, state: &str| format!("/login/callback?code={code}&state={state}");
    // Without an attempt of its own a browser takes no code, so nobody can sign it in as themselves.
    assert_eq!(victim.get(&callback("the-code", "x")).await.status, StatusCode::BAD_REQUEST);
    let asked = victim.begin("/").await;
    for state in ["", "x", &asked["nonce"]] {
        let seen = victim.get(&callback("the-code", state)).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{state}");
    }
    // A token that was made for another attempt, or says no attempt at all (one that was stolen elsewhere).
    for nonce in [serde_json::Value::Null, "another".into()] {
        let asked = victim.begin("/").await;
        let mut claims = ApiWorld::claims(Who::Admin);
        claims["nonce"] = nonce;
        world.issuer.will_redeem("stolen", &world.issuer.token(&claims));
        let seen = victim.get(&callback("stolen", &asked["state"])).await;
        assert!(seen.status.is_server_error(), "{seen:?}");
        assert!(victim.get("/").await.location().starts_with("/login"));
    }
    // Another issuer's word: a code is not shown to anybody but whom it was meant for.
    let asked = victim.begin("/").await;
    let forms = world.issuer.forms().len();
    let mixed = format!(
        "{}&iss={}",
        callback("the-code", &asked["state"]),
        encoded("https://evil.example")
    );
    assert!(victim.get(&mixed).await.status.is_server_error());
    assert_eq!(world.issuer.forms().len(), forms);
    // An agent's token is nobody here, even with everything else right.
    let asked = victim.begin("/").await;
    let mut claims = ApiWorld::claims(Who::Agent);
    claims["nonce"] = asked["nonce"].clone().into();
    world.issuer.will_redeem("agent", &world.issuer.token(&claims));
    victim.get(&callback("agent", &asked["state"])).await;
    assert!(victim.get("/").await.location().starts_with("/login"));
    // What the provider says no to is told as text, whatever it says.
    let asked = victim.begin("/").await;
    let no = format!(
        "/login/callback?error=access_denied&error_description={}&state={}",
        encoded("<script>alert(1)</script>"),
        asked["state"]
    );
    let seen = victim.get(&no).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(!seen.text.contains("<script>alert"), "{seen:?}");
}

#[tokio::test]
async fn cookies_that_were_made_elsewhere_or_tampered_with_are_nobodys() {
    let world = ApiWorld::new().await;
    let signed_in = Browser::signed_in(&world, Who::Dba).await;
    let (name, value) = signed_in.jar.iter().next().unwrap();
    let begun = {
        let mut browser = Browser::new(&world);
        browser.begin("/").await;
        browser.jar.values().next().unwrap().clone()
    };
    let flipped = {
        let mut bytes = value.clone().into_bytes();
        bytes[40] = if bytes[40] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let token = world.token(Who::Dba);
    for forged in ["", "x", &token, &begun, &flipped, &value[..value.len() - 4]] {
        let mut browser = Browser::new(&world);
        browser.jar.insert(name.clone(), forged.to_owned());
        let seen = browser.get("/").await;
        assert!(seen.location().starts_with("/login"), "{forged}: {seen:?}");
    }
}

#[tokio::test]
async fn a_page_ends_with_its_token() {
    let world = ApiWorld::new().await;
    let jar = Browser::signed_in(&world, Who::Dba).await.jar;
    let world = world.later(400_000);
    let mut browser = Browser { world: &world, jar };
    assert!(browser.get("/").await.location().starts_with("/login"));
}

#[tokio::test]
async fn signing_out_forgets_the_token() {
    let world = ApiWorld::new().await;
    let mut browser = Browser::signed_in(&world, Who::Dba).await;
    let word = browser.get("/").await.field("word");
    let seen = browser.post("/logout", &[("word", "x")]).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "nor can another site sign anybody out");
    let seen = browser.post("/logout", &[("word", &word)]).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/login"));
    assert!(browser.jar.is_empty());
    assert!(browser.get("/").await.location().starts_with("/login"));
}

#[tokio::test]
async fn what_an_agent_wrote_stays_text_and_hides_nothing() {
    let world = ApiWorld::new().await;
    let text =
        "DELETE FROM orders -- <script>alert(1)</script> \u{202e}live\u{200b} </pre>\r\n\u{1b}[2J";
    let (path, _waits) = held(&world, text).await;
    let mut browser = Browser::signed_in(&world, Who::Dba).await;
    for page in [path.as_str(), "/"] {
        let seen = browser.get(page).await;
        for hidden in ["<script>alert", "\u{202e}", "\u{200b}", "\u{1b}"] {
            assert!(!seen.text.contains(hidden), "{page} {hidden:?}: {}", seen.text);
        }
    }
    let seen = browser.get(&path).await;
    for shown in ["⟨U+202E⟩", "⟨U+200B⟩", "⟨U+001B⟩", "&lt;script&gt;", "&lt;/pre&gt;"]
    {
        assert!(seen.text.contains(shown), "{shown}: {}", seen.text);
    }
    assert!(seen.text.contains(&format!("{} bytes", text.len())));
}

#[tokio::test]
async fn pages_may_load_nothing_but_their_own_files_and_stand_in_nobodys_frame() {
    let world = ApiWorld::new().await;
    let mut browser = Browser::signed_in(&world, Who::Dba).await;
    for path in ["/", "/login", "/holds/x"] {
        let seen = browser.get(path).await;
        let policy = seen.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(seen.headers[header::CACHE_CONTROL], "no-store");
        // With `no-referrer` Chromium sends forms with `Origin: null`, which is another site's.
        assert_eq!(seen.headers[header::REFERRER_POLICY], "same-origin");
        assert_eq!(seen.headers[header::X_FRAME_OPTIONS], "DENY");
        assert!(!seen.text.contains(" style="), "no inline style: {path}");
        assert!(!seen.text.contains("onclick"), "no inline script: {path}");
    }
    for (path, kind) in [
        ("/assets/page.css", "text/css; charset=utf-8"),
        ("/assets/page.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let seen = Browser::new(&world).get(path).await;
        assert_eq!(
            (seen.status, &seen.headers[header::CONTENT_TYPE]),
            (StatusCode::OK, &kind.parse().unwrap())
        );
    }
}

#[tokio::test]
async fn who_may_not_decide_sees_why_and_who_may_not_see_sees_nothing() {
    let world = ApiWorld::new().await;
    let (path, _waits) = held(&world, "DELETE FROM orders").await;
    let mut auditor = Browser::signed_in(&world, Who::Auditor).await;
    let seen = auditor.get(&path).await;
    assert!(seen.text.contains("none of the groups that decide"), "{seen:?}");
    assert!(!seen.text.contains("value=\"approve\""));
    // Who sends the form all the same is told by the log.
    let word = seen.field("word");
    let fingerprint = world.get(Who::Auditor, &format!("/v1{path}")).await.body["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned();
    let form = [("word", word.as_str()), ("fingerprint", &fingerprint), ("decision", "approve")];
    let refused = auditor.post(&format!("{path}/decision"), &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    let mut stranger = Browser::signed_in(&world, Who::Stranger).await;
    let seen = stranger.get(&path).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(!seen.text.contains("DELETE"), "{seen:?}");
    let inbox = stranger.get("/").await;
    assert!(inbox.text.contains("Nothing waits for you"), "{inbox:?}");
}

#[tokio::test]
async fn every_page_that_needs_a_person_sends_everybody_else_to_sign_in() {
    let world = ApiWorld::new().await;
    for route in super::routes::pages() {
        if route.access != super::Access::Page {
            continue;
        }
        let path = route.path.replace("{id}", "x");
        for header in [None, Some(format!("Bearer {}", world.token(Who::Admin)))] {
            let mut request = Request::builder().method(route.method.clone()).uri(&path);
            if let Some(header) = &header {
                // A page is for browsers; a token in a header is the API's.
                request = request.header(header::AUTHORIZATION, header);
            }
            let seen = Browser::new(&world).send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(seen.status, StatusCode::SEE_OTHER, "{} {path}: {seen:?}", route.method);
            assert!(seen.location().starts_with("/login"), "{seen:?}");
            let is_form = route.method == Method::POST;
            assert_eq!(seen.location() == "/login", is_form, "a form is not repeated unseen");
        }
    }
}
