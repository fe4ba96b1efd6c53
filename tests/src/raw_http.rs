//! HTTP/1.1 over TLS with nothing in between that would tidy up what is sent: a request line goes out as it is given.

use crate::api::install_crypto;
use anyhow::{Context as _, bail, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// How long the server may be silent.
const SILENCE: Duration = Duration::from_secs(20);
/// The longest body that is read: those of refusals are short.
const MOST_BODY: u64 = 4 << 20;

/// A connection, blocking.
#[derive(Debug)]
pub struct RawHttp {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The lines of the head behind the first, in small letters up to the colon.
    pub head: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

impl RawHttp {
    /// Connects to a port of the loopback whose certificate this authority has signed.
    pub fn connect(port: u16, ca_file: &Path) -> anyhow::Result<Self> {
        install_crypto();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca_file)? {
            roots.add(certificate?)?;
        }
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        let tls = ClientConnection::new(Arc::new(config), name)?;
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(SILENCE))?;
        socket.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(StreamOwned::new(tls, socket)) })
    }

    /// Writes bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()?;
        Ok(())
    }

    /// Reads one answer; to a HEAD there is no body.
    pub fn answer(&mut self, method: &str) -> anyhow::Result<RawAnswer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("no answer: {first:?}"))?;
        let mut head = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').context("no header")?;
            head.push(format!("{}:{value}", name.to_ascii_lowercase()));
        }
        let mut answer = RawAnswer { status, head, body: Vec::new() };
        if method != "HEAD" && status >= 200 && status != 204 && status != 304 {
            answer.body = self.body(&answer)?;
        }
        Ok(answer)
    }

    fn body(&mut self, answer: &RawAnswer) -> anyhow::Result<Vec<u8>> {
        if let Some(length) = answer.header("content-length") {
            return self.exactly(length.parse()?);
        }
        if answer.header("transfer-encoding").is_none() {
            let mut body = Vec::new();
            (&mut self.stream).take(MOST_BODY).read_to_end(&mut body)?;
            return Ok(body);
        }
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = u64::from_str_radix(&size, 16).context("no chunk")?;
            body.extend(self.exactly(size)?);
            ensure!(self.line()?.is_empty(), "a chunk does not end");
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn exactly(&mut self, length: u64) -> anyhow::Result<Vec<u8>> {
        ensure!(length <= MOST_BODY, "{length} bytes");
        let mut body = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut body)?;
        ensure!(body.len() as u64 == length, "the body is cut off");
        Ok(body)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection is closed");
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
