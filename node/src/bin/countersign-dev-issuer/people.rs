//! Who may sign in with a browser, and the one password of all of them.

use anyhow::{Context as _, bail};
use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    str::FromStr,
};

/// Bytes of randomness in the password.
const PASSWORD_BYTES: usize = 12;

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

impl FromStr for Person {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, groups) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() {
            bail!("a person has a name, as in `dana=dba,ops`");
        }
        let groups = groups.split(',').filter(|group| !group.is_empty());
        Ok(Self { name: name.to_owned(), groups: groups.map(str::to_owned).collect() })
    }
}

/// The password in this file, which is made when it is missing; only its owner may read it.
pub(crate) fn password(path: &Path) -> anyhow::Result<String> {
    let made = hex::encode(rand::random::<[u8; PASSWORD_BYTES]>());
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(made.as_bytes())?;
            Ok(made)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot make {}", path.display())),
    }
}
