//! JSON documents (RFC 8259) of a column: what a path of a rule leads to is masked as a whole, and what detectors find is
//! replaced in the strings and numbers beside it, so that the document stays valid. The text outside of that stays as it is.

use super::{
    ColumnMask, MaskError, Shown,
    json_path::{Down, JsonPath},
    plan::Ruling,
};

/// A path of a rule.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) path: JsonPath,
    pub(super) ruling: Ruling,
}

/// Where in which paths a place of the document is: the path, and how many of its steps lead there.
type Places = Vec<(usize, usize)>;

/// What encloses a place of the document.
enum Level {
    Object { places: Places, expects: Expects },
    Array { places: Places, element: usize },
}

/// What comes next in an object.
enum Expects {
    Key,
    Value(Places),
}

/// The masking of one document.
pub(super) struct Walk<'a> {
    mask: &'a mut ColumnMask,
    text: &'a str,
    at: usize,
    levels: Vec<Level>,
    out: Option<String>,
    /// How much of the text is in `out` already.
    done: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(mask: &'a mut ColumnMask, text: &'a str) -> Self {
        Self { mask, text, at: 0, levels: Vec::new(), out: None, done: 0 }
    }

    /// The document with what is covered replaced; `None` where nothing is.
    pub(super) fn masked(mut self) -> Result<Option<String>, MaskError> {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b':' => self.at += 1,
                b',' => self.next_item(),
                b'}' | b']' => {
                    self.levels.pop();
                    self.at += 1;
                }
                _ => self.item()?,
            }
        }
        if !self.levels.is_empty() {
            return Err(MaskError::Unreadable);
        }
        let rest = self.text.get(self.done..).ok_or(MaskError::Unreadable)?;
        Ok(self.out.map(|out| out + rest))
    }

    fn next_item(&mut self) {
        match self.levels.last_mut() {
            Some(Level::Object { expects, .. }) => *expects = Expects::Key,
            Some(Level::Array { element, .. }) => *element += 1,
            None => {}
        }
        self.at += 1;
    }

    /// A key or a value.
    fn item(&mut self) -> Result<(), MaskError> {
        let here = match self.levels.last_mut() {
            None => (0..self.mask.paths().len()).map(|path| (path, 0)).collect(),
            Some(Level::Array { places, element }) => {
                down(self.mask.paths(), places, Down::Element(*element))
            }
            Some(Level::Object { expects: Expects::Value(places), .. }) => std::mem::take(places),
            Some(Level::Object { expects: Expects::Key, .. }) => return self.key(),
        };
        if let Some(ruling) = covering(self.mask.paths(), &here) {
            return self.covered(ruling);
        }
        match self.text.as_bytes().get(self.at) {
            Some(b'{') => self.enter(Level::Object { places: here, expects: Expects::Key }),
            Some(b'[') => self.enter(Level::Array { places: here, element: 0 }),
            Some(_) | None => drop(self.scalar()?),
        }
        Ok(())
    }

    fn enter(&mut self, level: Level) {
        self.levels.push(level);
        self.at += 1;
    }

    /// The name of a member; it is searched like a value, and no path covers it.
    fn key(&mut self) -> Result<(), MaskError> {
        let token = self.scalar()?;
        let name = said(token)?;
        if let Some(Level::Object { places, expects }) = self.levels.last_mut() {
            let below = down(self.mask.paths(), places, Down::Member(&name));
            *expects = Expects::Value(below);
        }
        Ok(())
    }

    /// A string, a number or a literal, which is searched; returns it as it is written.
    fn scalar(&mut self) -> Result<&'a str, MaskError> {
        let end = scalar_end(self.text.as_bytes(), self.at).ok_or(MaskError::Unreadable)?;
        let token = self.text.get(self.at..end).ok_or(MaskError::Unreadable)?;
        let literal = matches!(token, "true" | "false" | "null");
        if !literal && self.mask.searches() {
            let text = said(token)?;
            let shown = match self.mask.mask(&text)? {
                Shown::Same(_) => None,
                Shown::Changed(changed) => Some(json_string(&changed)),
                // A key must be a string; an empty one is all that can stand for no value.
                Shown::Null => Some(json_string("")),
            };
            if let Some(shown) = shown {
                self.replace(end, &shown)?;
            }
        }
        self.at = end;
        Ok(token)
    }

    /// A value that a path leads to, with all that is in it.
    fn covered(&mut self, ruling: Ruling) -> Result<(), MaskError> {
        let end = value_end(self.text.as_bytes(), self.at).ok_or(MaskError::Unreadable)?;
        let value = self.text.get(self.at..end).ok_or(MaskError::Unreadable)?;
        let shown = covered(self.mask, value, ruling)?;
        self.replace(end, shown.as_deref().unwrap_or("null"))?;
        self.at = end;
        Ok(())
    }

    /// Puts something in the place of what stands from here to `end`.
    fn replace(&mut self, end: usize, shown: &str) -> Result<(), MaskError> {
        let before = self.text.get(self.done..self.at).ok_or(MaskError::Unreadable)?;
        let out = self.out.get_or_insert_with(|| String::with_capacity(self.text.len()));
        out.push_str(before);
        out.push_str(shown);
        self.done = end;
        Ok(())
    }
}

fn down(paths: &[Path], places: &[(usize, usize)], to: Down<'_>) -> Places {
    let of = |&(path, taken): &(usize, usize)| {
        let steps = paths.get(path).map(|known| known.path.down(taken, to));
        steps.into_iter().flatten().map(move |taken| (path, taken))
    };
    let mut below: Places = places.iter().flat_map(of).collect();
    // Members of one name in each other would count again and again.
    below.sort_unstable();
    below.dedup();
    below
}

/// The ruling of a place that a path ends at: with those of the paths that go on, because their places go with it.
fn covering(paths: &[Path], places: &[(usize, usize)]) -> Option<Ruling> {
    let known = || places.iter().filter_map(|&(path, taken)| Some((paths.get(path)?, taken)));
    let ended = known().any(|(path, taken)| path.path.ends(taken));
    ended.then(|| known().map(|(path, _)| path.ruling).reduce(Ruling::and)).flatten()
}

/// What is shown, in JSON, for a value that is covered; `None` for no value. The shape of a literal, an object or an array
/// would tell what it is, or how it is built: nothing of it is kept.
pub(super) fn covered(
    mask: &mut ColumnMask,
    value: &str,
    ruling: Ruling,
) -> Result<Option<String>, MaskError> {
    let is_shaped = value.starts_with(|first: char| matches!(first, '"' | '-' | '0'..='9'));
    let kind = if is_shaped { ruling.kind } else { ruling.kind.without_shape() };
    let shown = mask.mask_part(&said(value)?, Ruling { kind, ..ruling })?;
    Ok(shown.map(|shown| json_string(&shown)))
}

/// What a string says, or a number or anything else as it is written.
fn said(token: &str) -> Result<std::borrow::Cow<'_, str>, MaskError> {
    match token.strip_prefix('"').and_then(|token| token.strip_suffix('"')) {
        Some(inner) if inner.contains('\\') => {
            unescaped(inner).map(Into::into).ok_or(MaskError::Unreadable)
        }
        Some(inner) => Ok(inner.into()),
        None => Ok(token.into()),
    }
}

/// Behind the value that begins at `start`.
fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        match bytes.get(at)? {
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b' ' | b'\t' | b'\n' | b'\r' | b':' | b',' => at += 1,
            _ => at = scalar_end(bytes, at)?,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Behind the string, number or literal that begins at `start`.
fn scalar_end(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start)? == &b'"' {
        let mut at = start + 1;
        loop {
            match bytes.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    let rest = bytes.get(start..)?;
    let length = rest.iter().position(|byte| !part(byte)).unwrap_or(rest.len());
    (length > 0).then_some(start + length)
}

/// What a string with escapes says.
fn unescaped(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let digits: String = chars.by_ref().take(4).collect();
                let unit = u32::from_str_radix(&digits, 16).ok()?;
                surrogates(unit, &mut chars)
            }
            plain @ ('"' | '\\' | '/') => plain,
            _ => return None,
        });
    }
    Some(out)
}

/// The character of a code unit, with the second one of its pair, if it is the first of one. Half a pair is no character.
fn surrogates(unit: u32, chars: &mut std::str::Chars<'_>) -> char {
    if !(0xd800..0xdc00).contains(&unit) {
        return char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    let second = chars.as_str().strip_prefix("\\u").and_then(|rest| rest.get(..4));
    let second = second.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match second.filter(|second| (0xdc00..0xe000).contains(second)) {
        Some(second) => {
            *chars = chars.as_str().get(6..).unwrap_or_default().chars();
            let both = 0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
            char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        None => char::REPLACEMENT_CHARACTER,
    }
}

/// A text as a JSON string (RFC 8259, section 7).
pub fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
