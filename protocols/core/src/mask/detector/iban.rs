//! International bank account numbers (ISO 13616): a country, two check digits and what the country makes of the rest.

use super::stands;
use std::ops::Range;

/// The length of a number in each country of the registry.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// The number whose check digits begin `digits`: two letters in front of them begin a word. A number has at most 34 characters, so
/// that little is read twice.
pub(super) fn of_check_digits(bytes: &[u8], digits: &Range<usize>) -> Option<Range<usize>> {
    let start = digits.start.checked_sub(2)?;
    let country = bytes.get(start..digits.start)?;
    let begins = digits.len() >= 2 && country.iter().all(u8::is_ascii_alphabetic);
    if begins && !stands(bytes, start.checked_sub(1), |byte| byte.is_ascii_alphanumeric()) {
        end(bytes, start).map(|end| start..end)
    } else {
        None
    }
}

/// Where the number ends that begins at `start`, if it is one. Single blanks or dashes may stand between its characters.
fn end(bytes: &[u8], start: usize) -> Option<usize> {
    let country = [bytes.get(start)?, bytes.get(start + 1)?].map(u8::to_ascii_uppercase);
    let (_, length) = LENGTHS.iter().find(|(known, _)| **known == country)?;
    let mut taken = Vec::with_capacity(*length);
    let mut separated = false;
    for (place, byte) in bytes.get(start..)?.iter().enumerate() {
        match byte {
            b' ' | b'-' if !separated => separated = true,
            byte if byte.is_ascii_alphanumeric() => {
                taken.push(byte.to_ascii_uppercase());
                separated = false;
            }
            _ => return None,
        }
        if taken.len() == *length {
            let end = start + place + 1;
            let goes_on = stands(bytes, Some(end), |byte| byte.is_ascii_alphanumeric());
            return (!goes_on && is_checked(&taken)).then_some(end);
        }
    }
    None
}

/// ISO 7064, MOD 97-10: the first four characters go to the end, letters count from 10.
fn is_checked(taken: &[u8]) -> bool {
    let Some((first, rest)) = taken.split_at_checked(4) else { return false };
    let remainder = rest.iter().chain(first).fold(0_u32, |so_far, byte| match byte {
        b'0'..=b'9' => (so_far * 10 + u32::from(byte - b'0')) % 97,
        _ => (so_far * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    remainder == 1
}
