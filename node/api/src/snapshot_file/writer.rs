//! Writes a snapshot file frame by frame, as bytes that go wherever the caller sends them.

use super::{FRAME, Follows, Frames, MAGIC, ROUNDS, SnapshotHead, TAG, VERSION};
use aws_lc_rs::{aead::Aad, error::Unspecified};
use countersign_core::secret::Secret;
use zeroize::Zeroizing;

/// A file under construction.
pub struct SnapshotWriter {
    frames: Frames,
    /// Clear bytes that are not a whole frame yet.
    pending: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotWriter").finish_non_exhaustive()
    }
}

impl SnapshotWriter {
    /// Begins a file with a fresh salt, which replaces that of the head. The bytes are its beginning.
    ///
    /// # Errors
    /// Where sealing fails.
    pub fn begin(
        head: SnapshotHead,
        cluster_key: &Secret,
        passphrase: &[u8],
    ) -> Result<(Self, Vec<u8>), Unspecified> {
        let mut salt = [0; 32];
        aws_lc_rs::rand::fill(&mut salt)?;
        let head = SnapshotHead { salt: hex::encode(salt), rounds: ROUNDS, ..head };
        Self::salted(head, cluster_key, passphrase)
    }

    pub(super) fn salted(
        head: SnapshotHead,
        cluster_key: &Secret,
        passphrase: &[u8],
    ) -> Result<(Self, Vec<u8>), Unspecified> {
        let json = serde_json::to_vec(&head).map_err(|_| Unspecified)?;
        let length = u32::try_from(json.len()).map_err(|_| Unspecified)?;
        let mut beginning = MAGIC.to_vec();
        beginning.extend_from_slice(&VERSION.to_be_bytes());
        beginning.extend_from_slice(&length.to_be_bytes());
        beginning.extend_from_slice(&json);
        let frames = Frames::new(beginning.clone(), &head, passphrase)?;
        let mut writer = Self { frames, pending: Zeroizing::new(Vec::with_capacity(FRAME)) };
        beginning.extend(writer.seal(cluster_key.expose(), Follows::Another)?);
        Ok((writer, beginning))
    }

    /// Takes bytes of the state, and gives the frames that they complete.
    ///
    /// # Errors
    /// Where sealing fails.
    pub fn put(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut sealed = Vec::new();
        while !bytes.is_empty() {
            let room = FRAME - self.pending.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == FRAME {
                let frame = std::mem::take(&mut *self.pending);
                sealed.extend(self.seal(&Zeroizing::new(frame), Follows::Another)?);
            }
        }
        Ok(sealed)
    }

    /// The end of the file: without it the file is worth nothing.
    ///
    /// # Errors
    /// Where sealing fails.
    pub fn finish(mut self) -> Result<Vec<u8>, Unspecified> {
        let rest = Zeroizing::new(std::mem::take(&mut *self.pending));
        self.seal(&rest, Follows::Nothing)
    }

    fn seal(&mut self, clear: &[u8], follows: Follows) -> Result<Vec<u8>, Unspecified> {
        let length = u32::try_from(clear.len() + TAG).map_err(|_| Unspecified)?;
        let nonce = self.frames.nonce(follows);
        let mut sealed = clear.to_vec();
        let bound_to = Aad::from(&self.frames.bound_to);
        self.frames.key.seal_in_place_append_tag(nonce, bound_to, &mut sealed)?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.append(&mut sealed);
        Ok(frame)
    }
}
