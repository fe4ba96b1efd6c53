//! What was decided before about the same operation: earlier holds of one fingerprint, as long as the state keeps them.

use super::StateView;
use crate::{handle::ReadError, key_space, limits::MAX_ROWS_A_READ, records::HoldRecord, state};
use countersign_core::id::HoldId;

impl StateView {
    /// Up to `limit` holds of the same fingerprint that were opened before this one, the newest first.
    pub fn previous_holds(
        &self,
        of: &HoldRecord,
        limit: usize,
    ) -> Result<Vec<HoldRecord>, ReadError> {
        let fingerprint = &of.hold.fingerprint;
        let all = key_space::holds_of_fingerprint(fingerprint);
        let own = key_space::hold_of_fingerprint(fingerprint, of.number);
        self.look(|view| {
            let rows = view.scan(&all, Some(&own), limit.min(MAX_ROWS_A_READ))?;
            let mut found = Vec::with_capacity(rows.len());
            for (_, id) in rows {
                let id = id.try_into().map_err(|_| state::unreadable("a hold id"))?;
                found.extend(state::get::<HoldRecord>(
                    view,
                    &key_space::hold(HoldId::from_bytes(id)),
                )?);
            }
            Ok(found)
        })
    }
}
