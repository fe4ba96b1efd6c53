//! Waiting for a condition, with a deadline and with the last thing seen in the error. Tests never sleep for a guess.

use anyhow::bail;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long most things may take on a busy machine of two cores.
pub const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What a look at the condition found.
#[derive(Debug)]
pub enum Look<T> {
    /// It holds.
    Ready(T),
    /// Not yet; what was seen instead.
    NotYet(String),
}

impl<T> Look<T> {
    /// `Ready` when there is something.
    pub fn some(found: Option<T>, otherwise: impl Into<String>) -> Self {
        match found {
            Some(found) => Self::Ready(found),
            None => Self::NotYet(otherwise.into()),
        }
    }
}

/// Looks again and again until the condition holds.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Look<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        let seen = match look().await {
            Ok(Look::Ready(found)) => return Ok(found),
            Ok(Look::NotYet(seen)) => seen,
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            bail!("waited {patience:?} for {what}; last seen: {seen}");
        }
        sleep(BETWEEN_LOOKS).await;
    }
}
