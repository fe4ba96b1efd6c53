//! An overlay must answer exactly as the map it stands for.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Overlay, View, Writes};

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0u8..3, 0..4)
}

proptest! {
    #[test]
    fn an_overlay_answers_as_the_merged_state(
        base in prop::collection::btree_map(key(), key(), 0..40),
        changes in prop::collection::vec((key(), prop::option::of(key())), 0..20),
        prefix in key(),
        edge in prop::option::of(key()),
        limit in 0usize..50,
    ) {
        let mut writes = Writes::new();
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = base.clone();
        for (key, value) in changes {
            if let Some(value) = value {
                writes.put(key.clone(), value.clone());
                merged.insert(key, value);
            } else {
                writes.delete(key.clone());
                merged.remove(&key);
            }
        }
        let overlay = Overlay::new(&base, &writes);
        let edge = edge.as_deref();
        prop_assert_eq!(overlay.get(&prefix).unwrap(), View::get(&merged, &prefix).unwrap());
        prop_assert_eq!(overlay.scan(&prefix, edge, limit).unwrap(), merged.scan(&prefix, edge, limit).unwrap());
        prop_assert_eq!(overlay.last(&prefix, edge).unwrap(), View::last(&merged, &prefix, edge).unwrap());
    }
}

#[test]
fn a_scan_starts_after_its_edge_and_stays_in_its_prefix() {
    let map: BTreeMap<Vec<u8>, Vec<u8>> = ["a1", "a2", "a3", "b1"]
        .iter()
        .map(|key| (key.as_bytes().to_vec(), b"v".to_vec()))
        .collect();
    let keys = |after: Option<&[u8]>, limit| -> Vec<String> {
        map.scan(b"a", after, limit)
            .unwrap()
            .into_iter()
            .map(|(key, _)| String::from_utf8(key).unwrap())
            .collect()
    };
    assert_eq!(keys(None, 9), ["a1", "a2", "a3"]);
    assert_eq!(keys(Some(b"a1"), 1), ["a2"]);
    assert_eq!(keys(Some(b"b1"), 9), Vec::<String>::new());
    assert_eq!(map.last(b"a", Some(b"a3")).unwrap().unwrap().0, b"a2");
}
