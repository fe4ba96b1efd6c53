//! Reading the configuration: defaults, then the file, then the environment.

use super::{
    Config,
    check::Problem,
    settings::{PREFIX, SETTINGS},
};
use figment::{
    Figment,
    error::Kind,
    providers::{Env, Format, Serialized, Toml},
};
use std::path::{Path, PathBuf};

/// Variables that begin like ours and are not settings.
const NOT_SETTINGS: &[&str] = &["COUNTERSIGN_CONFIG"];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The settings have problems.
    #[error("the configuration has problems")]
    Problems(Vec<Problem>),
}

/// Reads the configuration of the file at `path`, if there is one, and of the environment.
pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(path) = path {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        syntax(path, &text).map_err(|problem| ConfigError::Problems(vec![problem]))?;
        figment = figment.merge(Toml::file_exact(path));
    }
    figment.merge(environment()).extract().map_err(|errors| {
        ConfigError::Problems(errors.into_iter().map(|error| problem(&error)).collect())
    })
}

/// Variables of the environment that look like settings and are none.
pub fn unknown_variables() -> Vec<String> {
    let known: Vec<String> = SETTINGS.iter().map(super::Setting::variable).collect();
    std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX))
        .filter(|name| !known.contains(name) && !NOT_SETTINGS.contains(&name.as_str()))
        .collect()
}

/// Takes exactly the variables of [`SETTINGS`]: what else begins with our prefix may be someone else's.
fn environment() -> Env {
    Env::raw().filter_map(|name| {
        SETTINGS
            .iter()
            .find(|setting| setting.variable() == name.as_str().to_uppercase())
            .map(|setting| setting.path.into())
    })
}

/// Figment hides where a TOML error is, so the syntax is looked at first.
fn syntax(path: &Path, text: &str) -> Result<(), Problem> {
    Figment::from(Toml::string(text)).extract::<figment::value::Dict>().map(drop).map_err(|error| {
        Problem {
            place: path.display().to_string(),
            message: error.kind.to_string(),
            hint: Some("the file is TOML (https://toml.io)".to_owned()),
        }
    })
}

fn problem(error: &figment::Error) -> Problem {
    let setting = error.path.join(".");
    let source = error
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.source.as_ref())
        .map_or_else(|| "the environment".to_owned(), ToString::to_string);
    let place = if setting.is_empty() { source } else { format!("{setting} in {source}") };
    Problem { place, message: error.kind.to_string(), hint: hint(&error.kind, &setting) }
}

fn hint(kind: &Kind, setting: &str) -> Option<String> {
    if let Kind::UnknownField(name, known) = kind {
        let nearest = known.iter().min_by_key(|known| distance(name, known))?;
        return Some(format!("is `{nearest}` meant? known here: {}", known.join(", ")));
    }
    let setting = SETTINGS.iter().find(|known| known.path == setting)?;
    Some(match setting.default {
        "" => setting.meaning.to_owned(),
        default => format!("{} The default is {default}.", setting.meaning),
    })
}

/// How many letters differ, for the nearest name; exactness does not matter here.
fn distance(left: &str, right: &str) -> usize {
    let common = left.chars().filter(|c| right.contains(*c)).count();
    left.len().max(right.len()).saturating_sub(common)
}
