//! What people read of a value: a reviewer of what is bound, a recording of what an answer has. Only the bytes are hashed and
//! forwarded; what is shown here decides nothing.

use crate::state::{Bound, Portal};
use countersign_core::operation::Parameter;
use jiff::{SignedDuration, Timestamp, civil::Date};

/// Where binary dates and timestamps count from (`POSTGRES_EPOCH_JDATE`): the day, and in seconds of Unix time.
const EPOCH_DAY: Date = Date::constant(2000, 1, 1);
const EPOCH_SECOND: i64 = 946_684_800;

/// The values of a portal, with what a reviewer reads of each: all of it, whatever its length, since what a reviewer could
/// not read must not be approved. What is too long for a hold is refused by the state, which has the limit.
pub(crate) fn parameters(portal: &Portal) -> Vec<Parameter> {
    let said = portal.statement.described.get().into_iter().flatten().copied();
    portal
        .parameters
        .iter()
        .zip(said.map(Some).chain(std::iter::repeat(None)))
        .map(|(bound, said)| parameter(bound.clone(), said))
        .collect()
}

/// A bound value. `said` is the type that the target said the parameter has, where it was asked; the agent's own word for
/// it comes first, as at the target.
fn parameter(bound: Bound, said: Option<u32>) -> Parameter {
    let Bound { format, type_oid, value } = bound;
    let oid = if type_oid == 0 { said.unwrap_or(0) } else { type_oid };
    let shown =
        value.as_deref().map_or_else(|| "NULL".to_owned(), |value| shown(format, oid, value));
    Parameter { format, type_oid, value, shown }
}

/// A value in one of the two formats, of the type of this number.
pub(crate) fn shown(format: u16, type_oid: u32, value: &[u8]) -> String {
    let read = match format {
        0 => std::str::from_utf8(value).ok().map(str::to_owned),
        _ => binary(type_oid, value),
    };
    read.unwrap_or_else(|| hexadecimal(value))
}

/// A binary value of the few types whose bytes are plain (object identifiers of `pg_type.dat`).
fn binary(type_oid: u32, value: &[u8]) -> Option<String> {
    match type_oid {
        16 => match value {
            [0] => Some("false".to_owned()),
            [1] => Some("true".to_owned()),
            _ => None,
        },
        21 => Some(i16::from_be_bytes(exactly(value)?).to_string()),
        23 => Some(i32::from_be_bytes(exactly(value)?).to_string()),
        20 => Some(i64::from_be_bytes(exactly(value)?).to_string()),
        26 => Some(u32::from_be_bytes(exactly(value)?).to_string()),
        700 => Some(f32::from_be_bytes(exactly(value)?).to_string()),
        701 => Some(f64::from_be_bytes(exactly(value)?).to_string()),
        // text, varchar, bpchar, name, json
        25 | 1043 | 1042 | 19 | 114 => std::str::from_utf8(value).ok().map(str::to_owned),
        // jsonb: a version byte, then text
        3802 => std::str::from_utf8(value.strip_prefix(&[1])?).ok().map(str::to_owned),
        2950 => Some(uuid(exactly(value)?)),
        1082 => date(i32::from_be_bytes(exactly(value)?)),
        // timestamp and timestamp with time zone
        1114 => {
            Some(timestamp(i64::from_be_bytes(exactly(value)?))?.trim_end_matches('Z').to_owned())
        }
        1184 => timestamp(i64::from_be_bytes(exactly(value)?)),
        _ => None,
    }
}

fn exactly<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

fn date(days: i32) -> Option<String> {
    let offset = SignedDuration::from_hours(i64::from(days).checked_mul(24)?);
    EPOCH_DAY.checked_add(offset).ok().map(|date| date.to_string())
}

fn timestamp(microseconds: i64) -> Option<String> {
    let since_1970 = microseconds.checked_add(EPOCH_SECOND.checked_mul(1_000_000)?)?;
    Timestamp::from_microsecond(since_1970).ok().map(|time| time.to_string())
}

fn uuid(bytes: [u8; 16]) -> String {
    bytes.iter().enumerate().fold(String::new(), |text, (n, byte)| {
        let dash = if matches!(n, 4 | 6 | 8 | 10) { "-" } else { "" };
        format!("{text}{dash}{byte:02x}")
    })
}

/// As PostgreSQL writes a `bytea`. In one pass: the value may have megabytes, and other sessions wait for this thread.
pub(crate) fn hexadecimal(value: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    let digits = value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    let mut text = String::with_capacity(2 + 2 * value.len());
    text.push_str("\\x");
    text.extend(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn a_binary_value_is_shown_as_the_type_that_agent_or_target_said() {
        let shown = |type_oid, said, value: &[u8]| {
            parameter(Bound { format: 1, type_oid, value: Some(value.to_vec()) }, said).shown
        };
        let day_after: i64 = 86_400_000_000;
        for (oid, value, expected) in [
            (16, vec![1], "true"),
            (21, (-2_i16).to_be_bytes().to_vec(), "-2"),
            (23, 22_i32.to_be_bytes().to_vec(), "22"),
            (20, 22_i64.to_be_bytes().to_vec(), "22"),
            (701, 1.5_f64.to_be_bytes().to_vec(), "1.5"),
            (25, "ö".as_bytes().to_vec(), "ö"),
            (3802, b"\x01{}".to_vec(), "{}"),
            (2950, vec![0xab; 16], "abababab-abab-abab-abab-abababababab"),
            (1082, 1_i32.to_be_bytes().to_vec(), "2000-01-02"),
            (1082, i32::MAX.to_be_bytes().to_vec(), "\\x7fffffff"),
            (1114, day_after.to_be_bytes().to_vec(), "2000-01-02T00:00:00"),
            (1184, day_after.to_be_bytes().to_vec(), "2000-01-02T00:00:00Z"),
            (1184, i64::MAX.to_be_bytes().to_vec(), "\\x7fffffffffffffff"),
            (20, vec![1, 2], "\\x0102"),
            (600, vec![1, 2], "\\x0102"),
        ] {
            assert_eq!(shown(oid, None, &value), expected, "{oid}");
            assert_eq!(shown(0, Some(oid), &value), expected, "{oid}");
        }
        assert_eq!(shown(0, None, &[0, 22]), "\\x0016");
        assert_eq!(shown(21, Some(25), &[0, 22]), "22");
        let null = Bound { format: 1, type_oid: 23, value: None };
        assert_eq!(parameter(null, None).shown, "NULL");
        let text = Bound { format: 0, type_oid: 23, value: Some(b"7".to_vec()) };
        assert_eq!(parameter(text, None).shown, "7");
    }

    #[test]
    fn a_value_of_megabytes_is_shown_whole_and_in_no_time() {
        let value = [0x00, 0x7f, 0xff, 0xa0].repeat(1024 * 1024);
        let began = Instant::now();
        let bound = Bound { format: 1, type_oid: 17, value: Some(value.clone()) };
        let shown = parameter(bound, None).shown;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(shown.len(), 2 + 2 * value.len());
        assert!(shown.starts_with("\\x007fffa0007f"), "{}", &shown[..20]);
    }
}
