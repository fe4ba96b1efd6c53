//! What a target may do to the gateway: show a host key that is pinned or certified, and answer. Whatever it opens is
//! refused, which the library would not do by itself.

use crate::target::HostTrust;
use russh::{
    Channel, Error,
    client::{ChannelOpenHandle, Handler, Msg, Session},
    keys::{HashAlg, PublicKeyOrCertificate},
};

/// A target, as the library asks about it.
#[derive(Debug)]
pub(crate) struct Host {
    trust: HostTrust,
}

impl Host {
    pub(crate) fn new(trust: HostTrust) -> Self {
        Self { trust }
    }
}

/// Whether it is the host that is meant. Never on first use, never in silence.
fn is_known(trust: &HostTrust, shown: &PublicKeyOrCertificate) -> bool {
    let key = shown.public_key();
    if trust.keys().iter().any(|pinned| pinned.key_data() == key.key_data()) {
        return true;
    }
    let Some(certificate) = shown.certificate() else { return false };
    let authorities: Vec<_> =
        trust.authorities().iter().map(|key| key.fingerprint(HashAlg::Sha256)).collect();
    // The signature, the dates and the authority; an unknown critical option is one that is not kept.
    certificate.validate(authorities.iter()).is_ok()
        && certificate.cert_type().is_host()
        && certificate.critical_options().is_empty()
        // PROTOCOL.certkeys: without principals a certificate would be for every host.
        && certificate.valid_principals().iter().any(|name| name == trust.name())
}

impl Handler for Host {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        let known = is_known(&self.trust, shown);
        if !known {
            let fingerprint = shown.public_key().fingerprint(HashAlg::Sha256);
            tracing::error!(%fingerprint, "a target shows a host key that is not its own");
        }
        Ok(known)
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _connected: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator: &str,
        _originator_port: u32,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }
}
