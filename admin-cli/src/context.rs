//! Contexts: named clusters with their servers, authority and token file, in one TOML file under the XDG configuration
//! directory, mode 0600. Tokens themselves are in files beside it, or wherever the context says; never in this file.

use crate::{
    cli::{ContextCommand, Global},
    failure::{Failure, Status},
    files, output,
    output::Terminal,
};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one that is used when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// One cluster, and as whom to speak to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    pub(crate) servers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Context {
    /// Whether these servers are among the context's; none is named where the context's are meant.
    pub(crate) fn covers(&self, servers: &[String]) -> bool {
        let plain = |url: &str| url.trim_end_matches('/').to_owned();
        servers.iter().all(|named| self.servers.iter().any(|own| plain(own) == plain(named)))
    }
}

/// XDG base directory specification: `$XDG_CONFIG_HOME`, else `~/.config`.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config =
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    config
        .map(|config| config.join("countersign"))
        .ok_or_else(|| Failure::failed("neither XDG_CONFIG_HOME nor HOME is set"))
}

impl Contexts {
    /// Reads the file; one that is missing is empty.
    pub(crate) fn load() -> Result<Self, Failure> {
        let file = folder()?.join("contexts.toml");
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = files::read_text(&file)?;
        let read =
            toml::from_str(&text).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(read)
    }

    /// Writes the file.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let text = toml::to_string(self).context("cannot write the contexts")?;
        Ok(files::write_private(&folder()?.join("contexts.toml"), text)?)
    }

    /// The context that was asked for, or the current one; its name and itself.
    pub(crate) fn chosen(&self, asked: Option<&str>) -> Result<Option<(&str, &Context)>, Failure> {
        let Some(name) = asked.or(self.current.as_deref()) else { return Ok(None) };
        match self.contexts.get_key_value(name) {
            Some((name, context)) => Ok(Some((name, context))),
            None => Err(unknown(name)),
        }
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(Status::NotFound, format!("there is no context `{name}`"))
        .hint("`countersignctl context list` lists them")
}

#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    current: bool,
    #[serde(flatten)]
    context: &'a Context,
}

/// Runs a command of `context`.
pub(crate) fn run(
    command: ContextCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut contexts = Contexts::load()?;
    match command {
        ContextCommand::List => list(&contexts, terminal),
        ContextCommand::Use { name } => {
            if !contexts.contexts.contains_key(&name) {
                return Err(unknown(&name));
            }
            contexts.current = Some(name.clone());
            contexts.save()?;
            terminal.note(&format!("context {name} is the current one"));
            Ok(())
        }
        ContextCommand::Add { name } => add(contexts, name, global, terminal),
    }
}

fn list(contexts: &Contexts, terminal: &mut Terminal) -> Result<(), Failure> {
    let listed: Vec<_> = contexts
        .contexts
        .iter()
        .map(|(name, context)| Listed {
            name,
            current: contexts.current.as_deref() == Some(name),
            context,
        })
        .collect();
    terminal.answer(&listed, |listed, _| {
        let path = |path: &Option<PathBuf>| {
            path.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string())
        };
        output::table(
            ["", "name", "servers", "authority", "token file"],
            listed.iter().map(|one| {
                [
                    if one.current { "*".to_owned() } else { String::new() },
                    one.name.to_owned(),
                    one.context.servers.join(","),
                    path(&one.context.ca_file),
                    path(&one.context.token_file),
                ]
            }),
        )
    })
}

fn add(
    mut contexts: Contexts,
    name: String,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Failure::usage(format!("`{name}` cannot be the name of a context"))
            .hint("use letters, digits, `-`, `_` and `.`"));
    }
    if global.servers.is_empty() {
        return Err(
            Failure::usage("a context needs a server").hint("add --server https://HOST:PORT")
        );
    }
    let context = Context {
        servers: global.servers.clone(),
        ca_file: absolute(global.ca_file.as_deref())?,
        token_file: absolute(global.token_file.as_deref())?,
    };
    contexts.contexts.insert(name.clone(), context);
    let first = contexts.contexts.len() == 1;
    if first {
        contexts.current = Some(name.clone());
    }
    contexts.save()?;
    let current = if first { ", which is the current one now" } else { "" };
    terminal.note(&format!("added context {name}{current}"));
    Ok(())
}

/// The file as it is found from every working directory.
fn absolute(path: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    path.map(|path| {
        std::path::absolute(path)
            .map_err(|error| Failure::failed(format!("cannot use {}: {error}", path.display())))
    })
    .transpose()
}
