//! Making a cluster: an authority, a key, the first node, and the entry that says so. Whoever holds the token that the node
//! wrote into its data directory may order it, once.

use super::{
    BOOTSTRAP_LIFE, BOOTSTRAP_PREFIX, ClusterError, ClusterKey, EnginePlan, InitOrder, Member,
    MemberFile, Purpose, StartEngine, Started, bootstrap, certificates,
    directory::{Directory, FILE_VERSION, Keys},
};
use crate::{app::App, clock::now_ms, credential, ssh_keys};
use countersign_api::{cluster::InitAnswer, time::Timestamp};
use countersign_core::{id::NodeId, secret::Secret};
use countersign_raft_store::{command::Initialise, records::JoinFacts};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long the first node may take to become the leader of itself.
const FIRST_ELECTION: Duration = Duration::from_secs(20);
/// How often it is looked whether it did.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The first node's id.
const FIRST: NodeId = NodeId(1);

/// Waits for an order and makes a cluster.
pub(super) async fn wait(
    app: &App,
    directory: &Directory,
    engine: &dyn StartEngine,
) -> Result<Member, ClusterError> {
    // Said before anything is made, not after.
    if let Some(wanted) = app.config.node_id.filter(|wanted| *wanted != FIRST.0) {
        return Err(ClusterError::NotFirst { wanted });
    }
    let token = Secret::new(format!("cs-init.{}", hex::encode(rand::random::<[u8; 32]>())));
    let path = directory.write_init_token(&token).await?;
    tracing::info!(token_file = %path.display(), "this node belongs to no cluster yet; it waits for `countersignctl cluster init`");
    let mut orders = app.bootstrap.wait(&token);
    let order = bootstrap::next(&mut orders, app.shutdown.stopping()).await?;
    let name = order.name.clone().unwrap_or_else(|| app.config.cluster.name.clone());
    let (member, answer) = found(app, directory, engine, name).await?;
    app.bootstrap.done();
    answer_to(order, answer);
    Ok(member)
}

fn answer_to(order: InitOrder, answer: InitAnswer) {
    if order.answer.send(answer).is_err() {
        tracing::warn!(
            "nobody waits any more for the bootstrap token: it is in the file bootstrap-token of the data directory"
        );
    }
}

async fn found(
    app: &App,
    directory: &Directory,
    engine: &dyn StartEngine,
    name: String,
) -> Result<(Member, InitAnswer), ClusterError> {
    let (cluster_id, storage): ([u8; 16], [u8; 16]) = (rand::random(), rand::random());
    let cluster_key = Arc::new(ClusterKey::draw());
    let ca = certificates::authority(&name)?;
    let (key, request) = certificates::request()?;
    let key_sha256 = certificates::requested_key(&request)?;
    let node_name = certificates::node_name(&name, FIRST);
    let certificate_pem =
        certificates::sign(&ca.certificate_pem, &ca.key_pem, &request, &node_name)?;
    directory.begin_founding().await?;
    let key_pem = key.serialize_pem();
    let keys = Keys {
        cluster_key: &cluster_key,
        ca_pem: &ca.certificate_pem,
        certificate_pem: &certificate_pem,
        key_pem: &key_pem,
    };
    directory.write_keys(keys).await?;
    let file = MemberFile {
        version: FILE_VERSION,
        cluster_id: hex::encode(cluster_id),
        cluster_name: name.clone(),
        node: FIRST.0,
    };
    let plan = EnginePlan { storage: Some(storage), ..directory.engine_plan(app, &file).await? };
    let sealed_ca_key =
        cluster_key.seal(Purpose::PeerAuthority, &cluster_id, ca.key_pem.as_bytes())?;
    let credential_ca = credential::make_authority(&name)?;
    let sealed_credential_ca_key = cluster_key.seal(
        Purpose::CredentialAuthority,
        &cluster_id,
        credential_ca.key_pem.as_bytes(),
    )?;
    let ssh_keys = ssh_keys::draw_all(&cluster_key, &cluster_id)?;
    let Started { store, membership } = engine.start(plan).await.map_err(ClusterError::Engine)?;
    let member = Member { id: FIRST, store, membership, cluster_key, changes: Arc::default() };
    let bootstrap_token = format!("{BOOTSTRAP_PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
    let address = app.config.advertise();
    let life_ms = u64::try_from(BOOTSTRAP_LIFE.as_millis()).unwrap_or(u64::MAX);
    let command = Initialise {
        cluster_id,
        cluster_name: name.clone(),
        ca_cert_pem: ca.certificate_pem.clone(),
        sealed_ca_key,
        credential_ca_cert_pem: credential_ca.certificate_pem,
        sealed_credential_ca_key,
        ssh_keys,
        bootstrap_token_sha256: Sha256::digest(bootstrap_token.as_bytes()).into(),
        bootstrap_expires_after_ms: life_ms,
        first: JoinFacts { key_sha256, address, api_url: app.config.api_url(), storage },
    };
    let token = Secret::new(bootstrap_token.as_str());
    if let Err(error) = begin(&member, command, directory, (file, &token)).await {
        member.membership.shutdown().await;
        return Err(error);
    }
    let answer = InitAnswer {
        cluster_id: hex::encode(cluster_id),
        name,
        node: FIRST.0,
        bootstrap_token,
        bootstrap_expires_at: Timestamp(now_ms().saturating_add(life_ms)),
        ca_sha256: certificates::certificate_sha256(&ca.certificate_pem)
            .map(hex::encode)
            .unwrap_or_default(),
    };
    Ok((member, answer))
}

/// Makes the running engine the first node of a cluster, and the directory a member's.
async fn begin(
    first: &Member,
    command: Initialise,
    directory: &Directory,
    (file, bootstrap_token): (MemberFile, &Secret),
) -> Result<(), ClusterError> {
    first.membership.initialise(command.first.address.clone()).await?;
    led(&first.store).await?;
    // Before the state knows it: a token whose answer is lost must not be lost with it.
    directory.write_bootstrap_token(bootstrap_token).await?;
    first.store.initialise(command).await?;
    directory.become_member(file).await
}

/// Waits until the only node leads.
async fn led(store: &countersign_raft_store::handle::Store) -> Result<(), ClusterError> {
    let until = Instant::now() + FIRST_ELECTION;
    while store.status().leader != Some(FIRST) {
        if Instant::now() >= until {
            return Err(super::MembershipError::NoQuorum.into());
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}
