//! Where the secrets of a target's definition are. They are read when they are needed, and kept by nobody here.

use countersign_core::secret::Secret;
use std::{io, path::PathBuf};

/// The longest secret in a file, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// Where a secret is to be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretReference {
    /// In a file; a line end behind it is not part of it.
    File(PathBuf),
    /// In an environment variable of the node.
    Environment(String),
}

/// A secret reference that cannot be read or resolved.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The text is no reference.
    #[error("a secret is `file:PATH` or `env:NAME`")]
    Reference,
    /// The file cannot be read.
    #[error("the secret's file cannot be read")]
    File(#[source] io::Error),
    /// The file is longer than a secret can be.
    #[error("the secret's file is too long")]
    TooLong,
    /// The variable is not set.
    #[error("the secret's environment variable is not set")]
    Environment,
}

impl SecretReference {
    /// Reads `file:PATH` or `env:NAME`.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            Some(_) | None => Err(SecretError::Reference),
        }
    }

    /// The secret as it is now.
    pub async fn resolve(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Environment(name) => {
                std::env::var(name).map(Secret::new).map_err(|_| SecretError::Environment)
            }
            Self::File(path) => {
                let length = tokio::fs::metadata(path).await.map_err(SecretError::File)?.len();
                if length > MAX_SECRET {
                    return Err(SecretError::TooLong);
                }
                let mut bytes = tokio::fs::read(path).await.map_err(SecretError::File)?;
                while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                    bytes.pop();
                }
                Ok(Secret::new(bytes))
            }
        }
    }
}
