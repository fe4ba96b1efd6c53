//! The signing keys: one PEM file each, named `<number>-<algorithm>.pem`. The newest signs, all are published, so that
//! tokens signed before a rotation stay good. Keys are never removed here: a development cluster is thrown away whole.

use anyhow::{Context as _, bail};
use jsonwebtoken::{
    Algorithm, EncodingKey,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use serde::Deserialize;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

/// Keys that one ring takes.
const MAX_KEYS: usize = 64;

/// What a key signs with (RFC 7518, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Signing {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
}

impl Signing {
    const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
        }
    }

    pub(crate) const fn algorithm(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::ES256 => Algorithm::ES256,
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::RS256, Self::ES256].into_iter().find(|signing| signing.name() == name)
    }

    fn generate(self) -> anyhow::Result<String> {
        let pair = match self {
            Self::RS256 => KeyPair::generate_for(&PKCS_RSA_SHA256),
            Self::ES256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        };
        Ok(pair.context("cannot generate a key")?.serialize_pem())
    }

    fn encoding_key(self, pem: &[u8]) -> anyhow::Result<EncodingKey> {
        match self {
            Self::RS256 => EncodingKey::from_rsa_pem(pem),
            Self::ES256 => EncodingKey::from_ec_pem(pem),
        }
        .context("not a private key in PEM form")
    }
}

/// One key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) signing: Signing,
    pub(crate) private: EncodingKey,
}

/// All keys, oldest first.
pub(crate) struct KeyRing {
    dir: PathBuf,
    keys: RwLock<Vec<Key>>,
}

impl KeyRing {
    /// Reads the keys of `dir`; a new ring begins with one key of each algorithm.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Arc<Self>> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let mut files: Vec<PathBuf> = fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        let keys = files.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
        let empty = keys.is_empty();
        let ring = Self { dir: dir.to_owned(), keys: RwLock::new(keys) };
        if empty {
            ring.add(Signing::ES256)?;
            ring.add(Signing::RS256)?;
        }
        Ok(Arc::new(ring))
    }

    /// Adds a key, which signs from now on; returns its id.
    pub(crate) fn add(&self, signing: Signing) -> anyhow::Result<String> {
        let mut keys = self.keys.write().map_err(|_| anyhow::anyhow!("the key ring is broken"))?;
        if keys.len() >= MAX_KEYS {
            bail!("the ring holds {MAX_KEYS} keys already");
        }
        let id = format!("{:03}-{}", keys.len() + 1, signing.name());
        let pem = signing.generate()?;
        let mut options = fs::OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.dir.join(format!("{id}.pem")))?
            .write_all(pem.as_bytes())?;
        keys.push(Key { id: id.clone(), signing, private: signing.encoding_key(pem.as_bytes())? });
        Ok(id)
    }

    /// The key that signs: the newest, or the newest of one algorithm.
    pub(crate) fn signer(&self, wanted: Option<Signing>) -> anyhow::Result<Key> {
        let keys = self.keys.read().map_err(|_| anyhow::anyhow!("the key ring is broken"))?;
        let fits = |key: &&Key| wanted.is_none_or(|signing| signing == key.signing);
        keys.iter().rev().find(fits).cloned().context("there is no key of this algorithm")
    }

    /// The public halves (RFC 7517).
    pub(crate) fn published(&self) -> anyhow::Result<JwkSet> {
        let keys = self.keys.read().map_err(|_| anyhow::anyhow!("the key ring is broken"))?;
        let publish = |key: &Key| {
            let mut jwk = Jwk::from_encoding_key(&key.private, key.signing.algorithm())?;
            jwk.common.key_id = Some(key.id.clone());
            jwk.common.public_key_use = Some(PublicKeyUse::Signature);
            Ok(jwk)
        };
        Ok(JwkSet { keys: keys.iter().map(publish).collect::<anyhow::Result<_>>()? })
    }
}

fn read(file: &Path) -> anyhow::Result<Key> {
    let named = || format!("{} is not NUMBER-ALGORITHM.pem", file.display());
    let id = file.file_stem().and_then(|stem| stem.to_str()).with_context(named)?;
    let signing =
        id.split_once('-').and_then(|(_, name)| Signing::named(name)).with_context(named)?;
    let private = signing.encoding_key(&fs::read(file)?)?;
    Ok(Key { id: id.to_owned(), signing, private })
}
