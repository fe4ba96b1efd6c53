//! The public half: discovery (OpenID Connect Discovery 1.0) and the keys (RFC 7517), over TLS. People's sign-in is `sign_in`.

use crate::keys::KeyRing;
use anyhow::Context as _;
use axum::{Json, Router, http::StatusCode, routing::get};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// Connections at once.
const MAX_CONNECTIONS: usize = 256;
/// How long a TLS handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection lives.
const CONNECTION_DEADLINE: Duration = Duration::from_mins(2);

/// The TLS settings of these files.
pub(crate) fn tls(cert_file: &Path, key_file: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read certificates from {}", cert_file.display()))?;
    let key = PrivateKeyDer::from_pem_file(key_file)
        .with_context(|| format!("cannot read a private key from {}", key_file.display()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and the key do not fit")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The routes.
pub(crate) fn router(issuer: &str, keys: Arc<KeyRing>) -> Router {
    let discovery = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks.json"),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "claims_supported": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "preferred_username", "groups", "owner"],
    });
    Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(move || std::future::ready(Json(discovery))),
        )
        .route("/jwks.json", get(move || std::future::ready(published(&keys))))
}

fn published(keys: &KeyRing) -> Result<Json<Value>, StatusCode> {
    let set = keys.published().and_then(|set| Ok(serde_json::to_value(set)?));
    set.map(Json).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Serves until the listener fails.
pub(crate) async fn run(
    listener: TcpListener,
    tls: TlsAcceptor,
    router: Router,
) -> anyhow::Result<()> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await?;
        let (stream, _) = listener.accept().await.context("cannot accept connections")?;
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            if let Ok(Err(error)) =
                timeout(CONNECTION_DEADLINE, connection(stream, tls, router)).await
            {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, router: Router) -> anyhow::Result<()> {
    let stream = timeout(HANDSHAKE_DEADLINE, tls.accept(stream)).await??;
    auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
        .map_err(|error| anyhow::anyhow!(error))
}
