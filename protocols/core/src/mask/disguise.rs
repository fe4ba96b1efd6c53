//! Makes of a text what a kind lets be seen of it.

use super::{
    MaskError, MaskKind,
    key::{Purpose, RuleKey},
};

/// What stands for a redacted value.
pub const REDACTED: &str = "[redacted]";
/// What a hash begins with, so that nobody takes it for a value.
const HASH_PREFIX: &str = "hash_";
/// Bytes of a digest that are shown: enough that no two values of a table look alike.
const HASH_BYTES: usize = 16;
/// What stands for a hidden character.
const HIDDEN: char = '*';
/// How often a fake value is drawn again because it came out as the value itself.
const FAKE_ATTEMPTS: u8 = 8;

/// What is to be shown for `text`; `None` is no value at all.
pub(super) fn disguise(
    kind: MaskKind,
    key: &RuleKey,
    text: &str,
) -> Result<Option<String>, MaskError> {
    Ok(match kind {
        MaskKind::Null => None,
        MaskKind::Redact => Some(REDACTED.to_owned()),
        MaskKind::Hash => Some(hash(key, text)?),
        MaskKind::Fake => Some(fake(key, text)),
        MaskKind::Partial { first, last } => Some(partial(first, last, text)),
    })
}

fn hash(key: &RuleKey, text: &str) -> Result<String, MaskError> {
    let digest = key.digest(Purpose::Hash, text.as_bytes());
    let shown = digest.get(..HASH_BYTES).ok_or(MaskError::Key)?;
    let mut digits = [0; 2 * HASH_BYTES];
    hex::encode_to_slice(shown, &mut digits).map_err(|_length| MaskError::Key)?;
    let mut hash = String::with_capacity(HASH_PREFIX.len() + digits.len());
    hash.push_str(HASH_PREFIX);
    hash.push_str(std::str::from_utf8(&digits).map_err(|_| MaskError::Key)?);
    Ok(hash)
}

fn partial(first: u8, last: u8, text: &str) -> String {
    let length = text.chars().count();
    let (first, last) = (usize::from(first), usize::from(last));
    // There is nothing to be hidden in an empty text but that it is empty.
    if length == 0 {
        return REDACTED.to_owned();
    }
    let kept = if length < (first + last) * 2 { 0 } else { first + last };
    let mut shown = String::with_capacity(text.len());
    if kept > 0 {
        shown.push_str(text.get(..behind_first(text, first)).unwrap_or_default());
    }
    shown.extend(std::iter::repeat_n(HIDDEN, length - kept));
    if kept > 0 {
        shown.push_str(text.get(before_last(text, last)..).unwrap_or_default());
    }
    shown
}

/// The place behind the first `count` characters.
fn behind_first(text: &str, count: usize) -> usize {
    text.char_indices().nth(count).map_or(text.len(), |(place, _)| place)
}

/// The place of the last `count` characters.
fn before_last(text: &str, count: usize) -> usize {
    let mut places = text.char_indices().map(|(place, _)| place);
    count.checked_sub(1).map_or(text.len(), |back| places.nth_back(back).unwrap_or_default())
}

/// A text of the same shape that is not `text`. One that has nothing but a shape is redacted.
fn fake(key: &RuleKey, text: &str) -> String {
    for attempt in 0..FAKE_ATTEMPTS {
        let drawn = draw(key, text, attempt);
        if drawn != text {
            return drawn;
        }
    }
    REDACTED.to_owned()
}

fn draw(key: &RuleKey, text: &str, attempt: u8) -> String {
    let mut stream = key.stream(text.as_bytes(), attempt);
    let mut drawn = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let letter =
            |stream: &mut super::key::Stream<'_>, first: u8| char::from(first + stream.below(26));
        let shown = match c {
            '0'..='9' => {
                let follows = chars.peek().is_some_and(char::is_ascii_digit);
                let leads = !before.is_some_and(|c: char| c.is_ascii_digit()) && follows;
                // A number stays one: it gets no leading zero that it did not have.
                char::from(if leads && c != '0' {
                    b'1' + stream.below(9)
                } else {
                    b'0' + stream.below(10)
                })
            }
            'A'..='Z' => letter(&mut stream, b'A'),
            'a'..='z' => letter(&mut stream, b'a'),
            // Punctuation and blanks are the shape.
            c if c.is_ascii() => c,
            c if c.is_uppercase() => letter(&mut stream, b'A'),
            _ => letter(&mut stream, b'a'),
        };
        drawn.push(shown);
        before = Some(c);
    }
    drawn
}
