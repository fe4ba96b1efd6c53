//! The rows of one answer: which columns are looked at and how, and what becomes of a row. A row in which nothing changes
//! stays as it came.

use super::{
    cover::{Code, Cover, Origin, Source},
    scan::scanned,
    types::Type,
    value::{Format, Place, Written, covered},
};
use crate::{
    classify::Statement,
    frame::{Body, FrameError},
};
use bytes::{BufMut, Bytes, BytesMut};
use countersign_core::mask::{ColumnMask, MaskError, MaskKind, MaskPlace, MaskPlan, MaskTally};

/// The most bytes of one row that are held to be masked; what stands behind its last masked column is not.
pub(crate) const MOST_HELD: usize = 8 * 1024 * 1024;

/// A `RowDescription`: for each column where it comes from and what its values are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Description {
    pub(crate) origins: Vec<Origin>,
    pub(crate) places: Vec<Place>,
}

/// Reads a `RowDescription`.
pub(crate) fn read_description(body: Bytes) -> Result<Description, FrameError> {
    let mut body = Body::new("RowDescription", body);
    let count = body.short()?;
    let mut description = Description { origins: Vec::new(), places: Vec::new() };
    for _ in 0..count {
        let name = String::from_utf8_lossy(&body.until_nul()?).into_owned();
        let relation = body.oid()?;
        let column = body.short()?.cast_signed();
        let of = Type::of(body.oid()?);
        let _width = body.short()?;
        let modifier = body.int()?;
        let format = match body.short()? {
            0 => Format::Text,
            1 => Format::Binary,
            _ => return Err(FrameError::Malformed { what: "RowDescription" }),
        };
        description.origins.push(Origin { name, relation, column });
        description.places.push(Place { of, format, modifier });
    }
    body.end()?;
    Ok(description)
}

/// A `RowDescription` whose columns have no names but their numbers.
pub(crate) fn without_names(body: &[u8]) -> Option<Bytes> {
    /// Table, column, type, width, modifier and format, behind the name.
    const BEHIND: usize = 18;
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut out = BytesMut::with_capacity(body.len());
    out.put_slice(count);
    for n in 1..=u16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (column, behind) = rest.get(end + 1..)?.split_at_checked(BEHIND)?;
        out.put_slice(format!("column{n}\0").as_bytes());
        out.put_slice(column);
        rest = behind;
    }
    rest.is_empty().then(|| out.freeze())
}

/// The columns of an answer.
#[derive(Debug)]
pub(crate) struct Columns {
    all: Vec<MaskedColumn>,
    /// How many columns there are up to the last one that is looked at.
    looked_at: usize,
}

#[derive(Debug)]
struct MaskedColumn {
    place: Place,
    look: Look,
    mask: ColumnMask,
}

/// What is done with the values of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    /// They pass.
    Pass,
    /// Detectors read them, or paths lead into them.
    Scan,
    /// They are covered.
    Cover(MaskKind),
}

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Row {
    /// Nothing in it changed.
    Same,
    /// What goes to the agent is in the buffer.
    Changed,
}

impl Columns {
    /// How the plan has the columns of a statement's rows.
    pub(crate) fn new(
        plan: &MaskPlan,
        cover: &Cover,
        (statement, code): (Option<&Statement>, Code),
        description: &Description,
    ) -> Self {
        let sources = match statement {
            Some(statement) => cover.sources(statement, code, &description.origins),
            None => vec![Source::Anything; description.origins.len()],
        };
        let column = |(n, (source, place)): (usize, (Source, &Place))| {
            let position = MaskPlace::Position(u16::try_from(n + 1).unwrap_or(u16::MAX));
            let mask = match source {
                Source::Clear => plan.text(position),
                Source::Column(names) if matches!(place.of, Type::Json | Type::Jsonb) => {
                    plan.documents(&names)
                }
                Source::Column(names) => plan.columns(&names),
                Source::Derived(names) => plan.computed(&names, position),
                Source::Anything => plan.anything(position),
            };
            let look = match (mask.whole(), mask.is_clear()) {
                (Some(kind), _) => Look::Cover(kind),
                (None, true) => Look::Pass,
                (None, false) => look_by_detectors(*place),
            };
            MaskedColumn { place: *place, look, mask }
        };
        let all: Vec<MaskedColumn> =
            sources.into_iter().zip(&description.places).enumerate().map(column).collect();
        let looked_at =
            all.iter().rposition(|column| column.look != Look::Pass).map_or(0, |last| last + 1);
        Self { all, looked_at }
    }

    /// Whether every row passes as it comes.
    pub(crate) fn is_clear(&self) -> bool {
        self.looked_at == 0
    }

    /// How many columns at the beginning of a row have to be seen.
    pub(crate) fn looked_at(&self) -> usize {
        self.looked_at
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Puts the body of a row through the plan; what it becomes is in `out`, if it is changed.
    pub(crate) fn row(&mut self, body: &[u8], out: &mut BytesMut) -> Result<Row, MaskError> {
        let (count, mut rest) = body.split_first_chunk::<2>().ok_or(MaskError::Unreadable)?;
        if usize::from(u16::from_be_bytes(*count)) != self.all.len() {
            return Err(MaskError::Unreadable);
        }
        let mut row = Row::Same;
        // Bytes of the body that are in `out` already, once anything is.
        let mut copied = 0;
        for n in 0..self.looked_at {
            let at = body.len() - rest.len();
            let (length, behind) = rest.split_first_chunk::<4>().ok_or(MaskError::Unreadable)?;
            let length = i32::from_be_bytes(*length);
            rest = behind;
            let Ok(length) = usize::try_from(length) else { continue };
            let (value, behind) = rest.split_at_checked(length).ok_or(MaskError::Unreadable)?;
            rest = behind;
            let written = self.value(n, value)?;
            if written == Written::Same {
                continue;
            }
            out.put_slice(body.get(copied..at).ok_or(MaskError::Unreadable)?);
            copied = body.len() - rest.len();
            put_value(out, &written);
            row = Row::Changed;
        }
        if row == Row::Changed {
            out.put_slice(body.get(copied..).ok_or(MaskError::Unreadable)?);
        }
        Ok(row)
    }

    /// One value of the n-th column.
    pub(crate) fn value(&mut self, n: usize, value: &[u8]) -> Result<Written, MaskError> {
        let column = self.all.get_mut(n).ok_or(MaskError::Unreadable)?;
        match column.look {
            Look::Pass => Ok(Written::Same),
            Look::Scan => scanned(column.place, &mut column.mask, value),
            Look::Cover(kind) => covered(column.place, kind, &mut column.mask, value),
        }
    }

    /// Whether the n-th column passes.
    pub(crate) fn passes(&self, n: usize) -> bool {
        self.all.get(n).is_none_or(|column| column.look == Look::Pass)
    }

    /// A value of the n-th column that is too long to be held comes as NULL.
    pub(crate) fn withheld(&mut self, n: usize) {
        if let Some(column) = self.all.get_mut(n) {
            column.mask.count();
        }
    }

    /// Hands over what was counted.
    pub(crate) fn add_to(&mut self, tally: &mut MaskTally) {
        self.all.iter_mut().for_each(|column| column.mask.add_to(tally));
    }
}

/// Detectors read texts.
fn look_by_detectors(place: Place) -> Look {
    match place.of {
        Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Numeric
        | Type::Date
        | Type::Timestamp
        | Type::TimestampTz
        | Type::Bytea
        | Type::Scalar => Look::Pass,
        Type::Text
        | Type::Padded
        | Type::Name
        | Type::Xml
        | Type::Json
        | Type::Jsonb
        | Type::Uuid
        | Type::TextArray
        | Type::Address
        | Type::Sealed
        | Type::Other => Look::Scan,
    }
}

/// A value as a row has it, with its length; a length of -1 is null.
pub(crate) fn put_value(out: &mut BytesMut, written: &Written) {
    match written {
        Written::Null => out.put_i32(-1),
        Written::Same => {}
        Written::Other(value) => match i32::try_from(value.len()) {
            Ok(length) => {
                out.put_i32(length);
                out.put_slice(value);
            }
            Err(_) => out.put_i32(-1),
        },
    }
}
