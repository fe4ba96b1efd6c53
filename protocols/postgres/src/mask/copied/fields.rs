//! The fields of a row as COPY writes them in text and CSV ("COPY", File Formats), with the letters that a statement has
//! chosen. It reads and writes one field; what becomes of it is not decided here.

/// The letters that have a meaning in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Letters {
    Text { delimiter: char },
    Csv { delimiter: char, quote: char, escape: char },
}

/// The first field of what is left of a row.
pub(super) struct Field<'a> {
    /// As it is written.
    pub(super) written: &'a str,
    /// What it says.
    pub(super) said: String,
    /// What comes behind its delimiter, if there is one.
    pub(super) behind: Option<&'a str>,
}

impl Letters {
    pub(super) const fn delimiter(self) -> char {
        match self {
            Self::Text { delimiter } | Self::Csv { delimiter, .. } => delimiter,
        }
    }

    /// The field at the beginning of `rest`; none where it is not as the format has it.
    pub(super) fn field(self, rest: &str) -> Option<Field<'_>> {
        let (said, end) = match self {
            Self::Text { delimiter } => text(rest, delimiter)?,
            Self::Csv { quote, escape, .. } if rest.starts_with(quote) => {
                quoted(rest, quote, escape)?
            }
            Self::Csv { delimiter, .. } => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                (rest.get(..end)?.to_owned(), end)
            }
        };
        let (written, behind) = rest.split_at_checked(end)?;
        let behind =
            if behind.is_empty() { None } else { Some(behind.strip_prefix(self.delimiter())?) };
        Some(Field { written, said, behind })
    }

    /// Writes a field that is not null.
    pub(super) fn write(self, text: &str, out: &mut String) {
        match self {
            Self::Text { delimiter } => {
                for c in text.chars() {
                    match c {
                        '\n' => out.push_str("\\n"),
                        '\r' => out.push_str("\\r"),
                        '\t' => out.push_str("\\t"),
                        '\\' => out.push_str("\\\\"),
                        c => {
                            if c == delimiter {
                                out.push('\\');
                            }
                            out.push(c);
                        }
                    }
                }
            }
            Self::Csv { delimiter, quote, .. }
                if !text.is_empty() && !text.contains([delimiter, quote, '\n', '\r']) =>
            {
                out.push_str(text);
            }
            Self::Csv { quote, escape, .. } => {
                out.push(quote);
                for c in text.chars() {
                    if c == quote || c == escape {
                        out.push(escape);
                    }
                    out.push(c);
                }
                out.push(quote);
            }
        }
    }
}

/// What a field in text says, and where it ends.
fn text(rest: &str, delimiter: char) -> Option<(String, usize)> {
    let mut said = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == delimiter {
            return Some((said, at));
        }
        if c != '\\' {
            said.push(c);
            continue;
        }
        said.push(match chars.next()?.1 {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            plain => plain,
        });
    }
    Some((said, rest.len()))
}

/// What a field in quotes says, and where it ends.
fn quoted(rest: &str, quote: char, escape: char) -> Option<(String, usize)> {
    let mut said = String::new();
    let mut chars = rest.char_indices().peekable();
    chars.next();
    while let Some((at, c)) = chars.next() {
        let escaped =
            chars.peek().map(|(_, next)| *next).filter(|next| *next == quote || *next == escape);
        match escaped {
            Some(next) if c == escape => {
                said.push(next);
                chars.next();
            }
            Some(_) | None if c == quote => return Some((said, at + 1)),
            Some(_) | None => said.push(c),
        }
    }
    None
}
