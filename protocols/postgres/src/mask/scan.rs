//! One value of a column that no rule covers whole, where detectors are in force, or rules for parts of it: what they find in
//! a text is replaced in it; in JSON and arrays of text, in the strings, so that the value stays valid; in anything else that holds text, a finding
//! makes it NULL. Numbers and times are not looked at. What binary composites, arrays and ranges are made of, `structure` says.

use super::{
    structure,
    types::Type,
    value::{
        Format, Place, Written, fitted, unversioned, versioned, written_address, written_uuid,
    },
};
use bytes::{BufMut, Bytes, BytesMut};
use countersign_core::mask::{ColumnMask, MaskError, Shown};

/// What detectors leave of a value.
pub(crate) fn scanned(
    place: Place,
    mask: &mut ColumnMask,
    value: &[u8],
) -> Result<Written, MaskError> {
    match (place.of, place.format) {
        (Type::Text | Type::Padded | Type::Name | Type::Xml, _) => {
            Ok(match mask.mask(text(value)?)? {
                Shown::Same(_) => Written::Same,
                Shown::Changed(changed) if place.of == Type::Xml => changed.into(),
                Shown::Changed(changed) => fitted(place, changed).into(),
                Shown::Null => Written::Null,
            })
        }
        (Type::Json | Type::Jsonb, _) => {
            let found = mask.mask_document(text(unversioned(place, value)?)?)?;
            Ok(found.map_or(Written::Same, |text| Written::Other(versioned(place, &text))))
        }
        (Type::TextArray, Format::Text) => {
            let found = array_text(mask, text(value)?)?;
            Ok(found.map_or(Written::Same, Written::from))
        }
        (Type::TextArray, Format::Binary) => array_binary(mask, value),
        (Type::Uuid, Format::Binary) => all_or_nothing(mask, &written_uuid(value)),
        (Type::Address, Format::Binary) => match written_address(value) {
            Some(address) => all_or_nothing(mask, &address),
            None => Err(MaskError::Unreadable),
        },
        (Type::Uuid | Type::Address | Type::Sealed | Type::Other, Format::Text) => {
            all_or_nothing(mask, text(value)?)
        }
        (Type::Sealed | Type::Other, Format::Binary) => Ok(match structure::look(mask, value)? {
            Findings::None => Written::Same,
            Findings::Some => Written::Null,
        }),
        (
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
            | Type::Scalar,
            _,
        ) => Ok(Written::Same),
    }
}

/// Whether detectors find anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Findings {
    None,
    Some,
}

/// Whether they find anything in a text.
pub(super) fn findings(mask: &mut ColumnMask, text: &str) -> Result<Findings, MaskError> {
    Ok(match mask.mask(text)? {
        Shown::Same(_) => Findings::None,
        Shown::Changed(_) | Shown::Null => Findings::Some,
    })
}

/// The most times that escapes are looked behind. In what still has some then, something counts as found.
const MAX_ESCAPES: u8 = 8;

/// The same for a text with strings of other values in it, whose escapes may hide what they say: a document in an array, a
/// composite in a composite.
pub(super) fn findings_within(mask: &mut ColumnMask, text: &str) -> Result<Findings, MaskError> {
    let mut found = findings(mask, text)?;
    let mut reading = without_escapes(text);
    for _ in 0..MAX_ESCAPES {
        match (found, reading) {
            (Findings::None, Some(text)) => {
                found = findings(mask, &text)?;
                reading = without_escapes(&text);
            }
            (Findings::Some, _) | (Findings::None, None) => return Ok(found),
        }
    }
    Ok(if reading.is_some() { Findings::Some } else { found })
}

/// A text with one layer of escapes less; none where it has none. Strings in JSON, arrays and composites have a backslash in
/// front of what it hides, composites double quotes as well.
fn without_escapes(text: &str) -> Option<String> {
    if !text.contains('\\') && !text.contains("\"\"") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '"']) {
        let (before, behind) = rest.split_at_checked(at)?;
        out.push_str(before);
        let (said, behind) = match behind.strip_prefix("\"\"") {
            Some(behind) => ('"', behind),
            None => escape(behind)?,
        };
        out.push(said);
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}

/// What the escape, or the quote, at the beginning of a text says, and what comes behind it.
fn escape(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first != '\\' {
        return Some((first, chars.as_str()));
    }
    let Some(next) = chars.next() else { return Some((' ', "")) };
    let behind = chars.as_str();
    Some(match next {
        'n' | 't' | 'r' | 'b' | 'f' => (' ', behind),
        'u' => {
            let unit = behind.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            match unit.and_then(char::from_u32).zip(behind.get(4..)) {
                Some((said, behind)) => (said, behind),
                None => ('u', behind),
            }
        }
        next => (next, behind),
    })
}

fn text(value: &[u8]) -> Result<&str, MaskError> {
    std::str::from_utf8(value).map_err(|_| MaskError::Unreadable)
}

fn all_or_nothing(mask: &mut ColumnMask, text: &str) -> Result<Written, MaskError> {
    Ok(match findings_within(mask, text)? {
        Findings::None => Written::Same,
        Findings::Some => Written::Null,
    })
}

/// An array as the server writes it ("Array Input and Output Syntax"): elements stand between braces and commas, quoted
/// where they hold anything special.
fn array_text(mask: &mut ColumnMask, text: &str) -> Result<Option<String>, MaskError> {
    let mut out = String::with_capacity(text.len());
    let mut changed = None;
    let mut rest = text;
    // Bounds, where they do not begin with 1: `[0:1]={a,b}`.
    if rest.starts_with('[') {
        let (bounds, behind) = rest.split_once('=').ok_or(MaskError::Unreadable)?;
        out.push_str(bounds);
        out.push('=');
        rest = behind;
    }
    while let Some(first) = rest.chars().next() {
        if matches!(first, '{' | '}' | ',') {
            out.push(first);
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let (raw, said, behind) = element(rest).ok_or(MaskError::Unreadable)?;
        rest = behind;
        if raw == "NULL" {
            out.push_str(raw);
            continue;
        }
        match mask.mask(&said)? {
            Shown::Same(_) => out.push_str(raw),
            Shown::Changed(shown) => {
                out.push_str(&quoted_element(&shown));
                changed = Some(());
            }
            Shown::Null => {
                out.push_str("NULL");
                changed = Some(());
            }
        }
    }
    Ok(changed.map(|()| out))
}

/// The element at the beginning of `text`: as it is written, what it says, and what comes behind it.
fn element(text: &str) -> Option<(&str, String, &str)> {
    let mut said = String::new();
    let mut chars = text.char_indices();
    if text.starts_with('"') {
        chars.next();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => said.push(chars.next()?.1),
                '"' => {
                    let (raw, behind) = text.split_at_checked(at + 1)?;
                    return Some((raw, said, behind));
                }
                c => said.push(c),
            }
        }
        return None;
    }
    let end = text.find(['{', '}', ',']).unwrap_or(text.len());
    let (raw, behind) = text.split_at_checked(end)?;
    Some((raw, raw.to_owned(), behind))
}

fn quoted_element(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A binary array (`array_send`): dimensions, whether there are nulls, the elements' type, the bounds, then each element
/// with its length.
fn array_binary(mask: &mut ColumnMask, value: &[u8]) -> Result<Written, MaskError> {
    const HEADER: usize = 12;
    const BOUNDS: usize = 8;
    let dimensions = value.first_chunk::<4>().ok_or(MaskError::Unreadable)?;
    let dimensions = usize::try_from(u32::from_be_bytes(*dimensions)).unwrap_or(usize::MAX);
    let start = dimensions.checked_mul(BOUNDS).and_then(|bounds| bounds.checked_add(HEADER));
    let (head, mut rest) =
        start.and_then(|start| value.split_at_checked(start)).ok_or(MaskError::Unreadable)?;
    let mut out = BytesMut::with_capacity(value.len());
    out.put_slice(head);
    let mut changed = None;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk::<4>().ok_or(MaskError::Unreadable)?;
        let length = i32::from_be_bytes(*length);
        rest = behind;
        let Ok(count) = usize::try_from(length) else {
            out.put_i32(-1);
            continue;
        };
        let (element, behind) = rest.split_at_checked(count).ok_or(MaskError::Unreadable)?;
        rest = behind;
        match mask.mask(text(element)?)? {
            Shown::Same(_) => put(&mut out, element)?,
            Shown::Changed(shown) => {
                put(&mut out, shown.as_bytes())?;
                changed = Some(());
            }
            Shown::Null => {
                out.put_i32(-1);
                // The flag that says that there are nulls.
                if let Some(flag) = out.get_mut(7) {
                    *flag = 1;
                }
                changed = Some(());
            }
        }
    }
    Ok(changed.map_or(Written::Same, |()| Written::Other(Bytes::from(out))))
}

fn put(out: &mut BytesMut, element: &[u8]) -> Result<(), MaskError> {
    let length = i32::try_from(element.len()).map_err(|_| MaskError::Unreadable)?;
    out.put_i32(length);
    out.put_slice(element);
    Ok(())
}
