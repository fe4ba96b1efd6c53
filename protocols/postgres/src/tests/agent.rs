//! An agent that speaks the protocol byte by byte.

use super::{gate::TOKEN, place::Place};
use crate::frame::{self, Stream};
use bytes::{Buf as _, BufMut, Bytes};
use rustls_pki_types::ServerName;
use std::{path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

pub(crate) struct Agent {
    pub(crate) stream: Stream,
    pub(crate) key: (u32, u32),
}

/// A message of the gateway's: its type and what matters of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: char,
    pub(crate) body: Bytes,
}

impl Message {
    /// A field of an error or notice.
    pub(crate) fn field(&self, name: char) -> String {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        text.split('\0').find_map(|field| field.strip_prefix(name)).unwrap_or_default().to_owned()
    }
}

pub(crate) async fn tls(place: &Place) -> Stream {
    let mut socket = TcpStream::connect(place.address).await.unwrap();
    socket.write_all(&SSL_REQUEST).await.unwrap();
    let mut answer = [0];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"S");
    let name = ServerName::try_from("localhost").unwrap();
    Box::new(TlsConnector::from(Arc::clone(&place.client_tls)).connect(name, socket).await.unwrap())
}

impl Agent {
    pub(crate) async fn connect(place: &Place) -> Self {
        Self::connect_as(place, &[("user", "app"), ("database", "orders")]).await
    }

    pub(crate) async fn connect_as(place: &Place, parameters: &[(&str, &str)]) -> Self {
        let mut agent = Self { stream: tls(place).await, key: (0, 0) };
        agent.send(&frame::startup(parameters)).await;
        let asked = agent.next().await;
        assert_eq!((asked.kind, &asked.body[..]), ('R', &[0, 0, 0, 3][..]));
        agent.send(&password(TOKEN)).await;
        let greeting = agent.until_ready().await;
        let key = greeting.iter().find(|message| message.kind == 'K').expect("a key");
        agent.key = (
            u32::from_be_bytes(key.body[..4].try_into().unwrap()),
            u32::from_be_bytes(key.body[4..].try_into().unwrap()),
        );
        agent
    }

    /// A session of the superuser's at the server itself, past the gateway.
    pub(crate) async fn direct(folder: &Path, database: &str, application: &str) -> Self {
        Self::direct_as(folder, "postgres", database, application).await
    }

    /// The same for any role.
    pub(crate) async fn direct_as(
        folder: &Path,
        user: &str,
        database: &str,
        application: &str,
    ) -> Self {
        let socket = UnixStream::connect(folder.join(".s.PGSQL.5432")).await.unwrap();
        let mut agent = Self { stream: Box::new(socket), key: (0, 0) };
        let parameters =
            [("user", user), ("database", database), ("application_name", application)];
        agent.send(&frame::startup(&parameters)).await;
        agent.until_ready().await;
        agent
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Message {
        self.try_next().await.expect("a message")
    }

    pub(crate) async fn try_next(&mut self) -> Option<Message> {
        let kind = self.stream.read_u8().await.ok()?;
        let length = self.stream.read_u32().await.ok()?;
        let mut body = vec![0; length as usize - 4];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Message { kind: kind as char, body: body.into() })
    }

    pub(crate) async fn until(&mut self, kind: char) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let message = self.next().await;
            let done = message.kind == kind;
            all.push(message);
            if done {
                return all;
            }
        }
    }

    pub(crate) async fn until_ready(&mut self) -> Vec<Message> {
        self.until('Z').await
    }

    /// As [`Self::until_ready`]; a COPY that asks for rows is given none.
    pub(crate) async fn answer_without_rows(&mut self, end_of_copy: &[u8]) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = self.try_next().await {
            let kind = message.kind;
            all.push(message);
            match kind {
                'G' => self.send(end_of_copy).await,
                'Z' => break,
                _ => {}
            }
        }
        all
    }

    /// Everything until the connection ends.
    pub(crate) async fn rest(&mut self) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = self.try_next().await {
            all.push(message);
        }
        all
    }

    pub(crate) async fn query(&mut self, text: &str) -> Vec<Message> {
        self.send(&frame::query(text.as_bytes())).await;
        self.until_ready().await
    }
}

pub(crate) fn password(token: &str) -> Bytes {
    frame::message(b'p', |out| {
        out.put_slice(token.as_bytes());
        out.put_u8(0);
    })
}

/// The types of the messages, in one word; settings are left out.
pub(crate) fn kinds(messages: &[Message]) -> String {
    messages.iter().map(|message| message.kind).filter(|kind| *kind != 'S').collect()
}

/// The status of the last message, a `ReadyForQuery`.
pub(crate) fn status(messages: &[Message]) -> char {
    messages.last().map_or('?', |message| message.body[0] as char)
}

pub(crate) fn error(messages: &[Message]) -> String {
    messages
        .iter()
        .find(|message| message.kind == 'E')
        .map(|message| message.field('C'))
        .unwrap_or_default()
}

/// The rows of an answer, as texts; null is empty.
pub(crate) fn rows(messages: &[Message]) -> Vec<Vec<String>> {
    let value = |rest: &mut Bytes| {
        let length = rest.get_i32();
        let value = rest.split_to(usize::try_from(length).unwrap_or(0));
        String::from_utf8_lossy(&value).into_owned()
    };
    let row = |message: &Message| {
        let mut rest = message.body.clone();
        (0..rest.get_u16()).map(|_| value(&mut rest)).collect()
    };
    messages.iter().filter(|message| message.kind == 'D').map(row).collect()
}

/// A pipeline that executes one text once.
pub(crate) fn execute(text: &str) -> Vec<u8> {
    execute_with_nulls(text, 0)
}

/// The same, with so many parameters that are all null.
pub(crate) fn execute_with_nulls(text: &str, parameters: u16) -> Vec<u8> {
    let nulls: Vec<(u16, Option<&[u8]>)> = vec![(0, None); usize::from(parameters)];
    let bind = frame::Bind {
        portal: "",
        statement: "",
        parameters: nulls.iter().copied(),
        result_formats: &[],
    };
    [
        frame::parse("", text.as_bytes(), &[]).as_ref(),
        &frame::bind(bind),
        &frame::describe_portal(""),
        &frame::execute("", 0),
    ]
    .concat()
}
