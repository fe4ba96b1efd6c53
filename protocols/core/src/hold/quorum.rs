//! Whether the approvals are enough. Distinct humans are counted, never groups: a human in two groups counts once.

use super::{Choice, Decision, HoldTerms};

/// Whether `decisions` meet every requirement of `terms`, each human serving at most one of them.
///
/// A requirement of quorum n is n places that only members of its group can take; the humans are matched to places
/// (augmenting paths of bipartite matching), so that the answer does not depend on the order of decisions or groups.
pub fn is_reached(terms: &HoldTerms, decisions: &[Decision]) -> bool {
    let places: Vec<&str> = terms
        .requirements
        .iter()
        .flat_map(|needed| (0..needed.quorum).map(|_| needed.group.as_str()))
        .collect();
    let humans: Vec<&Decision> =
        decisions.iter().filter(|decision| decision.choice == Choice::Approve).collect();
    if places.is_empty() || humans.len() < places.len() {
        return false;
    }
    let mut taken: Vec<Option<usize>> = vec![None; places.len()];
    let seated = (0..humans.len())
        .filter(|human| seat(*human, &humans, &places, &mut taken, &mut vec![false; places.len()]))
        .count();
    seated == places.len()
}

fn seat(
    human: usize,
    humans: &[&Decision],
    places: &[&str],
    taken: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for (place, group) in places.iter().enumerate() {
        let fits =
            humans.get(human).is_some_and(|decision| decision.reviewer.groups.contains(*group));
        let Some(seen) = tried.get_mut(place) else { continue };
        if !fits || *seen {
            continue;
        }
        *seen = true;
        let free = match taken.get(place).copied().flatten() {
            None => true,
            Some(other) => seat(other, humans, places, taken, tried),
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
