//! Looks at the raw text before it is parsed, for the places where the grammar in use and an older target's lexer read the
//! same bytes differently. It decides nothing else about a text.

use pg_query::protobuf::Token;

use super::MAX_TEXT_BYTES;

/// Vertical tab: white space for the lexer from PostgreSQL 16 on, a syntax error before.
const VERTICAL_TAB: char = '\u{b}';

/// Why a text cannot be trusted to mean the same to the grammar and to the target, if so.
pub(super) fn objection(text: &str) -> Option<&'static str> {
    if text.len() > MAX_TEXT_BYTES {
        return Some("the text is longer than the limit");
    }
    if text.contains('\0') {
        return Some("the text holds a NUL");
    }
    let numbers = has_modern_number(text);
    let tab = text.contains(VERTICAL_TAB);
    if !numbers && !tab {
        return None;
    }
    let Ok(tokens) = pg_query::scan_tokens(text) else {
        return Some("the text cannot be split into tokens");
    };
    let mut end = 0;
    for token in tokens {
        let start = usize::try_from(token.start).unwrap_or(0);
        let stop = usize::try_from(token.end).unwrap_or(text.len());
        let between = text.get(end..start).unwrap_or_default();
        let body = text.get(start..stop).unwrap_or_default();
        let comment = [Token::SqlComment as i32, Token::CComment as i32].contains(&token.token);
        if between.contains(VERTICAL_TAB) || (comment && body.contains(VERTICAL_TAB)) {
            return Some("a vertical tab is a blank for some versions of PostgreSQL only");
        }
        if is_modern_number(token.token, body) {
            return Some(
                "a number is written in a way that older versions of PostgreSQL read as two words",
            );
        }
        end = stop;
    }
    if text.get(end..).unwrap_or_default().contains(VERTICAL_TAB) {
        return Some("a vertical tab is a blank for some versions of PostgreSQL only");
    }
    None
}

/// A cheap over-approximation of "holds a number such as `0x1F` or `1_000`", in one pass over the bytes.
fn has_modern_number(text: &str) -> bool {
    let mut inside_word = false;
    let mut after_digit = false;
    for byte in text.bytes() {
        let letter = byte == b'_' || byte == b'$' || byte.is_ascii_alphabetic() || !byte.is_ascii();
        if letter && after_digit && !inside_word && byte != b'e' && byte != b'E' {
            return true;
        }
        let digit = byte.is_ascii_digit();
        // The exponent of 1e10 belongs to the number.
        inside_word = if digit { inside_word } else { letter && (inside_word || !after_digit) };
        after_digit = digit;
    }
    false
}

/// Whether a number token uses the spellings that came with PostgreSQL 16.
fn is_modern_number(token: i32, body: &str) -> bool {
    let number = token == Token::Iconst as i32 || token == Token::Fconst as i32;
    number
        && (body.contains('_')
            || body.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')))
}
