//! The data of a COPY towards the agent, where detectors are in force. No description says of which types its columns are:
//! in text and CSV, findings are replaced in the field in which they stand, whatever letters the statement has it written
//! with; in binary, a finding makes its field NULL. Covered columns are not copied at all.

mod fields;

use super::{
    scan::{Findings, findings_within},
    structure,
};
use crate::classify::CopyForm;
use bytes::{BufMut, Bytes, BytesMut};
use countersign_core::mask::{ColumnMask, MaskError, MaskTally, REDACTED, Shown};
use fields::Letters;

/// The data of one COPY.
#[derive(Debug)]
pub(crate) struct Copied {
    mask: ColumnMask,
    form: Form,
}

/// How its rows come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Text(Letters),
    Binary(Header),
}

/// The header of the binary format ("COPY", File Formats, Binary Format).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Header {
    Expected,
    Passed,
}

impl Copied {
    /// What a `CopyOutResponse` announces, for a statement that has its rows written in `form`.
    pub(super) fn new(
        mask: ColumnMask,
        form: Option<CopyForm>,
        response: &[u8],
    ) -> Result<Self, MaskError> {
        let form = match (response.first(), form) {
            (Some(0), Some(CopyForm::Text { delimiter })) => {
                Form::Text(Letters::Text { delimiter })
            }
            (Some(0), Some(CopyForm::Csv { delimiter, quote, escape })) => {
                Form::Text(Letters::Csv { delimiter, quote, escape })
            }
            (Some(1), Some(CopyForm::Binary)) => Form::Binary(Header::Expected),
            (_, Some(_) | None) => return Err(BAD),
        };
        Ok(Self { mask, form })
    }

    /// The body of a `CopyData`: the server puts whole rows into one.
    pub(super) fn row(&mut self, body: &[u8]) -> Result<Bytes, MaskError> {
        match self.form {
            Form::Text(letters) => {
                let text = std::str::from_utf8(body).map_err(|_| BAD)?;
                self.text(letters, text)
            }
            Form::Binary(header) => {
                self.form = Form::Binary(Header::Passed);
                self.binary(header, body)
            }
        }
    }

    fn text(&mut self, letters: Letters, text: &str) -> Result<Bytes, MaskError> {
        let (mut rest, end) = text.strip_suffix('\n').map_or((text, ""), |row| (row, "\n"));
        let mut out = String::with_capacity(text.len());
        loop {
            let field = letters.field(rest).ok_or(BAD)?;
            match self.shown(&field.said)? {
                Some(shown) => letters.write(&shown, &mut out),
                None => out.push_str(field.written),
            }
            let Some(behind) = field.behind else { break };
            out.push(letters.delimiter());
            rest = behind;
        }
        out.push_str(end);
        Ok(out.into())
    }

    /// What is to be shown for a field; none for itself. What the escapes of a document or an array hide in it cannot be
    /// replaced where it stands.
    fn shown(&mut self, said: &str) -> Result<Option<String>, MaskError> {
        match self.mask.mask_within(said)? {
            Shown::Changed(text) => Ok(Some(text)),
            Shown::Null => Err(MaskError::Covered),
            Shown::Same(_) => Ok(match findings_within(&mut self.mask, said)? {
                Findings::None => None,
                Findings::Some => Some(REDACTED.to_owned()),
            }),
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
    use crate::{classify::classify, tests::gate::plan};
    use countersign_core::mask::{Detector, MaskKind, MaskPlace};

    fn copied(kind: MaskKind, form: CopyForm) -> Copied {
        let mask = plan(&[], &[Detector::Email, Detector::Ipv4], kind).text(MaskPlace::Message);
        let response = [u8::from(form == CopyForm::Binary), 0, 0];
        Copied::new(mask, Some(form), &response).unwrap()
    }

    fn form(options: &str) -> CopyForm {
        classify(&format!("COPY t TO STDOUT {options}")).statements[0].copied_as.unwrap()
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
            let row = copied(kind, form("")).row(b"1\tann@example.com\tx\n").unwrap();
            assert_eq!(&row[..], b"1\t[redacted]\tx\n", "{kind:?}");
        }
    }

    #[test]
    fn letters_that_the_statement_chooses_hide_nothing() {
        for (options, written, left) in [
            ("", r"1	ann@example.com	\N", r"1	[redacted]	\N"),
            ("DELIMITER '@'", r"1@ann\@example.com@\N", "1@[redacted]@\\N"),
            ("DELIMITER '[' NULL ''", r"[ann@example.com[", r"[\[redacted]["),
            ("(FORMAT csv)", "1,ann@example.com,", "1,[redacted],"),
            ("(FORMAT csv, DELIMITER '@')", "1@\"ann@example.com\"@x", "1@[redacted]@x"),
            ("(FORMAT csv, QUOTE '@')", "1,@ann@@example.com@,x", "1,[redacted],x"),
            ("CSV QUOTE '@' ESCAPE 'n'", "1,@annnnn@example.comn@@,x", "1,@[redacted]n@@,x"),
            ("(FORMAT csv, DELIMITER 1)", "\"10.1.2.3\"1x", "[redacted]1x"),
            ("(FORMAT csv, QUOTE '1')", "1110.11.2.31,x", "[redacted],x"),
            (
                "(FORMAT csv, FORCE_QUOTE *)",
                "\"a\n b\",\"ann@example.com\"",
                "\"a\n b\",[redacted]",
            ),
            // A document whose escapes are escaped, and nothing to be found.
            ("", r#"{"m": "ann\\u0040example.com"}	x"#, "[redacted]	x"),
            ("(FORMAT csv)", r#""{""m"": ""ann\u0040example.com""}",x"#, "[redacted],x"),
            ("", r"a\\b\tc	\N", r"a\\b\tc	\N"),
            ("CSV", "\"a\"\"b\",,", "\"a\"\"b\",,"),
        ] {
            let row =
                copied(MaskKind::Redact, form(options)).row(format!("{written}\n").as_bytes());
            let row = String::from_utf8(row.unwrap().to_vec()).unwrap();
            assert_eq!(row, format!("{left}\n"), "{options}");
        }
    }

    #[test]
    fn what_is_not_written_as_the_statement_says_ends_it() {
        for (options, written) in
            [("", "a\\"), ("CSV", "\"open"), ("CSV", "\"a\"b"), ("CSV ESCAPE '!'", "\"a!")]
        {
            let row = copied(MaskKind::Redact, form(options)).row(written.as_bytes());
            assert_eq!(row, Err(MaskError::Unreadable), "{written}");
        }
        let mask = || plan(&[], &[Detector::Email], MaskKind::Hash).text(MaskPlace::Message);
        for (form, announced) in
            [(None, 0), (Some(CopyForm::Binary), 0), (Some(form("")), 1), (Some(form("")), 7)]
        {
            assert!(Copied::new(mask(), form, &[announced, 0, 0]).is_err(), "{form:?}");
        }
        for options in ["(FORMAT 'odd')", "(DELIMITER 'ab')", "(DELIMITER 1.5)", "(DELIMITER '§')"]
        {
            let statement = &classify(&format!("COPY t TO STDOUT {options}")).statements[0];
            assert_eq!(statement.copied_as, None, "{options}");
        }
    }

    #[test]
    fn a_finding_in_binary_makes_its_field_null() {
        let mut copied = copied(MaskKind::Redact, form("(FORMAT binary)"));
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
