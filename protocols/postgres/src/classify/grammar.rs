//! The client of the grammar: a bounded set of worker processes, a bounded queue in front of them in which each agent has a
//! share, a deadline per text and a cache of meanings. A text on which the grammar fails is opaque; one that the grammar has
//! no time for is refused, to be sent again. Nothing here ever guesses.

use std::{
    convert::Infallible,
    ffi::OsString,
    fmt, io,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign_core::agent::Identity;
use quick_cache::{Weighter, sync::Cache};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Semaphore,
    time::timeout,
};

use super::{
    Classified, MAX_TEXT_BYTES, WORKER_ARGUMENT, template,
    wire::{self, Answer, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Request},
};

/// A guess for the cache's tables: how many texts of ordinary length fit into its bytes.
const TYPICAL_ENTRY_BYTES: u64 = 4 * 1024;

/// How many bytes of memory one byte of an encoded meaning takes, with the tables and strings around it.
const MEMORY_PER_ENCODED_BYTE: usize = 4;

/// Agents whose shares are remembered. One that is forgotten while its texts wait gets another share.
const MAX_SHARES: usize = 10_000;

/// The program that becomes the worker, and its arguments.
#[derive(Clone, Debug)]
pub struct GrammarCommand {
    /// The executable.
    pub program: PathBuf,
    /// What it is called with.
    pub arguments: Vec<OsString>,
}

impl GrammarCommand {
    /// This executable, called with [`WORKER_ARGUMENT`].
    pub fn this_executable() -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, arguments: vec![WORKER_ARGUMENT.into()] })
    }
}

/// How much the grammar may take.
#[derive(Clone, Copy, Debug)]
pub struct GrammarLimits {
    /// Worker processes at most; they are started when needed.
    pub workers: usize,
    /// Texts in work or waiting at most; further ones are refused at once.
    pub waiting: usize,
    /// Workers that texts of one agent may keep busy at a time.
    pub workers_of_one: usize,
    /// Texts of one agent in work or waiting at most.
    pub waiting_of_one: usize,
    /// From asking to answer, waiting and the start of a worker included.
    pub deadline: Duration,
    /// Memory for remembered texts and their meanings, in bytes.
    pub cache_bytes: u64,
}

impl Default for GrammarLimits {
    fn default() -> Self {
        // Two workers serve some ten thousand ordinary texts a second; the longest text takes below a second.
        Self {
            workers: 2,
            waiting: 1024,
            workers_of_one: 1,
            waiting_of_one: 256,
            deadline: Duration::from_secs(5),
            cache_bytes: 32 * 1024 * 1024,
        }
    }
}

/// Says what texts mean. Cheap to share by reference or in an [`Arc`].
pub struct Grammar {
    command: GrammarCommand,
    limits: GrammarLimits,
    /// One permit per text that is in work or waits.
    queue: Semaphore,
    /// One permit per worker in use.
    slots: Semaphore,
    /// What each agent may take of both.
    shares: Cache<Identity, Arc<Share>>,
    idle: Mutex<Vec<Worker>>,
    cache: Cache<Arc<str>, Arc<Remembered>, ByBytes>,
    /// The same by template.
    templates: Cache<Arc<str>, Arc<Remembered>, ByBytes>,
    next_number: AtomicU64,
}

/// One agent's share: whoever fills it waits for itself alone.
#[derive(Debug)]
struct Share {
    queue: Semaphore,
    slots: Semaphore,
}

#[derive(Debug)]
struct Remembered {
    classified: Arc<Classified>,
    /// The length of its text.
    text_bytes: usize,
    bytes: u64,
}

/// Weighs an entry by the bytes of the text and of its encoded meaning.
#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Arc<str>, Arc<Remembered>> for ByBytes {
    fn weight(&self, _text: &Arc<str>, remembered: &Arc<Remembered>) -> u64 {
        remembered.bytes
    }
}

/// One running process. Dropping it kills the process.
#[derive(Debug)]
struct Worker {
    input: ChildStdin,
    output: ChildStdout,
    /// Held for its kill-on-drop.
    _process: Child,
}

/// The grammar has no time for a text now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the grammar has no time for the statement")]
pub struct Busy;

/// Why a text could not be classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error("too many statements wait for the grammar")]
    Full,
    #[error("the grammar did not answer in time")]
    Late,
    #[error("the grammar's process could not be started")]
    Start,
    /// The reviewer reads it as a note.
    #[error("the grammar's process failed on the statement")]
    Broken,
}

impl Grammar {
    /// Starts no process yet: the first text does.
    pub fn new(command: GrammarCommand, limits: GrammarLimits) -> Self {
        let entries =
            usize::try_from(limits.cache_bytes / TYPICAL_ENTRY_BYTES).unwrap_or(usize::MAX);
        Self {
            command,
            limits,
            queue: Semaphore::new(limits.waiting),
            slots: Semaphore::new(limits.workers),
            shares: Cache::new(MAX_SHARES),
            idle: Mutex::new(Vec::new()),
            cache: Cache::with_weighter(entries, limits.cache_bytes, ByBytes),
            templates: Cache::with_weighter(entries, limits.cache_bytes, ByBytes),
            next_number: AtomicU64::new(0),
        }
    }

    /// What a text of this agent means; one opaque statement if the grammar fails on it.
    pub async fn classify(&self, text: &str, agent: &Identity) -> Result<Arc<Classified>, Busy> {
        if text.len() > MAX_TEXT_BYTES {
            return Ok(Arc::new(Classified::opaque(text, "the text is longer than the limit")));
        }
        if let Some(known) = self.cache.get(text) {
            return Ok(Arc::clone(&known.classified));
        }
        let template = template::template(text);
        if let Some(known) = template.as_deref().and_then(|template| self.templates.get(template))
            && let Some(classified) =
                template::of_same_template(&known.classified, (known.text_bytes, text.len()))
        {
            return Ok(Arc::new(classified));
        }
        match self.ask(text, agent).await {
            Ok((classified, answer_bytes)) => {
                let classified = Arc::new(classified);
                let bytes =
                    answer_bytes.saturating_mul(MEMORY_PER_ENCODED_BYTE).saturating_add(text.len());
                let remembered = Arc::new(Remembered {
                    classified: Arc::clone(&classified),
                    text_bytes: text.len(),
                    bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
                });
                if let Some(template) = template
                    && template::serves_for_all(&classified, text)
                {
                    self.templates.insert(template.into(), Arc::clone(&remembered));
                }
                self.cache.insert(text.into(), remembered);
                Ok(classified)
            }
            Err(failure @ Failure::Broken) => {
                tracing::warn!(%failure, "a statement is opaque because the grammar failed");
                Ok(Arc::new(Classified::opaque(text, failure.to_string())))
            }
            Err(failure @ (Failure::Full | Failure::Late | Failure::Start)) => {
                tracing::warn!(%failure, "a statement is refused because it was not read");
                Err(Busy)
            }
        }
    }

    fn share(&self, agent: &Identity) -> Arc<Share> {
        let GrammarLimits { workers_of_one, waiting_of_one, .. } = self.limits;
        let share = || {
            let queue = Semaphore::new(waiting_of_one);
            Ok::<_, Infallible>(Arc::new(Share { queue, slots: Semaphore::new(workers_of_one) }))
        };
        self.shares.get_or_insert_with(agent, share).unwrap_or_else(|never| match never {})
    }

    async fn ask(&self, text: &str, agent: &Identity) -> Result<(Classified, usize), Failure> {
        let share = self.share(agent);
        let _place_of_one = share.queue.try_acquire().map_err(|_| Failure::Full)?;
        let _place = self.queue.try_acquire().map_err(|_| Failure::Full)?;
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let request = wire::frame(&Request { number, text: text.to_owned() }, MAX_REQUEST_BYTES)
            .ok_or(Failure::Broken)?;
        let exchange = async {
            // First the agent's own turn: what waits for that keeps no worker from others.
            let _turn = share.slots.acquire().await.map_err(|_| Failure::Full)?;
            let _slot = self.slots.acquire().await.map_err(|_| Failure::Full)?;
            let mut worker = self.worker()?;
            // On failure, and when the deadline drops this future, the worker goes with it.
            let (answer, bytes) = worker.exchange(&request).await.ok_or(Failure::Broken)?;
            if answer.number != number || !fits(&answer.classified, text) {
                return Err(Failure::Broken);
            }
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
            Ok((answer.classified, bytes))
        };
        timeout(self.limits.deadline, exchange).await.unwrap_or(Err(Failure::Late))
    }

    fn worker(&self) -> Result<Worker, Failure> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| Worker::start(&self.command).ok_or(Failure::Start), Ok)
    }
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The cache holds statement texts, which do not belong into logs.
        f.debug_struct("Grammar")
            .field("command", &self.command)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Worker {
    fn start(command: &GrammarCommand) -> Option<Self> {
        let mut process = Command::new(&command.program)
            .args(&command.arguments)
            // The gateway's environment may hold secrets that the C code has no need of.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let (input, output) = process.stdin.take().zip(process.stdout.take())?;
        Some(Self { input, output, _process: process })
    }

    async fn exchange(&mut self, request: &[u8]) -> Option<(Answer, usize)> {
        self.input.write_all(request).await.ok()?;
        self.input.flush().await.ok()?;
        let mut header = [0; 4];
        self.output.read_exact(&mut header).await.ok()?;
        let length = wire::body_length(header, MAX_ANSWER_BYTES)?;
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).await.ok()?;
        wire::body(&body).map(|answer| (answer, length))
    }
}

/// Whether an answer can be about this text: every span lies in it, in order, and every statement demands something.
fn fits(classified: &Classified, text: &str) -> bool {
    let mut end = 0;
    classified.statements.iter().all(|statement| {
        let inside = statement.span.start >= end && text.get(statement.span.clone()).is_some();
        end = statement.span.end;
        inside && !statement.demands.is_empty()
    })
}
