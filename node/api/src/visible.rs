//! Texts that others wrote, made safe to look at: what would move the cursor, turn the writing direction, take no space or
//! pass for another letter is shown by its code point. Only the look changes; decisions rest on the fingerprint of the exact
//! bytes.
//!
//! Of letters that resemble Latin ones those are marked that stand in a word with Latin letters, or in a word of such letters
//! only: a word in another script that has letters of its own is left alone.

use std::fmt::Write as _;

/// The text on one line, every deceptive character shown as `⟨U+XXXX⟩`.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if is_of_word(first) {
            rest.find(|c| !is_of_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, behind) = rest.split_at(length);
        let deceives = |c: char| is_deceptive(c) || (resembles_latin(c) && passes_for_latin(word));
        for c in word.chars() {
            if deceives(c) {
                // Writing to a String cannot fail.
                let _never = write!(shown, "⟨U+{:04X}⟩", u32::from(c));
            } else {
                shown.push(c);
            }
        }
        rest = behind;
    }
    shown
}

/// The lines of a text, each made [`visible`]. Only `\n` ends a line; a `\r` before it is shown.
pub fn visible_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('\n').map(visible)
}

/// Whether a word with letters that resemble Latin ones can be taken for one in Latin letters.
fn passes_for_latin(word: &str) -> bool {
    let mut letters = word.chars().filter(|c| c.is_alphabetic());
    word.chars().any(|c| c.is_ascii_alphabetic()) || letters.all(resembles_latin)
}

/// Cyrillic, Greek and Armenian letters that look like Latin ones (Unicode Technical Standard 39, confusables).
const fn resembles_latin(c: char) -> bool {
    matches!(
        c,
        'а' | 'е' | 'о' | 'р' | 'с' | 'у' | 'х' | 'і' | 'ј' | 'ѕ' | 'ԁ' | 'ԛ' | 'ԝ' | 'һ' | 'ӏ' | 'ѵ' | 'ғ'
        | 'А' | 'В' | 'Е' | 'Ѕ' | 'І' | 'Ј' | 'К' | 'М' | 'Н' | 'О' | 'Р' | 'С' | 'Т' | 'У' | 'Х' | 'Ԁ' | 'Ԍ' | 'Ԛ' | 'Ԝ'
        | 'α' | 'ι' | 'κ' | 'ν' | 'ο' | 'ρ' | 'τ' | 'υ' | 'χ' | 'γ' | 'ϲ' | 'ϳ'
        | 'Α' | 'Β' | 'Ε' | 'Ζ' | 'Η' | 'Ι' | 'Κ' | 'Μ' | 'Ν' | 'Ο' | 'Ρ' | 'Τ' | 'Υ' | 'Χ' | 'Ϲ' | 'Ϳ'
        | 'օ' | 'ո' | 'ս' | 'հ' | 'ց' | 'զ' | 'Ս' | 'Տ' | 'Օ' | 'Լ'
        // Latin letters that are others: dotless i, small capitals and alpha.
        | 'ı' | 'ȷ' | 'ɑ' | 'ɡ' | 'ɩ' | 'ʏ' | 'ʀ' | 'ɴ' | 'ʟ' | 'ʜ' | 'ᴀ' | 'ᴄ' | 'ᴅ' | 'ᴇ' | 'ᴏ' | 'ᴜ' | 'ᴠ' | 'ᴡ' | 'ᴢ'
    )
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
            // Letters and signs in another dress: full width, mathematical, enclosed.
            | '\u{ff01}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}' | '\u{24b6}'..='\u{24e9}'
            // Direction (Unicode Standard Annex 9).
            | '\u{61c}' | '\u{202a}'..='\u{202e}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        let text = "DELETE FROM orders WHERE name = 'Zoë — 北京, Москва, Ελλάδα' -- ok_1";
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
    fn letters_that_pass_for_latin_ones_are_shown_by_their_code_points() {
        let cases = [
            // One Cyrillic letter among Latin ones, a word of such letters only, full width.
            ("public.\u{43e}rders", "public.⟨U+043E⟩rders"),
            ("\u{441}\u{43e}\u{440}\u{443}", "⟨U+0441⟩⟨U+043E⟩⟨U+0440⟩⟨U+0443⟩"),
            ("\u{ff44}rop", "⟨U+FF44⟩rop"),
            ("pg_\u{3bf}", "pg_⟨U+03BF⟩"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
        }
    }
}
