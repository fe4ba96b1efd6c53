//! Whether the approvals are enough. Distinct humans are counted, never groups: a human in two groups counts once.
//!
//! A requirement of quorum n is n copies of its expression, and an expression can be met in several ways, each a list of
//! places. In one way the humans are matched to places (augmenting paths of bipartite matching), so that the answer
//! depends neither on the order of decisions nor on that of groups.

use super::{
    Choice, Decision, Escalation, HoldTerms, MAX_WAYS, Requirement,
    reviewers::{self, Place},
};
use crate::log_time::LogTime;

/// A place, with who else may take it in the end.
struct Seat<'a> {
    groups: Place<'a>,
    escalation: Option<&'a Escalation>,
}

impl Seat<'_> {
    fn fits(&self, decision: &Decision, opened_at: LogTime) -> bool {
        self.groups.iter().any(|group| decision.reviewer.groups.contains(*group))
            || self.escalation.is_some_and(|other| other.reaches(decision, opened_at))
    }
}

/// Whether `decisions` meet every requirement of `terms`, each human serving at most one of them.
pub fn is_reached(terms: &HoldTerms, opened_at: LogTime, decisions: &[Decision]) -> bool {
    let approved = decisions.iter().any(|decision| decision.choice == Choice::Approve);
    approved && missing(terms, opened_at, decisions) == 0
}

/// How many more humans must approve at the least. Terms that ask for nobody, or that can be met in more ways than are
/// counted, are never met.
pub fn missing(terms: &HoldTerms, opened_at: LogTime, decisions: &[Decision]) -> u32 {
    if terms.requirements.is_empty() || terms.ways() > MAX_WAYS {
        return u32::MAX;
    }
    let humans: Vec<&Decision> =
        decisions.iter().filter(|decision| decision.choice == Choice::Approve).collect();
    let short = each_way(terms).into_iter().map(|seats| {
        let taken = seated(&humans, &seats, opened_at);
        u32::try_from(seats.len().saturating_sub(taken)).unwrap_or(u32::MAX)
    });
    short.min().unwrap_or(u32::MAX)
}

/// The seats of each way in which the terms can be met.
fn each_way(terms: &HoldTerms) -> Vec<Vec<Seat<'_>>> {
    let mut ways = vec![Vec::new()];
    for needed in &terms.requirements {
        let own = copies(needed);
        ways = ways
            .iter()
            .flat_map(|before: &Vec<(Place<'_>, Option<&Escalation>)>| {
                own.iter().map(move |places| {
                    let seats =
                        places.iter().map(|place| (place.clone(), needed.escalation.as_ref()));
                    before.iter().cloned().chain(seats).collect::<Vec<_>>()
                })
            })
            .collect();
    }
    let seat = |(groups, escalation)| Seat { groups, escalation };
    ways.into_iter().map(|way| way.into_iter().map(seat).collect()).collect()
}

/// The ways to meet a requirement: those of its expression, so many times over.
fn copies(needed: &Requirement) -> Vec<Vec<Place<'_>>> {
    let once = needed.reviewers.each_way();
    (0..needed.quorum).fold(vec![Vec::new()], |ways, _| reviewers::joined(&ways, &once))
}

/// How many humans find a seat at the most.
fn seated(humans: &[&Decision], seats: &[Seat<'_>], opened_at: LogTime) -> usize {
    let fits: Vec<Vec<bool>> = humans
        .iter()
        .map(|human| seats.iter().map(|seat| seat.fits(human, opened_at)).collect())
        .collect();
    let mut taken: Vec<Option<usize>> = vec![None; seats.len()];
    (0..humans.len())
        .filter(|human| sits(*human, &fits, &mut taken, &mut vec![false; seats.len()]))
        .count()
}

fn sits(human: usize, fits: &[Vec<bool>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for (place, fit) in fits.get(human).into_iter().flatten().enumerate() {
        let Some(seen) = tried.get_mut(place) else { continue };
        if !fit || *seen {
            continue;
        }
        *seen = true;
        let free = match taken.get(place).copied().flatten() {
            None => true,
            Some(other) => sits(other, fits, taken, tried),
        };
        if free {
            if let Some(slot) = taken.get_mut(place) {
                *slot = Some(human);
            }
            return true;
        }
    }
    false
}
