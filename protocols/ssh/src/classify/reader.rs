//! How a program may be called so that it only tells something: its options and its operands.
//!
//! An option that is not listed makes the use not understood. Options count only before the first operand: behind it, some
//! systems take them for files. Long options are taken as they are written, never abbreviated.

use super::{asked::Asked, word::Word};
use std::collections::BTreeSet;

/// How a program of the catalogue may be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub(super) name: &'static str,
    pub(super) uses: Uses,
}

/// What decides whether a call is understood.
#[derive(Clone, Copy, Debug)]
pub(super) enum Uses {
    /// These options, then these operands.
    Listed(Options, Operands),
    /// A grammar of its own.
    Own(fn(&[Word], &mut Asked) -> Result<(), NotListed>),
}

/// The options of a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Letters that stand alone.
    pub(super) flags: &'static str,
    /// Letters that are followed by a value, in the same word or the next.
    pub(super) valued: &'static str,
    /// Long ones; where a value follows in the same word, with the `=` at their end.
    pub(super) long: &'static [&'static str],
}

/// The operands of a program.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operands {
    None,
    /// At most so many words that name no file.
    Words(usize),
    /// The first is one of these; the others name no file.
    FirstOf(&'static [&'static str]),
    /// One that begins with a plus sign.
    Format,
    /// At most so many numbers.
    Numbers(usize),
    /// Files whose names and attributes are told; without one, those of the login's own folder.
    Folders,
    /// Files whose names and attributes are told.
    Names,
    /// At most so many files whose contents are told.
    Files(usize),
    /// Two files, or two folders, whose contents are told.
    Trees,
}

/// As many operands as there are.
pub(super) const ANY: usize = usize::MAX;

/// Why a call is not understood, for the reviewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotListed {
    Option,
    Operand,
}

impl NotListed {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Option => "a program is called with an option that is not known to be harmless",
            Self::Operand => "a program is called with an operand that is not known to be harmless",
        }
    }
}

/// The words of a call, apart.
pub(super) struct Call<'a> {
    pub(super) letters: BTreeSet<char>,
    pub(super) long: BTreeSet<&'a str>,
    pub(super) operands: Vec<&'a Word>,
}

impl Reader {
    /// Asks for what the call of this program with `arguments` tells.
    pub(super) fn ask(&self, arguments: &[Word], asked: &mut Asked) -> Result<(), NotListed> {
        match self.uses {
            Uses::Own(read) => read(arguments, asked),
            Uses::Listed(options, operands) => {
                let call = options.read(arguments)?;
                operands.ask(&call.operands, asked)
            }
        }
    }
}

impl Options {
    /// Takes the words of a call apart.
    pub(super) fn read<'a>(&self, words: &'a [Word]) -> Result<Call<'a>, NotListed> {
        let mut call =
            Call { letters: BTreeSet::new(), long: BTreeSet::new(), operands: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(text) = word.as_literal().filter(|text| text.len() > 1) else {
                call.operands.push(word);
                continue;
            };
            if text == "--" && call.operands.is_empty() {
                call.operands.extend(words.by_ref());
            } else if text.starts_with('-') && !call.operands.is_empty() {
                return Err(NotListed::Option);
            } else if text.starts_with("--") {
                self.long(text, &mut call)?;
            } else if let Some(letters) = text.strip_prefix('-') {
                self.letters(letters, &mut words, &mut call)?;
            } else {
                call.operands.push(word);
            }
        }
        Ok(call)
    }

    fn long<'a>(&self, text: &'a str, call: &mut Call<'a>) -> Result<(), NotListed> {
        let name = text.find('=').and_then(|at| text.get(..=at)).unwrap_or(text);
        if self.long.contains(&name) {
            call.long.insert(name);
            Ok(())
        } else {
            Err(NotListed::Option)
        }
    }

    fn letters<'a>(
        &self,
        letters: &str,
        words: &mut impl Iterator<Item = &'a Word>,
        call: &mut Call<'a>,
    ) -> Result<(), NotListed> {
        let mut number = false;
        for (at, letter) in letters.char_indices() {
            call.letters.insert(letter);
            // `head -5c FILE`: behind a number, a letter is a unit and takes no value.
            if number && self.valued.contains(letter) {
                return Err(NotListed::Option);
            }
            number = letter.is_ascii_digit();
            if self.flags.contains(letter) {
                continue;
            }
            if !self.valued.contains(letter) {
                return Err(NotListed::Option);
            }
            let follows =
                letters.get(at + letter.len_utf8()..).is_some_and(|rest| !rest.is_empty());
            // Where a value may be left out, what looks like an option is one. A number below zero does not.
            let is_value = |word: &Word| {
                word.as_literal().is_some_and(|text| {
                    text.strip_prefix('-')
                        .is_none_or(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
                })
            };
            let value = follows || words.next().is_some_and(is_value);
            return if value { Ok(()) } else { Err(NotListed::Option) };
        }
        Ok(())
    }
}

impl Operands {
    /// Asks for what these operands name.
    pub(super) fn ask(self, found: &[&Word], asked: &mut Asked) -> Result<(), NotListed> {
        let literal = found.iter().all(|word| word.as_literal().is_some());
        let fits = match self {
            Self::None => found.is_empty(),
            Self::Words(most) => literal && found.len() <= most,
            Self::FirstOf(words) => {
                literal && found.first().is_none_or(|first| words.contains(&first.text.as_str()))
            }
            Self::Format => {
                literal && found.len() <= 1 && found.iter().all(|word| word.text.starts_with('+'))
            }
            Self::Numbers(most) => found.len() <= most && found.iter().all(|word| is_number(word)),
            Self::Folders | Self::Names => true,
            Self::Files(most) => found.len() <= most && (literal || most == ANY),
            Self::Trees => literal && found.len() == 2,
        };
        if !fits {
            return Err(NotListed::Operand);
        }
        match self {
            Self::None | Self::Words(_) | Self::FirstOf(_) | Self::Format | Self::Numbers(_) => (),
            Self::Folders if found.is_empty() => asked.list_own_folder(),
            Self::Folders | Self::Names => found.iter().for_each(|word| asked.list(word)),
            Self::Files(_) => files(found, asked),
            Self::Trees => {
                files(found, asked);
                found.iter().filter(|word| word.text != "-").for_each(|word| asked.scan(word));
            }
        }
        Ok(())
    }
}

/// Files whose contents are told; `-` is standard input.
pub(super) fn files(found: &[&Word], asked: &mut Asked) {
    found.iter().filter(|word| word.text != "-").for_each(|word| asked.read(word));
}

fn is_number(word: &Word) -> bool {
    word.as_literal().is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
}
