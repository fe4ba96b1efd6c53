//! `cluster add`, `remove`, `replace` and `promote`: who belongs to the cluster. Asked of the leader, which alone knows whom
//! it can count on; a leader that is to go hands the leadership on first.

use super::{answer, client_of};
use crate::{
    cli::Global,
    connection::{self, Reached},
    failure::{Failure, Status},
    output::Terminal,
};
use countersign_api::{
    Client,
    cluster::{
        Cluster, JoinTokenRequest, PromoteRequest, RemoveRequest, ReplaceRequest, TransferRequest,
    },
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long another leader is waited for.
const NEXT_LEADER: Duration = Duration::from_secs(10);
/// How often it is looked whether there is one.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn add(
    expires: Duration,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let request = JoinTokenRequest { expires_in_seconds: Some(expires.as_secs()) };
    let client = connection::client(global, terminal)?;
    let token = client.create_join_token(&request).await?.body;
    let servers = client.cluster().await?.body.nodes;
    let servers: Vec<_> = servers.into_iter().filter_map(|node| node.api).collect();
    terminal.note(&format!("for one node, until {}; it is not shown again", token.expires_at));
    terminal.note(&format!(
        "on the new host: the token into the file that cluster.token_file names, cluster.join = {servers:?}, then start it"
    ));
    terminal.note("it votes once it has caught up and stays so: countersignctl cluster status");
    terminal.answer(&token, |token, _| token.token.clone())
}

pub(super) async fn remove(
    node: u64,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let leader = leader_but(Some(node), global, terminal).await?;
    answer(&leader.remove_node(&RemoveRequest { node }).await?.body, terminal)
}

pub(super) async fn replace(
    (node, with): (u64, u64),
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let leader = leader_but(Some(node), global, terminal).await?;
    answer(&leader.replace_node(&ReplaceRequest { node, with }).await?.body, terminal)
}

pub(super) async fn promote(
    node: u64,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let leader = leader_but(None, global, terminal).await?;
    answer(&leader.promote_node(&PromoteRequest { node }).await?.body, terminal)
}

/// The leader; another one, if it is the node that is to go.
async fn leader_but(
    goes: Option<u64>,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<Client, Failure> {
    let reached = Reached::by(global, terminal)?;
    let asked = reached.client()?;
    let mut cluster = asked.cluster().await?.body;
    let voters = cluster.nodes.iter().filter(|node| node.voter).count();
    if let (Some(leader), true) =
        (cluster.leader.filter(|leader| goes == Some(*leader)), voters > 1)
    {
        terminal.note(&format!("node {leader} leads: it hands the leadership on first"));
        let leaving = client_of(leader, &cluster, &reached)?;
        leaving.transfer_leader(&TransferRequest { to: None }).await?;
        cluster = led_by_another(&asked, leader).await?;
    }
    match cluster.leader {
        Some(leader) => client_of(leader, &cluster, &reached),
        None => Err(Failure::new(Status::NoQuorum, cluster.verdict)),
    }
}

async fn led_by_another(asked: &Client, before: u64) -> Result<Cluster, Failure> {
    let until = Instant::now() + NEXT_LEADER;
    loop {
        let cluster = asked.cluster().await?.body;
        if cluster.leader.is_some_and(|leader| leader != before) {
            return Ok(cluster);
        }
        if Instant::now() >= until {
            return Err(Failure::new(Status::NoQuorum, "no other node leads yet")
                .hint("nothing was removed: try again"));
        }
        sleep(LOOK_EVERY).await;
    }
}
