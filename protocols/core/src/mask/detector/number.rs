//! What is written in digits and recognised by its groups: payment cards, US social security numbers, telephone numbers; and
//! the pass over the groups, which bank account numbers are found in as well.

use super::{Detector, Found, iban, runs, stands, stands_alone};
use std::ops::{Range, RangeInclusive};

/// Digits of a payment card number, at least and at most (ISO/IEC 7812-1; the shortest in use have 13).
const CARD: RangeInclusive<usize> = 13..=19;
/// Digits of an international telephone number (ITU-T E.164, section 6.2.1: at most 15).
const PHONE: RangeInclusive<usize> = 8..=15;

/// Detectors that look at groups of digits, each with what is to be said of what it finds: one pass over the groups serves all.
#[derive(Debug)]
pub(in crate::mask) struct OfDigits<R> {
    cards: Option<R>,
    ibans: Option<R>,
    ssns: Option<R>,
    phones: Option<R>,
}

impl<R> Default for OfDigits<R> {
    fn default() -> Self {
        Self { cards: None, ibans: None, ssns: None, phones: None }
    }
}

impl<R: Copy> OfDigits<R> {
    /// Whether this detector is one of these, which is looked for from now on.
    pub(in crate::mask) fn takes(&mut self, detector: Detector, ruling: R) -> bool {
        let place = match detector {
            Detector::PaymentCard => &mut self.cards,
            Detector::Iban => &mut self.ibans,
            Detector::UsSsn => &mut self.ssns,
            Detector::Phone => &mut self.phones,
            Detector::Email
            | Detector::Ipv4
            | Detector::Ipv6
            | Detector::Jwt
            | Detector::BearerToken
            | Detector::AwsAccessKey
            | Detector::PrivateKey
            | Detector::Uuid => return false,
        };
        *place = Some(ruling);
        true
    }

    /// Says every place where one of them finds something.
    pub(in crate::mask) fn find(&self, text: &str, found: &mut dyn FnMut(Range<usize>, R)) {
        let Self { cards, ibans, ssns, phones } = self;
        if cards.is_none() && ibans.is_none() && ssns.is_none() && phones.is_none() {
            return;
        }
        let bytes = text.as_bytes();
        let mut before = Cards::default();
        let mut last: [Range<usize>; 3] = std::array::from_fn(|_| 0..0);
        for group in runs(bytes, |byte| byte.is_ascii_digit()) {
            last.rotate_left(1);
            let [.., newest] = &mut last;
            *newest = group.clone();
            if let Some(ruling) = ssns
                && let Some(place) = ssn(bytes, &last)
            {
                found(place, *ruling);
            }
            if let Some(ruling) = phones {
                let here = [dialled_abroad(bytes, &group), north_american(bytes, &last)];
                here.into_iter().flatten().for_each(|place| found(place, *ruling));
            }
            if let Some(ruling) = ibans
                && let Some(place) = iban::of_check_digits(bytes, &group)
            {
                found(place, *ruling);
            }
            if let Some(ruling) = cards {
                before.group(bytes, group, &mut |place| found(place, *ruling));
            }
        }
        if let Some(ruling) = phones {
            find_plus(text, &mut |place| found(place, *ruling));
        }
    }
}

/// The groups of digits that a card's number can have: so many of them as are joined.
struct Cards {
    groups: [Range<usize>; *CARD.end()],
    joined: usize,
}

impl Default for Cards {
    fn default() -> Self {
        Self { groups: std::array::from_fn(|_| 0..0), joined: 0 }
    }
}

impl Cards {
    /// A card's number fills whole groups of digits, with one blank or dash between two of them. For each group only the few
    /// before it are looked at that its number can have.
    fn group(&mut self, bytes: &[u8], group: Range<usize>, found: Found<'_>) {
        let Self { groups, joined } = self;
        let follows = joined.checked_sub(1).and_then(|last| groups.get(last)).is_some_and(|last| {
            last.end + 1 == group.start && stands(bytes, Some(last.end), is_blank_or_dash)
        });
        if !follows {
            *joined = 0;
        }
        if *joined == groups.len() {
            groups.rotate_left(1);
            *joined -= 1;
        }
        let end = group.end;
        if let Some(place) = groups.get_mut(*joined) {
            *place = group;
            *joined += 1;
        }
        let mut count = 0;
        for first in groups.iter().take(*joined).rev() {
            count += first.len();
            if count > *CARD.end() {
                break;
            }
            let window = first.start..end;
            if CARD.contains(&count) && !is_fraction(bytes, first.start) && is_card(bytes, &window)
            {
                found(window);
            }
        }
    }
}

fn is_blank_or_dash(byte: u8) -> bool {
    matches!(byte, b' ' | b'-')
}

/// The digits behind a decimal point are no number of their own.
fn is_fraction(bytes: &[u8], start: usize) -> bool {
    let digit_before = || stands(bytes, start.checked_sub(2), |byte| byte.is_ascii_digit());
    stands(bytes, start.checked_sub(1), |byte| byte == b'.') && digit_before()
}

/// Whether the digits of `window` begin as those of a card scheme and end with the check digit (Luhn).
fn is_card(bytes: &[u8], window: &Range<usize>) -> bool {
    let mut taken = [0_u8; *CARD.end()];
    let shown = bytes.get(window.clone()).unwrap_or_default();
    let written = shown.iter().filter(|byte| byte.is_ascii_digit());
    let mut count = 0;
    for (place, byte) in taken.iter_mut().zip(written) {
        *place = byte - b'0';
        count += 1;
    }
    let digits = taken.get(..count).unwrap_or_default();
    let scheme = match digits {
        [3..=6, ..] => true,
        [2, b, c, d, ..] => {
            let begins = 2000 + u16::from(*b) * 100 + u16::from(*c) * 10 + u16::from(*d);
            count == 16 && (2221..=2720).contains(&begins)
        }
        _ => false,
    };
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| u32::from(if place % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    scheme && sum.is_multiple_of(10)
}

/// Three, two and four digits with the same separator between them, in a range that is given out (SSA, POMS RM 10201.035).
fn ssn(bytes: &[u8], groups: &[Range<usize>; 3]) -> Option<Range<usize>> {
    let [area, group, serial] = groups;
    let range = area.start..serial.end;
    let lengths = (area.len(), group.len(), serial.len()) == (3, 2, 4);
    let joined = area.end + 1 == group.start && group.end + 1 == serial.start;
    let same = stands(bytes, Some(area.end), is_blank_or_dash)
        && bytes.get(area.end) == bytes.get(group.end);
    let fits = lengths && joined && same && stands_alone(bytes, &range);
    (fits && is_given_out(bytes, [area, group, serial])).then_some(range)
}

fn is_given_out(bytes: &[u8], [area, group, serial]: [&Range<usize>; 3]) -> bool {
    let digits = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
    let area = digits(area);
    area != b"000"
        && area != b"666"
        && !area.starts_with(b"9")
        && digits(group) != b"00"
        && digits(serial) != b"0000"
}

/// International numbers from their `+`.
fn find_plus(text: &str, found: Found<'_>) {
    let bytes = text.as_bytes();
    for (plus, _) in text.match_indices('+') {
        let before = plus.checked_sub(1);
        if !stands(bytes, before, |byte| byte.is_ascii_alphanumeric())
            && let Some((end, _)) = international(bytes, plus + 1)
        {
            found(plus..end);
        }
    }
}

/// An international number from its `00`.
fn dialled_abroad(bytes: &[u8], digits: &Range<usize>) -> Option<Range<usize>> {
    let begins = bytes.get(digits.clone())?.starts_with(b"00")
        && !stands(bytes, digits.start.checked_sub(1), is_digit_or_point);
    // Without anything between its digits it could be any number.
    match begins.then(|| international(bytes, digits.start + 2))? {
        Some((end, true)) => Some(digits.start..end),
        Some((_, false)) | None => None,
    }
}

fn is_digit_or_point(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// Where an international number ends whose country code begins at `start`, and whether anything stands between its digits.
/// What follows may be digits too: it ends with the last group that a number has room for.
fn international(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    let (mut count, mut apart, mut grouped) = (0, 0, false);
    let mut ends = None;
    for (place, byte) in bytes.get(start..)?.iter().enumerate() {
        match byte {
            b'0' if count == 0 => return None,
            b'0'..=b'9' => {
                count += 1;
                grouped |= apart > 0;
                apart = 0;
                let end = start + place + 1;
                let group_ends = !stands(bytes, Some(end), |byte| byte.is_ascii_digit());
                if group_ends && PHONE.contains(&count) {
                    ends = Some((end, grouped));
                }
            }
            // `+49 (0) 30` has three in a row.
            b' ' | b'-' | b'.' | b'/' | b'(' | b')' if apart < 3 => apart += 1,
            _ => break,
        }
        if count > *PHONE.end() {
            break;
        }
    }
    ends
}

/// `(212) 555-0123`, `212-555-0123`, `1.212.555.0123` (NANPA: area code and exchange begin with 2 to 9).
fn north_american(bytes: &[u8], groups: &[Range<usize>; 3]) -> Option<Range<usize>> {
    let [area, exchange, line] = groups;
    if (area.len(), exchange.len(), line.len()) != (3, 3, 4) {
        return None;
    }
    let begins =
        |group: &Range<usize>| stands(bytes, Some(group.start), |byte| matches!(byte, b'2'..=b'9'));
    let between = |one: &Range<usize>, two: &Range<usize>| bytes.get(one.end..two.start);
    let apart = matches!(between(area, exchange), Some(b"-" | b"." | b" " | b") " | b")" | b")-"))
        && matches!(between(exchange, line), Some(b"-" | b"." | b" "));
    let fits = apart && begins(area) && begins(exchange);
    (fits && stands_alone(bytes, &(area.start..line.end)))
        .then(|| with_prefix(bytes, area.start)..line.end)
}

/// Where a number begins whose area code is at `area`: an opening bracket and the trunk prefix 1 are part of it.
fn with_prefix(bytes: &[u8], area: usize) -> usize {
    let before = bytes.get(..area).unwrap_or_default();
    let bare = before.strip_suffix(b"(").unwrap_or(before);
    let trunk = [&b"1-"[..], b"1 ", b"1."].iter().find_map(|trunk| bare.strip_suffix(*trunk));
    trunk.unwrap_or(bare).len()
}
