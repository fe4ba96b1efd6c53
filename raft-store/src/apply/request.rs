//! What is remembered of requests, each under its kind, so that a repetition is answered alike and an id that was used for
//! something else is not mistaken for one.

use super::step::{Step, Stop};
use crate::{
    key_space::{self, Expiring},
    limits::REQUEST_KEPT_MS,
    records::{RequestId, RequestRecord},
};

/// What is remembered under this id.
pub(super) fn known(step: &Step<'_>, id: RequestId) -> Result<Option<RequestRecord>, Stop> {
    step.get(&key_space::request(id))
}

/// Remembers a request for a while.
pub(super) fn remember(
    step: &mut Step<'_>,
    id: RequestId,
    request: RequestRecord,
) -> Result<(), Stop> {
    let until = step.now.after_ms(REQUEST_KEPT_MS);
    step.put_bytes(key_space::expiry(until, Expiring::Request(id)), &[]);
    step.put(key_space::request(id), &request)
}
