//! Cutting a node off from the other nodes, and undoing it.

use super::{
    directory::Directory,
    links::{self, Cuts},
    state::State,
};
use crate::{cli::Cut, failure::Failure};

/// Cuts a node off, in both directions or in one; what was cut before stays cut. All cuts are returned.
pub(super) async fn cut(
    directory: &Directory,
    node: u64,
    one_way: Option<Cut>,
) -> Result<Cuts, Failure> {
    let mut state = State::load(directory)?;
    state.node_mut(node)?;
    let mut cuts = links::show(directory).await?;
    let others = state.nodes.iter().map(|other| other.id).filter(|other| *other != node);
    cuts.extend(others.flat_map(|other| directions(node, other, one_way)));
    links::set(directory, cuts.clone()).await?;
    Ok(cuts)
}

/// Undoes every cut; none is left.
pub(super) async fn heal(directory: &Directory) -> Result<Cuts, Failure> {
    State::load(directory)?;
    links::set(directory, Cuts::new()).await?;
    Ok(Cuts::new())
}

fn directions(node: u64, other: u64, one_way: Option<Cut>) -> Vec<(u64, u64)> {
    match one_way {
        None => vec![(node, other), (other, node)],
        Some(Cut::In) => vec![(other, node)],
        Some(Cut::Out) => vec![(node, other)],
    }
}
