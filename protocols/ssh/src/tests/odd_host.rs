//! A target that does what OpenSSH's server does not.

use super::host::key_pair;
use russh::{
    Channel, ChannelId, Error, Sig,
    keys::PrivateKey,
    server::{
        self, Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
    },
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// It runs nothing.
    RefusesCommands,
    /// It says several times how a program ended.
    EndsOften,
    /// It opens one channel on a connection, and no other one ever.
    OneChannel,
    /// It runs what ends with 3 at the end of its input, and with 4 at a signal.
    Listens,
    /// It speaks SFTP, in a way of its own.
    Files(Sftp),
}

/// A way of its own to speak SFTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sftp {
    /// It says something else first, as login scripts do.
    Banner,
    OldVersion,
    NoHello,
    /// It answers what it was not asked.
    StrayAnswer,
    /// It answers something else than what it was asked.
    OtherAnswer,
}

impl Sftp {
    /// What it says to a packet of this kind and number.
    fn says(self, kind: u8, number: u32) -> Vec<u8> {
        let packet = |kind: u8, number: u32, body: &[u8]| {
            let length = u32::try_from(body.len() + 5).unwrap().to_be_bytes();
            [&length[..], &[kind], &number.to_be_bytes(), body].concat()
        };
        let name = [&[0, 0, 0, 1, 0, 0, 0, 2][..], b"/x", &[0; 8]].concat();
        match (self, kind) {
            (Self::Banner, _) => b"Welcome to this host, and have fun!\n".to_vec(),
            (Self::OldVersion, _) => packet(2, 2, b""),
            (Self::NoHello, _) => packet(101, number, &[0; 12]),
            (_, 1) => packet(2, 3, b""),
            (_, 16) => packet(104, number, &name),
            (Self::StrayAnswer, _) => packet(101, number.wrapping_add(1), &[0; 12]),
            (Self::OtherAnswer, _) => packet(102, number, &[0, 0, 0, 1, 1]),
        }
    }
}

/// The target. It ends with the test.
#[derive(Debug)]
pub(crate) struct OddHost {
    pub(crate) port: u16,
    /// Commands that it was asked to run.
    pub(crate) asked: Arc<AtomicUsize>,
    /// Connections that were made.
    pub(crate) connections: Arc<AtomicUsize>,
    _end: DropGuard,
}

impl OddHost {
    /// Starts it, with a key in `folder`. It lets anybody in.
    pub(crate) async fn start(folder: &Path, manner: Manner) -> Self {
        key_pair(&folder.join("host"));
        key_pair(&folder.join("gateway"));
        let key = PrivateKey::from_openssh(std::fs::read(folder.join("host")).unwrap()).unwrap();
        let config = Arc::new(server::Config { keys: vec![key], ..server::Config::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let end = CancellationToken::new();
        let (counted, made, ended) = (Arc::clone(&asked), Arc::clone(&connections), end.clone());
        let accepting = async move {
            while let Ok((socket, _)) = listener.accept().await {
                made.fetch_add(1, Ordering::SeqCst);
                let one = One { manner, asked: Arc::clone(&counted), channels: 0 };
                tokio::spawn(server::run_stream(Arc::clone(&config), socket, one));
            }
        };
        tokio::spawn(async move { ended.run_until_cancelled(accepting).await });
        Self { port, asked, connections, _end: end.drop_guard() }
    }
}

/// One of its connections.
#[derive(Debug)]
struct One {
    manner: Manner,
    asked: Arc<AtomicUsize>,
    channels: usize,
}

impl Handler for One {
    type Error = Error;

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        _: PublicKeyOffer<'_>,
    ) -> Result<Auth, Error> {
        Ok(Auth::Accept)
    }

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        self.channels += 1;
        if self.manner == Manner::OneChannel && self.channels > 1 {
            reply.reject(russh::ChannelOpenFailure::ResourceShortage).await;
        } else {
            reply.accept().await;
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.manner == Manner::RefusesCommands {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        if self.manner == Manner::Listens {
            return session.data(channel, &b"begun\n"[..]);
        }
        session.exit_status_request(channel, 0)?;
        if self.manner == Manner::EndsOften {
            session.exit_status_request(channel, 4)?;
            let name = Sig::Custom("x".repeat(100_000));
            session.exit_signal_request(channel, name, false, "killed", "")?;
        }
        session.eof(channel)?;
        session.close(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_success(channel)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        let Manner::Files(oddity) = self.manner else { return Ok(()) };
        // The gateway sends one packet at a time here.
        let [_, _, _, _, kind, number @ ..] = data else { return Ok(()) };
        let number = number.first_chunk().map_or(0, |number| u32::from_be_bytes(*number));
        session.data(channel, oddity.says(*kind, number))
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Error> {
        self.ends(channel, 3, session)
    }

    async fn signal(
        &mut self,
        channel: ChannelId,
        _: Sig,
        session: &mut Session,
    ) -> Result<(), Error> {
        self.ends(channel, 4, session)
    }
}

impl One {
    fn ends(&self, channel: ChannelId, status: u32, session: &mut Session) -> Result<(), Error> {
        if self.manner == Manner::Listens {
            session.exit_status_request(channel, status)?;
            session.eof(channel)?;
            session.close(channel)?;
        }
        Ok(())
    }
}
