//! Secrets of resources are references: `file:/path` or `env:NAME`, read on the node that needs them, when it needs them.
//! Nothing here caches, so a rotated file counts from the next login on.

use countersign_core::secret::Secret;

/// The longest secret: passwords and keys are far shorter.
const MAX_SECRET: u64 = 64 * 1024;

/// Why a reference gives no secret. Never says anything of its content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is neither form.
    #[error("a secret is given as `file:/path` or `env:NAME`")]
    Form,
    /// The file cannot be read.
    #[error("cannot read the secret's file {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is longer than a secret can be.
    #[error("the secret's file {path} is longer than {MAX_SECRET} bytes")]
    TooLong {
        /// The file.
        path: String,
    },
    /// The variable is not set.
    #[error("the environment variable {name} is not set")]
    Variable {
        /// The variable.
        name: String,
    },
}

/// The secret that `reference` names. Blocks on the file: call it where that is fine.
///
/// One line feed at the end, which editors leave, does not belong to the secret.
pub fn resolve(reference: &str) -> Result<Secret, SecretError> {
    if let Some(path) = reference.strip_prefix("file:") {
        let failed = |source| SecretError::File { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_SECRET {
            return Err(SecretError::TooLong { path: path.to_owned() });
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        return Ok(Secret::new(bytes.strip_suffix(b"\n").unwrap_or(&bytes)));
    }
    if let Some(name) = reference.strip_prefix("env:") {
        let value =
            std::env::var(name).map_err(|_| SecretError::Variable { name: name.to_owned() })?;
        return Ok(Secret::new(value));
    }
    Err(SecretError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_content_without_the_last_line_feed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "pass word\n").unwrap();
        let secret = resolve(&format!("file:{}", file.path().display())).unwrap();
        assert_eq!(secret.expose(), b"pass word");
    }

    #[test]
    fn a_plain_password_is_no_reference() {
        assert!(matches!(resolve("hunter2"), Err(SecretError::Form)));
    }

    #[test]
    fn an_error_names_the_place_and_not_the_content() {
        let error = resolve("env:COUNTERSIGN_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable COUNTERSIGN_NO_SUCH_VARIABLE is not set"
        );
    }
}
