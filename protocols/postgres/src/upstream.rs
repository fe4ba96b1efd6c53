//! The connection to a target: dialled when it is first needed, logged in with the target's credential, and used by one
//! session. What the gateway itself asks of the target (its fence, its look-ups) goes through [`Upstream::own`].

mod asides;
mod channel;
mod connect;
mod login;
mod own;

pub(crate) use connect::dial;
pub(crate) use login::{Login, error_code, read_status, search_path};
pub(crate) use own::{COMMIT_DEADLINE, OwnError, OwnRow, Standing, read_ready};

use crate::{
    frame::{FrameError, FrameReader, Stream, TargetWriter},
    target::PostgresTarget,
};
use asides::Asides;
use bytes::{BufMut, BytesMut};
use countersign_edge::SecretError;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    time::timeout,
};

/// From the first packet to the target's first `ReadyForQuery`.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);

/// A logged-in connection to a target.
pub(crate) struct Upstream {
    pub(crate) reader: FrameReader<ReadHalf<Stream>>,
    pub(crate) writer: TargetWriter<WriteHalf<Stream>>,
    pub(crate) cancel: TargetCancel,
    /// What the target said about itself while logging in.
    pub(crate) reported: Vec<(String, String)>,
    /// What it said on its own account while the gateway asked something; to be handed to the agent.
    pub(crate) asides: Asides,
}

/// How to cancel what a connection does.
#[derive(Clone, Debug)]
pub(crate) struct TargetCancel {
    target: Arc<PostgresTarget>,
    process: u32,
    secret: u32,
}

/// Why a target could not be used. Said in the log, not to the agent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the target did not answer in time")]
    Late,
    #[error("the connection to the target failed")]
    Io(#[source] io::Error),
    #[error("the target does not speak TLS")]
    NoTls,
    #[error("the target sent bytes that the protocol does not have")]
    Frame(#[from] FrameError),
    #[error("the authority's certificate cannot be read")]
    Authority(#[source] io::Error),
    #[error("the authority's certificate cannot be used")]
    Certificate(#[source] rustls::Error),
    #[error("the gateway's own certificate or key cannot be read")]
    OwnPem(#[source] rustls_pki_types::pem::Error),
    #[error("the gateway's own certificate and key cannot be used")]
    OwnCertificate(#[source] rustls::Error),
    #[error("the target's TLS name is no name")]
    ServerName,
    #[error("the gateway's password or certificate for the target cannot be had")]
    Secret(#[from] SecretError),
    #[error("the target asked for {0}, which the gateway does not do")]
    Downgrade(&'static str),
    #[error("the target did not prove that it knows the password")]
    Scram(#[source] io::Error),
    #[error("the target refused the login with {0}")]
    Refused(String),
    #[error("the target has the encoding {0}, not UTF8")]
    Encoding(String),
    #[error("the definition names a role that it does not have")]
    Role,
}

impl TargetCancel {
    /// The process that serves the connection at the target.
    pub(crate) const fn process(&self) -> u32 {
        self.process
    }

    /// Asks the target, over a connection of its own, to cancel what the session's connection does.
    pub(crate) async fn send(&self) -> Result<(), DialError> {
        let mut packet = BytesMut::new();
        packet.put_u32(16);
        packet.put_u32(80_877_102);
        packet.put_u32(self.process);
        packet.put_u32(self.secret);
        let sent = async {
            // Without a certificate: it is the key that counts.
            let mut stream = connect::connect(&self.target, None).await?.stream;
            stream.write_all(&packet).await.map_err(DialError::Io)?;
            stream.flush().await.map_err(DialError::Io)?;
            // The target closes the connection once it has done what was asked.
            let mut rest = [0];
            drop(stream.read(&mut rest).await);
            Ok(())
        };
        timeout(DIAL_DEADLINE, sent).await.unwrap_or(Err(DialError::Late))
    }
}
