//! The container of a segment, version 1, byte by byte. Numbers are big-endian.
//!
//! ```text
//! offset  bytes  what
//!      0      8  magic: 89 43 53 52 45 43 0D 0A  (0x89 "CSREC" CR LF: not text, and broken by what changes line ends)
//!      8      1  format version: 01
//!      9      …  three chunks, in this order: header, content, end; nothing behind them
//!
//! a chunk:
//!      0      1  kind: 'H' header, 'C' content, 'E' end
//!      1      1  version of the chunk: 01
//!      2      4  length n of the body
//!      6      n  body
//!    6+n      4  CRC-32 (IEEE) of the chunk so far: kind, version, length, body
//!
//! the body of the header, 82 bytes:
//!      0     16  session id
//!     16      8  sequence: 1 for the first segment of a recording, without gaps
//!     24      1  position: 00 more segments follow, 01 this is the last one
//!     25      1  compression of the content: 01 zstd (RFC 8878), one frame
//!     26      1  encryption of the content: 01 AES-256-GCM (NIST SP 800-38D)
//!     27     16  id of the data key; the key itself stands, wrapped, in the replicated state
//!     43     32  digest of the segment before; all zero for the first
//!     75      7  reserved, zero
//!
//! the body of the content: 12 bytes of nonce, the ciphertext, 16 bytes of tag. The additional data of the encryption are the
//! 82 bytes of the header, so that a content opens in its own place only. What it decrypts and decompresses to is described
//! in `entry`.
//!
//! the body of the end, 32 bytes: SHA-256 of everything in front of the end chunk.
//! ```
//!
//! The digest of a segment is the SHA-256 of the whole file. CRC and end find damage without the digest being known (a bit that
//! flipped, an end that is missing, chunks in another order), and the CRC says where; they are no proof against people. That
//! is the digest's and the tag's part.

use super::{
    DataKeyId,
    field::{Malformed, Reader, length},
};
use crate::id::SessionId;
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// The longest segment, in bytes.
pub const MAX_SEGMENT: usize = 1024 * 1024;
/// What a segment begins with.
const MAGIC: [u8; 8] = [0x89, b'C', b'S', b'R', b'E', b'C', 0x0d, 0x0a];
/// The version of the container, and of each of its chunks.
const VERSION: u8 = 1;
/// The length of a header.
pub const HEADER: usize = 82;
/// Zero until a version says what for.
const RESERVED: [u8; 7] = [0; 7];
const ZSTD: u8 = 1;
const AES_256_GCM: u8 = 1;
/// What a chunk has around its body.
const AROUND: usize = 10;

/// The name of a segment: the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SegmentDigest(pub [u8; 32]);

impl SegmentDigest {
    /// What the first segment of a recording names as its predecessor.
    pub const NONE: Self = Self([0; 32]);

    /// The digest of a segment's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for SegmentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SegmentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SegmentDigest {
    type Err = SegmentError;

    fn from_str(text: &str) -> Result<Self, SegmentError> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| SegmentError::Digest)?;
        Ok(Self(digest))
    }
}

/// Where a segment stands in its recording, and which key opens it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentHeader {
    /// Whose recording it is.
    pub session: SessionId,
    /// 1 for the first.
    pub sequence: u64,
    /// Whether more follow.
    pub position: Position,
    /// The key of its content.
    pub key: DataKeyId,
    /// The segment before.
    pub previous: SegmentDigest,
}

/// Whether a recording goes on behind a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// It does.
    Followed,
    /// The session is over.
    Last,
}

/// A segment that was read and found whole. Its content is still sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// Where it stands.
    pub header: SegmentHeader,
    /// Nonce, ciphertext and tag.
    pub content: &'a [u8],
}

/// Why bytes are no segment of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// It does not begin as a segment does.
    #[error("it is no segment of a recording")]
    Magic,
    /// It is of a version that this build does not know.
    #[error("{what} has version {version}, which this build does not know")]
    Version {
        /// The container or a chunk.
        what: &'static str,
        /// Its version.
        version: u8,
    },
    /// A chunk is damaged, cut off, or not in its place.
    #[error("{what} is damaged at byte {at}")]
    Damaged {
        /// Which chunk.
        what: &'static str,
        /// Where it begins.
        at: usize,
    },
    /// Something stands behind the end.
    #[error("something follows its end")]
    Longer,
    /// It is longer than a segment can be.
    #[error("it is longer than {MAX_SEGMENT} bytes")]
    TooLong,
    /// A text is no digest.
    #[error("a digest is 64 hexadecimal digits")]
    Digest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Header,
    Content,
    End,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Header => b'H',
            Self::Content => b'C',
            Self::End => b'E',
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Header => "the header",
            Self::Content => "the content",
            Self::End => "the end",
        }
    }
}

impl SegmentHeader {
    /// The body of the header: also what the content is bound to.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(self.session.as_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.push(match self.position {
            Position::Followed => 0,
            Position::Last => 1,
        });
        out.extend_from_slice(&[ZSTD, AES_256_GCM]);
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.previous.0);
        out.extend_from_slice(&RESERVED);
        let mut header = [0; HEADER];
        header.copy_from_slice(&out);
        header
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut body = Reader(body);
        let session = SessionId::from_bytes(body.array()?);
        let sequence = body.long()?;
        let position = match body.byte()? {
            0 => Position::Followed,
            1 => Position::Last,
            _unknown => return Err(Malformed),
        };
        if body.array()? != [ZSTD, AES_256_GCM] {
            return Err(Malformed);
        }
        let key = DataKeyId(body.array()?);
        let previous = SegmentDigest(body.array()?);
        if body.array()? != RESERVED || sequence == 0 {
            return Err(Malformed);
        }
        body.end()?;
        Ok(Self { session, sequence, position, key, previous })
    }
}

/// The bytes of a segment with this content, which is sealed already.
pub fn write(header: &SegmentHeader, content: &[u8]) -> Result<Vec<u8>, SegmentError> {
    let all = MAGIC.len() + 1 + 3 * AROUND + HEADER + content.len() + 32;
    if all > MAX_SEGMENT {
        return Err(SegmentError::TooLong);
    }
    let mut out = Vec::with_capacity(all);
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    chunk(&mut out, Kind::Header, &header.encode());
    chunk(&mut out, Kind::Content, content);
    let so_far = SegmentDigest::of(&out);
    chunk(&mut out, Kind::End, &so_far.0);
    Ok(out)
}

fn chunk(out: &mut Vec<u8>, kind: Kind, body: &[u8]) {
    let begin = out.len();
    out.extend_from_slice(&[kind.byte(), VERSION]);
    out.extend_from_slice(&length(body.len()).to_be_bytes());
    out.extend_from_slice(body);
    let checksum = crc32fast::hash(out.get(begin..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_be_bytes());
}

/// Reads a segment, whole or not at all.
pub fn read(bytes: &[u8]) -> Result<Segment<'_>, SegmentError> {
    if bytes.len() > MAX_SEGMENT {
        return Err(SegmentError::TooLong);
    }
    let mut rest = Reader(bytes);
    if rest.array() != Ok(MAGIC) {
        return Err(SegmentError::Magic);
    }
    match rest.byte() {
        Ok(VERSION) => {}
        Ok(version) => return Err(SegmentError::Version { what: "the segment", version }),
        Err(Malformed) => return Err(SegmentError::Magic),
    }
    let header = expect(bytes, &mut rest, Kind::Header)?;
    let damaged = |at| SegmentError::Damaged { what: Kind::Header.name(), at };
    let header = SegmentHeader::decode(header).map_err(|Malformed| damaged(MAGIC.len() + 1))?;
    let content = expect(bytes, &mut rest, Kind::Content)?;
    let end = bytes.len() - rest.0.len();
    let said = expect(bytes, &mut rest, Kind::End)?;
    if bytes.get(..end).is_none_or(|before| SegmentDigest::of(before).0.as_slice() != said) {
        return Err(SegmentError::Damaged { what: Kind::End.name(), at: end });
    }
    rest.end().map_err(|Malformed| SegmentError::Longer)?;
    Ok(Segment { header, content })
}

/// The body of the chunk that comes next, which must be of this kind.
fn expect<'a>(
    whole: &'a [u8],
    rest: &mut Reader<'a>,
    kind: Kind,
) -> Result<&'a [u8], SegmentError> {
    let at = whole.len() - rest.0.len();
    let damaged = |Malformed| SegmentError::Damaged { what: kind.name(), at };
    let begin = rest.0;
    let found = rest.byte().map_err(damaged)?;
    let version = rest.byte().map_err(damaged)?;
    let length = usize::try_from(rest.short().map_err(damaged)?).map_err(|_| damaged(Malformed))?;
    let body = rest.bytes(length).map_err(damaged)?;
    let covered = begin.get(..AROUND - 4 + length).ok_or_else(|| damaged(Malformed))?;
    let checksum = rest.short().map_err(damaged)?;
    if found != kind.byte() || checksum != crc32fast::hash(covered) {
        return Err(damaged(Malformed));
    }
    // Only where the checksum holds: what is damaged is not called new.
    if version != VERSION {
        return Err(SegmentError::Version { what: kind.name(), version });
    }
    Ok(body)
}
