//! `sessions replay`: what happened, in the terminal, as fast as it happened or faster.

use super::{pages::Pages, timeline};
use crate::{failure::Failure, output::Terminal};
use countersign_api::{Client, time::Timestamp};
use std::{io::IsTerminal as _, time::Duration};
use tokio::time::sleep;

/// How fast a recording is played.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    speed: f64,
    idle: Duration,
}

impl Pace {
    /// `speed` times as fast as it happened, with pauses of at most `idle` seconds.
    pub(super) fn new(speed: f64, idle: f64) -> Result<Self, Failure> {
        let idle = Duration::try_from_secs_f64(idle);
        match idle {
            Ok(idle) if speed >= 0.0 && speed.is_finite() => Ok(Self { speed, idle }),
            Ok(_) | Err(_) => Err(Failure::usage("--speed and --idle are numbers from 0 on")),
        }
    }

    /// The pause between two events.
    fn pause(self, from: Timestamp, to: Timestamp) -> Duration {
        if self.speed == 0.0 {
            return Duration::ZERO;
        }
        let passed = Duration::from_millis(to.0.saturating_sub(from.0));
        Duration::try_from_secs_f64(passed.as_secs_f64() / self.speed)
            .map_or(self.idle, |pause| pause.min(self.idle))
    }
}

/// Plays a recording. Where nobody watches (a pipe, a file, a script) there are no pauses.
pub(super) async fn replay(
    client: &Client,
    id: &str,
    pace: Pace,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    tokio::select! {
        played = play(client, id, pace, terminal) => played,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn play(
    client: &Client,
    id: &str,
    pace: Pace,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let watched = terminal.is_for_people() && std::io::stdout().is_terminal();
    let mut pages = Pages::of(client, id);
    let mut last = None;
    while let Some(items) = pages.next().await? {
        for recorded in items {
            if watched && let Some(last) = last {
                sleep(pace.pause(last, recorded.at)).await;
            }
            last = Some(recorded.at);
            terminal.item(&recorded, |recorded, _| timeline::lines(recorded).join("\n"))?;
        }
    }
    pages.say_whether_whole(terminal);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_as_long_as_it_was_or_shorter() {
        let pause = |speed: f64, ms: u64| {
            Pace::new(speed, 2.0).unwrap().pause(Timestamp(1000), Timestamp(1000 + ms))
        };
        assert_eq!(pause(1.0, 500), Duration::from_millis(500));
        assert_eq!(pause(2.0, 500), Duration::from_millis(250));
        assert_eq!(pause(1.0, 60_000), Duration::from_secs(2));
        assert_eq!(pause(0.0, 500), Duration::ZERO);
        assert_eq!(pause(1e-300, 500), Duration::from_secs(2));
        // A clock that was put back.
        let back = Pace::new(1.0, 2.0).unwrap().pause(Timestamp(5), Timestamp(1));
        assert_eq!(back, Duration::ZERO);
    }

    #[test]
    fn what_is_no_pace_is_refused() {
        for (speed, idle) in [(-1.0, 1.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0), (1.0, -1.0)] {
            Pace::new(speed, idle).unwrap_err();
        }
    }
}
