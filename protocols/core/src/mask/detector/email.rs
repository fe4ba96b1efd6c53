//! Addresses of electronic mail (RFC 5321, section 4.1.2; internationalised ones as RFC 6531 allows them).

use super::{Found, stands};

/// What the local part is made of when it is not quoted (`atext` of RFC 5322, section 3.2.3, and dots).
const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || !byte.is_ascii()
        || matches!(
            byte,
            b'.' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'/' | b'=' | b'?'
        )
        || matches!(byte, b'^' | b'_' | b'`' | b'{' | b'|' | b'}' | b'~' | b'-')
}

const fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b'.' | b'-')
}

/// Each `@` is looked at once, and no byte belongs to more than two of them.
pub(super) fn find(text: &str, found: Found<'_>) {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('@') {
        let (Some(before), Some(behind)) = (bytes.get(..at), bytes.get(at + 1..)) else { continue };
        let start = local_part(before);
        let end = at + 1 + domain(behind);
        if start < at && end > at + 1 {
            found(start..end);
        }
    }
}

/// Where the local part begins that ends with `before`.
fn local_part(before: &[u8]) -> usize {
    if let Some((b'"', quoted)) = before.split_last() {
        // A quoted local part holds no quotes but escaped ones, which are part of it too.
        return quoted.iter().rposition(|byte| *byte == b'"').unwrap_or(before.len());
    }
    before.iter().rposition(|byte| !is_local(*byte)).map_or(0, |edge| edge + 1)
}

/// The length of the domain that `behind` begins with; 0 when there is none.
fn domain(behind: &[u8]) -> usize {
    let mut length = behind.iter().position(|byte| !is_domain(*byte)).unwrap_or(behind.len());
    // The full stop of a sentence is not part of it.
    while stands(behind, length.checked_sub(1), |byte| matches!(byte, b'.' | b'-')) {
        length -= 1;
    }
    let name = behind.get(..length).unwrap_or_default();
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return 0 };
    let top = name.get(dot + 1..).unwrap_or_default();
    let is_top = top.len() >= 2 && top.iter().any(|byte| !byte.is_ascii_digit());
    let has_empty = name.starts_with(b".") || name.windows(2).any(|pair| pair == b"..");
    if is_top && !has_empty { length } else { 0 }
}
