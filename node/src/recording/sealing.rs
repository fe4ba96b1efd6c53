//! Sealing and opening the content of a segment: zstd, then AES-256-GCM under the recording's own data key, bound to the
//! segment's header. Keys are wrapped elsewhere (`key_ring`).

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use countersign_core::{
    recording::{
        DataKeyId, SegmentHeader,
        segment::{self, SegmentError},
    },
    secret::Secret,
};

/// Bytes of a data key.
pub(super) const KEY_BYTES: usize = 32;
/// How hard zstd tries: what costs little beside the encryption.
const LEVEL: i32 = 1;
/// The longest content, in bytes, before it is compressed. What a segment decompresses to is never longer.
pub(super) const MAX_CONTENT: usize = 4 * 1024 * 1024;

/// The key of one recording.
#[derive(Debug)]
pub(super) struct DataKey {
    id: DataKeyId,
    secret: Secret,
}

/// Why a content was not sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// It does not compress or decompress to what it can be.
    #[error("the content cannot be compressed, or decompressed")]
    Compression,
    /// The key or the cipher refuses: it is another key's, of another place, or was changed.
    #[error("the content does not open under its key and in its place")]
    Cipher,
    /// The wrapping key is not there, or what it wrapped was changed.
    #[error("the recording's key does not open: it was wrapped by {by}")]
    Wrapping {
        /// The name of the wrapping key.
        by: String,
    },
    /// The container does not hold it.
    #[error("the segment cannot be made")]
    Segment(#[source] SegmentError),
    /// Segments were made in another order than they were recorded.
    #[error("the segments are out of order")]
    Order,
}

impl DataKey {
    /// Draws one.
    pub(super) fn draw() -> Self {
        let secret = Secret::new(rand::random::<[u8; KEY_BYTES]>());
        Self { id: DataKeyId(rand::random()), secret }
    }

    /// A key that was unwrapped.
    pub(super) fn of(id: DataKeyId, secret: Secret) -> Self {
        Self { id, secret }
    }

    pub(super) fn id(&self) -> DataKeyId {
        self.id
    }

    /// The bytes, to be wrapped.
    pub(super) fn expose(&self) -> &[u8] {
        self.secret.expose()
    }

    /// The bytes of a segment with this content.
    pub(super) fn seal(
        &self,
        header: &SegmentHeader,
        content: &[u8],
    ) -> Result<Vec<u8>, SealingError> {
        if content.len() > MAX_CONTENT {
            return Err(SealingError::Compression);
        }
        let compressed = zstd::bulk::compress(content, LEVEL);
        let mut sealed = compressed.map_err(|_| SealingError::Compression)?;
        let nonce = self
            .aead()?
            .seal_in_place_append_tag(Aad::from(header.encode()), &mut sealed)
            .map_err(|_| SealingError::Cipher)?;
        let content = [nonce.as_ref().as_slice(), &sealed].concat();
        segment::write(header, &content).map_err(SealingError::Segment)
    }

    /// The content of a segment that was read.
    pub(super) fn open(&self, segment: &segment::Segment<'_>) -> Result<Vec<u8>, SealingError> {
        let (nonce, sealed) =
            segment.content.split_first_chunk::<NONCE_LEN>().ok_or(SealingError::Cipher)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .aead()?
            .open_in_place(nonce, Aad::from(segment.header.encode()), &mut sealed)
            .map_err(|_| SealingError::Cipher)?;
        zstd::bulk::decompress(opened, MAX_CONTENT).map_err(|_| SealingError::Compression)
    }

    fn aead(&self) -> Result<RandomizedNonceKey, SealingError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.secret.expose())
            .map_err(|_| SealingError::Cipher)
    }
}
