//! Agents that show credentials: who they are taken for, and when they are not.

use super::world::{NOW_MS, World, agent, author, cluster_key};
use crate::{
    credential::{Bearer, CredentialAuthority, TokenText},
    identify::{Asserts, Plane, Provider, tests::provider},
};
use countersign_core::{
    agent::Agent,
    gate::{Gate, Identified, Proof, SessionWish, Signal, Source},
    id::{CredentialId, NodeId, Revision},
    record::EventKind,
    refusal::Refusal,
    secret::Secret,
    target::{Protocol, TargetName},
};
use countersign_raft_store::{
    command::{IssueCredential, Revocable, Revoke},
    records::{Audience, CredentialForm, ResourceKind, Voucher},
    reply::CredentialLife,
};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::timeout;

fn id() -> CredentialId {
    CredentialId::from_bytes([6; 16])
}

fn bearer() -> Bearer {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    Bearer::of(&request.pem().unwrap()).unwrap()
}

/// The agents' provider, and with it the agent.
fn trusted(revision: Revision) -> Provider {
    let issuer = agent().identity.issuer;
    Provider { issuer, name: "ci".to_owned(), revision, ..provider(Plane::Agents) }
}

impl World {
    fn trust(&self, providers: Vec<Provider>) {
        self.gate.inner.identify.trust(providers);
    }

    async fn vouched(&self) -> Revision {
        self.agents_provider("ci", "https://i").await
    }

    async fn issue(
        &self,
        id: CredentialId,
        form: CredentialForm,
        proof: [u8; 32],
    ) -> CredentialLife {
        self.issue_for(Audience::Cluster, id, (form, proof)).await
    }

    async fn issue_for(
        &self,
        audience: Audience,
        id: CredentialId,
        (form, proof): (CredentialForm, [u8; 32]),
    ) -> CredentialLife {
        let command = IssueCredential {
            id,
            agent: agent(),
            voucher: Voucher { provider: "ci".to_owned(), revision: self.vouched().await },
            form,
            audience,
            proof_sha256: proof,
            source: "127.0.0.1:40000".parse().unwrap(),
            node: NodeId(1),
            most_live: 100,
        };
        self.store.issue_credential(command).await.unwrap().value
    }

    /// Issues a credential for one key, and signs a certificate of it for another.
    async fn issued(&self, owner: &Bearer, holder: &Bearer) -> Vec<u8> {
        let form = CredentialForm::ClientCertificate;
        let life = self.issue(id(), form, owner.key_sha256()).await;
        let cluster = self.view().cluster().unwrap().unwrap();
        let pem = CredentialAuthority::of(&cluster, &cluster_key())
            .sign(holder, (id(), "ci-bot"), life)
            .unwrap();
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    }

    async fn certificate(&self) -> Vec<u8> {
        let bearer = bearer();
        self.issued(&bearer, &bearer).await
    }

    /// A short token.
    async fn token(&self) -> TokenText {
        let token = TokenText::draw();
        self.issue(token.id(), CredentialForm::Token, token.sha256()).await;
        token
    }

    async fn identified(&self, certificate: &[u8]) -> Result<Identified, Refusal> {
        self.identified_by(Proof::Certificate(certificate.to_vec())).await
    }

    async fn identified_by(&self, proof: Proof) -> Result<Identified, Refusal> {
        let source = Source { address: "192.0.2.1:40000".parse().unwrap() };
        self.gate.identify(proof, source).await
    }

    /// Refused, with this reason in the audit.
    async fn is_nobodys(&self, certificate: &[u8], reason: &str) {
        self.proves_nothing(Proof::Certificate(certificate.to_vec()), reason).await;
    }

    /// Refused, with this reason in the audit.
    async fn proves_nothing(&self, proof: Proof, reason: &str) {
        assert_eq!(self.identified_by(proof).await, Err(Refusal::NotIdentified));
        let mut waited = 0;
        while !self.recorded(reason) {
            waited += 1;
            assert!(waited < 1000, "{reason}: {:?}", self.events(EventKind::AccessRefused));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn recorded(&self, reason: &str) -> bool {
        let events = self.events(EventKind::AccessRefused);
        events.iter().any(|event| event.fields["reason"].contains(reason))
    }

    async fn revoke(&self, what: Revocable) {
        let revoke = Revoke { what, reason: "leaked".to_owned(), author: author() };
        self.store.revoke(revoke).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_brings_back_the_agent_whose_token_it_was_issued_for() {
    let world = World::new().await;
    let certificate = world.certificate().await;
    let who = world.identified(&certificate).await.unwrap();
    assert_eq!(who.credential, Some(id()));
    let hour = 60 * 60 * 1000;
    assert_eq!(who.agent.expires_at.0, NOW_MS + hour, "not as long as the token");
    assert_eq!(who.agent, Agent { expires_at: who.agent.expires_at, ..agent() });
    // A session of it ends when the credential is revoked; nothing is opened with it any more.
    let mut wish = world.wish();
    wish.who = who;
    let mut opened = world.gate.open(wish.clone()).await.unwrap();
    world.revoke(Revocable::Credential(id())).await;
    let signal = timeout(Duration::from_secs(5), opened.signals.next()).await.unwrap();
    assert!(matches!(signal, Signal::End(Refusal::SessionEnded { .. })), "{signal:?}");
    world.gate.open(wish).await.unwrap_err();
    world.is_nobodys(&certificate, "revoked").await;
    // With a token the agent comes as before.
    world.gate.open(world.wish()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_revoked_agent_is_out_with_its_certificates() {
    let world = World::new().await;
    let certificate = world.certificate().await;
    world.revoke(Revocable::Identity(agent().identity)).await;
    let mut wish = world.wish();
    wish.who = world.identified(&certificate).await.unwrap();
    let refused = world.gate.open(wish).await.unwrap_err();
    assert!(matches!(refused, Refusal::SessionEnded { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_counts_by_the_providers_in_force() {
    let world = World::new().await;
    let certificate = world.certificate().await;
    let of = world.view().resources(ResourceKind::IdentityProvider).unwrap()[0].revision;
    let trusted = || trusted(of);
    let none = Asserts::Only(BTreeSet::new());
    world.trust(vec![Provider { asserts: none, ..trusted() }]);
    let who = world.identified(&certificate).await.unwrap();
    assert!(who.agent.groups.is_empty(), "{who:?}");
    for gone in [
        vec![],
        vec![Provider { plane: Plane::Reviewers, ..trusted() }],
        vec![Provider { issuer: "https://other".to_owned(), ..trusted() }],
        vec![Provider { name: "another".to_owned(), ..trusted() }],
        vec![Provider { revision: Revision(of.0 + 1), ..trusted() }],
    ] {
        world.trust(gone);
        assert_eq!(world.identified(&certificate).await, Err(Refusal::NotIdentified));
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_the_state_does_not_know_is_nobodys() {
    let (world, other) = (World::new().await, World::new().await);
    // Of another cluster.
    let foreign = other.certificate().await;
    world.is_nobodys(&foreign, "not a client's certificate of this cluster").await;
    // Signed, and never recorded.
    let holder = bearer();
    let cluster = world.view().cluster().unwrap().unwrap();
    let life = CredentialLife {
        issued_at: countersign_core::log_time::LogTime(NOW_MS),
        expires_at: countersign_core::log_time::LogTime(NOW_MS + 1_000_000),
    };
    let unrecorded = CredentialAuthority::of(&cluster, &cluster_key())
        .sign(&holder, (CredentialId::from_bytes([1; 16]), "ci-bot"), life)
        .unwrap();
    let unrecorded = CertificateDer::from_pem_slice(unrecorded.as_bytes()).unwrap();
    world.is_nobodys(&unrecorded, "knows no such credential").await;
    // Of a credential that is another key's.
    let borrowed = world.issued(&bearer(), &holder).await;
    world.is_nobodys(&borrowed, "for another key").await;
    world.is_nobodys(b"not a certificate", "not a client's certificate").await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_bad_certificates_does_not_fill_the_audit() {
    let world = World::new().await;
    for _ in 0..10 {
        assert_eq!(world.identified(b"bad").await, Err(Refusal::NotIdentified));
    }
    let refused = world.identified(b"bad").await;
    assert_eq!(refused, Err(Refusal::Overloaded { limit: "failed_logins_per_minute" }));
    // A good one is let in all the same.
    let certificate = world.certificate().await;
    world.identified(&certificate).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_short_token_brings_back_the_agent_until_it_is_revoked() {
    let world = World::new().await;
    let token = world.token().await;
    let proof = || Proof::Token(token.expose());
    let who = world.identified_by(proof()).await.unwrap();
    assert_eq!(who.credential, Some(token.id()));
    assert_eq!(who.agent, Agent { expires_at: who.agent.expires_at, ..agent() });
    assert_eq!(who.agent.expires_at.0, NOW_MS + 60 * 60 * 1000, "not as long as the token");
    let mut wish = world.wish();
    wish.who = who;
    let mut opened = world.gate.open(wish.clone()).await.unwrap();
    world.revoke(Revocable::Credential(token.id())).await;
    let signal = timeout(Duration::from_secs(5), opened.signals.next()).await.unwrap();
    assert!(matches!(signal, Signal::End(Refusal::SessionEnded { .. })), "{signal:?}");
    world.gate.open(wish).await.unwrap_err();
    world.proves_nothing(proof(), "revoked").await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_cluster_did_not_issue_is_nobodys() {
    let world = World::new().await;
    let token = world.token().await;
    let text = |token: &TokenText| token.expose().expose_text().unwrap().to_owned();
    let own = text(&token);
    let (named, _) = own.rsplit_once('.').unwrap();
    let strange = text(&TokenText::draw());
    let (_, secret) = strange.rsplit_once('.').unwrap();
    for (wrong, reason) in [
        (strange.clone(), "knows no such credential"),
        // The id is in the audit, and is no secret.
        (format!("{named}.{secret}"), "another key"),
        (format!("{own} "), "no token as the cluster issues them"),
        (own.to_uppercase().replace("CS-TOKEN", "cs-token"), "no token"),
    ] {
        world.proves_nothing(Proof::Token(Secret::new(wrong)), reason).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_issued_as_one_thing_is_not_taken_as_another() {
    let world = World::new().await;
    for form in [CredentialForm::ClientCertificate, CredentialForm::SshCertificate] {
        let token = TokenText::draw();
        world.issue(token.id(), form, token.sha256()).await;
        world.proves_nothing(Proof::Token(token.expose()), "another thing").await;
    }
    let (token, bearer) = (TokenText::draw(), bearer());
    let life = world.issue(token.id(), CredentialForm::Token, bearer.key_sha256()).await;
    let cluster = world.view().cluster().unwrap().unwrap();
    let pem = CredentialAuthority::of(&cluster, &cluster_key())
        .sign(&bearer, (token.id(), "ci-bot"), life)
        .unwrap();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    world.is_nobodys(&certificate, "another thing").await;
}

#[tokio::test(start_paused = true)]
async fn a_token_for_one_api_opens_nothing_else() {
    let world = World::new().await;
    let token = TokenText::draw();
    let mut wish = world.wish();
    let audience = Audience::Kubernetes(wish.target.clone());
    world.issue_for(audience, token.id(), (CredentialForm::Token, token.sha256())).await;
    let proof = || Proof::Token(token.expose());
    wish.who = world.identified_by(proof()).await.unwrap();
    for protocol in [Protocol::Postgres, Protocol::Ssh] {
        let refused = world.gate.open(SessionWish { protocol, ..wish.clone() }).await;
        assert_eq!(refused.unwrap_err(), Refusal::NotIdentified);
    }
    let other = TargetName::parse("another").unwrap();
    let kube = SessionWish { protocol: Protocol::Kubernetes, ..wish };
    let refused = world.gate.open(SessionWish { target: other, ..kube.clone() }).await;
    assert_eq!(refused.unwrap_err(), Refusal::NotIdentified);
    assert_eq!(world.events(EventKind::SessionOpened).len(), 0);
    let mut opened = world.gate.open(kube.clone()).await.unwrap();
    world.revoke(Revocable::Credential(token.id())).await;
    let signal = timeout(Duration::from_secs(5), opened.signals.next()).await.unwrap();
    assert!(matches!(signal, Signal::End(Refusal::SessionEnded { .. })), "{signal:?}");
    world.gate.open(kube).await.unwrap_err();
    world.proves_nothing(proof(), "revoked").await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_defined_anew_ends_the_sessions_of_its_credentials() {
    let world = World::new().await;
    let token = world.token().await;
    let mut wish = world.wish();
    wish.who = world.identified_by(Proof::Token(token.expose())).await.unwrap();
    let mut opened = world.gate.open(wish).await.unwrap();
    world.agents_provider("ci", "https://other").await;
    let signal = timeout(Duration::from_secs(5), opened.signals.next()).await.unwrap();
    assert!(matches!(signal, Signal::End(Refusal::SessionEnded { .. })), "{signal:?}");
    world.proves_nothing(Proof::Token(token.expose()), "defined anew").await;
}
