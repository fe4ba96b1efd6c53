//! The typed tables over a view of the state: get, scan, last. Writing is in `apply`, where writes are collected.

use crate::{
    format::{FormatError, Stored},
    handle::ReadError,
    key_space::{self, Single, Table},
    machine::View,
    records::{NodeRecord, NodeState, OpenedKeys},
};
use countersign_core::id::NodeId;
use std::collections::BTreeSet;

/// Pairs that are read at a time.
const PAGE: usize = 100;

/// The value at `key`.
pub(crate) fn get<T: Stored>(view: &dyn View, key: &[u8]) -> Result<Option<T>, ReadError> {
    match view.get(key)? {
        None => Ok(None),
        Some(bytes) => Ok(Some(T::decode(&bytes)?)),
    }
}

/// A single number; 0 when it was never set.
pub(crate) fn number(view: &dyn View, what: Single) -> Result<u64, ReadError> {
    number_at(view, &key_space::single(what))
}

/// The number at `key`; 0 where there is none.
pub(crate) fn number_at(view: &dyn View, key: &[u8]) -> Result<u64, ReadError> {
    let Some(bytes) = view.get(key)? else { return Ok(0) };
    let bytes: [u8; 8] = bytes.try_into().map_err(|_| unreadable("a number"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// The sixteen bytes of an id at `key`.
pub(crate) fn id_at(view: &dyn View, key: &[u8]) -> Result<Option<[u8; 16]>, ReadError> {
    let Some(bytes) = view.get(key)? else { return Ok(None) };
    bytes.try_into().map(Some).map_err(|_| unreadable("an id"))
}

/// The nodes that belong to the cluster, up or not. Voters are among them, and who is on the way to be one.
pub(crate) fn members(view: &dyn View) -> Result<Vec<NodeId>, ReadError> {
    let table = key_space::table(Table::Node);
    let (mut members, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let page = view.scan(&table, after.as_deref(), PAGE)?;
        for (_, record) in &page {
            let NodeRecord { id, state, .. } = NodeRecord::decode(record)?;
            match state {
                NodeState::Admitted | NodeState::Started(_) => members.push(id),
                NodeState::Removed { .. } => {}
            }
        }
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok(members),
        }
    }
}

/// The keys of recordings that every node of the cluster opens, up or not, by name.
pub(crate) fn keys_of_every_node(view: &dyn View) -> Result<BTreeSet<[u8; 16]>, ReadError> {
    let mut common: Option<BTreeSet<[u8; 16]>> = None;
    for node in members(view)? {
        let opened: Option<OpenedKeys> =
            get(view, &key_space::numbered(Table::OpenedKeys, node.0))?;
        let opened = opened.unwrap_or_default().names;
        common = Some(match common {
            None => opened,
            Some(common) => common.intersection(&opened).copied().collect(),
        });
    }
    Ok(common.unwrap_or_default())
}

/// Ids of a numbered table, newest first, before `before`, as number and id.
pub(crate) struct NewestFirst<'a> {
    view: &'a dyn View,
    table: Table,
    before: Option<u64>,
}

impl<'a> NewestFirst<'a> {
    /// Walks `table` from before `before`, or from its end.
    pub(crate) fn new(view: &'a dyn View, table: Table, before: Option<u64>) -> Self {
        Self { view, table, before }
    }

    /// The next one.
    pub(crate) fn step(&mut self) -> Result<Option<(u64, [u8; 16])>, ReadError> {
        let before = self.before.map(|number| key_space::numbered(self.table, number));
        let found = self.view.last(&key_space::table(self.table), before.as_deref())?;
        let Some((key, value)) = found else { return Ok(None) };
        let number = key_space::trailing_number(&key).ok_or_else(|| unreadable("a key"))?;
        let id = value.try_into().map_err(|_| unreadable("an id"))?;
        self.before = Some(number);
        Ok(Some((number, id)))
    }
}

/// A stored value that is damaged.
pub(crate) fn unreadable(what: &'static str) -> ReadError {
    FormatError::Unreadable { what, detail: "wrong length".to_owned() }.into()
}
