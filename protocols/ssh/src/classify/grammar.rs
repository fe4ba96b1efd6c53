//! The part of the shell's grammar that is understood: lists and pipelines of simple commands (XCU 2.9.1 to 2.9.3), with
//! literal words, file patterns and redirections of the standard streams. What is outside of it is said to be unclear; it is
//! never read as something else.
//!
//! There is no tree: a command of a list may run or not, and everything that may run counts. There is no recursion either,
//! so that no text can exhaust a stack.

use super::word::{Shape, Word};

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SimpleCommand {
    pub(super) words: Vec<Word>,
    pub(super) redirections: Vec<Redirection>,
}

/// A redirection that matters. One standard stream onto another does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// Standard input comes from a file.
    From(Word),
    /// Standard output or error goes to a file.
    Onto(Word),
}

/// Why a text is outside of what is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    Character,
    Expansion,
    Quoting,
    Unterminated,
    Background,
    Compound,
    Redirection,
    Pattern,
    Empty,
}

impl Unclear {
    /// For the reviewer.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Character => {
                "it has characters that are not plain text, or that shells read differently"
            }
            Self::Expansion => "the shell replaces a part of it before it runs",
            Self::Quoting => "it is quoted in a way that shells read differently",
            Self::Unterminated => "a quotation does not end",
            Self::Background => "it leaves something running",
            Self::Compound => "it has a compound command or a function",
            Self::Redirection => "it redirects in a way that is not understood",
            Self::Pattern => "a file pattern does not begin with /, or is partly quoted",
            Self::Empty => "a command is missing where one is expected",
        }
    }
}

/// The simple commands of `text`, in order.
pub(super) fn simple_commands(text: &[u8]) -> Result<Vec<SimpleCommand>, Unclear> {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| plain(&byte)));
    let mut rest = Rest { text: text.ok_or(Unclear::Character)?, at: 0 };
    let mut list = List::default();
    while let Some(byte) = rest.peek() {
        match byte {
            b' ' | b'\t' => rest.skip(1),
            b'\n' => {
                rest.skip(1);
                list.end_of_line()?;
            }
            b';' => {
                rest.skip(1);
                list.end_of_command()?;
            }
            b'&' | b'|' => rest.connective().and_then(|()| list.connect())?,
            b'<' | b'>' => rest.redirection(&mut list.command)?,
            _ => list.command.words.extend(rest.word()?),
        }
    }
    list.finish()
}

/// The commands that were read so far.
#[derive(Default)]
struct List {
    done: Vec<SimpleCommand>,
    command: SimpleCommand,
    expected: Expected,
}

/// Whether a text may end here.
#[derive(Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Anything,
    /// Behind `|`, `&&` and `||`.
    Command,
}

impl List {
    fn end_of_line(&mut self) -> Result<(), Unclear> {
        let blank = self.command == SimpleCommand::default() && self.expected == Expected::Anything;
        if blank { Ok(()) } else { self.end_of_command() }
    }

    fn end_of_command(&mut self) -> Result<(), Unclear> {
        let command = std::mem::take(&mut self.command);
        // A redirection without a command runs one in zsh.
        if command.words.is_empty() {
            return Err(Unclear::Empty);
        }
        self.done.push(command);
        self.expected = Expected::Anything;
        Ok(())
    }

    fn connect(&mut self) -> Result<(), Unclear> {
        self.end_of_command()?;
        self.expected = Expected::Command;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<SimpleCommand>, Unclear> {
        self.end_of_line()?;
        Ok(self.done)
    }
}

/// What is left of the text, which is ASCII.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn starts_with(&self, text: &str) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(text))
    }

    /// The text up to the next `quote`, which is skipped.
    fn up_to(&mut self, quote: char) -> Result<&'a str, Unclear> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let (inside, _) = rest.split_once(quote).ok_or(Unclear::Unterminated)?;
        self.skip(inside.len() + 1);
        Ok(inside)
    }

    /// `|`, `||` or `&&`; not `|&` and `&`.
    fn connective(&mut self) -> Result<(), Unclear> {
        if self.starts_with("|&") {
            return Err(Unclear::Redirection);
        }
        if self.starts_with("&&") || self.starts_with("||") {
            self.skip(2);
            return Ok(());
        }
        if self.starts_with("&") {
            return Err(Unclear::Background);
        }
        self.skip(1);
        Ok(())
    }

    /// `<`, `>`, `>>` and their file; or `>&1` and `>&2`.
    fn redirection(&mut self, command: &mut SimpleCommand) -> Result<(), Unclear> {
        for unclear in ["<<", "<&", "<>", "<(", ">|", ">("] {
            if self.starts_with(unclear) {
                return Err(Unclear::Redirection);
            }
        }
        if self.starts_with(">&") {
            self.skip(2);
            let stream = matches!(self.peek(), Some(b'1' | b'2'));
            self.skip(1);
            let ends = self.peek().is_none_or(|byte| b" \t\n;|".contains(&byte));
            return if stream && ends { Ok(()) } else { Err(Unclear::Redirection) };
        }
        let from = self.starts_with("<");
        let redirection = if from { Redirection::From } else { Redirection::Onto };
        self.skip(if self.starts_with(">>") { 2 } else { 1 });
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.skip(1);
        }
        match self.word()? {
            // zsh reads `<0-9>` as a pattern of numbers.
            Some(_) if from && self.starts_with(">") => Err(Unclear::Redirection),
            Some(word) if word.shape == Shape::Literal && !word.text.is_empty() => {
                command.redirections.push(redirection(word));
                Ok(())
            }
            Some(_) | None => Err(Unclear::Redirection),
        }
    }

    /// A word; or nothing, where its digits only say which stream is redirected, or where there is none.
    fn word(&mut self) -> Result<Option<Word>, Unclear> {
        let began = self.at;
        let (mut text, mut quoted, mut pattern) = (String::new(), false, false);
        while let Some(byte) = self.peek().filter(|byte| !b" \t\n;&|<>".contains(byte)) {
            match byte {
                b'\'' | b'"' => {
                    quoted = true;
                    text.push_str(self.quotation(byte)?);
                }
                b'*' | b'?' => {
                    pattern = true;
                    text.push(char::from(byte));
                    self.skip(1);
                }
                // zsh replaces `=name` by the program's path.
                b'=' if self.at == began => return Err(Unclear::Expansion),
                _ => {
                    text.push(char::from(plain(byte)?));
                    self.skip(1);
                }
            }
        }
        if began == self.at {
            return Ok(None);
        }
        // fish replaces it by its own number.
        if !quoted && text == "%self" {
            return Err(Unclear::Expansion);
        }
        let number = !quoted && text.bytes().all(|byte| byte.is_ascii_digit());
        if number && matches!(self.peek(), Some(b'<' | b'>')) {
            let standard = ["0", "1", "2"].contains(&text.as_str());
            return if standard { Ok(None) } else { Err(Unclear::Redirection) };
        }
        match pattern {
            false => Ok(Some(Word::literal(text))),
            // Anything else can become an option, or nothing at all.
            true if text.starts_with('/') && !quoted => {
                Ok(Some(Word { text, shape: Shape::Pattern }))
            }
            true => Err(Unclear::Pattern),
        }
    }

    /// What is quoted, where every shell takes the same for it.
    fn quotation(&mut self, quote: u8) -> Result<&'a str, Unclear> {
        self.skip(1);
        let inside = self.up_to(char::from(quote))?;
        if inside.contains(['\n', '!']) {
            return Err(Unclear::Quoting);
        }
        match quote {
            // Fish lets a backslash keep the quotation open.
            b'\'' if inside.ends_with('\\') => Err(Unclear::Quoting),
            b'\'' => Ok(inside),
            _ if inside.contains(['$', '`']) => Err(Unclear::Expansion),
            _ if inside.contains('\\') => Err(Unclear::Quoting),
            _ => Ok(inside),
        }
    }
}

/// A byte outside of quotations that every shell takes for itself.
fn plain(byte: u8) -> Result<u8, Unclear> {
    match byte {
        _ if byte.is_ascii_alphanumeric() || b"_./:,+@%=-".contains(&byte) => Ok(byte),
        b'$' | b'`' | b'~' | b'[' | b']' => Err(Unclear::Expansion),
        b'(' | b')' | b'{' | b'}' => Err(Unclear::Compound),
        b'\\' => Err(Unclear::Quoting),
        _ => Err(Unclear::Character),
    }
}
