//! One value of a column that is covered whole: what comes in its place, true to the type that `RowDescription` has for
//! it, in text and binary format. What a type cannot hold, comes as NULL.

use super::types::Type;
use bytes::{BufMut, Bytes, BytesMut};
use countersign_core::mask::{ColumnMask, MaskError, MaskKind, Shown};
use jiff::civil::Date;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The format of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Text,
    Binary,
}

/// What goes to the agent for a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Written {
    /// The value itself.
    Same,
    Null,
    Other(Bytes),
}

impl From<String> for Written {
    fn from(text: String) -> Self {
        Self::Other(text.into())
    }
}

/// A column of an answer: its type, how its values come, and the modifier of its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) of: Type,
    pub(crate) format: Format,
    pub(crate) modifier: i32,
}

/// What comes in place of a covered value.
pub(crate) fn covered(
    place: Place,
    kind: MaskKind,
    mask: &mut ColumnMask,
    value: &[u8],
) -> Result<Written, MaskError> {
    match place.of {
        Type::Text | Type::Padded | Type::Name => text_like(place, mask, value),
        Type::Xml => Ok(match shown(mask, value)? {
            None => Written::Null,
            Some(text) => escaped(&text).into(),
        }),
        Type::Json | Type::Jsonb => json(place, mask, value),
        Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Numeric
        | Type::Date
        | Type::Timestamp
        | Type::TimestampTz
        | Type::Uuid
        | Type::Bytea => {
            mask.count();
            match kind {
                MaskKind::Hash => derived(place, mask, value),
                // Bytes have no shape that a fake could have.
                MaskKind::Fake if place.of != Type::Bytea => derived(place, mask, value),
                MaskKind::Fake | MaskKind::Partial { .. } | MaskKind::Redact | MaskKind::Null => {
                    Ok(Written::Null)
                }
            }
        }
        Type::TextArray | Type::Address | Type::Sealed | Type::Scalar | Type::Other => {
            mask.count();
            Ok(Written::Null)
        }
    }
}

/// The text that is shown; `None` for no value.
fn shown(mask: &mut ColumnMask, value: &[u8]) -> Result<Option<String>, MaskError> {
    let text = std::str::from_utf8(value).map_err(|_| MaskError::Unreadable)?;
    Ok(match mask.mask(text)? {
        Shown::Same(text) => Some(text.to_owned()),
        Shown::Changed(text) => Some(text),
        Shown::Null => None,
    })
}

fn text_like(place: Place, mask: &mut ColumnMask, value: &[u8]) -> Result<Written, MaskError> {
    Ok(match shown(mask, value)? {
        None => Written::Null,
        Some(text) => fitted(place, text).into(),
    })
}

/// A text cut, or filled up, to what its type holds.
pub(super) fn fitted(place: Place, text: String) -> String {
    /// What `atttypmod` counts beside the characters (`VARHDRSZ`).
    const HEADER: i32 = 4;
    /// `NAMEDATALEN` - 1.
    const NAME: usize = 63;
    if place.of == Type::Name {
        let end = text.floor_char_boundary(NAME);
        return text.get(..end).unwrap_or_default().to_owned();
    }
    let most = place.modifier.checked_sub(HEADER).and_then(|most| usize::try_from(most).ok());
    let Some(most) = most else { return text };
    let cut: String = text.chars().take(most).collect();
    // Not by a width of `format!`, which is limited to 65,535 and panics above.
    let missing =
        if place.of == Type::Padded { most.saturating_sub(cut.chars().count()) } else { 0 };
    cut + &" ".repeat(missing)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn json(place: Place, mask: &mut ColumnMask, value: &[u8]) -> Result<Written, MaskError> {
    let value = unversioned(place, value)?;
    let text = std::str::from_utf8(value).map_err(|_| MaskError::Unreadable)?;
    let shown = mask.mask_whole_document(text)?;
    Ok(shown.map_or(Written::Null, |shown| Written::Other(versioned(place, &shown))))
}

/// The version that stands in front of the text of a binary `jsonb`.
const JSONB_VERSION: u8 = 1;

/// The text of a JSON value.
pub(super) fn unversioned(place: Place, value: &[u8]) -> Result<&[u8], MaskError> {
    match (place.of, place.format) {
        (Type::Jsonb, Format::Binary) => {
            value.strip_prefix(&[JSONB_VERSION]).ok_or(MaskError::Unreadable)
        }
        _ => Ok(value),
    }
}

/// The other way.
pub(super) fn versioned(place: Place, text: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(text.len() + 1);
    if (place.of, place.format) == (Type::Jsonb, Format::Binary) {
        out.put_u8(JSONB_VERSION);
    }
    out.put_slice(text.as_bytes());
    out.freeze()
}

/// A value of the same type that only the rule's key makes of this one.
fn derived(place: Place, mask: &ColumnMask, value: &[u8]) -> Result<Written, MaskError> {
    let digest = mask.digest(&canonical(place, value))?;
    let (number, _) = digest.split_first_chunk::<8>().ok_or(MaskError::Key)?;
    let number = u64::from_be_bytes(*number);
    // A positive one, below a limit that the type has.
    let below = |limit: u64| i64::try_from(number % limit).unwrap_or_default();
    Ok(Written::Other(match place.of {
        Type::Int2 => integer(place, below(1 << 15), 2),
        Type::Int4 => integer(place, below(1 << 31), 4),
        Type::Int8 => integer(place, below(1 << 63), 8),
        // As many digits as each holds exactly.
        Type::Float4 => float(place, below(1 << 24)),
        Type::Float8 => float(place, below(1 << 53)),
        Type::Numeric => numeric(place, number),
        Type::Date | Type::Timestamp | Type::TimestampTz => return Ok(day(place, below(DAYS))),
        Type::Uuid => uuid(place, digest),
        Type::Bytea => bytes(place, &digest),
        Type::Text
        | Type::Padded
        | Type::Name
        | Type::Xml
        | Type::Json
        | Type::Jsonb
        | Type::TextArray
        | Type::Address
        | Type::Sealed
        | Type::Scalar
        | Type::Other => return Ok(Written::Null),
    }))
}

/// Bytes that are the same for the same value in either format, where that is easily had.
fn canonical(place: Place, value: &[u8]) -> Vec<u8> {
    let number = match (place.of, place.format) {
        (Type::Int2, Format::Binary) => {
            value.try_into().ok().map(i16::from_be_bytes).map(i64::from)
        }
        (Type::Int4, Format::Binary) => {
            value.try_into().ok().map(i32::from_be_bytes).map(i64::from)
        }
        (Type::Int8, Format::Binary) => value.try_into().ok().map(i64::from_be_bytes),
        (Type::Uuid, Format::Text) => {
            return value.iter().filter(|byte| **byte != b'-').copied().collect();
        }
        (Type::Uuid, Format::Binary) => return hexadecimal(value).into_bytes(),
        _ => None,
    };
    number.map_or_else(|| value.to_vec(), |number| number.to_string().into_bytes())
}

fn integer(place: Place, number: i64, width: usize) -> Bytes {
    match place.format {
        Format::Text => number.to_string().into(),
        Format::Binary => {
            let all = number.to_be_bytes();
            Bytes::copy_from_slice(all.get(all.len() - width..).unwrap_or_default())
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "below what each holds exactly"
)]
fn float(place: Place, number: i64) -> Bytes {
    match (place.format, place.of) {
        (Format::Text, _) => number.to_string().into(),
        (Format::Binary, Type::Float4) => Bytes::copy_from_slice(&(number as f32).to_be_bytes()),
        (Format::Binary, _) => Bytes::copy_from_slice(&(number as f64).to_be_bytes()),
    }
}

/// A whole number of at most nine digits, fewer where the modifier leaves fewer in front of the point.
fn numeric(place: Place, number: u64) -> Bytes {
    const MOST: i32 = 9;
    let digits = match place.modifier {
        ..4 => MOST,
        modifier => {
            let (precision, scale) = ((modifier - 4) >> 16, (modifier - 4) & 0x7ff);
            // The scale has eleven bits and a sign.
            let scale = if scale >= 1024 { scale - 2048 } else { scale };
            if scale < 0 { 0 } else { (precision - scale).clamp(0, MOST) }
        }
    };
    let digits = u32::try_from(digits).unwrap_or_default();
    let number = number % 10_u64.pow(digits);
    match place.format {
        Format::Text => number.to_string().into(),
        Format::Binary => {
            let mut groups: Vec<u64> = Vec::new();
            let mut rest = number;
            while rest > 0 {
                groups.insert(0, rest % 10_000);
                rest /= 10_000;
            }
            let count = u16::try_from(groups.len()).unwrap_or_default();
            let mut out = BytesMut::new();
            out.put_u16(count);
            out.put_u16(count.saturating_sub(1));
            // Positive, nothing shown behind the point.
            out.put_u32(0);
            for group in groups {
                out.put_u16(u16::try_from(group).unwrap_or_default());
            }
            out.freeze()
        }
    }
}

/// Where dates are taken from: so many days from this one on.
const FIRST_DAY: Date = Date::constant(1950, 1, 1);
const DAYS: u64 = 25_000;
/// What dates are counted from in binary (`POSTGRES_EPOCH_JDATE`), in days behind the first.
const EPOCH: i64 = 18_262;
const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

fn day(place: Place, number: i64) -> Written {
    let from_epoch = number - EPOCH;
    match (place.format, place.of) {
        (Format::Binary, Type::Date) => {
            let days = i32::try_from(from_epoch).unwrap_or_default();
            Written::Other(Bytes::copy_from_slice(&days.to_be_bytes()))
        }
        (Format::Binary, _) => {
            let time = from_epoch.saturating_mul(MICROSECONDS_A_DAY);
            Written::Other(Bytes::copy_from_slice(&time.to_be_bytes()))
        }
        (Format::Text, of) => match FIRST_DAY.checked_add(jiff::Span::new().days(number)) {
            Ok(date) if of == Type::Date => date.to_string().into(),
            Ok(date) if of == Type::Timestamp => format!("{date} 00:00:00").into(),
            Ok(date) => format!("{date} 00:00:00+00").into(),
            Err(_) => Written::Null,
        },
    }
}

fn uuid(place: Place, digest: [u8; 32]) -> Bytes {
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(byte, of)| *byte = of);
    // Version 8, "custom", and the variant (RFC 9562, section 5.8).
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut id;
    *version = *version & 0x0f | 0x80;
    *variant = *variant & 0x3f | 0x80;
    match place.format {
        Format::Binary => Bytes::copy_from_slice(&id),
        Format::Text => written_uuid(&id).into(),
    }
}

/// A UUID as the server writes it.
pub(super) fn written_uuid(id: &[u8]) -> String {
    id.iter().enumerate().fold(String::new(), |text, (n, byte)| {
        let dash = if matches!(n, 4 | 6 | 8 | 10) { "-" } else { "" };
        format!("{text}{dash}{byte:02x}")
    })
}

/// The address of a binary `inet` or `cidr` (family, bits, kind, length, address; `network_send`), without its mask.
pub(super) fn written_address(value: &[u8]) -> Option<String> {
    let address = value.get(4..)?;
    let four = <[u8; 4]>::try_from(address).ok().map(|octets| Ipv4Addr::from(octets).to_string());
    four.or_else(|| Some(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).to_string()))
}

fn bytes(place: Place, digest: &[u8]) -> Bytes {
    match place.format {
        Format::Binary => Bytes::copy_from_slice(digest),
        // Read whatever `bytea_output` says.
        Format::Text => format!("\\x{}", hexadecimal(digest)).into(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
