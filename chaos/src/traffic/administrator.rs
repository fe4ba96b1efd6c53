//! The administrator: now and then asks for another quorum in the policy, or changes the target's definition, at random
//! nodes, so that much of what is under way was judged under something that is no longer in force.

use super::api::{ADMINISTRATOR, Api};
use crate::history::{Entry, Recorder};
use anyhow::Result;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two changes.
const BREATHER_MS: std::ops::Range<u64> = 2_000..5_000;
/// One in so many changes is of the target, which ends every session; the others are of the policy.
const TARGET_IN: u32 = 3;
/// What makes this one's choices different from the others'.
const SALT: u64 = 0x6164_6d69_6e21_2121;
/// How the sample's policy holds for one, and for two.
const FOR_ONE: &str = "@hold(\"dba\") @expires";
const FOR_TWO: &str = "@hold(\"dba\") @quorum(\"2\") @expires";

/// Changes things until `stop`.
pub async fn work(
    nodes: usize,
    api: Api,
    recorder: Recorder,
    seed: u64,
    stop: CancellationToken,
) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(seed ^ SALT);
    // Only what was taken counts: every kind has its turn, however many nodes are silent.
    let mut turn = 1_u32;
    while !stop.is_cancelled() {
        let wait = Duration::from_millis(rng.random_range(BREATHER_MS));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return Ok(()),
        }
        let (kind, name) = if turn.is_multiple_of(TARGET_IN) {
            ("Target", "orders")
        } else {
            ("Policy", "sample")
        };
        let (reading, writing) = (rng.random_range(1..=nodes), rng.random_range(1..=nodes));
        let path = format!("/v1/resources/{kind}/{name}");
        let found = api.get(reading, ADMINISTRATOR, &path).await;
        let Some(spec) = found.body.get("spec").and_then(changed) else { continue };
        let document = json!({ "kind": kind, "name": name, "spec": spec });
        let request = json!({ "documents": [document], "comment": "by chance" });
        let sent_ms = recorder.now_ms();
        let said = api.post(writing, ADMINISTRATOR, "/v1/apply", &request).await;
        recorder.write(&Entry::Applied {
            sent_ms,
            at_ms: recorder.now_ms(),
            node: writing,
            kind: kind.to_owned(),
            status: said.status,
            revision: said.number("revision"),
        })?;
        turn += u32::from(said.status == 200);
    }
    Ok(())
}

/// The body with its one thing that goes to and fro: the quorum of a policy, a function that a target does not have.
fn changed(spec: &Value) -> Option<Value> {
    let mut spec = spec.clone();
    if let Some(cedar) = spec.get("cedar").and_then(Value::as_str) {
        let text = if cedar.contains(FOR_TWO) {
            cedar.replace(FOR_TWO, FOR_ONE)
        } else {
            cedar.replace(FOR_ONE, FOR_TWO)
        };
        *spec.get_mut("cedar")? = Value::String(text);
        return Some(spec);
    }
    let target = spec.get_mut("postgres")?.as_object_mut()?;
    if target.remove("allow_functions").is_none() {
        target.insert("allow_functions".to_owned(), json!(["chaos_has_none_such"]));
    }
    Some(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_twice_is_what_it_was() {
        let policy = json!({ "cedar": format!("@id(\"x\") {FOR_ONE}(\"1h\") permit(principal, action, resource);") });
        let target = json!({ "postgres": { "address": "127.0.0.1:1" } });
        for spec in [policy, target] {
            let once = changed(&spec).unwrap();
            assert_ne!(once, spec);
            assert_eq!(changed(&once).unwrap(), spec);
        }
    }
}
