//! Texts that others wrote, for the terminal: what deceives the eye is shown by its code point, as the API shows it too. Here
//! is only what fits them into tables.

pub(crate) use countersign_api::visible::{visible, visible_lines};

/// At most `width` characters of the first line, with `…` where something was left out.
pub(crate) fn excerpt(text: &str, width: usize) -> String {
    let shown = visible(text);
    if shown.chars().count() <= width {
        return shown;
    }
    shown.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_says_that_something_is_missing() {
        assert_eq!(excerpt("abcdef", 4), "abc…");
        assert_eq!(excerpt("abcd", 4), "abcd");
    }
}
