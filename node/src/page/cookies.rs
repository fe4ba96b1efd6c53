//! What a browser keeps: the person's own token, and an attempt to sign in, each sealed with the cluster's key. Any node opens
//! them, so a page goes on at another node when its own dies; nothing of them is stored here. A token out of a cookie is
//! checked at every request as one out of a header is, so it ends when it would have ended anyway, and a revocation ends it
//! at once.
//!
//! The names begin with `__Host-` (RFC 6265bis, section 4.1.3.2): no other host can set them, and none gets them.

use crate::{
    api::failure::{Answer, Failure},
    app::Node,
    cluster::Purpose,
};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite, time::Duration};
use countersign_core::secret::Secret;

/// The most parts of one sealed thing: a browser keeps some 4,096 bytes in a cookie (RFC 6265, section 6.1).
const MAX_PARTS: usize = 4;
/// Characters in a part.
const PART: usize = 3_500;
/// What `bound` is derived for.
const PURPOSE: &[u8] = b"countersign-page-cookies-v1";

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// The token of who is signed in.
    Session,
    /// An attempt to sign in.
    Attempt,
}

impl Kept {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "__Host-countersign",
            Self::Attempt => "__Host-countersign-attempt",
        }
    }

    const fn purpose(self) -> Purpose {
        match self {
            Self::Session => Purpose::PageSession,
            Self::Attempt => Purpose::PageSignIn,
        }
    }

    fn part(self, number: usize) -> String {
        format!("{}-{number}", self.name())
    }
}

/// The token of the person who is signed in with this browser.
pub(crate) fn token(node: &Node, headers: &HeaderMap) -> Option<Secret> {
    open(node, headers, Kept::Session)
}

/// Opens what was sealed, wherever in the cluster that was.
pub(super) fn open(node: &Node, headers: &HeaderMap, kept: Kept) -> Option<Secret> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed(headers, kept)?).ok()?;
    node.cluster_key.open(kept.purpose(), &bound(node), &sealed).ok()
}

/// The parts together, as the browser sends them.
pub(super) fn sealed(headers: &HeaderMap, kept: Kept) -> Option<String> {
    let sent: Vec<Cookie<'_>> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .collect();
    let part = |number: usize| {
        let name = kept.part(number);
        sent.iter().find(|one| one.name() == name).map(|one| one.value().to_owned())
    };
    let parts: Vec<String> = (0..MAX_PARTS).map_while(part).collect();
    if parts.is_empty() { None } else { Some(parts.concat()) }
}

/// Seals it, and has the browser keep it for so long.
pub(super) fn keep(
    node: &Node,
    kept: Kept,
    secret: &[u8],
    lasts: Duration,
) -> Answer<Vec<HeaderValue>> {
    let sealed = node
        .cluster_key
        .seal(kept.purpose(), &bound(node), secret)
        .map_err(|error| Failure::internal("a cookie cannot be sealed", &error))?;
    let text = URL_SAFE_NO_PAD.encode(sealed);
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (part, behind) = rest.split_at_checked(PART).unwrap_or((rest, ""));
        parts.push(part);
        rest = behind;
    }
    if parts.len() > MAX_PARTS {
        return Err(too_long());
    }
    (0..MAX_PARTS).map(|number| set(kept, number, parts.get(number).copied(), lasts)).collect()
}

fn too_long() -> Failure {
    Failure::new(
        countersign_api::problem::ProblemKind::TooLarge,
        "your token is too long for a browser to keep",
    )
    .hint("have the identity provider put fewer groups into it; `countersignctl` takes it as it is")
}

/// Has the browser forget it.
pub(super) fn forget(kept: Kept) -> Answer<Vec<HeaderValue>> {
    (0..MAX_PARTS).map(|number| set(kept, number, None, Duration::ZERO)).collect()
}

fn set(kept: Kept, number: usize, value: Option<&str>, lasts: Duration) -> Answer<HeaderValue> {
    let lasts = if value.is_some() { lasts } else { Duration::ZERO };
    let cookie = Cookie::build((kept.part(number), value.unwrap_or_default().to_owned()))
        .path("/")
        .secure(true)
        .http_only(true)
        // Lax: a link in a message opens the page signed in; a form on another site does not send it.
        .same_site(SameSite::Lax)
        .max_age(lasts)
        .build();
    HeaderValue::from_str(&cookie.to_string())
        .map_err(|error| Failure::internal("a cookie cannot be written", &error))
}

/// What a cookie is bound to beside its purpose. The key is one cluster's own, so that it says of which cluster a cookie is
/// without anything being read: whoever brings a cookie may be anybody.
fn bound(node: &Node) -> [u8; 16] {
    let derived = node.cluster_key.derive(&[PURPOSE]);
    std::array::from_fn(|at| derived.get(at).copied().unwrap_or_default())
}
