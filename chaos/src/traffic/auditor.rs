//! The auditor: asks random nodes for the head of the audit chain, so that an event which was there once and is gone in the
//! end is noticed.

use super::api::{ADMINISTRATOR, Api};
use crate::history::{Entry, Recorder};
use anyhow::Result;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two questions.
const BREATHER_MS: std::ops::Range<u64> = 100..400;
/// What makes this one's choices different from the others'.
const SALT: u64 = 0x6175_6469_746f_7221;

/// Asks until `stop`.
pub async fn work(
    nodes: usize,
    api: Api,
    recorder: Recorder,
    seed: u64,
    stop: CancellationToken,
) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(seed ^ SALT);
    while !stop.is_cancelled() {
        let node = rng.random_range(1..=nodes);
        let sent_ms = recorder.now_ms();
        let said = api.get(node, ADMINISTRATOR, "/v1/audit/head").await;
        if said.status == 200 {
            recorder.write(&Entry::HeadSeen {
                sent_ms,
                at_ms: recorder.now_ms(),
                node,
                sequence: said.number("sequence"),
                hash: said.text("hash").to_owned(),
            })?;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(BREATHER_MS))).await;
    }
    Ok(())
}
