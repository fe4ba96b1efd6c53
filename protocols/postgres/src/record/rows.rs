//! What a recording shows of the rows of an answer, where the target's results are recorded: their values as COPY writes them,
//! with tabs between. It reads rows that are masked already, and decides nothing.

use crate::{
    frame::{Body, FrameError},
    shown::{hexadecimal, shown},
};
use bytes::Bytes;
use countersign_core::recording::Entry;
use std::sync::Arc;

/// The longest row, or piece of COPY data, that is recorded with its values, in bytes. Of a longer one, the recording says
/// that there was one.
pub(crate) const MOST_RECORDED: usize = 1024 * 1024;

/// How what comes is to be read.
#[derive(Clone, Debug, Default)]
pub(crate) enum Shape {
    /// It is not known: nothing can be recorded, so that nothing may come.
    #[default]
    Unknown,
    /// Rows with these columns.
    Columns(Arc<[Column]>),
    /// Data of a COPY in text or CSV.
    Text,
    /// Data of a COPY in binary.
    Binary,
}

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Column {
    type_oid: u32,
    format: u16,
}

impl Shape {
    /// What a `RowDescription` says.
    pub(crate) fn described(body: Bytes) -> Result<Self, FrameError> {
        let mut body = Body::new("RowDescription", body);
        let count = body.short()?;
        let mut columns = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            body.until_nul()?;
            let (_relation, _column) = (body.oid()?, body.short()?);
            let type_oid = body.oid()?;
            let (_width, _modifier) = (body.short()?, body.int()?);
            columns.push(Column { type_oid, format: body.short()? });
        }
        body.end()?;
        Ok(Self::Columns(columns.into()))
    }

    /// What a `CopyOutResponse` says.
    pub(crate) fn copied(response: &[u8]) -> Self {
        match response.first() {
            Some(0) => Self::Text,
            Some(_) => Self::Binary,
            None => Self::Unknown,
        }
    }

    /// The body of a `DataRow` or `CopyData`, for the recording; none where it is not what was announced.
    pub(crate) fn entry(&self, body: &[u8]) -> Option<Entry> {
        let values = match self {
            Self::Unknown => return None,
            Self::Columns(columns) => values(columns, body)?,
            Self::Text => {
                let text = String::from_utf8_lossy(body);
                text.strip_suffix('\n').unwrap_or(&text).to_owned()
            }
            Self::Binary => copied(&hexadecimal(body)),
        };
        Some(Entry::Row { values })
    }
}

fn values(columns: &[Column], body: &[u8]) -> Option<String> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    if usize::from(u16::from_be_bytes(*count)) != columns.len() {
        return None;
    }
    let mut line = String::with_capacity(body.len());
    for (n, column) in columns.iter().enumerate() {
        if n > 0 {
            line.push('\t');
        }
        let (length, behind) = rest.split_first_chunk::<4>()?;
        rest = behind;
        match i32::from_be_bytes(*length) {
            -1 => line.push_str("\\N"),
            length => {
                let (value, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                rest = behind;
                line.push_str(&copied(&shown(column.format, column.type_oid, value)));
            }
        }
    }
    rest.is_empty().then_some(line)
}

/// A value as COPY writes it in its text format.
fn copied(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
        for value in values {
            match value {
                Some(value) => {
                    body.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
                    body.extend(*value);
                }
                None => body.extend((-1_i32).to_be_bytes()),
            }
        }
        body
    }

    fn shape(columns: &[(u32, u16)]) -> Shape {
        let column =
            |(type_oid, format): &(u32, u16)| Column { type_oid: *type_oid, format: *format };
        Shape::Columns(columns.iter().map(column).collect())
    }

    fn told(shape: &Shape, body: &[u8]) -> Option<String> {
        let Entry::Row { values } = shape.entry(body)? else { panic!("no row") };
        Some(values)
    }

    #[test]
    fn a_row_is_shown_as_copy_writes_it_in_either_format() {
        let three = shape(&[(25, 0), (23, 1), (17, 1)]);
        let body = row(&[Some(b"a\tb\\c\nd"), Some(&7_i32.to_be_bytes()), Some(&[0xca, 0xfe])]);
        assert_eq!(told(&three, &body).unwrap(), "a\\tb\\\\c\\nd\t7\t\\\\xcafe");
        assert_eq!(told(&three, &row(&[None, None, Some(b"")])).unwrap(), "\\N\t\\N\t\\\\x");
        assert_eq!(told(&shape(&[]), &row(&[])).unwrap(), "");
    }

    #[test]
    fn what_was_not_announced_is_not_shown() {
        let one = shape(&[(25, 0)]);
        let good = row(&[Some(b"x")]);
        assert_eq!(told(&Shape::Unknown, &good), None);
        for bad in [&good[..good.len() - 1], &[&good[..], &[0]].concat(), &row(&[]), &[]] {
            assert_eq!(told(&one, bad), None, "{bad:?}");
        }
        let mut negative = good.clone();
        negative[2..6].copy_from_slice(&(-2_i32).to_be_bytes());
        assert_eq!(told(&one, &negative), None);
    }

    #[test]
    fn copied_data_is_shown_as_it_comes_and_in_binary_by_its_digits() {
        assert_eq!(told(&Shape::copied(&[0, 0, 1]), b"1\t\\N\n").unwrap(), "1\t\\N");
        assert_eq!(told(&Shape::copied(&[1, 0, 1]), &[0xff]).unwrap(), "\\\\xff");
        assert_eq!(told(&Shape::copied(&[]), b"1\n"), None);
    }
}
