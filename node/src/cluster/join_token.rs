//! Join tokens: `cs-join.ID.SECRET.CA`, for one node, once. The last part pins the peer authority, so that a node that was
//! let in by a stranger notices.

use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// What a join token begins with.
pub const JOIN_PREFIX: &str = "cs-join.";
/// The longest join token, in bytes.
const MAX_TOKEN: usize = 512;

/// A join token.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinTokenText {
    id: String,
    secret: String,
    ca_sha256: [u8; 32],
}

impl JoinTokenText {
    /// A token of an id and a secret, both of which are drawn or derived elsewhere.
    pub fn new(id: &[u8], secret: &[u8], ca_sha256: [u8; 32]) -> Self {
        Self { id: hex::encode(id), secret: hex::encode(secret), ca_sha256 }
    }

    /// Its public part.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The certificate that the cluster's authority must have.
    pub fn ca_sha256(&self) -> &[u8; 32] {
        &self.ca_sha256
    }

    /// What the replicated state keeps of it.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.expose().as_bytes()).into()
    }

    /// The token as its holder has it.
    pub fn expose(&self) -> String {
        format!("{JOIN_PREFIX}{}.{}.{}", self.id, self.secret, hex::encode(self.ca_sha256))
    }
}

impl fmt::Debug for JoinTokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinTokenText").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A text that is no join token. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a join token as `countersignctl cluster token create` makes them")]
pub struct JoinTokenError;

impl FromStr for JoinTokenText {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<Self, JoinTokenError> {
        let text = text.trim();
        let rest = text.strip_prefix(JOIN_PREFIX).filter(|_| text.len() <= MAX_TOKEN).ok_or(JoinTokenError)?;
        let mut parts = rest.split('.');
        let (Some(id), Some(secret), Some(ca), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(JoinTokenError);
        };
        let hexadecimal = |text: &str| !text.is_empty() && hex::decode(text).is_ok();
        if !hexadecimal(id) || !hexadecimal(secret) {
            return Err(JoinTokenError);
        }
        let mut ca_sha256 = [0; 32];
        hex::decode_to_slice(ca, &mut ca_sha256).map_err(|_| JoinTokenError)?;
        Ok(Self { id: id.to_owned(), secret: secret.to_owned(), ca_sha256 })
    }
}
