//! The one thread that makes the log durable. Whatever was appended while it waited for the disk is covered by its next
//! sync (group commit), and it is the only place where an append or a vote is acknowledged, in the order they came.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use openraft::storage::IOFlushed;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::tail::Tail;
use crate::disk::{Disk, measure};
use crate::halt::halt;
use crate::high_water::{Acknowledged, HighWater};
use crate::raft_types::{LogId, TypeConfig, Vote};

/// Appends that wait for the thread; an append waits when they are as many.
const QUEUE: usize = 1024;
/// Appends that one sync acknowledges at most.
const GROUP: usize = 512;
/// Recent syncs whose times are kept.
const TIMES: usize = 1024;

enum Request {
    Append { last: Option<LogId>, done: IOFlushed<TypeConfig> },
    Vote { vote: Vote, done: oneshot::Sender<()> },
    Lower { to: Option<LogId>, done: oneshot::Sender<()> },
    Raise { to: LogId, done: oneshot::Sender<()> },
}

/// The way to the flush thread. The thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Flusher {
    requests: mpsc::Sender<Request>,
    tail: Arc<Tail>,
}

/// A way to the flush thread that does not keep it running.
#[derive(Debug)]
pub(crate) struct Raiser {
    requests: mpsc::WeakSender<Request>,
    tail: Arc<Tail>,
}

impl Raiser {
    /// Promises everything up to `to`, which a synced snapshot covers. Blocks until that is on the disk.
    pub(crate) fn raise(&self, to: LogId) -> io::Result<()> {
        // They have left the log, whatever they were here.
        self.tail.purge(to.index);
        let (done, wait) = oneshot::channel();
        let requests = self.requests.upgrade().ok_or_else(gone)?;
        requests.blocking_send(Request::Raise { to, done }).map_err(|_| gone())?;
        wait.blocking_recv().map_err(|_| gone())
    }
}

/// How long recent syncs took.
#[derive(Debug, Clone, Default)]
pub(crate) struct FlushTimes(Arc<Mutex<std::collections::VecDeque<Duration>>>);

impl FlushTimes {
    fn took(&self, time: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if times.len() == TIMES {
            times.pop_front();
        }
        times.push_back(time);
    }

    /// The 99th percentile of the recent syncs.
    pub(crate) fn p99(&self) -> Duration {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        measure::p99(times.iter().copied().collect())
    }
}

impl Flusher {
    /// Starts the thread.
    pub(crate) fn start(
        disk: Arc<Disk>,
        high_water: HighWater,
        times: FlushTimes,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("log-flush".to_owned()).spawn(move || {
            FlushThread { disk, high_water, times, acknowledge: Vec::new() }.run(queue);
        })?;
        Ok((Self { requests, tail: Arc::default() }, thread))
    }

    /// For who only ever raises the promise.
    pub(crate) fn raiser(&self) -> Raiser {
        Raiser { requests: self.requests.downgrade(), tail: self.tail.clone() }
    }

    /// The end of the log that this thread makes durable.
    pub(super) fn tail(&self) -> Arc<Tail> {
        self.tail.clone()
    }

    /// Acknowledges an append once it is durable.
    pub(super) async fn append(
        &self,
        last: Option<LogId>,
        done: IOFlushed<TypeConfig>,
    ) -> io::Result<()> {
        self.send(Request::Append { last, done }).await
    }

    /// Returns once the vote is durable.
    pub(super) async fn vote(&self, vote: Vote) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        self.send(Request::Vote { vote, done }).await?;
        wait.await.map_err(|_| gone())
    }

    /// Takes back the promise of the entries behind `to`, before they are removed.
    pub(super) async fn lower(&self, to: Option<LogId>) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        self.send(Request::Lower { to, done }).await?;
        wait.await.map_err(|_| gone())
    }

    async fn send(&self, request: Request) -> io::Result<()> {
        self.requests.send(request).await.map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::Error::other("the flush thread has ended")
}

/// Somebody who waits for the next sync.
enum Waiting {
    Append(IOFlushed<TypeConfig>),
    Vote(oneshot::Sender<()>),
}

struct FlushThread {
    disk: Arc<Disk>,
    high_water: HighWater,
    times: FlushTimes,
    acknowledge: Vec<Waiting>,
}

impl FlushThread {
    fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        while let Some(first) = queue.blocking_recv() {
            let mut promise = self.take(first, self.high_water.now());
            while self.acknowledge.len() < GROUP {
                let Ok(next) = queue.try_recv() else { break };
                promise = self.take(next, promise);
            }
            self.flush(promise);
        }
        self.disk.sync("syncing the log at shutdown");
    }

    /// Adds a request to the group; one that lowers or raises the promise closes the group before it.
    fn take(&mut self, request: Request, promise: Acknowledged) -> Acknowledged {
        match request {
            Request::Append { last, done } => {
                self.acknowledge.push(Waiting::Append(done));
                Acknowledged { last: last.or(promise.last), ..promise }
            }
            Request::Vote { vote, done } => {
                self.acknowledge.push(Waiting::Vote(done));
                Acknowledged { vote: Some(vote), ..promise }
            }
            Request::Lower { to, done } => {
                self.flush(promise);
                let kept = promise.last.filter(|last| to.is_some_and(|to| last.index <= to.index));
                let lowered = Acknowledged { last: kept.or(to), ..promise };
                self.record(lowered);
                // Nobody waits any more when the node is being shut down.
                done.send(()).ok();
                lowered
            }
            Request::Raise { to, done } => {
                self.flush(promise);
                let further = promise.last.filter(|last| last.index >= to.index);
                let raised = Acknowledged { last: further.or(Some(to)), ..promise };
                self.record(raised);
                // Nobody waits any more when the node is being shut down.
                done.send(()).ok();
                raised
            }
        }
    }

    /// Log first, then the promise, then the answers.
    fn flush(&mut self, promise: Acknowledged) {
        if self.acknowledge.is_empty() {
            return;
        }
        let start = Instant::now();
        self.disk.sync("syncing the log");
        self.record(promise);
        self.times.took(start.elapsed());
        for waiting in self.acknowledge.drain(..) {
            match waiting {
                Waiting::Append(done) => done.io_completed(Ok(())),
                // Nobody waits any more when the node is being shut down.
                Waiting::Vote(done) => {
                    done.send(()).ok();
                }
            }
        }
    }

    fn record(&mut self, promise: Acknowledged) {
        if let Err(error) = self.high_water.record(promise) {
            halt("recording the high-water mark", &error);
        }
    }
}

#[cfg(test)]
mod tests;
