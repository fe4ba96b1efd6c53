//! The start-up parameters that an agent may give. What is not on the list is dropped, and the agent is told after the
//! login; what would change the meaning of the session is refused.

use crate::error::{Complaint, SqlState};

/// The longest value, in bytes.
const MAX_VALUE: usize = 256;
/// The longest user or database name: a target's name, a slash and a database's name.
const MAX_NAME: usize = 128;

/// The settings that an agent may give, in the spelling in which the target reports them. They are handed on to it; the
/// name of the application also stands in the audit. A SET of one asks for no more than `postgres:preference`.
pub(crate) const PREFERENCES: &[&str] =
    &["DateStyle", "TimeZone", "IntervalStyle", "extra_float_digits", "application_name"];

/// What an agent asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StartupParameters {
    pub(crate) user: String,
    pub(crate) target: String,
    /// The part behind the slash.
    pub(crate) database: Option<String>,
    pub(crate) application_name: String,
    /// Settings of [`PREFERENCES`], the name of the application not among them, sorted.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) dropped: Vec<Dropped>,
}

/// The name of a parameter that was dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Dropped(pub(crate) String);

impl StartupParameters {
    /// Reads the parameters, or says why they are refused.
    pub(crate) fn read(given: Vec<(String, String)>) -> Result<Self, Complaint> {
        let mut user = None;
        let mut database = None;
        let mut application_name = None;
        let mut settings: Vec<(String, String)> = Vec::new();
        let mut dropped = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in given {
            // PostgreSQL compares names of settings without regard to case.
            let folded = name.to_ascii_lowercase();
            if seen.contains(&folded) {
                return Err(Complaint::protocol("a start-up parameter is given twice"));
            }
            check_value(&folded, &value)?;
            match folded.as_str() {
                "user" => user = Some(value),
                "database" => database = Some(value),
                "application_name" => application_name = Some(value),
                "client_encoding" => check_encoding(&value)?,
                "replication" => check_replication(&value)?,
                "options" => check_options(&value)?,
                _ => match PREFERENCES.iter().find(|known| known.eq_ignore_ascii_case(&folded)) {
                    Some(known) => settings.push(((*known).to_owned(), value)),
                    None => dropped.push(Dropped(name)),
                },
            }
            seen.push(folded);
        }
        settings.sort();
        let user = user.filter(|user| !user.is_empty()).ok_or_else(|| {
            Complaint::new(
                SqlState::INVALID_AUTHORIZATION,
                "no user name is given in the start-up packet",
            )
        })?;
        let whole =
            database.filter(|database| !database.is_empty()).unwrap_or_else(|| user.clone());
        let (target, database) = match whole.split_once('/') {
            Some((target, database)) => (target.to_owned(), Some(database.to_owned())),
            None => (whole, None),
        };
        let application_name = application_name.unwrap_or_default();
        Ok(Self { user, target, database, application_name, settings, dropped })
    }
}

fn check_value(name: &str, value: &str) -> Result<(), Complaint> {
    let limit = if matches!(name, "user" | "database") { MAX_NAME } else { MAX_VALUE };
    if value.len() > limit || value.chars().any(char::is_control) {
        return Err(Complaint::protocol("a start-up parameter has a value that is not allowed"));
    }
    Ok(())
}

/// Statements must be read as the target reads them, so that there is one encoding: UTF-8.
fn check_encoding(value: &str) -> Result<(), Complaint> {
    let plain: String = value
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '\'' | '"' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if matches!(plain.as_str(), "utf8" | "unicode" | "") {
        Ok(())
    } else {
        Err(Complaint::new(SqlState::FEATURE_NOT_SUPPORTED, "the gateway speaks UTF8 only")
            .hint("Set client_encoding to UTF8."))
    }
}

/// Reads the value as PostgreSQL's `parse_bool` does: any unique beginning of a word counts, in any case.
fn check_replication(value: &str) -> Result<(), Complaint> {
    let value = value.to_ascii_lowercase();
    let begins = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    let off = begins("false", 1) || begins("no", 1) || begins("off", 2) || value == "0";
    if off {
        Ok(())
    } else {
        Err(Complaint::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "replication connections are not supported by the gateway",
        ))
    }
}

fn check_options(value: &str) -> Result<(), Complaint> {
    if value.trim().is_empty() {
        return Ok(());
    }
    Err(Complaint::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "the start-up parameter `options` is not supported by the gateway",
    )
    .hint("Leave out PGOPTIONS; settings can be changed by SET where policy lets them."))
}
