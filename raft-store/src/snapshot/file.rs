//! One snapshot file: eight bytes that name the format, then chunks of length, checksum and content. The first chunk is
//! the head, the last one counts the pairs; a file without its last chunk is not a snapshot.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::SnapshotHead;
use crate::encoding::Encoded;
use crate::machine::Pair;
use crate::state_hash::StateHash;

const MAGIC: &[u8; 8] = b"CSSNAP\x00\x01";
/// A chunk is closed when it has this many bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// A chunk that claims more is damaged: no pair comes near it.
const CHUNK_MOST: usize = 64 << 20;
const TAG_PAIRS: u8 = 1;
const TAG_END: u8 = 2;

/// A whole snapshot on the disk, held open so that removing its name does not harm who is reading it.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) head: SnapshotHead,
}

impl SnapshotFile {
    /// Opens a file and reads its head.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let head = SnapshotReader::new(file.try_clone()?)?.head;
        Ok(Self { path: path.to_owned(), file, head })
    }

    /// Reads all of it: every checksum, the count, and the hash of the pairs.
    pub(crate) fn verify(&self) -> io::Result<()> {
        let mut reader = SnapshotReader::new(self.file.try_clone()?)?;
        while reader.chunk()?.is_some() {}
        Ok(())
    }
}

/// Writes a snapshot chunk by chunk.
#[derive(Debug)]
pub(crate) struct SnapshotWriter {
    out: BufWriter<File>,
    chunk: Vec<u8>,
    pairs: u64,
}

impl SnapshotWriter {
    pub(crate) fn new(file: File, head: &SnapshotHead) -> io::Result<Self> {
        let mut writer = Self { out: BufWriter::new(file), chunk: vec![TAG_PAIRS], pairs: 0 };
        writer.out.write_all(MAGIC)?;
        writer.write_chunk(&head.encode()?)?;
        Ok(writer)
    }

    pub(crate) fn pair(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        for part in [key, value] {
            self.chunk.extend_from_slice(&length(part)?.to_le_bytes());
            self.chunk.extend_from_slice(part);
        }
        self.pairs += 1;
        if self.chunk.len() >= CHUNK_BYTES { self.close_chunk() } else { Ok(()) }
    }

    /// Writes what is left and hands the file back. It is not synced yet.
    pub(crate) fn finish(mut self) -> io::Result<File> {
        self.close_chunk()?;
        let mut end = vec![TAG_END];
        end.extend_from_slice(&self.pairs.to_le_bytes());
        self.write_chunk(&end)?;
        self.out.into_inner().map_err(io::IntoInnerError::into_error)
    }

    fn close_chunk(&mut self) -> io::Result<()> {
        if self.chunk.len() > 1 {
            let chunk = std::mem::replace(&mut self.chunk, vec![TAG_PAIRS]);
            self.write_chunk(&chunk)?;
        }
        Ok(())
    }

    fn write_chunk(&mut self, content: &[u8]) -> io::Result<()> {
        self.out.write_all(&length(content)?.to_le_bytes())?;
        self.out.write_all(&crc32fast::hash(content).to_le_bytes())?;
        self.out.write_all(content)
    }
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| damaged("a part is too long"))
}

/// Reads a snapshot chunk by chunk, and fails at the end when the whole is not what the head says.
#[derive(Debug)]
pub(crate) struct SnapshotReader {
    input: BufReader<File>,
    pub(crate) head: SnapshotHead,
    pairs: u64,
    hash: StateHash,
}

impl SnapshotReader {
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        let mut input = BufReader::new(file);
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic)?;
        if magic != *MAGIC {
            return Err(damaged("it is not a snapshot of a known format"));
        }
        let head = SnapshotHead::decode(&read_chunk(&mut input)?)?;
        Ok(Self { input, head, pairs: 0, hash: StateHash::default() })
    }

    /// The pairs of the next chunk; none behind the last, once everything was found right.
    pub(crate) fn chunk(&mut self) -> io::Result<Option<Vec<Pair>>> {
        let chunk = read_chunk(&mut self.input)?;
        match chunk.split_first() {
            Some((&TAG_PAIRS, rest)) => {
                let pairs = split(rest).ok_or_else(|| damaged("a chunk ends inside a pair"))?;
                self.pairs += pairs.len() as u64;
                for (key, value) in &pairs {
                    self.hash.add(key, value);
                }
                Ok(Some(pairs))
            }
            Some((&TAG_END, rest)) => {
                let mut behind = [0];
                if rest != self.pairs.to_le_bytes() {
                    Err(damaged("pairs are missing"))
                } else if self.hash != self.head.hash {
                    Err(damaged("its pairs have another hash than its head says"))
                } else if self.input.read(&mut behind)? != 0 {
                    Err(damaged("there are bytes behind its end"))
                } else {
                    Ok(None)
                }
            }
            Some(_) | None => Err(damaged("a chunk of an unknown kind")),
        }
    }
}

fn read_chunk(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut length, mut checksum) = ([0; 4], [0; 4]);
    input.read_exact(&mut length)?;
    input.read_exact(&mut checksum)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > CHUNK_MOST {
        return Err(damaged("a chunk is too long"));
    }
    let mut content = vec![0; length];
    input.read_exact(&mut content)?;
    if crc32fast::hash(&content) != u32::from_le_bytes(checksum) {
        return Err(damaged("a checksum does not match"));
    }
    Ok(content)
}

fn split(mut rest: &[u8]) -> Option<Vec<Pair>> {
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (key, behind) = split_part(rest)?;
        let (value, behind) = split_part(behind)?;
        pairs.push((key.to_vec(), value.to_vec()));
        rest = behind;
    }
    Some(pairs)
}

fn split_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

fn damaged(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the snapshot is damaged: {reason}"))
}
