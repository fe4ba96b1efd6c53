//! The headers of a request: what is taken from the agent's, and what goes to the target.
//!
//! What goes to the target is made from nothing: three headers that are read and written again. An agent's header never
//! passes. Those by which somebody could take another's rights, another method or another path are refused, so that whoever
//! tries hears of it; all the others are dropped.

mod accept;

#[cfg(test)]
mod tests;

pub use accept::{Forms, Label};

use accept::Accept;
use countersign_core::secret::Secret;
use hyper::{
    HeaderMap,
    header::{
        ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName,
        HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE, USER_AGENT,
    },
};

/// The longest value that is read, in bytes. A token is the longest.
const MAX_VALUE_BYTES: usize = 16 * 1024;

/// Beginnings of names that say for whom, by which method or on which path a request is, past what it says itself.
const NEVER: &[&str] = &[
    "impersonate",
    "x-remote",
    "x-http-method",
    "x-method-override",
    "x-original",
    "x-rewrite",
    "proxy-",
];
/// Headers of which a request has one or none.
const ONCE: &[HeaderName] = &[AUTHORIZATION, CONTENT_TYPE, HOST, CONTENT_ENCODING, UPGRADE];
/// A subprotocol of WebSocket that carries a token.
const TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// Why the headers are not read. Each is said to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Somebody else's rights, or another request.
    #[error(
        "a header that says for whom or for what a request is, past the request itself, is not taken"
    )]
    Never,
    /// One header twice.
    #[error("a header stands twice that stands once")]
    Twice,
    /// Not text, or too long.
    #[error("a header has a value that is not plain text, or longer than {MAX_VALUE_BYTES} bytes")]
    Value,
    /// `Connection` with the name of another header.
    #[error("the connection says more than that it stays or ends")]
    Connection,
    /// A body in another coding.
    #[error("the body is compressed, which is not taken")]
    Coding,
    /// Another proof of identity than a bearer token.
    #[error("the authorization is no bearer token")]
    Authorization,
    /// An upgrade where nothing can be upgraded.
    #[error(
        "connections are upgraded for exec, attach and cp over WebSocket (v5.channel.k8s.io, v4.channel.k8s.io) alone: port-forward and watches over WebSocket are not supported"
    )]
    Upgrade,
    /// The older way to streams.
    #[error(
        "SPDY is not spoken: use a client that speaks WebSocket, such as kubectl from 1.31 on (before, with KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true); port-forward is not supported"
    )]
    Spdy,
    /// Only forms that cannot be masked.
    #[error("the answer is to be had as JSON, YAML or text")]
    NotAcceptable,
}

/// What was taken from an agent's headers.
#[derive(Debug)]
pub struct Headers {
    /// Its proof of identity, where it is a token.
    pub token: Option<Secret>,
    /// The type of the body.
    pub content_type: Option<String>,
    /// What the client calls itself, for the audit.
    pub user_agent: String,
    accept: Accept,
}

impl Headers {
    /// Reads the headers of a request that opens no stream.
    pub fn read(headers: &HeaderMap, forms: Forms) -> Result<Self, BadHeader> {
        let read = Self::read_upgrade(headers, forms)?;
        if headers.contains_key(UPGRADE) { Err(BadHeader::Upgrade) } else { Ok(read) }
    }

    /// Reads the headers of a request that may. What it asks for is read elsewhere.
    pub(crate) fn read_upgrade(headers: &HeaderMap, forms: Forms) -> Result<Self, BadHeader> {
        for name in headers.keys() {
            let plain = name.as_str().replace('_', "-");
            if NEVER.iter().any(|never| plain.starts_with(never)) {
                return Err(BadHeader::Never);
            }
        }
        if ONCE.iter().any(|name| headers.get_all(name).iter().nth(1).is_some()) {
            return Err(BadHeader::Twice);
        }
        connection(headers)?;
        match text(headers, &CONTENT_ENCODING)? {
            None | Some("identity") => {}
            Some(_) => return Err(BadHeader::Coding),
        }
        Ok(Self {
            token: token(headers)?,
            content_type: text(headers, &CONTENT_TYPE)?.map(str::to_owned),
            user_agent: text(headers, &USER_AGENT)?.unwrap_or_default().to_owned(),
            accept: Accept::read(headers, forms)?,
        })
    }

    /// How the answer is called that the agent gets.
    pub fn label(&self) -> Label {
        self.accept.label()
    }

    /// What goes to the target. The gateway's own credential comes beside it, and whom it impersonates.
    pub fn upstream(&self) -> Result<HeaderMap, BadHeader> {
        let mut made = HeaderMap::new();
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| BadHeader::Value);
        made.insert(ACCEPT, value(self.accept.upstream())?);
        if let Some(content_type) = &self.content_type {
            made.insert(CONTENT_TYPE, value(content_type)?);
        }
        if !self.user_agent.is_empty() {
            made.insert(USER_AGENT, value(&self.user_agent)?);
        }
        Ok(made)
    }
}

/// A `Connection` names headers that end here. None that matters ends here.
fn connection(headers: &HeaderMap) -> Result<(), BadHeader> {
    for value in headers.get_all(CONNECTION) {
        for option in plain(value)?.split(',') {
            let option = option.trim_matches([' ', '\t']);
            let known = ["close", "keep-alive", "upgrade", "te", ""];
            if !known.iter().any(|known| option.eq_ignore_ascii_case(known)) {
                return Err(BadHeader::Connection);
            }
        }
    }
    Ok(())
}

/// The one bearer token. Another scheme is refused, and so is a token at another place.
fn token(headers: &HeaderMap) -> Result<Option<Secret>, BadHeader> {
    for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        if plain(value)?.contains(TOKEN_PROTOCOL) {
            return Err(BadHeader::Authorization);
        }
    }
    let Some(value) = text(headers, &AUTHORIZATION)? else {
        return Ok(None);
    };
    let (scheme, token) = value.split_once(' ').ok_or(BadHeader::Authorization)?;
    let of_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || !token.chars().all(of_token) {
        return Err(BadHeader::Authorization);
    }
    Ok(Some(Secret::new(token.as_bytes().to_vec())))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, BadHeader> {
    headers.get(name).map(plain).transpose()
}

fn plain(value: &HeaderValue) -> Result<&str, BadHeader> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(BadHeader::Value);
    }
    value.to_str().map_err(|_| BadHeader::Value)
}
