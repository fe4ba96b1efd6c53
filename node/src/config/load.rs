//! Reading the configuration: defaults, then the file, then the environment.

use super::{
    Config,
    check::Problem,
    settings::{PREFIX, SETTINGS, Setting},
};
use figment::{
    Figment, Metadata, Profile, Provider, Source,
    error::Kind,
    providers::{Format, Serialized, Toml},
    util::nest,
    value::{Dict, Map, Value},
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Variables that begin like ours and are not settings: of this program's command line, and of `countersignctl`.
const NOT_SETTINGS: &[&str] = &[
    "COUNTERSIGN_CONFIG",
    "COUNTERSIGN_CONTEXT",
    "COUNTERSIGN_SERVER",
    "COUNTERSIGN_CA_FILE",
    "COUNTERSIGN_TOKEN",
    "COUNTERSIGN_TOKEN_FILE",
    "COUNTERSIGN_DEV_DIR",
    "COUNTERSIGN_DEV_POSTGRES",
];

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
    let text = |text: OsString| text.to_string_lossy().into_owned();
    load_with(path, std::env::vars_os().map(|(name, value)| (text(name), text(value))))
}

/// The same with variables of the caller's choice.
pub(super) fn load_with(
    path: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(path) = path {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        syntax(path, &text).map_err(|problem| ConfigError::Problems(vec![problem]))?;
        figment = figment.merge(Toml::file_exact(path));
    }
    let mut unknown = Vec::new();
    for (name, value) in variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        match SETTINGS.iter().find(|setting| setting.variable() == name) {
            Some(setting) => figment = figment.merge(Variable { setting, name, value }),
            None if is_someone_elses(&name) => {}
            None => unknown.push(unknown_variable(name)),
        }
    }
    let read = figment.extract().map_err(|errors| errors.into_iter().map(|error| problem(&error)));
    match read {
        Ok(config) if unknown.is_empty() => Ok(config),
        Ok(_) => Err(ConfigError::Problems(unknown)),
        Err(problems) => Err(ConfigError::Problems(problems.chain(unknown).collect())),
    }
}

/// A variable of the environment that sets a setting.
struct Variable {
    setting: &'static Setting,
    name: String,
    value: String,
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::from("environment variable", Source::Custom(self.name.clone()))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        // A text is what it is, also when it looks like a number; the others are written as in TOML.
        let value = if self.setting.is_text() {
            Value::from(self.value.clone())
        } else {
            let Ok(value) = self.value.parse::<Value>();
            value
        };
        // A setting has a path, so what is nested is a dictionary.
        let Value::Dict(_, dict) = nest(self.setting.path, value) else { return Ok(Map::new()) };
        Ok(Profile::Default.collect(dict))
    }
}

/// Whether a variable that begins like ours is known to be meant for somebody else: our other programs, or what
/// Kubernetes sets in every container for a Service of our name ("Environment variables" of its Service documentation).
fn is_someone_elses(name: &str) -> bool {
    let port = name.split_once("_PORT_").is_some_and(|(_, rest)| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains("_TCP")
    });
    NOT_SETTINGS.contains(&name)
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || port
}

fn unknown_variable(name: String) -> Problem {
    let nearest = SETTINGS.iter().map(Setting::variable).min_by_key(|known| distance(&name, known));
    Problem {
        place: name,
        message: "the environment variable is not a setting".to_owned(),
        hint: nearest.map(|known| {
            format!("is {known} meant? `countersign settings` lists all; unset it if it is not")
        }),
    }
}

/// Figment hides where a TOML error is, so the syntax is looked at first.
fn syntax(path: &Path, text: &str) -> Result<(), Problem> {
    Figment::from(Toml::string(text)).extract::<Dict>().map(drop).map_err(|error| Problem {
        place: path.display().to_string(),
        message: error.kind.to_string(),
        hint: Some("the file is TOML (https://toml.io)".to_owned()),
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

/// How many letters must be added, removed or replaced to make one name of the other (Levenshtein's distance).
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (place, letter) in left.chars().enumerate() {
        let mut here = place + 1;
        let mut next = vec![here];
        for (other, above) in right.chars().zip(row.windows(2)) {
            let &[diagonal, above] = above else { continue };
            here = (diagonal + usize::from(letter != other)).min(above + 1).min(here + 1);
            next.push(here);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
