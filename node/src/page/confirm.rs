//! Forms that change something. A form is only taken from the page itself: its browser says so, and it carries a word that
//! only a page rendered for this very sign-in has (OWASP's synchroniser token, here derived and not stored).

use super::cookies::{Kept, sealed};
use crate::{
    api::{
        Api,
        failure::{Answer, Failure},
    },
    app::Node,
};
use axum::{
    Form,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use countersign_api::problem::ProblemKind;
use serde::{Deserialize, de::DeserializeOwned};

/// What the word of a form is derived for.
const PURPOSE: &[u8] = b"countersign-page-form-v1";

/// A form that came from the page.
pub(crate) struct Confirmed<T>(pub(crate) T);

/// The fields of a form, with the word.
#[derive(Deserialize)]
struct Fields<T> {
    word: String,
    #[serde(flatten)]
    own: T,
}

/// The word of the forms that are rendered for who sent these headers.
pub(super) fn word(node: &Node, headers: &HeaderMap) -> Answer<String> {
    let session = sealed(headers, Kept::Session).ok_or_else(elsewhere)?;
    Ok(hex::encode(node.cluster_key.derive(&[PURPOSE, session.as_bytes()])))
}

impl<T: DeserializeOwned> FromRequest<Api> for Confirmed<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        let expected = word(api.node()?, request.headers())?;
        from_here(&request)?;
        let Form(fields) =
            Form::<Fields<T>>::from_request(request, &()).await.map_err(|error| {
                Failure::new(ProblemKind::BadRequest, format!("the form cannot be read: {error}"))
                    .hint("go back, load the page anew, and send it again")
            })?;
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(
            expected.as_bytes(),
            fields.word.as_bytes(),
        );
        same.map_err(|_| elsewhere())?;
        Ok(Self(fields.own))
    }
}

/// What the browser says of where the form was (Fetch Metadata; RFC 6454, section 7). A browser that says nothing of it is
/// held to the word alone.
fn from_here(request: &Request) -> Answer<()> {
    let headers = request.headers();
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return Err(elsewhere());
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = super::sign_in::host(request.uri(), headers);
    match (origin.to_str(), host) {
        (Ok(origin), Some(host)) if origin == format!("https://{host}") => Ok(()),
        (Ok(_) | Err(_), Some(_) | None) => Err(elsewhere()),
    }
}

fn elsewhere() -> Failure {
    Failure::new(
        ProblemKind::Forbidden,
        "this form was not sent from the page that you are signed in to",
    )
    .hint("load the page anew and send it again; nothing was changed")
}
