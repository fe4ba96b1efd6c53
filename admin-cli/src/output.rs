//! Where a command's answer goes: a table for people, one stable document for scripts. stdout carries only the answer;
//! progress, hints and problems go to stderr.

use crate::{
    cli::{Format, Global},
    failure::Failure,
};
use comfy_table::{Cell, ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};

/// stdout and stderr, with how they are to be written.
#[derive(Debug)]
pub(crate) struct Terminal {
    format: Format,
    color: bool,
    out: io::Stdout,
    err: io::Stderr,
    /// What scripts are to be warned of, once it is known how the command ends.
    warnings: Vec<String>,
}

/// How good or bad a word in a table is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Waiting,
    Bad,
    Plain,
}

impl Terminal {
    /// As the command line, `NO_COLOR` (no-color.org) and the kind of stdout say.
    pub(crate) fn new(global: &Global) -> Self {
        let unwanted =
            global.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let out = io::stdout();
        let color = !unwanted && out.is_terminal();
        Self { format: global.output, color, out, err: io::stderr(), warnings: Vec::new() }
    }

    /// The wanted form.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Whether people read the answer.
    pub(crate) const fn is_for_people(&self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// Writes the answer: `value` as a document, or what `text` makes of it for people.
    pub(crate) fn answer<T: Serialize>(
        &mut self,
        value: &T,
        text: impl FnOnce(&T, &Self) -> String,
    ) -> Result<(), Failure> {
        let written = match self.format {
            Format::Table | Format::Wide => text(value, self),
            Format::Json => serde_json::to_string_pretty(value)
                .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?,
            Format::Yaml => serde_saphyr::to_string(value)
                .map_err(|error| Failure::failed(format!("cannot write YAML: {error}")))?,
        };
        self.line(written.trim_end_matches('\n'))
    }

    /// Writes one answer of a stream: one JSON document a line, YAML documents, or a line for people.
    pub(crate) fn item<T: Serialize>(
        &mut self,
        value: &T,
        text: impl FnOnce(&T, &Self) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => {
                let line = serde_json::to_string(value)
                    .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
                self.line(&line)
            }
            Format::Yaml => {
                self.line("---")?;
                self.answer(value, text)
            }
            Format::Table | Format::Wide => self.answer(value, text),
        }
    }

    /// Writes a line of the answer as it is.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        let mut out = self.out.lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(closed)
    }

    /// Writes bytes of the answer as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = self.out.lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(closed)
    }

    /// Says something beside the answer, to people only.
    pub(crate) fn note(&mut self, line: &str) {
        if self.is_for_people() {
            self.aside(line);
        }
    }

    /// Warns: people at once, scripts in the one document that stderr carries.
    pub(crate) fn warn(&mut self, warning: &str) {
        if self.is_for_people() {
            self.aside(&format!("warning: {warning}"));
        } else {
            self.warnings.push(warning.to_owned());
        }
    }

    /// Says how the command ended, unless that is known already. Scripts find one document on stderr at most: the problem,
    /// with the warnings in it, or the warnings alone.
    pub(crate) fn end(&mut self, failure: Option<&Failure>) {
        let warnings = std::mem::take(&mut self.warnings);
        match failure {
            Some(failure) if self.is_for_people() => {
                if failure.is_news_to_people() {
                    self.aside(&format!("error: {}", failure.text()));
                }
            }
            Some(failure) if failure.is_news_to_scripts() => {
                self.aside(&failure.document(&warnings).to_string());
            }
            None if !warnings.is_empty() => {
                self.aside(&serde_json::json!({ "warnings": warnings }).to_string());
            }
            Some(_) | None => {}
        }
    }

    fn aside(&mut self, line: &str) {
        // Nobody can be told that stderr is closed.
        drop(writeln!(self.err.lock(), "{line}"));
    }

    /// A word in the colour of its tone.
    pub(crate) fn toned(&self, word: &str, tone: Tone) -> String {
        if !self.color {
            return word.to_owned();
        }
        // ECMA-48 select graphic rendition.
        let code = match tone {
            Tone::Good => 32,
            Tone::Waiting => 33,
            Tone::Bad => 31,
            Tone::Plain => return word.to_owned(),
        };
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    }
}

/// A reader that went away (`| head`) is no error worth a word.
fn closed(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::unheard()
    } else {
        Failure::failed(format!("cannot write to stdout: {error}"))
    }
}

/// A table without borders: header, then rows.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.map(|name| Cell::new(name.to_uppercase())));
    for row in rows {
        table.add_row(row.map(Cell::new));
    }
    let drawn = table.to_string();
    let lines: Vec<_> =
        drawn.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n")
}

/// Names and values, one a line, the values in a column.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{:width$}  {value}", format!("{name}:"), width = width + 1))
        .collect();
    lines.join("\n")
}
