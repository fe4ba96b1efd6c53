//! Short opaque tokens: `cs-token.ID.SECRET`, which any client can take for a password. The state keeps a digest; whose it
//! is, and until when, stands there too and not in the token.

use countersign_core::{id::CredentialId, secret::Secret};
use sha2::{Digest, Sha256};

/// What such a token begins with. No JSON web token does.
pub(crate) const TOKEN_PREFIX: &str = "cs-token.";
/// Bytes of the secret half.
const SECRET_BYTES: usize = 32;

/// A short token.
pub(crate) struct TokenText {
    id: CredentialId,
    secret: [u8; SECRET_BYTES],
}

impl TokenText {
    /// Draws one.
    pub(crate) fn draw() -> Self {
        Self { id: CredentialId::from_bytes(rand::random()), secret: rand::random() }
    }

    /// Whether this is to be read as a short token, and as nothing else.
    pub(crate) fn is_one(text: &Secret) -> bool {
        text.expose().starts_with(TOKEN_PREFIX.as_bytes())
    }

    /// Reads one. There is one way to write it.
    pub(crate) fn read(text: &Secret) -> Option<Self> {
        let whole = text.expose_text()?;
        let (id, secret) = whole.strip_prefix(TOKEN_PREFIX)?.split_once('.')?;
        let mut token = Self { id: id.parse().ok()?, secret: [0; SECRET_BYTES] };
        hex::decode_to_slice(secret, &mut token.secret).ok()?;
        (token.expose() == *text).then_some(token)
    }

    /// Which credential it is.
    pub(crate) fn id(&self) -> CredentialId {
        self.id
    }

    /// What the replicated state keeps of it.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.expose().expose()).into()
    }

    /// The token as its holder has it.
    pub(crate) fn expose(&self) -> Secret {
        Secret::new(format!("{TOKEN_PREFIX}{}.{}", self.id, hex::encode(self.secret)))
    }
}

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenText").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_is_written_in_one_way_only() {
        let token = TokenText::draw();
        let text = token.expose();
        let whole = text.expose_text().unwrap().to_owned();
        assert!(whole.len() < 256, "it fits where OpenSSH's askpass cuts, and everywhere else");
        let read = TokenText::read(&text).unwrap();
        assert_eq!((read.id(), read.sha256()), (token.id(), token.sha256()));
        assert!(!format!("{token:?}").contains(&hex::encode(token.secret)));
        let no_prefix = whole.strip_prefix(TOKEN_PREFIX).unwrap();
        for wrong in [
            no_prefix.to_owned(),
            whole.to_uppercase(),
            whole.replace("cs-token", "CS-token"),
            format!("{whole}0"),
            format!("{whole}\n"),
            format!(" {whole}"),
            whole.get(..whole.len() - 2).unwrap().to_owned(),
            TOKEN_PREFIX.to_owned(),
            format!("{TOKEN_PREFIX}.{}", hex::encode(token.secret)),
        ] {
            assert!(TokenText::read(&Secret::new(wrong.as_str())).is_none(), "{wrong}");
        }
        assert!(TokenText::read(&Secret::new([0xff, 0xfe])).is_none());
    }
}
