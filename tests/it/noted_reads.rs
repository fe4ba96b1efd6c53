//! Reads at audit level `batched`: what was answered is in the audit, once, although its node was cut off and killed before
//! the log had it.

use countersign_tests::{
    api::{Api, at},
    cluster::Cluster,
    node_log::PEER_LOSS,
    wait::{self, Look, PATIENCE},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

const POLICY: &str = r#"
@id("noted") @audit("batched")
permit(principal in Group::"ci", action == Action::"postgres:read", resource in Target::"orders");
"#;

/// An answer that takes longer waits for a quorum that is not to be had.
const AT_ONCE: Duration = Duration::from_millis(400);

async fn apply(admin: &Api) {
    let documents = json!([{"kind": "Policy", "name": "sample", "spec": {"cedar": POLICY}}]);
    let answer = admin.post("/v1/apply", &json!({"documents": documents, "comment": ""})).await;
    let answer = answer.unwrap();
    assert!(answer.status.is_success(), "{answer}");
}

/// The events of this kind that are about a text.
fn about<'a>(events: &'a [Value], text: &str) -> Vec<&'a Value> {
    let holds = |event: &&Value| event.to_string().contains(text);
    events.iter().filter(holds).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_noted_read_survives_the_kill_of_its_node_before_the_log_has_it() {
    let mut cluster = Cluster::start().await.unwrap();
    let leader = cluster.leader(1).await.unwrap();
    let lone = leader % 3 + 1;
    let admin = cluster.api(leader, "CS_ADMIN_TOKEN").unwrap();
    apply(&admin).await;
    let agent = cluster.login(lone).unwrap().connect().await.unwrap();
    wait::until("a read to be noted", PATIENCE, async || {
        drop(agent.client.batch_execute("SELECT 'before' FROM orders").await);
        let intents = admin.events_of("intent").await?;
        let noted = intents.iter().any(|event| event.to_string().contains("batched"));
        Ok(Look::some(noted.then_some(()), "none"))
    })
    .await
    .unwrap();

    cluster.dev(&["partition", &lone.to_string()]).await.unwrap();
    let mut answered = Vec::new();
    for n in 0..1_000 {
        let text = format!("noted-{n}-alone");
        let read = format!("SELECT '{text}' FROM orders");
        match timeout(AT_ONCE, agent.client.batch_execute(&read)).await {
            Ok(Ok(())) => answered.push(text),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    cluster.kill(lone).await.unwrap();
    assert!(!answered.is_empty(), "nothing was answered while the lease was fresh");
    let known = admin.events_of("intent").await.unwrap();
    assert!(answered.iter().all(|text| about(&known, text).is_empty()), "the log had it already");

    cluster.dev(&["heal"]).await.unwrap();
    cluster.start_node(lone).await.unwrap();
    let (intents, outcomes) =
        (admin.events_of("intent").await.unwrap(), admin.events_of("outcome").await.unwrap());
    for (n, text) in answered.iter().enumerate() {
        let [intent] = about(&intents, text)[..] else { panic!("{text}: {intents:#?}") };
        let operation = at(intent, "/fields/operation.id");
        let [outcome] = about(&outcomes, operation)[..] else { panic!("{text}: {outcomes:#?}") };
        let outcome = at(outcome, "/fields/outcome");
        // An outcome is written behind its intent and in front of the next one, with whose sync it is safe.
        let last = n + 1 == answered.len();
        assert!(
            outcome == "completed" || last && outcome == "outcome_unknown",
            "{text}: {outcome}"
        );
    }
    cluster.check_logs(PEER_LOSS).unwrap();
}
