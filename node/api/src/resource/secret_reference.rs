//! References to secrets. A resource never holds a secret itself; who reads the reference is the node that needs it.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where a secret is kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SecretReference {
    /// `file:/absolute/path`, on every node. White space at its end is not part of the secret.
    File(PathBuf),
    /// `env:NAME`, in the environment of every node.
    Env(String),
}

/// A text that is no reference. It does not repeat the text, which may be a secret put there by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretReferenceError {
    /// It begins with no known scheme.
    #[error("a secret is a reference: file:/absolute/path or env:NAME; never the secret itself")]
    Scheme,
    /// A path that is not absolute.
    #[error("the path of a file: reference is absolute")]
    Path,
    /// A name that no environment variable has.
    #[error("the name of an env: reference has the characters A-Z, a-z, 0-9 and _")]
    Name,
    /// `sealed:`.
    #[error("this version does not know sealed: references; use file:/absolute/path or env:NAME")]
    Sealed,
}

impl FromStr for SecretReference {
    type Err = SecretReferenceError;

    fn from_str(text: &str) -> Result<Self, SecretReferenceError> {
        if let Some(path) = text.strip_prefix("file:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::File(path))
            } else {
                Err(SecretReferenceError::Path)
            };
        }
        if let Some(name) = text.strip_prefix("env:") {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let fits = !name.is_empty() && name.chars().all(plain);
            return if fits {
                Ok(Self::Env(name.to_owned()))
            } else {
                Err(SecretReferenceError::Name)
            };
        }
        if text.starts_with("sealed:") {
            return Err(SecretReferenceError::Sealed);
        }
        Err(SecretReferenceError::Scheme)
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Env(name) => write!(f, "env:{name}"),
        }
    }
}
