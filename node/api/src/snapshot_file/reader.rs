//! Reads a snapshot file frame by frame. Nothing of a frame is given out that is not proved; that the file is whole is known
//! once the last one was read.

use super::{FRAME, Follows, Frames, MAGIC, MAX_HEAD, SnapshotHead, TAG, VERSION};
use aws_lc_rs::aead::Aad;
use countersign_core::secret::Secret;
use std::io::{self, Read};
use zeroize::Zeroizing;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is not a snapshot of Countersign's")]
    Another,
    /// It is of a later program.
    #[error("it has version {0}, which this program does not know")]
    Version(u32),
    /// It is damaged, or the passphrase is another one.
    #[error("frame {0} does not open: the passphrase is another one, or the file is damaged")]
    Sealed(u64),
    /// It ends too early.
    #[error("the file ends before the snapshot does")]
    Short,
    /// Something follows its end.
    #[error("something follows the end of the snapshot")]
    Behind,
}

/// A file whose beginning was read.
pub struct SnapshotReader<R> {
    input: R,
    beginning: Vec<u8>,
    head: SnapshotHead,
}

impl<R> std::fmt::Debug for SnapshotReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotReader").field("head", &self.head).finish_non_exhaustive()
    }
}

impl<R: Read> SnapshotReader<R> {
    /// Reads the beginning. What it says is not proved before the first frame is opened.
    ///
    /// # Errors
    /// [`FileProblem`].
    pub fn new(mut input: R) -> Result<Self, FileProblem> {
        let mut fixed = [0; 16];
        exactly(&mut input, &mut fixed)?;
        let (magic, rest) = fixed.split_at(8);
        let (version, length) = rest.split_at(4);
        if magic != MAGIC {
            return Err(FileProblem::Another);
        }
        let version = number(version);
        if version != VERSION {
            return Err(FileProblem::Version(version));
        }
        let length = usize::try_from(number(length)).unwrap_or(usize::MAX);
        if length > MAX_HEAD {
            return Err(FileProblem::Another);
        }
        let mut json = vec![0; length];
        exactly(&mut input, &mut json)?;
        let head = serde_json::from_slice(&json).map_err(|_| FileProblem::Another)?;
        let beginning = [&fixed, json.as_slice()].concat();
        Ok(Self { input, beginning, head })
    }

    /// What the file says of itself.
    pub fn head(&self) -> &SnapshotHead {
        &self.head
    }

    /// Opens it with its passphrase, and gives the cluster key in it.
    ///
    /// # Errors
    /// [`FileProblem`].
    pub fn open(self, passphrase: &[u8]) -> Result<(Opened<R>, Secret), FileProblem> {
        let frames = Frames::new(self.beginning, &self.head, passphrase);
        let frames = frames.map_err(|_| FileProblem::Another)?;
        let mut opened = Opened { input: self.input, frames, ended: Follows::Another };
        let first = opened.piece()?.ok_or(FileProblem::Short)?;
        Ok((opened, Secret::new(first.as_slice())))
    }
}

/// The sealed part of a file.
pub struct Opened<R> {
    input: R,
    frames: Frames,
    ended: Follows,
}

impl<R> std::fmt::Debug for Opened<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

impl<R: Read> Opened<R> {
    /// The next bytes of the state; none once the file was found whole.
    ///
    /// # Errors
    /// [`FileProblem`].
    pub fn piece(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, FileProblem> {
        if self.ended == Follows::Nothing {
            let mut behind = [0];
            return match self.input.read(&mut behind)? {
                0 => Ok(None),
                _more => Err(FileProblem::Behind),
            };
        }
        let mut length = [0; 4];
        exactly(&mut self.input, &mut length)?;
        let length = usize::try_from(number(&length)).unwrap_or(usize::MAX);
        let place = self.frames.next;
        if !(TAG..=FRAME + TAG).contains(&length) {
            return Err(FileProblem::Sealed(place));
        }
        let mut sealed = vec![0; length];
        exactly(&mut self.input, &mut sealed)?;
        // Which of the two it is only the frame itself knows.
        for follows in [Follows::Another, Follows::Nothing] {
            self.frames.next = place;
            let nonce = self.frames.nonce(follows);
            let mut clear = Zeroizing::new(sealed.clone());
            let bound_to = Aad::from(&self.frames.bound_to);
            if let Ok(opened) = self.frames.key.open_in_place(nonce, bound_to, &mut clear) {
                let length = opened.len();
                clear.truncate(length);
                self.ended = follows;
                return Ok(Some(clear));
            }
        }
        Err(FileProblem::Sealed(place))
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn exactly(input: &mut impl Read, bytes: &mut [u8]) -> Result<(), FileProblem> {
    input.read_exact(bytes).map_err(|error| {
        let short = error.kind() == io::ErrorKind::UnexpectedEof;
        if short { FileProblem::Short } else { FileProblem::Io(error) }
    })
}
