//! Joining a cluster: a request with the node's own key, a one-time token, and an answer that is believed only when its
//! authority is the one that the token pins. Until it succeeds, every try uses the same key, so the same token does.

use super::{
    ClusterError, ClusterKey, EnginePlan, JoinTokenText, Member, MemberFile, StartEngine, Started,
    certificates,
    directory::{Directory, FILE_VERSION, JoiningFile, Keys},
};
use crate::app::App;
use backon::{BackoffBuilder, ExponentialBuilder};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_api::{
    Client,
    client::{ClientConfig, ClientError},
    cluster::{JoinAnswer, JoinRequest},
    problem::ProblemKind,
};
use countersign_core::{id::NodeId, secret::Secret};
use rcgen::KeyPair;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// The first and the longest pause between two tries: the node that is asked may not be up yet.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Joins, however long the cluster cannot be reached.
pub(super) async fn join(
    app: &App,
    directory: &Directory,
    engine: &dyn StartEngine,
) -> Result<Member, ClusterError> {
    let token = token(app).await?;
    let (key, storage) = prepared(directory).await?;
    let request = JoinRequest {
        csr: certificates::request_for(&key)?,
        address: app.config.advertise(),
        api: app.config.api_url(),
        storage: hex::encode(storage),
        node_id: app.config.node_id,
    };
    let client = client(app, &token).await?;
    let answer = asked(app, &client, &request).await?;
    let cluster_key = checked(&token, &answer)?;
    let key_pem = key.serialize_pem();
    let keys = Keys {
        cluster_key: &cluster_key,
        ca_pem: &answer.ca,
        certificate_pem: &answer.certificate,
        key_pem: &key_pem,
    };
    directory.write_keys(keys).await?;
    let file = MemberFile {
        version: FILE_VERSION,
        cluster_id: answer.cluster_id,
        cluster_name: answer.cluster_name,
        node: answer.node,
    };
    let id = NodeId(file.node);
    let plan = EnginePlan { storage: Some(storage), ..directory.engine_plan(app, &file).await? };
    let Started { store, membership } = engine.start(plan).await.map_err(ClusterError::Engine)?;
    // Only now: a member without a log would be one that has lost it.
    if let Err(error) = directory.become_member(file).await {
        membership.shutdown().await;
        return Err(error);
    }
    tracing::info!(node.id = id.0, "this node was let into the cluster");
    let (cluster_key, changes) = (Arc::new(cluster_key), Arc::default());
    Ok(Member { id, store, membership, cluster_key, changes })
}

async fn token(app: &App) -> Result<JoinTokenText, ClusterError> {
    let Some(path) = app.config.cluster.token_file.clone() else {
        return Err(ClusterError::JoinToken {
            problem: "cluster.token_file is not set".to_owned(),
        });
    };
    let text = tokio::fs::read_to_string(&path)
        .await
        .map_err(|source| ClusterError::File { path, source })?;
    text.parse().map_err(|error: super::join_token::JoinTokenError| ClusterError::JoinToken {
        problem: error.to_string(),
    })
}

/// The key and the folder's name of this join, drawn when it began.
async fn prepared(directory: &Directory) -> Result<(KeyPair, [u8; 16]), ClusterError> {
    if let Some(begun) = directory.joining().await? {
        let key = KeyPair::from_pem(&directory.peer_key().await?)?;
        let mut storage = [0; 16];
        let read = hex::decode_to_slice(&begun.storage, &mut storage);
        read.map_err(|_| ClusterError::Answer { problem: "joining.json is damaged".to_owned() })?;
        return Ok((key, storage));
    }
    let (key, _) = certificates::request()?;
    let storage: [u8; 16] = rand::random();
    let begun = JoiningFile { version: FILE_VERSION, storage: hex::encode(storage) };
    directory.begin_joining(begun, key.serialize_pem()).await?;
    Ok((key, storage))
}

async fn client(app: &App, token: &JoinTokenText) -> Result<Client, ClusterError> {
    let mut config = ClientConfig::new(app.config.cluster.join.clone());
    config.rounds = 1;
    config.token = Some(Secret::new(token.expose()));
    if let Some(path) = app.config.tls.ca_file.clone() {
        let pem =
            tokio::fs::read(&path).await.map_err(|source| ClusterError::File { path, source })?;
        config.ca_pem = Some(pem);
    }
    Client::new(config).map_err(refused)
}

fn refused(error: ClientError) -> ClusterError {
    ClusterError::Refused(Box::new(error))
}

async fn asked(
    app: &App,
    client: &Client,
    request: &JoinRequest,
) -> Result<JoinAnswer, ClusterError> {
    let (first, longest) = PAUSES;
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(longest)
        .with_jitter()
        .without_max_times()
        .build();
    loop {
        let error = match client.join(request).await {
            Ok(answer) => return Ok(answer.body),
            Err(error) => error,
        };
        if !error.is_passing() {
            return Err(refused(error));
        }
        // A refused token is not passing; a cluster that is not initialised yet, or has no leader, is.
        let waits = error.problem_kind().map_or("it does not answer", ProblemKind::slug);
        tracing::info!(
            error = &error as &dyn std::error::Error,
            waits,
            "the cluster cannot take this node in yet"
        );
        let pause = pauses.next().unwrap_or(longest);
        tokio::select! {
            () = sleep(pause) => {}
            () = app.shutdown.stopping() => return Err(ClusterError::Stopped),
        }
    }
}

/// The cluster key of an answer whose authority is the one that the token pins.
fn checked(token: &JoinTokenText, answer: &JoinAnswer) -> Result<ClusterKey, ClusterError> {
    let wrong = |problem: &str| ClusterError::Answer { problem: problem.to_owned() };
    if certificates::certificate_sha256(&answer.ca).as_ref() != Some(token.ca_sha256()) {
        return Err(wrong("its authority is not the one that the token names"));
    }
    let bytes = Secret::new(
        STANDARD
            .decode(&answer.cluster_key)
            .map_err(|_| wrong("the cluster key cannot be read"))?,
    );
    ClusterKey::of(bytes.expose()).ok_or_else(|| wrong("the cluster key has another length"))
}
