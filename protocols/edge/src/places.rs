//! Places for connections that are not yet identified: few enough for the node, and for each source few enough that one
//! that takes all of its own keeps nobody else out.

use countersign_core::gate::Source;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Connections that are not yet identified, at most; further ones are closed at once.
const MAX_PLACES: usize = 1024;
/// Of these, the most of one source. Agents behind a load balancer are one source.
const MAX_PLACES_PER_SOURCE: usize = 256;

/// The least time between two lines of the log about connections that found no place.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The places of a listener.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// A place. Dropped, it is free again.
#[derive(Debug)]
pub struct Place {
    source: IpAddr,
    taken: Arc<Mutex<Taken>>,
}

/// No place is free; the name of the limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full(pub(crate) &'static str);

/// What is said in the log of connections that found no place: now and then one line, since who sends them by the thousand
/// must not fill the log.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    told: Option<Instant>,
    since: u64,
}

impl TurnedAway {
    /// One more was closed.
    pub(crate) fn one_more(&mut self, Full(limit): Full) {
        self.since = self.since.saturating_add(1);
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            let connections = std::mem::take(&mut self.since);
            self.told = Some(Instant::now());
            tracing::warn!(limit, connections, "closed at once: too many are not identified");
        }
    }
}

impl Places {
    /// Takes a place for a connection.
    pub(crate) fn take(&self, source: &Source) -> Result<Place, Full> {
        let source = source.counted();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= MAX_PLACES {
            return Err(Full("max_unauthenticated"));
        }
        let of_source = taken.by_source.entry(source).or_default();
        if *of_source >= MAX_PLACES_PER_SOURCE {
            return Err(Full("max_unauthenticated_per_source"));
        }
        *of_source += 1;
        taken.all += 1;
        Ok(Place { source, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_source) = taken.by_source.get_mut(&self.source) {
            *of_source = of_source.saturating_sub(1);
            if *of_source == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        let address: IpAddr = text.parse().unwrap();
        Source { address: (address, 40_000).into() }
    }

    #[test]
    fn one_source_takes_its_own_places_and_not_those_of_others() {
        let places = Places::default();
        let mine: Vec<Place> = (0..MAX_PLACES_PER_SOURCE)
            .map(|_| places.take(&source("192.0.2.1")).unwrap())
            .collect();
        let full = places.take(&source("::ffff:192.0.2.1")).unwrap_err();
        assert_eq!(full, Full("max_unauthenticated_per_source"));
        let other = places.take(&source("192.0.2.2")).unwrap();
        drop(mine);
        drop(other);
        assert!(places.taken.lock().unwrap().by_source.is_empty());
        let _six: Vec<Place> = (0..MAX_PLACES_PER_SOURCE)
            .map(|n| places.take(&source(&format!("2001:db8::{n:x}"))).unwrap())
            .collect();
        places.take(&source("2001:db8::ffff:1")).unwrap_err();
        places.take(&source("2001:db8:0:1::1")).unwrap();
    }

    #[test]
    fn all_sources_together_take_no_more_than_the_listener_has() {
        let places = Places::default();
        let _all: Vec<Place> = (0..MAX_PLACES)
            .map(|n| places.take(&source(&format!("10.0.{}.{}", n / 250, n % 250))).unwrap())
            .collect();
        let full = places.take(&source("192.0.2.1")).unwrap_err();
        assert_eq!(full, Full("max_unauthenticated"));
    }
}
