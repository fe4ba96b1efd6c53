//! Reading an expression of groups. What could be read in two ways is refused: `and` beside `or` wants parentheses, and a
//! name that is more than one word wants quotes. Nothing is looked up: whether there is such a group only a token tells.

use super::{MAX_GROUPS, Reviewers};
use std::borrow::Cow;

/// How deep parentheses may be nested.
const MAX_DEPTH: usize = 8;

/// Why a text is no expression of groups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewersError {
    /// Something ends where a group should stand.
    #[error("a group is missing")]
    Missing,
    /// A parenthesis or a quote has no end.
    #[error("a parenthesis or a quote is not closed")]
    Unclosed,
    /// Both joined without saying what belongs together.
    #[error("`and` beside `or` needs parentheses that say what belongs together")]
    Mixed,
    /// A word that cannot stand there.
    #[error("`{word}` cannot stand there: a name of more than one word is put in single quotes")]
    Unexpected {
        /// The word.
        word: String,
    },
    /// More than an expression may have.
    #[error("it names more than {MAX_GROUPS} groups, or nests more than {MAX_DEPTH} deep")]
    TooMany,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Name(String),
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Self::Open => "(".to_owned(),
            Self::Close => ")".to_owned(),
            Self::And => "and".to_owned(),
            Self::Or => "or".to_owned(),
            Self::Name(name) => quoted(name).into_owned(),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Reviewers, ReviewersError> {
    let tokens = tokens(text)?;
    let names = tokens.iter().filter(|token| matches!(token, Token::Name(_)));
    if names.count() > MAX_GROUPS {
        return Err(ReviewersError::TooMany);
    }
    let mut rest = tokens.as_slice();
    let found = expression(&mut rest, 0)?;
    match rest.first() {
        None => Ok(found),
        Some(token) => Err(ReviewersError::Unexpected { word: token.shown() }),
    }
}

/// A name as an expression writes it.
pub(super) fn quoted(name: &str) -> Cow<'_, str> {
    let plain = !name.is_empty() && name != "and" && name != "or" && name.chars().all(is_plain);
    if plain { Cow::Borrowed(name) } else { Cow::Owned(format!("'{}'", name.replace('\'', "''"))) }
}

/// Blanks are those of ASCII: what else is blank changes with the tables of Unicode, and this is a stored form.
const fn is_plain(character: char) -> bool {
    !character.is_ascii_whitespace() && !matches!(character, '(' | ')' | '\'')
}

fn tokens(text: &str) -> Result<Vec<Token>, ReviewersError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_ascii();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '(' => (Token::Open, rest.get(1..)),
            ')' => (Token::Close, rest.get(1..)),
            '\'' => {
                let (name, after) = quotation(rest)?;
                (Token::Name(name), Some(after))
            }
            _ => {
                let end = rest.find(|character| !is_plain(character)).unwrap_or(rest.len());
                let word = rest.get(..end).unwrap_or_default();
                let token = match word {
                    "and" => Token::And,
                    "or" => Token::Or,
                    name => Token::Name(name.to_owned()),
                };
                (token, rest.get(end..))
            }
        };
        tokens.push(token);
        rest = after.unwrap_or_default().trim_ascii_start();
    }
    Ok(tokens)
}

/// The name that begins with the quote in front, and what follows it. A quote in it is written twice.
fn quotation(text: &str) -> Result<(String, &str), ReviewersError> {
    let mut name = String::new();
    let mut rest = text.strip_prefix('\'').unwrap_or(text);
    loop {
        let (part, after) = rest.split_once('\'').ok_or(ReviewersError::Unclosed)?;
        name.push_str(part);
        match after.strip_prefix('\'') {
            Some(goes_on) => {
                name.push('\'');
                rest = goes_on;
            }
            None if name.is_empty() => return Err(ReviewersError::Missing),
            None => return Ok((name, after)),
        }
    }
}

fn expression(rest: &mut &[Token], depth: usize) -> Result<Reviewers, ReviewersError> {
    let mut parts = vec![term(rest, depth)?];
    let joins = |token: Option<&Token>| {
        token.filter(|token| matches!(token, Token::And | Token::Or)).cloned()
    };
    let Some(word) = joins(rest.first()) else { return Ok(Reviewers::all(parts)) };
    while let Some(next) = joins(rest.first()) {
        if next != word {
            return Err(ReviewersError::Mixed);
        }
        *rest = rest.get(1..).unwrap_or_default();
        parts.push(term(rest, depth)?);
    }
    Ok(if word == Token::And { Reviewers::all(parts) } else { Reviewers::any(parts) })
}

fn term(rest: &mut &[Token], depth: usize) -> Result<Reviewers, ReviewersError> {
    let (first, after) = rest.split_first().ok_or(ReviewersError::Missing)?;
    match first {
        Token::Name(name) => {
            *rest = after;
            Ok(Reviewers::Group(name.clone()))
        }
        Token::Open if depth >= MAX_DEPTH => Err(ReviewersError::TooMany),
        Token::Open => {
            *rest = after;
            let inner = expression(rest, depth + 1)?;
            match rest.split_first() {
                Some((Token::Close, after)) => {
                    *rest = after;
                    Ok(inner)
                }
                Some((other @ (Token::Open | Token::Name(_) | Token::And | Token::Or), _)) => {
                    Err(ReviewersError::Unexpected { word: other.shown() })
                }
                None => Err(ReviewersError::Unclosed),
            }
        }
        Token::Close | Token::And | Token::Or => Err(ReviewersError::Missing),
    }
}
