//! Policy changes while an operation waits: what was judged under the old one is judged again.

use countersign_tests::{
    api::{Api, at},
    cluster::Cluster,
    psql,
};
use serde_json::json;

/// The name and the Cedar text of the sample policy.
async fn policy(admin: &Api) -> (String, String) {
    let answer = admin.get("/v1/resources/Policy").await.unwrap();
    let first = &answer.items().first().unwrap_or_else(|| panic!("no policy: {answer}"));
    (at(first, "/name").to_owned(), at(first, "/spec/cedar").to_owned())
}

async fn apply(admin: &Api, name: &str, cedar: &str) {
    let body = json!({"documents": [{"kind": "Policy", "name": name, "spec": {"cedar": cedar}}], "comment": "by a test"});
    let answer = admin.post("/v1/apply", &body).await.unwrap();
    assert!(answer.status.is_success(), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_waits_is_judged_again_under_the_new_policy() {
    let cluster = Cluster::start().await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 81 RETURNING id";
    let mut waiting = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    waiting.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let old = reviewer.pending(sql).await.unwrap();

    let admin = cluster.api(3, "CS_ADMIN_TOKEN").unwrap();
    let (name, cedar) = policy(&admin).await;
    apply(&admin, &name, &format!("{cedar}\n// The same rules, said again.\n")).await;
    reviewer.until_state(at(&old, "/id"), "invalidated").await.unwrap();
    let late = reviewer.decide(&old, "approve").await.unwrap();
    assert_eq!(late.status.as_u16(), 409, "{late}");

    let new = reviewer.pending(sql).await.unwrap();
    assert_ne!(at(&new, "/id"), at(&old, "/id"));
    assert!(new["policy_revision"].as_u64() > old["policy_revision"].as_u64());
    assert_eq!(cluster.postgres.received("WHERE id = 81").unwrap(), 0);
    reviewer.approve(&new).await.unwrap();
    let said = waiting.finish().await.unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(cluster.postgres.received("WHERE id = 81").unwrap(), 1);
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_under_the_old_policy_is_worth_nothing_under_one_that_forbids() {
    let cluster = Cluster::start().await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 82 RETURNING id";
    let mut gone = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    gone.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();
    gone.vanish().await.unwrap();
    reviewer.approve(&hold).await.unwrap();

    let admin = cluster.api(3, "CS_ADMIN_TOKEN").unwrap();
    let (name, cedar) = policy(&admin).await;
    let forbid =
        "@id(\"frozen\") forbid(principal, action == Action::\"postgres:write\", resource);";
    apply(&admin, &name, &format!("{cedar}\n{forbid}\n")).await;
    let said = psql::run(&cluster.login(3).unwrap(), sql).await.unwrap();
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("42501") && said.stderr.contains("frozen"), "{said:?}");
    reviewer.until_state(at(&hold, "/id"), "invalidated").await.unwrap();
    assert_eq!(cluster.postgres.received("WHERE id = 82").unwrap(), 0);
    let read = psql::run(&cluster.login(1).unwrap(), "SELECT count(*) FROM orders").await.unwrap();
    assert_eq!(read.code, Some(0), "reads go on: {read:?}");
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_does_not_validate_changes_nothing() {
    let cluster = Cluster::start().await.unwrap();
    let admin = cluster.api(2, "CS_ADMIN_TOKEN").unwrap();
    let (name, cedar) = policy(&admin).await;
    for broken in
        ["permit(", "permit(principal, action == Action::\"postgres:no-such\", resource);"]
    {
        let body = json!({"documents": [
            {"kind": "Policy", "name": name, "spec": {"cedar": broken}},
            {"kind": "Policy", "name": "another", "spec": {"cedar": cedar}},
        ]});
        let answer = admin.post("/v1/apply", &body).await.unwrap();
        assert!(answer.status.is_client_error(), "{broken}: {answer}");
    }
    let after = admin.get("/v1/resources/Policy").await.unwrap();
    assert_eq!(after.items().len(), 1, "nothing is half applied: {after}");
    assert_eq!(policy(&admin).await, (name, cedar));
    cluster.check_logs(&[]).unwrap();
}
