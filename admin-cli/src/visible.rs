//! Texts that others wrote, made safe to look at: what would move the cursor, turn the writing direction or take no
//! space is shown by its code point. Only the look changes; decisions rest on the fingerprint of the exact bytes.
//! Letters that resemble other letters are not marked: nothing here can know which was meant.

use std::fmt::Write as _;

/// The text on one line, every deceptive character shown as `⟨U+XXXX⟩`.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            // Writing to a String cannot fail.
            let _never = write!(shown, "⟨U+{:04X}⟩", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The lines of a text, each made [`visible`]. Only `\n` ends a line; a `\r` before it is shown.
pub(crate) fn visible_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('\n').map(visible)
}

/// At most `width` characters of the first line, with `…` where something was left out.
pub(crate) fn excerpt(text: &str, width: usize) -> String {
    let shown = visible(text);
    if shown.chars().count() <= width {
        return shown;
    }
    shown.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The opening bracket is marked too, so that a text cannot imitate a mark.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '⟨'
            // Spaces that are not U+0020, and line separators.
            | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}'
            | '\u{202f}' | '\u{205f}' | '\u{3000}'
            // No width: joiners, soft hyphen, variation selectors, fillers, byte-order mark, tags.
            | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffc}' | '\u{e0000}'..='\u{e0fff}'
            // Direction (Unicode Standard Annex 9).
            | '\u{61c}' | '\u{202a}'..='\u{202e}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        let text = "DELETE FROM orders WHERE name = 'Zoë — 北京' -- ok";
        assert_eq!(visible(text), text);
    }

    #[test]
    fn what_deceives_the_eye_is_shown_by_its_code_point() {
        let cases = [
            ("a\u{1b}[2Jb", "a⟨U+001B⟩[2Jb"),
            ("a\u{202e}b", "a⟨U+202E⟩b"),
            ("a\u{200b}b", "a⟨U+200B⟩b"),
            ("a\tb\r", "a⟨U+0009⟩b⟨U+000D⟩"),
            ("a\u{2028}b", "a⟨U+2028⟩b"),
            ("a\u{e0041}", "a⟨U+E0041⟩"),
            ("⟨U+202E⟩", "⟨U+27E8⟩U+202E⟩"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn an_excerpt_says_that_something_is_missing() {
        assert_eq!(excerpt("abcdef", 4), "abc…");
        assert_eq!(excerpt("abcd", 4), "abcd");
    }
}
