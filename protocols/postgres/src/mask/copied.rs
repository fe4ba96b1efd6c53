//! The data of a COPY towards the agent, where detectors are in force. No description says of which types its columns are:
//! in text and CSV, findings are replaced where they stand; in binary, a finding makes its field NULL. Covered columns are
//! not copied at all.

use super::{scan::Findings, structure};
use bytes::{BufMut, Bytes, BytesMut};
use countersign_core::mask::{ColumnMask, MaskError, MaskTally, Shown};

/// The data of one COPY.
#[derive(Debug)]
pub(crate) struct Copied {
    mask: ColumnMask,
    form: Form,
}

/// How its rows come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Text,
    Binary(Header),
}

/// The header of the binary format ("COPY", File Formats, Binary Format).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Header {
    Expected,
    Passed,
}

impl Copied {
    /// What a `CopyOutResponse` announces.
    pub(super) fn new(mask: ColumnMask, response: &[u8]) -> Result<Self, MaskError> {
        let form = match response.first() {
            Some(0) => Form::Text,
            Some(1) => Form::Binary(Header::Expected),
            Some(_) | None => return Err(MaskError::Unreadable),
        };
        Ok(Self { mask, form })
    }

    /// The body of a `CopyData`: the server puts whole rows into one.
    pub(super) fn row(&mut self, body: &[u8]) -> Result<Bytes, MaskError> {
        match self.form {
            Form::Text => {
                let text = std::str::from_utf8(body).map_err(|_| MaskError::Unreadable)?;
                Ok(match self.mask.mask_within(text)? {
                    Shown::Changed(text) => Bytes::from(text),
                    Shown::Same(_) => Bytes::copy_from_slice(body),
                    Shown::Null => return Err(MaskError::Covered),
                })
            }
            Form::Binary(header) => {
                self.form = Form::Binary(Header::Passed);
                self.binary(header, body)
            }
        }
    }

    fn binary(&mut self, header: Header, body: &[u8]) -> Result<Bytes, MaskError> {
        /// The trailer, in place of a row's count of fields.
        const TRAILER: i16 = -1;
        let mut out = BytesMut::with_capacity(body.len());
        let mut rest = match header {
            Header::Expected => {
                let (head, rest) =
                    header_length(body).and_then(|head| body.split_at_checked(head)).ok_or(BAD)?;
                out.put_slice(head);
                rest
            }
            Header::Passed => body,
        };
        while !rest.is_empty() {
            let (count, behind) = rest.split_first_chunk::<2>().ok_or(BAD)?;
            out.put_slice(count);
            rest = behind;
            let count = i16::from_be_bytes(*count);
            if count == TRAILER {
                return if rest.is_empty() { Ok(out.freeze()) } else { Err(BAD) };
            }
            for _ in 0..usize::try_from(count).map_err(|_| BAD)? {
                rest = self.field(rest, &mut out)?;
            }
        }
        Ok(out.freeze())
    }

    /// One field, behind its length; returns what comes behind it.
    fn field<'a>(&mut self, rest: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], MaskError> {
        const NULL: i32 = -1;
        let (length, behind) = rest.split_first_chunk::<4>().ok_or(BAD)?;
        let length = i32::from_be_bytes(*length);
        if length == NULL {
            out.put_i32(NULL);
            return Ok(behind);
        }
        let count = usize::try_from(length).map_err(|_| BAD)?;
        let (value, behind) = behind.split_at_checked(count).ok_or(BAD)?;
        match structure::look(&mut self.mask, value)? {
            Findings::None => {
                out.put_i32(length);
                out.put_slice(value);
            }
            Findings::Some => out.put_i32(NULL),
        }
        Ok(behind)
    }

    /// Hands over what was counted.
    pub(super) fn add_to(&mut self, tally: &mut MaskTally) {
        self.mask.add_to(tally);
    }
}

/// What is not as the format has it.
const BAD: MaskError = MaskError::Unreadable;

/// The length of the header: signature, flags, and an extension behind its length.
fn header_length(body: &[u8]) -> Option<usize> {
    const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
    let (_flags, rest) = body.strip_prefix(SIGNATURE)?.split_first_chunk::<4>()?;
    let (extension, _) = rest.split_first_chunk::<4>()?;
    let extension = usize::try_from(u32::from_be_bytes(*extension)).ok()?;
    extension.checked_add(SIGNATURE.len() + 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::gate::plan;
    use countersign_core::mask::{Detector, MaskKind, MaskPlace};

    fn copied(kind: MaskKind, format: u8) -> Copied {
        let mask = plan(&[], &[Detector::Email, Detector::Ipv4], kind).text(MaskPlace::Message);
        Copied::new(mask, &[format, 0, 0]).unwrap()
    }

    fn binary_row(fields: &[Option<&[u8]>]) -> Vec<u8> {
        let mut row = i16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
        for field in fields {
            let length = field.map_or(-1, |field| i32::try_from(field.len()).unwrap());
            row.extend(length.to_be_bytes());
            row.extend(field.unwrap_or_default());
        }
        row
    }

    #[test]
    fn a_finding_in_text_is_replaced_whatever_its_kind() {
        for kind in [MaskKind::Redact, MaskKind::Null] {
            let row = copied(kind, 0).row(b"1\tann@example.com\tx\n").unwrap();
            assert_eq!(&row[..], b"1\t[redacted]\tx\n", "{kind:?}");
        }
    }

    #[test]
    fn a_finding_in_binary_makes_its_field_null() {
        let mut copied = copied(MaskKind::Redact, 1);
        let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\x02ex";
        let address = [2, 32, 0, 4, 10, 1, 2, 3];
        let first = binary_row(&[Some(b"ann@example.com"), None, Some(&7_i32.to_be_bytes())]);
        let body = [&header[..], &first].concat();
        let expected = binary_row(&[None, None, Some(&7_i32.to_be_bytes())]);
        assert_eq!(copied.row(&body).unwrap(), [&header[..], &expected].concat());
        let second = copied.row(&binary_row(&[Some(&address), Some(b"open")])).unwrap();
        assert_eq!(second, binary_row(&[None, Some(b"open")]));
        assert_eq!(&copied.row(b"\xff\xff").unwrap()[..], b"\xff\xff");
        for bad in [&b"\0"[..], b"\0\x01\0\0\0\x05abc", b"\xff\xffx", b"\xff\xfe"] {
            assert_eq!(copied.row(bad), Err(MaskError::Unreadable), "{bad:?}");
        }
    }
}
