//! `countersign-dev-issuer`: an OpenID provider for development clusters and tests, on loopback only.
//!
//! It serves discovery and keys over TLS, and signs whatever token it is asked for through a unix socket that only its
//! owner may open: whoever may open the socket may be anybody. People of a few given names sign in at it with a browser,
//! all with one password, which is in a file that only its owner may read. It is never part of a real deployment, and it
//! refuses to listen on any other address than loopback.

mod keys;
mod mint;
mod people;
mod serve;
mod sign_in;
#[cfg(test)]
mod tests;

use anyhow::{Context as _, bail};
use clap::Parser;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

/// A development OpenID provider on loopback.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Loopback address to listen on, such as 127.0.0.1:8443.
    #[arg(long)]
    listen: SocketAddr,
    /// Directory of the signing keys and of the socket `mint.sock`; made when it is missing.
    #[arg(long)]
    dir: PathBuf,
    /// Who may sign in with a browser, such as `dana=dba,ops`; the groups may be left out.
    #[arg(long = "person", value_name = "NAME=GROUPS")]
    people: Vec<people::Person>,
    /// PEM file of the listener's certificate chain.
    #[arg(long)]
    cert_file: PathBuf,
    /// PEM file of the listener's private key.
    #[arg(long)]
    key_file: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if !options.listen.ip().is_loopback() {
        bail!("{} is not a loopback address: this issuer is for development only", options.listen);
    }
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    let keys =
        keys::KeyRing::open(&options.dir.join("keys")).context("cannot read the signing keys")?;
    let tls = serve::tls(&options.cert_file, &options.key_file)?;
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let issuer: Arc<str> = format!("https://{}", listener.local_addr()?).into();
    let minter = mint::listen(&options.dir.join("mint.sock"))?;
    let password = people::password(&options.dir.join("password"))?;
    let desk = sign_in::Desk::new(&issuer, Arc::clone(&keys), options.people, password);
    let router = serve::router(&issuer, Arc::clone(&keys)).merge(sign_in::router(desk));
    tokio::select! {
        ended = serve::run(listener, tls, router) => ended,
        ended = mint::run(minter, issuer, keys) => ended,
        signal = tokio::signal::ctrl_c() => signal.context("cannot wait for signals"),
    }
}
