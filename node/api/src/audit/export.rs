//! An export of the audit chain, and the proof that it is whole. A line says what it is and under which keys, one line
//! follows for each event, and the last has the end as the cluster has signed it.
//!
//! The proof reads one line after the other, in constant memory, and believes nothing: every hash is computed again, and
//! every line must be written exactly as an export writes it, so that no two programs can read two things in it. What it
//! cannot know by itself is which keys are the cluster's: whoever can replace a whole file can sign it with keys of their
//! own. So the reader says which key or which head it knows from elsewhere.

mod file;

pub use file::{FileError, prove};

use super::{
    AuditEvent, EventError, ocsf,
    signed::{self, AuditKey, RingError, SpanEnd},
};
use crate::time::Timestamp;
use countersign_core::record::{
    self, ChainHead, ClusterId, KeyRing, NotHex, ProofError, ProofWalk,
};
use serde::{Deserialize, Serialize};

/// The format of the file.
pub const FORMAT: &str = "countersign-audit-export-v1";
/// The longest line, in bytes: an event with the longest texts, every character of them escaped.
pub const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// The first: what the file is.
    Export(Header),
    /// An event.
    Event(AuditEvent),
    /// The last: where the export ends.
    End(SpanEnd),
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// The cluster.
    pub cluster_id: String,
    /// The event behind which the file begins; 0 for the whole chain.
    pub after: u64,
    /// Every key of the cluster's at the time of the export.
    pub keys: Vec<AuditKey>,
}

/// How the lines of a file are written. A file has one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the chain has them.
    Native,
    /// As events of the Open Cybersecurity Schema Framework.
    Ocsf,
}

/// How a line begins that is written as the chain has it.
const NATIVE: [&str; 3] = [r#"{"export":"#, r#"{"event":"#, r#"{"end":"#];

impl Line {
    /// The line as a file has it, without its end.
    pub fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The same in a form of choice.
    pub fn text_as(&self, form: Form) -> serde_json::Result<String> {
        match form {
            Form::Native => self.text(),
            Form::Ocsf => ocsf::text(self),
        }
    }

    /// Reads a line that is written exactly as it would be.
    fn read(text: &str) -> Result<(Self, Form), ExportError> {
        let (line, form) = if NATIVE.iter().any(|begin| text.starts_with(begin)) {
            (serde_json::from_str(text), Form::Native)
        } else {
            (ocsf::read(text), Form::Ocsf)
        };
        let line: Self = line.map_err(|error| ExportError::NoLine(error.to_string()))?;
        match line.text_as(form) {
            Ok(written) if written == text => Ok((line, form)),
            Ok(_) | Err(_) => Err(ExportError::OtherwiseWritten),
        }
    }
}

/// What the reader knows from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// A key of the cluster's: the others follow from it.
    pub key: Option<record::AuditKey>,
    /// An event of the chain with its hash.
    pub head: Option<ChainHead>,
}

impl Known {
    /// Whether what was proved, from the event behind `after` on, has the head that is known.
    pub fn is_in(&self, after: u64, proof: &Proof) -> Result<(), ExportError> {
        match self.head {
            Some(known) if known.sequence < after || known.sequence > proof.sequence => {
                let (first, last) = (after + 1, proof.sequence);
                Err(ExportError::WithoutHead { sequence: known.sequence, first, last })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What was proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// It holds.
    pub ok: bool,
    /// Events that were looked at.
    pub events: u64,
    /// Checkpoints among them, each verified.
    pub checkpoints: u64,
    /// The sequence of the first of them.
    pub first: u64,
    /// The sequence of the last.
    pub sequence: u64,
    /// Its hash.
    pub hash: String,
    /// When the cluster signed that this is the end.
    pub at: Timestamp,
    /// The cluster.
    pub cluster_id: String,
    /// The key that it signed with.
    pub key: String,
    /// Whether that key follows from one that the reader knew.
    pub key_known: bool,
}

/// Why an export is not proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// A line is none of an export.
    #[error("not a line of an export: {0}")]
    NoLine(String),
    /// A line says something that an export would have written in another way.
    #[error("the line is not written as an export writes it: somebody has changed it")]
    OtherwiseWritten,
    /// The form of the file is not known.
    #[error("the format `{0}` is not known")]
    UnknownFormat(String),
    /// The file does not begin with its first line.
    #[error("the line that says what the file is, is missing")]
    NoHeader,
    /// Another file begins within the file.
    #[error("a second export begins")]
    SecondHeader,
    /// A line has no end.
    #[error("the line has no end: the file was cut short")]
    TornLine,
    /// Something follows the end.
    #[error("something follows the signed end")]
    BehindTheEnd,
    /// There is no end.
    #[error("the file was cut short: there are {events} events, and no line with the signed end")]
    CutShort {
        /// Events that there are.
        events: u64,
    },
    /// A key or hash cannot be read.
    #[error("{what}: {error}")]
    Unreadable {
        /// What.
        what: &'static str,
        /// Why.
        error: NotHex,
    },
    /// The keys are no ring.
    #[error("the keys do not follow from each other: {0}")]
    Ring(#[from] RingError),
    /// An event was changed.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The chain does not hold.
    #[error(transparent)]
    Chain(#[from] ProofError),
    /// None of the keys is the one that is known.
    #[error("key {key} is not among this export's: it was signed by somebody else")]
    StrangersKey {
        /// The key that is known.
        key: record::AuditKey,
    },
    /// The event that is known is another one here.
    #[error("event {sequence} is another one than the head that is known")]
    OtherHead {
        /// The event.
        sequence: u64,
    },
    /// An event that is known is not among those here.
    #[error("event {sequence}, which is known, is not in it: it has the events {first} to {last}")]
    WithoutHead {
        /// The event that is known.
        sequence: u64,
        /// The first event here.
        first: u64,
        /// The last event here.
        last: u64,
    },
    /// The keys of a file are not those of the file before it, with or without further ones.
    #[error("its keys are others than those of the file before it")]
    OtherKeys,
    /// No chain has so many events.
    #[error("it begins behind event {0}, which no chain has")]
    TooFar(u64),
    /// A file does not go on where the one before it ended.
    #[error("it begins behind event {found}, and the file before it ends at event {expected}")]
    Gap {
        /// Where the file before ended.
        expected: u64,
        /// Behind which event this one begins.
        found: u64,
    },
}

/// More events than any chain has: numbers beyond it are somebody's invention.
const MOST_EVENTS: u64 = i64::MAX as u64;

/// What a file has shown that the next one must go on from.
#[derive(Debug)]
struct Before {
    head: ChainHead,
    ring: KeyRing,
    /// The number of the key in force, if the file has shown it.
    in_force: Option<u64>,
}

/// Reading a file.
#[derive(Debug)]
pub struct Reading {
    known: Known,
    /// Where the file before ended, when there was one.
    before: Option<Box<Before>>,
    /// That of the first line.
    form: Option<Form>,
    stage: Stage,
}

/// Where the reading stands after a line, and the event of it.
type Taken = (Stage, Option<record::AuditEvent>);

#[derive(Debug)]
enum Stage {
    Beginning,
    Begun { cluster: ClusterId, after: u64, ring: KeyRing },
    Walking { cluster: ClusterId, after: u64, walk: Box<ProofWalk> },
    Ended(Box<(Proof, Before)>),
    Refused,
}

impl Reading {
    /// The beginning of a file.
    pub fn new(known: Known) -> Self {
        Self { known, before: None, form: None, stage: Stage::Beginning }
    }

    /// Takes the next line, without its end; gives the event of it, if it is one.
    pub fn line(&mut self, text: &str) -> Result<Option<record::AuditEvent>, ExportError> {
        let (line, form) = Line::read(text)?;
        if *self.form.get_or_insert(form) != form {
            return Err(ExportError::OtherwiseWritten);
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Refused);
        let (stage, event) = self.next(stage, line)?;
        self.stage = stage;
        Ok(event)
    }

    fn next(&self, stage: Stage, line: Line) -> Result<Taken, ExportError> {
        match (stage, line) {
            (Stage::Beginning, Line::Export(header)) => Ok((self.begin(header)?, None)),
            (Stage::Beginning, Line::Event(_) | Line::End(_)) => Err(ExportError::NoHeader),
            (Stage::Begun { cluster, after, ring }, Line::Event(event)) => {
                let event = record::AuditEvent::try_from(event)?;
                let start = self.start(after, event.previous)?;
                let walk = Box::new(self.walk(ring, start));
                self.step((cluster, after), walk, event)
            }
            (Stage::Walking { cluster, after, walk }, Line::Event(event)) => {
                self.step((cluster, after), walk, event.try_into()?)
            }
            (Stage::Begun { cluster, after, ring }, Line::End(end)) => {
                let said = end.hash.parse();
                let said = said.map_err(|error| ExportError::Unreadable { what: "hash", error })?;
                let walk = self.walk(ring, self.start(after, said)?);
                Ok((self.end(cluster, after, walk, &end)?, None))
            }
            (Stage::Walking { cluster, after, walk }, Line::End(end)) => {
                Ok((self.end(cluster, after, *walk, &end)?, None))
            }
            (Stage::Begun { .. } | Stage::Walking { .. }, Line::Export(_)) => {
                Err(ExportError::SecondHeader)
            }
            (Stage::Ended(_) | Stage::Refused, _) => Err(ExportError::BehindTheEnd),
        }
    }

    fn begin(&self, header: Header) -> Result<Stage, ExportError> {
        if header.format != FORMAT {
            return Err(ExportError::UnknownFormat(header.format));
        }
        let cluster: ClusterId = header
            .cluster_id
            .parse()
            .map_err(|error| ExportError::Unreadable { what: "cluster_id", error })?;
        let ring = signed::ring(cluster, &header.keys)?;
        if let Some(key) = self.known.key
            && ring.number_of(&key).is_none()
        {
            return Err(ExportError::StrangersKey { key });
        }
        if header.after > MOST_EVENTS {
            return Err(ExportError::TooFar(header.after));
        }
        if let Some(before) = &self.before {
            let expected = before.head.sequence;
            if (before.ring.cluster(), expected) != (cluster, header.after) {
                return Err(ExportError::Gap { expected, found: header.after });
            }
            // Keys only ever come to those that there were: with others, somebody else has signed what follows.
            if !ring.goes_on_from(&before.ring) {
                return Err(ExportError::OtherKeys);
            }
        }
        Ok(Stage::Begun { cluster, after: header.after, ring })
    }

    /// A chain begins at nothing, a further file at the end of the one before, and a part at what its first event says.
    fn start(&self, after: u64, said: record::ChainHash) -> Result<ChainHead, ExportError> {
        let start = match &self.before {
            Some(before) => before.head,
            None if after == 0 => ChainHead::default(),
            None => ChainHead { sequence: after, hash: said },
        };
        self.agrees(start)?;
        Ok(start)
    }

    /// The walk behind `start`; the key that was in force at the end of the file before is so at the beginning of this one.
    fn walk(&self, ring: KeyRing, start: ChainHead) -> ProofWalk {
        match &self.before {
            Some(before) => ProofWalk::going_on(ring, start, before.in_force),
            None => ProofWalk::new(ring, start),
        }
    }

    /// Whether this is the head that is known, where it is of the same event.
    fn agrees(&self, head: ChainHead) -> Result<(), ExportError> {
        match self.known.head {
            Some(known) if known.sequence == head.sequence && known != head => {
                Err(ExportError::OtherHead { sequence: head.sequence })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn step(
        &self,
        (cluster, after): (ClusterId, u64),
        mut walk: Box<ProofWalk>,
        event: record::AuditEvent,
    ) -> Result<Taken, ExportError> {
        walk.step(&event)?;
        self.agrees(walk.head())?;
        Ok((Stage::Walking { cluster, after, walk }, Some(event)))
    }

    fn end(
        &self,
        cluster: ClusterId,
        after: u64,
        walk: ProofWalk,
        end: &SpanEnd,
    ) -> Result<Stage, ExportError> {
        let signed = end
            .signed(cluster, after)
            .map_err(|error| ExportError::Unreadable { what: "the signed end", error })?;
        let (checkpoints, ring, in_force) =
            (walk.checkpoints(), walk.ring().clone(), walk.in_force());
        let head = walk.finish(&signed)?;
        let proof = Proof {
            ok: true,
            events: head.sequence - after,
            checkpoints,
            first: after + 1,
            sequence: head.sequence,
            hash: head.hash.to_string(),
            at: end.at,
            cluster_id: cluster.to_string(),
            key: signed.key.to_string(),
            key_known: self.known.key.is_some(),
        };
        Ok(Stage::Ended(Box::new((proof, Before { head, ring, in_force }))))
    }

    /// Ends the file. The second is the beginning of the file that follows it.
    pub fn finish(self) -> Result<(Proof, Self), ExportError> {
        match self.stage {
            Stage::Ended(ended) => {
                let (proof, before) = *ended;
                let next = Self {
                    known: self.known,
                    before: Some(Box::new(before)),
                    form: self.form,
                    stage: Stage::Beginning,
                };
                Ok((proof, next))
            }
            Stage::Beginning | Stage::Refused => Err(ExportError::NoHeader),
            Stage::Begun { .. } => Err(ExportError::CutShort { events: 0 }),
            Stage::Walking { after, walk, .. } => {
                Err(ExportError::CutShort { events: walk.head().sequence - after })
            }
        }
    }
}
