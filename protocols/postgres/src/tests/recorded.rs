//! What the target says is in the recording as the agent hears it, and nothing is heard that is not recorded.

use super::{
    agent::{Agent, error},
    place::Place,
};
use countersign_core::{
    mask::{Detector, MaskKind},
    recording::{Entry, Speaker},
};
use std::sync::atomic::Ordering;

const LOUD: &str = "DO $$ BEGIN RAISE NOTICE 'told ada@example.com'; \
    RAISE EXCEPTION 'failed for bob@example.com' USING HINT = 'ask eve@example.com'; END $$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_and_notices_are_recorded_masked() {
    let place = Place::with_postgres().await;
    place.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
    let mut agent = Agent::connect(&place).await;
    let asked = agent.query(LOUD);
    let (answer, _) = tokio::join!(asked, place.gate.approve(0));
    assert_eq!(error(&answer), "P0001");
    let entries = place.gate.recorder.entries.lock().unwrap();
    let said: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            if let Entry::Said { speaker, text } = entry { Some((*speaker, text)) } else { None }
        })
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0].0, Speaker::Notice);
    assert_eq!(said[1].0, Speaker::Error);
    assert!(said[0].1.starts_with("NOTICE:  told [redacted] (00000)"), "{said:?}");
    assert!(said[1].1.contains("failed for [redacted] (P0001)\nHINT:  ask [redacted]"), "{said:?}");
    assert!(said.iter().all(|(_, text)| !text.contains("example.com")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_hears_nothing_of_the_target_that_could_not_be_recorded() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&crate::frame::query(LOUD.as_bytes())).await;
    place.gate.hold(0).await;
    place.gate.recorder.lost.store(true, Ordering::SeqCst);
    place.gate.approve(0).await;
    let rest = agent.rest().await;
    let heard: Vec<u8> = rest.iter().flat_map(|message| message.body.to_vec()).collect();
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(!heard.contains("ada@example.com"), "{heard}");
    assert!(heard.contains("could not be recorded"), "{heard}");
    // It may have been executed, and the agent is told so.
    assert_eq!(error(&rest), "08007", "{rest:?}");
}
