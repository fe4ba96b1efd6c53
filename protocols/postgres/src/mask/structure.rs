//! What detectors find in binary values whose type the masker does not know: arrays, composites and ranges are taken apart
//! by their shape, so that what is text only in its text form (addresses, UUIDs) is read as that. It does not know types of
//! users' own; a part of unknown type is read in every way in which it could be one of those.

use super::{
    scan::{Findings, findings, findings_within},
    types::Type,
    value::{written_address, written_uuid},
};
use countersign_core::mask::{ColumnMask, MaskError};

/// Values in values that are taken apart. In what lies deeper, something counts as found.
const MAX_DEPTH: u8 = 8;
/// The most dimensions of an array (`MAXDIM`).
const MAX_DIMENSIONS: usize = 6;

/// A part of a value, with the number of its type where the wire says it.
struct Part<'a>(Option<u32>, &'a [u8]);

/// Whether detectors find anything in a value.
pub(super) fn look(mask: &mut ColumnMask, value: &[u8]) -> Result<Findings, MaskError> {
    of_part(mask, &Part(None, value), 0)
}

fn of_part(mask: &mut ColumnMask, part: &Part<'_>, depth: u8) -> Result<Findings, MaskError> {
    let Part(oid, value) = *part;
    match oid.map_or(Type::Other, Type::of) {
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
        | Type::Scalar => Ok(Findings::None),
        Type::Text | Type::Padded | Type::Name | Type::Xml | Type::Json | Type::Jsonb => {
            findings_within(mask, &String::from_utf8_lossy(value))
        }
        Type::Uuid => findings(mask, &written_uuid(value)),
        Type::Address => match written_address(value) {
            Some(address) => findings(mask, &address),
            None => Err(MaskError::Unreadable),
        },
        Type::TextArray | Type::Sealed | Type::Other => {
            if unknown(mask, value)? == Findings::Some {
                return Ok(Findings::Some);
            }
            let parts = array(value)
                .or_else(|| composite(value))
                .or_else(|| multirange(value))
                .or_else(|| range(value))
                .or_else(|| lexemes(value))
                .or_else(|| sequence(value));
            match parts {
                Some(_) if depth == MAX_DEPTH => Ok(Findings::Some),
                Some(parts) => any(mask, &parts, depth + 1),
                None => Ok(Findings::None),
            }
        }
    }
}

fn any(mask: &mut ColumnMask, parts: &[Part<'_>], depth: u8) -> Result<Findings, MaskError> {
    for part in parts {
        if of_part(mask, part, depth)? == Findings::Some {
            return Ok(Findings::Some);
        }
    }
    Ok(Findings::None)
}

/// A value of a type that nothing is known of; text stands in it as it is, or escaped.
fn unknown(mask: &mut ColumnMask, value: &[u8]) -> Result<Findings, MaskError> {
    const UUID: usize = 16;
    let mut readings = vec![String::from_utf8_lossy(value).into_owned()];
    readings.extend((value.len() == UUID).then(|| written_uuid(value)));
    readings.extend(shaped_address(value));
    for reading in readings {
        if findings_within(mask, &reading)? == Findings::Some {
            return Ok(Findings::Some);
        }
    }
    Ok(Findings::None)
}

/// The address, if the bytes have the shape of one (`network_send`): family, bits, kind, length.
fn shaped_address(value: &[u8]) -> Option<String> {
    match value {
        [2, _, 0 | 1, 4, address @ ..] if address.len() == 4 => written_address(value),
        [3, _, 0 | 1, 16, address @ ..] if address.len() == 16 => written_address(value),
        _ => None,
    }
}

/// The elements (`array_send`): dimensions, whether there are nulls, the elements' type, the bounds, then the elements.
fn array(value: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut rest = value;
    let dimensions = usize::try_from(number(&mut rest)?).ok()?;
    let nulls = number(&mut rest)?;
    let oid = number(&mut rest)?;
    if dimensions > MAX_DIMENSIONS || nulls > 1 {
        return None;
    }
    let mut count = usize::from(dimensions > 0);
    for _ in 0..dimensions {
        count = count.checked_mul(usize::try_from(number(&mut rest)?).ok()?)?;
        let _lower = number(&mut rest)?;
    }
    // Each has a length at least.
    if count > rest.len() / 4 {
        return None;
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        sized(&mut rest, Some(oid), &mut parts)?;
    }
    rest.is_empty().then_some(parts)
}

/// The fields (`record_send`): their number, then of each its type and value.
fn composite(value: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut rest = value;
    let count = usize::try_from(number(&mut rest)?).ok()?;
    if count > rest.len() / 8 {
        return None;
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let oid = number(&mut rest)?;
        sized(&mut rest, Some(oid), &mut parts)?;
    }
    rest.is_empty().then_some(parts)
}

/// The ranges (`multirange_send`): their number, then each.
fn multirange(value: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut rest = value;
    let count = usize::try_from(number(&mut rest)?).ok()?;
    if count > rest.len() / 5 {
        return None;
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        sized(&mut rest, None, &mut parts)?;
    }
    rest.is_empty().then_some(parts)
}

/// The bounds (`range_send`): flags that say which there are, then each.
fn range(value: &[u8]) -> Option<Vec<Part<'_>>> {
    const EMPTY: u8 = 0x01;
    const NO_LOWER: u8 = 0x08;
    const NO_UPPER: u8 = 0x10;
    let (flags, mut rest) = value.split_first()?;
    let mut parts = Vec::new();
    for without in [NO_LOWER, NO_UPPER] {
        if flags & (EMPTY | without) == 0 {
            sized(&mut rest, None, &mut parts)?;
        }
    }
    rest.is_empty().then_some(parts)
}

/// The lexemes (`tsvectorsend`): their number, then each up to a NUL, with the number of its places and the places.
fn lexemes(value: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut rest = value;
    let count = usize::try_from(number(&mut rest)?).ok()?;
    // Each has its end and the number of its places at least.
    if count > rest.len() / 3 {
        return None;
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (lexeme, behind) = rest.split_at_checked(end)?;
        parts.push(Part(None, lexeme));
        let (places, behind) = behind.get(1..)?.split_first_chunk::<2>()?;
        rest = behind.get(2 * usize::from(u16::from_be_bytes(*places))..)?;
    }
    rest.is_empty().then_some(parts)
}

/// Values behind their lengths, perhaps with their number in front, or that of pairs of them (`hstore_send`).
fn sequence(value: &[u8]) -> Option<Vec<Part<'_>>> {
    let behind_count = value.split_first_chunk::<4>().map(|(_, rest)| rest);
    all_sized(value).or_else(|| all_sized(behind_count?))
}

fn all_sized(mut rest: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    while !rest.is_empty() {
        sized(&mut rest, None, &mut parts)?;
    }
    Some(parts)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    Some(u32::from_be_bytes(*number))
}

/// Takes a value from behind its length; a length of -1 is null, and no part.
fn sized<'a>(rest: &mut &'a [u8], oid: Option<u32>, parts: &mut Vec<Part<'a>>) -> Option<()> {
    let length = number(rest)?.cast_signed();
    if length != -1 {
        let (value, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        *rest = behind;
        parts.push(Part(oid, value));
    }
    Some(())
}
