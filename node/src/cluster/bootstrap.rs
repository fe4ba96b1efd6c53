//! Where `POST /v1/cluster/init` and the start of the node meet: the start waits for an order, the handler brings one.

use super::ClusterError;
use countersign_api::cluster::InitAnswer;
use countersign_core::secret::Secret;
use sha2::{Digest, Sha256};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// An order to make a cluster.
#[derive(Debug)]
pub struct InitOrder {
    /// Its name, when it was given.
    pub name: Option<String>,
    /// Who waits for the answer.
    pub answer: oneshot::Sender<InitAnswer>,
}

/// The meeting place.
#[derive(Debug, Default)]
pub struct Bootstrap {
    waiting: Mutex<Option<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    token_sha256: [u8; 32],
    orders: mpsc::Sender<InitOrder>,
}

/// Why an order was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// The node does not wait for one: it joins, or belongs to a cluster.
    NotWaiting,
    /// The token is not the one in the data directory.
    WrongToken,
    /// Another order is being carried out, or it failed.
    Failed,
}

impl Bootstrap {
    /// Waits for orders that bring this token. One at a time.
    pub(crate) fn wait(&self, token: &Secret) -> mpsc::Receiver<InitOrder> {
        let (orders, receiver) = mpsc::channel(1);
        let token_sha256 = Sha256::digest(token.expose()).into();
        *self.lock() = Some(Waiting { token_sha256, orders });
        receiver
    }

    /// Waits no longer.
    pub(super) fn done(&self) {
        *self.lock() = None;
    }

    /// Brings an order and waits for its answer.
    pub(crate) async fn init(
        &self,
        token: &Secret,
        name: Option<String>,
    ) -> Result<InitAnswer, NotTaken> {
        let orders = self.orders_for(token)?;
        let (answer, answered) = oneshot::channel();
        orders.try_send(InitOrder { name, answer }).map_err(|_| NotTaken::Failed)?;
        answered.await.map_err(|_| NotTaken::Failed)
    }

    /// Whether an order with this token would be taken, at this moment.
    pub(crate) fn check(&self, token: &Secret) -> Result<(), NotTaken> {
        self.orders_for(token).map(drop)
    }

    fn orders_for(&self, token: &Secret) -> Result<mpsc::Sender<InitOrder>, NotTaken> {
        let hash: [u8; 32] = Sha256::digest(token.expose()).into();
        match &*self.lock() {
            None => Err(NotTaken::NotWaiting),
            Some(waiting) => {
                aws_lc_rs::constant_time::verify_slices_are_equal(&hash, &waiting.token_sha256)
                    .map_err(|_| NotTaken::WrongToken)?;
                Ok(waiting.orders.clone())
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next order, until the node stops.
pub(super) async fn next(
    orders: &mut mpsc::Receiver<InitOrder>,
    stopping: impl Future<Output = ()>,
) -> Result<InitOrder, ClusterError> {
    tokio::select! {
        order = orders.recv() => order.ok_or(ClusterError::Stopped),
        () = stopping => Err(ClusterError::Stopped),
    }
}
