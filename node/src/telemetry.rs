//! Log lines. They carry ids and names, never statement text, values or secrets: whoever writes a line keeps to that,
//! and secrets have no Display.

use crate::config::{LogFormat, Telemetry};
use tracing_subscriber::{
    EnvFilter, filter::ParseError, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error("telemetry.log_level `{level}` is neither a level nor a list of directives")]
    Level {
        /// The setting's value.
        level: String,
        /// What the parser says.
        #[source]
        source: ParseError,
    },
    /// There is a subscriber already.
    #[error("the log is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// What `level` lets through.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(level)
}

/// Writes log lines to standard error from now on.
pub fn install(settings: &Telemetry) -> Result<(), TelemetryError> {
    let filter = filter(&settings.log_level)
        .map_err(|source| TelemetryError::Level { level: settings.log_level.clone(), source })?;
    let registry = tracing_subscriber::registry().with(filter);
    match settings.log_format {
        LogFormat::Json => registry
            .with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init(),
        LogFormat::Text => {
            registry.with(fmt::layer().with_ansi(false).with_writer(std::io::stderr)).try_init()
        }
    }
    .map_err(TelemetryError::Twice)
}
