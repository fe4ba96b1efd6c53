//! The reviewers' page over real nodes and a real sign-in: what a browser got at one node is good at every other, and goes on
//! when the node dies that served it.

use countersign_tests::{api::at, browser::Browser, cluster::Cluster, psql};
use reqwest::StatusCode;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reviewer_signs_in_with_a_browser_and_decides_at_another_node_when_the_first_dies() {
    let cluster = Cluster::start().await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 77 RETURNING id";
    let mut psql = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    let hold = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap().pending(sql).await.unwrap();
    let page = |node: usize, path: &str| {
        format!("{}{path}", cluster.environment().of_node("CS_API", node).unwrap())
    };
    let path = format!("/holds/{}", at(&hold, "/id"));

    let mut dana = Browser::of(&cluster).unwrap();
    let seen = dana.get(&page(2, &path)).await.unwrap();
    assert!(seen.location.unwrap().path().starts_with("/login"), "nobody is signed in yet");
    dana.sign_in(&cluster, 2, "dana").await.unwrap();
    let inbox = dana.get(&page(2, "/")).await.unwrap();
    assert!(inbox.text.contains(&path), "{}", inbox.text);
    assert!(dana.get(&page(2, &path)).await.unwrap().text.contains(sql));

    cluster.kill(2).await.unwrap();
    let seen = dana.get(&page(3, &path)).await.unwrap();
    assert!(seen.text.contains(sql) && seen.text.contains(at(&hold, "/key")), "{}", seen.text);
    let (word, fingerprint) = (seen.field("word").unwrap(), seen.field("fingerprint").unwrap());
    let to = seen.url.join(&format!("{path}/decision")).unwrap();
    let form = [
        ("word", word.as_str()),
        ("fingerprint", &fingerprint),
        ("comment", "seen on a phone"),
        ("decision", "approve"),
    ];
    let decided = dana.post(&to, &form).await.unwrap();
    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.text);
    let said = psql.finish().await.unwrap();
    assert!(said.stdout.contains("77"), "{said:?}");
    let seen = dana.get(&page(1, &path)).await.unwrap();
    assert!(seen.text.contains("consumed") && seen.text.contains("seen on a phone"));

    // Who is revoked is out of the page as well, at every node.
    let mut rui = Browser::of(&cluster).unwrap();
    rui.sign_in(&cluster, 3, "rui").await.unwrap();
    let issuer = cluster.environment().get("CS_ISSUER").unwrap();
    let revoked = serde_json::json!({ "identity": { "issuer": issuer, "subject": "rui" } });
    let admin = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let answer = admin.post("/v1/revocations", &revoked).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let seen = rui.get(&page(3, "/")).await.unwrap();
    assert!(seen.location.unwrap().path().starts_with("/login"), "{}", seen.text);
}
