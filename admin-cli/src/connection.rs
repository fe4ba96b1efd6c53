//! From the global options and the context to a client of the API. The command line comes before the environment, and
//! both before the context. Who names other servers than the context's does not speak as the context's user: its token is
//! never sent there.

use crate::{
    cli::Global,
    context::{Context, Contexts},
    failure::{Failure, Status},
    files,
    output::Terminal,
};
use countersign_api::{
    Client,
    client::{ClientConfig, ClientError},
};
use countersign_core::secret::Secret;
use std::{
    error::Error,
    path::{Path, PathBuf},
};

/// What is said to somebody who has no token.
const LOGIN_HINT: &str = "log in with `countersignctl login --token-file FILE`, or set COUNTERSIGN_TOKEN or --token-file";

/// What a client is made of, before it is made.
#[derive(Debug)]
pub(crate) struct Reached {
    /// The nodes' URLs.
    pub(crate) servers: Vec<String>,
    config: ClientConfig,
}

/// Which servers are meant, and where what is needed for them is found. Nothing of it has been read.
#[derive(Debug)]
pub(crate) struct Source {
    /// The context that says all of it, where the command line and the environment say no server and no authority.
    pub(crate) context: Option<String>,
    /// The nodes' URLs.
    pub(crate) servers: Vec<String>,
    pub(crate) ca_file: Option<PathBuf>,
    /// The file of the token, unless the context says it.
    pub(crate) token_file: Option<PathBuf>,
}

impl Source {
    /// As the command line, the environment and the context say.
    pub(crate) fn of(global: &Global) -> Result<Self, Failure> {
        let contexts = Contexts::load()?;
        let context = chosen(&contexts, global)?;
        let says_all = global.servers.is_empty() && global.ca_file.is_none();
        let name = context.filter(|_| says_all).map(|(name, _)| name.to_owned());
        let context = context.map(|(_, context)| context);
        let its_token =
            context.filter(|_| !says_all).and_then(|context| context.token_file.clone());
        let its_authority = context.and_then(|context| context.ca_file.clone());
        Ok(Self {
            context: name,
            servers: servers(global, context)?,
            ca_file: global.ca_file.clone().or(its_authority),
            token_file: global.token_file.clone().or(its_token),
        })
    }
}

/// The context that counts, with its name.
fn chosen<'a>(
    contexts: &'a Contexts,
    global: &Global,
) -> Result<Option<(&'a str, &'a Context)>, Failure> {
    let chosen = contexts.chosen(global.context.as_deref())?;
    Ok(chosen.filter(|(_, context)| context.covers(&global.servers)))
}

fn servers(global: &Global, context: Option<&Context>) -> Result<Vec<String>, Failure> {
    match context {
        _ if !global.servers.is_empty() => Ok(global.servers.clone()),
        Some(context) => Ok(context.servers.clone()),
        None => Err(Failure::usage("no server is named")
            .hint("say --server https://HOST:PORT, set COUNTERSIGN_SERVER, or add a context")),
    }
}

impl Reached {
    /// As the command line, the environment and the context say.
    pub(crate) fn by(global: &Global, terminal: &mut Terminal) -> Result<Self, Failure> {
        let contexts = Contexts::load()?;
        let context = chosen(&contexts, global)?.map(|(_, context)| context);
        let servers = servers(global, context)?;
        let mut config = ClientConfig::new(servers.clone());
        let ca_file =
            global.ca_file.as_deref().or(context.and_then(|context| context.ca_file.as_deref()));
        config.ca_pem =
            ca_file.map(|file| files::read_text(file).map(String::into_bytes)).transpose()?;
        config.token = token(global, context, terminal)?;
        Ok(Self { servers, config })
    }

    /// Whether there is a token.
    pub(crate) fn has_token(&self) -> bool {
        self.config.token.is_some()
    }

    /// The token itself, where it is what a request is about.
    pub(crate) fn token(&self) -> Result<&Secret, Failure> {
        self.config.token.as_ref().ok_or_else(not_logged_in)
    }

    /// A client of all nodes, with a token, which every command but a few needs.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        if !self.has_token() {
            return Err(not_logged_in());
        }
        Client::new(self.config.clone()).map_err(|error| failure(&error))
    }

    /// A client of one node only.
    pub(crate) fn client_of(&self, server: &str) -> Result<Client, Failure> {
        let config =
            ClientConfig { endpoints: vec![server.to_owned()], rounds: 1, ..self.config.clone() };
        Client::new(config).map_err(|error| failure(&error))
    }
}

fn not_logged_in() -> Failure {
    Failure::new(Status::NotLoggedIn, "you are not logged in").hint(LOGIN_HINT)
}

/// A client with a token, which every command but a few needs.
pub(crate) fn client(global: &Global, terminal: &mut Terminal) -> Result<Client, Failure> {
    Reached::by(global, terminal)?.client()
}

/// The token: what is given, or what the context keeps.
fn token(
    global: &Global,
    context: Option<&Context>,
    terminal: &mut Terminal,
) -> Result<Option<Secret>, Failure> {
    if let Some(token) = given_token(global)? {
        return Ok(Some(token));
    }
    let Some(file) = context.and_then(|context| context.token_file.as_deref()) else {
        return Ok(None);
    };
    if files::is_open_to_others(file) {
        terminal.warn(&format!("others may read the token file {}", file.display()));
    }
    token_of(file).map(Some)
}

/// The token that the command line or the environment gives, itself or in a file; `-` is stdin.
pub(crate) fn given_token(global: &Global) -> Result<Option<Secret>, Failure> {
    match (&global.token, &global.token_file) {
        (Some(token), _) => read_token(token).map(Some),
        (None, Some(file)) => token_of(file).map(Some),
        (None, None) => Ok(None),
    }
}

fn token_of(file: &Path) -> Result<Secret, Failure> {
    if file.as_os_str() != "-" && !file.exists() {
        let message = format!("the token file {} does not exist", file.display());
        return Err(Failure::new(Status::NotLoggedIn, message).hint(LOGIN_HINT));
    }
    read_token(&files::read_text(file)?)
}

fn read_token(text: &str) -> Result<Secret, Failure> {
    let text = text.trim();
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Failure::usage("the token is empty or has white space in it"));
    }
    Ok(Secret::new(text.as_bytes()))
}

/// A call's failure with the exit status that scripts look for.
pub(crate) fn failure(error: &ClientError) -> Failure {
    match error {
        ClientError::Problem(problem) => Failure::of_problem(problem),
        ClientError::Transport { .. } => Failure::new(Status::NoQuorum, chain(error))
            .hint("is the node up, is the address right, and does --ca-file name its authority?"),
        ClientError::StreamEnded { .. } => Failure::new(Status::NoQuorum, chain(error)),
        ClientError::Configuration { .. } => Failure::usage(chain(error)),
        ClientError::Setup { .. } | ClientError::Answer { .. } => Failure::failed(chain(error)),
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        failure(&error)
    }
}

/// The error with what caused it.
fn chain(error: &dyn Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        next = cause.source();
        let text = cause.to_string();
        if said.last().is_none_or(|last| !last.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}
