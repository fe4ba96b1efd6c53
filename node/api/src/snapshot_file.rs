//! A snapshot of the replicated state as a file that leaves the cluster. In clear is what it takes to know whose it is and to
//! open it; everything else is sealed, under a key that is made of a passphrase, in frames that are read one by one.
//!
//! ```text
//! magic "CSSNAPSH"   8 bytes
//! version            4 bytes, big-endian: 1
//! length of head     4 bytes, big-endian
//! head               JSON
//! frames             each: length 4 bytes, big-endian, and so many bytes of AES-256-GCM ciphertext with its tag
//! ```
//! The nonce of a frame is its number and whether it is the last, so that frames cannot be left out, repeated, moved, or cut
//! off; each is bound to the head. The first frame is the cluster key, which a restored node needs beside the state; the others
//! are the bytes of the state itself, whose own checksums are the business of who made them.

mod reader;
mod writer;

pub use reader::{FileProblem, Opened, SnapshotReader};
pub use writer::SnapshotWriter;

use crate::time::Timestamp;
use aws_lc_rs::{
    aead::{AES_256_GCM, LessSafeKey, Nonce, UnboundKey},
    error::Unspecified,
    pbkdf2,
};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use utoipa::ToSchema;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"CSSNAPSH";
/// The version that is written.
const VERSION: u32 = 1;
/// Bytes of clear text in a frame.
pub const FRAME: usize = 1 << 20;
/// The tag of a frame.
const TAG: usize = 16;
/// The longest head that is read.
const MAX_HEAD: usize = 64 << 10;
/// Rounds of PBKDF2-HMAC-SHA-256, as OWASP recommends for it.
const ROUNDS: u32 = 600_000;
/// More rounds than that are not begun for a stranger's file.
const MAX_ROUNDS: u32 = 10_000_000;
/// The shortest passphrase.
pub const MIN_PASSPHRASE: usize = 16;

/// What a snapshot says of itself in clear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotHead {
    /// The cluster.
    pub cluster_id: String,
    /// Its name.
    pub cluster_name: String,
    /// The epoch of the cluster; it begins anew with each recovery.
    pub epoch: u64,
    /// The node that made it.
    pub node: u64,
    /// When.
    pub taken_at: Timestamp,
    /// The last entry of the log that is in it.
    pub index: u64,
    /// The last audit event that is in it.
    pub chain_sequence: u64,
    /// Its hash, hexadecimal.
    pub chain_hash: String,
    /// The program's version.
    pub version: String,
    /// The salt of the passphrase's key, hexadecimal.
    pub salt: String,
    /// How often it is stretched.
    pub rounds: u32,
}

/// Seals or opens the frames of one file.
struct Frames {
    key: LessSafeKey,
    bound_to: Vec<u8>,
    next: u64,
}

/// Whether another frame follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Follows {
    Another,
    Nothing,
}

impl Frames {
    /// The frames behind this beginning of a file, under the key of a passphrase.
    fn new(
        beginning: Vec<u8>,
        head: &SnapshotHead,
        passphrase: &[u8],
    ) -> Result<Self, Unspecified> {
        let salt = hex::decode(&head.salt).map_err(|_| Unspecified)?;
        let rounds = NonZeroU32::new(head.rounds).filter(|rounds| rounds.get() <= MAX_ROUNDS);
        let rounds = rounds.ok_or(Unspecified)?;
        let mut bytes = Zeroizing::new([0; 32]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, passphrase, &mut *bytes);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*bytes)?);
        Ok(Self { key, bound_to: beginning, next: 0 })
    }

    /// The nonce of the next frame. The key is of this file alone, because its salt is drawn for it.
    fn nonce(&mut self, follows: Follows) -> Nonce {
        let mut nonce = [0; 12];
        let (number, last) = nonce.split_at_mut(8);
        number.copy_from_slice(&self.next.to_be_bytes());
        last.copy_from_slice(&u32::from(follows == Follows::Nothing).to_be_bytes());
        self.next += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

#[cfg(test)]
mod tests;
