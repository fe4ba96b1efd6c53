//! `token`: a short token of the cluster's own, in exchange for an agent's. It fits where a password does.

use crate::{cli::Global, connection::Reached, failure::Failure, output::Terminal};
use countersign_api::token::{GRANT_TYPE, SUBJECT_TOKEN_TYPES, TokenRequest};

/// Prints a short token, and nothing else on stdout.
pub(crate) async fn run(global: &Global, terminal: &mut Terminal) -> Result<(), Failure> {
    let reached = Reached::by(global, terminal)?;
    let client = reached.client()?;
    let issued = client.exchange(&request(&reached)?).await?.body;
    terminal.note(&format!("credential {} ends at {}", issued.id, issued.expires_at));
    terminal.answer(&issued, |issued, _| issued.access_token.clone())
}

/// The exchange of the caller's own token.
pub(crate) fn request(reached: &Reached) -> Result<TokenRequest, Failure> {
    let token = reached.token()?;
    let subject_token = token.expose_text().unwrap_or_default().to_owned();
    let subject_token_type = SUBJECT_TOKEN_TYPES.first().copied().unwrap_or_default().to_owned();
    let grant_type = GRANT_TYPE.to_owned();
    Ok(TokenRequest { grant_type, subject_token, subject_token_type, ..TokenRequest::default() })
}
