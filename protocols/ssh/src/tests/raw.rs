//! A client that does what OpenSSH's does not.

use super::{gate::TOKEN, world::World};
use russh::{
    Channel, ChannelMsg,
    client::{self, Handle, Msg},
    keys::PublicKeyOrCertificate,
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

#[derive(Debug)]
pub(crate) struct Anyone;

impl client::Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// A connection that nobody is identified on.
pub(crate) async fn connect(world: &World) -> Handle<Anyone> {
    connect_with(world, client::Config::default()).await.unwrap()
}

pub(crate) async fn connect_with(
    world: &World,
    config: client::Config,
) -> Result<Handle<Anyone>, russh::Error> {
    client::connect(Arc::new(config), ("127.0.0.1", world.port), Anyone).await
}

/// A connection of the agent's.
pub(crate) async fn log_in(world: &World) -> Handle<Anyone> {
    let mut handle = connect(world).await;
    assert!(handle.authenticate_password("deploy@web1", TOKEN).await.unwrap().success());
    handle
}

/// What a channel says until it is closed, or for a while.
pub(crate) async fn heard(channel: &mut Channel<Msg>) -> Vec<ChannelMsg> {
    let mut heard = Vec::new();
    while let Ok(Some(message)) = timeout(Duration::from_secs(10), channel.wait()).await {
        if matches!(message, ChannelMsg::Close) {
            break;
        }
        if !matches!(message, ChannelMsg::WindowAdjusted { .. }) {
            heard.push(message);
        }
    }
    heard
}

/// The exit status among what was heard.
pub(crate) fn status(heard: &[ChannelMsg]) -> Option<u32> {
    heard.iter().find_map(|message| {
        let ChannelMsg::ExitStatus { exit_status } = message else { return None };
        Some(*exit_status)
    })
}
