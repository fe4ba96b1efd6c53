//! A simple command: what its redirections touch and what its words run.

use super::{
    MAX_DEMANDS,
    asked::Asked,
    catalogue::{self, Role},
    grammar::{Redirection, SimpleCommand},
    program::{self, Named},
    reader::{Options, Reader},
    script,
    word::Word,
};

/// A command that is run by a command that is run by ...: so many of them are looked into.
const MAX_WRAPPED: usize = 8;

/// A program that runs the command behind its own options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrapper {
    pub(super) name: &'static str,
    pub(super) options: Options,
    /// Operands of its own, before the command.
    pub(super) operands: usize,
}

/// Asks for what `command` does, `depth` shells inside the first one.
pub(super) fn simple(command: &SimpleCommand, asked: &mut Asked, depth: usize) {
    for redirection in &command.redirections {
        match redirection {
            Redirection::From(word) => asked.read(word),
            Redirection::Onto(word) => asked.write(word),
        }
    }
    let mut words = command.words.as_slice();
    for _ in 0..MAX_WRAPPED {
        match run(words, asked, depth) {
            Some(inner) => words = inner,
            None => return,
        }
    }
    asked.opaque("commands within commands are looked into only so far");
}

/// Asks for what these words run. What is returned is the command that they run in turn.
fn run<'a>(words: &'a [Word], asked: &mut Asked, depth: usize) -> Option<&'a [Word]> {
    let (first, arguments) = words.split_first()?;
    if asked.commands() > MAX_DEMANDS {
        asked.opaque("it has more commands than are judged at once");
        return None;
    }
    asked.command(words);
    match program::named(first) {
        Named::Shell => asked.opaque("the shell itself does something"),
        Named::Unknown => asked.opaque("what runs is not known"),
        Named::Placed(path) => asked.exec(&path),
        Named::Usual(name) => match catalogue::role(&name) {
            Role::Reader(reader) => ask_reader(&reader, arguments, asked),
            Role::Wrapper(wrapper) => return wrapped(&wrapper, arguments, asked),
            Role::Shell => shell(&name, arguments, asked, depth),
            Role::Runner => not_followed(&name, asked),
            Role::Other => asked.exec(&name),
        },
    }
    None
}

fn ask_reader(reader: &Reader, arguments: &[Word], asked: &mut Asked) {
    match reader.ask(arguments, asked) {
        Ok(()) => asked.query(reader.name),
        Err(not_listed) => {
            asked.exec(reader.name);
            asked.opaque(not_listed.reason());
        }
    }
}

fn wrapped<'a>(wrapper: &Wrapper, arguments: &'a [Word], asked: &mut Asked) -> Option<&'a [Word]> {
    asked.exec(wrapper.name);
    let inner = wrapper.inner(arguments);
    if inner.is_none() {
        asked.opaque("a program that runs another one is called in a way that is not understood");
    }
    inner
}

impl Wrapper {
    /// The command that is run. Options count only before it: where this program's end, the command begins.
    fn inner<'a>(&self, arguments: &'a [Word]) -> Option<&'a [Word]> {
        let mut rest = arguments;
        while let Some(text) = rest.first().and_then(Word::as_literal) {
            let Some(letters) = text.strip_prefix('-') else { break };
            let mut letters = letters.chars();
            let letter = letters.next()?;
            let alone = letters.as_str().is_empty();
            let taken = match letter {
                _ if self.options.flags.contains(letter) && alone => 1,
                _ if self.options.valued.contains(letter) && alone => 2,
                _ if self.options.valued.contains(letter) => 1,
                _ => return None,
            };
            rest = rest.get(taken..)?;
        }
        let inner = rest.get(self.operands..)?;
        let own = arguments.get(..arguments.len() - inner.len())?;
        // A pattern among its own words can become several of them, of which one would be the command.
        let literal = own.iter().chain(inner.first()).all(|word| word.as_literal().is_some());
        (literal && !inner.is_empty()).then_some(inner)
    }
}

/// A shell: what it is given as a text is looked into, anything else is not.
fn shell(name: &str, arguments: &[Word], asked: &mut Asked, depth: usize) {
    asked.exec(name);
    match arguments {
        [option, text] if option.as_literal() == Some("-c") && text.as_literal().is_some() => {
            script(text.text.as_bytes(), asked, depth + 1);
        }
        _ => asked.opaque("a shell is called in a way that is not understood"),
    }
}

fn not_followed(name: &str, asked: &mut Asked) {
    asked.exec(name);
    asked.opaque("a program that runs others, or whatever it is told, is called");
}
