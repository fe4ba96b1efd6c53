//! A word of a command line, as the shell hands it on.

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// What the program gets; for a pattern, the pattern.
    pub(super) text: String,
    pub(super) shape: Shape,
}

/// What becomes of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The program gets exactly this one word.
    Literal,
    /// The program gets what matches, which can be several words; or the pattern itself where nothing does.
    Pattern,
}

impl Word {
    pub(super) fn literal(text: impl Into<String>) -> Self {
        Self { text: text.into(), shape: Shape::Literal }
    }

    /// The text, where the program gets exactly that.
    pub(super) fn as_literal(&self) -> Option<&str> {
        match self.shape {
            Shape::Literal => Some(&self.text),
            Shape::Pattern => None,
        }
    }

    /// The word as it is written in a line of words: quoted wherever it is not plain, so that a line is read one way only.
    fn written(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:,+@%=-".contains(&byte);
        match self.shape {
            Shape::Pattern => self.text.clone(),
            Shape::Literal if !self.text.is_empty() && self.text.bytes().all(plain) => {
                self.text.clone()
            }
            Shape::Literal => format!("'{}'", self.text.replace('\'', r"'\''")),
        }
    }
}

/// The words as one line.
pub(super) fn line(words: &[Word]) -> String {
    words.iter().map(Word::written).collect::<Vec<_>>().join(" ")
}
