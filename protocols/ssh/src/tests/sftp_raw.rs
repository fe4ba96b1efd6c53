//! A client of SFTP that says what it likes.

use super::{
    gate::TOKEN,
    raw::{Anyone, connect_with},
    world::{LONG, World},
};
use crate::sftp::Frames;
use russh::{
    Channel, ChannelMsg,
    client::{self, Handle, Msg},
};
use tokio::time::timeout;

pub(crate) const OK: u32 = 0;
pub(crate) const DENIED: u32 = 3;
pub(crate) const FAILURE: u32 = 4;
pub(crate) const NOT_SUPPORTED: u32 = 8;

/// What the gateway said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Packet {
        kind: u8,
        id: u32,
        body: Vec<u8>,
    },
    /// The channel is over.
    Over,
}

impl Said {
    /// The code of a status.
    pub(crate) fn status(&self) -> Option<u32> {
        let Self::Packet { kind: 101, body, .. } = self else { return None };
        body.first_chunk().map(|code| u32::from_be_bytes(*code))
    }

    /// The string at the beginning of a handle, or of data.
    pub(crate) fn string(&self) -> Vec<u8> {
        let Self::Packet { kind: 102 | 103, body, .. } = self else { panic!("{self:?}") };
        body[4..].to_vec()
    }
}

/// A channel on which SFTP is spoken.
pub(crate) struct Client {
    pub(crate) channel: Channel<Msg>,
    /// What was said on the error output.
    pub(crate) told: String,
    frames: Frames,
    _handle: Handle<Anyone>,
}

pub(crate) fn string(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

impl Client {
    /// Opens the subsystem, and says nothing yet.
    pub(crate) async fn silent(world: &World) -> Self {
        // The library stands still when nobody takes what has arrived: here, what is asked for at once is answered first.
        let config = client::Config { channel_buffer_size: 10_000, ..client::Config::default() };
        let mut handle = connect_with(world, config).await.unwrap();
        assert!(handle.authenticate_password("deploy@web1", TOKEN).await.unwrap().success());
        let channel = handle.channel_open_session().await.unwrap();
        channel.request_subsystem(true, "sftp").await.unwrap();
        Self { channel, told: String::new(), frames: Frames::default(), _handle: handle }
    }

    /// Opens it and says hello.
    pub(crate) async fn new(world: &World) -> Self {
        let mut client = Self::silent(world).await;
        client.send(1, 3, b"").await;
        let Said::Packet { kind: 2, id: 3, .. } = client.heard().await else { panic!("no hello") };
        client
    }

    pub(crate) async fn bytes(&self, bytes: &[u8]) {
        // A channel that is over takes none.
        drop(self.channel.data_bytes(bytes.to_vec()).await);
    }

    pub(crate) async fn send(&self, kind: u8, id: u32, body: &[u8]) {
        let length = u32::try_from(body.len() + 5).unwrap().to_be_bytes();
        let packet = [&length[..], &[kind], &id.to_be_bytes(), body].concat();
        self.bytes(&packet).await;
    }

    pub(crate) async fn heard(&mut self) -> Said {
        loop {
            if let Some(packet) = self.frames.next().unwrap() {
                let (kind, id, body) = (packet.kind(), packet.number(), packet.body().to_vec());
                return Said::Packet { kind, id, body };
            }
            match timeout(LONG, self.channel.wait()).await.expect("something is said") {
                Some(ChannelMsg::Data { data }) => self.frames.add(&data),
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    self.told.push_str(&String::from_utf8_lossy(&data));
                }
                Some(ChannelMsg::Close) | None => return Said::Over,
                Some(_) => {}
            }
        }
    }

    /// Asks, and hears the answer.
    pub(crate) async fn ask(&mut self, kind: u8, body: &[u8]) -> Said {
        self.send(kind, 77, body).await;
        let said = self.heard().await;
        if let Said::Packet { id, .. } = said {
            assert_eq!(id, 77);
        }
        said
    }

    /// Opens a file.
    pub(crate) async fn open(&mut self, name: impl AsRef<[u8]>, flags: u32) -> Said {
        let body = [string(name), flags.to_be_bytes().to_vec(), vec![0; 4]].concat();
        self.ask(3, &body).await
    }
}
