//! A gate that is deliberately broken: it asks neither policy nor reviewers and commits no intent. It exists only with the
//! feature `broken-gate`, to show that the checkers of `countersign-chaos` find such a gate. Sessions are opened and closed
//! as they should be, so that nothing but the gate is wrong.

use crate::gate::NodeGate;
use countersign_core::{
    agent::Agent,
    gate::{
        Admission, BoxFuture, CancelKey, CloseReason, Gate, Held, HoldNotice, HoldProgress, Judged,
        OpenedSession, Proof, Reply, SessionWish, Settlement, Source,
    },
    hold::{Approved, Consumption},
    id::{HoldId, LogIndex, Revision, SessionId},
    key_words::key_words,
    log_time::LogTime,
    operation::Operation,
    permit::{Cleared, Leased, Permit, Receipt},
    refusal::Refusal,
    session::Session,
};
use std::sync::Arc;

/// The broken gate.
#[derive(Debug)]
pub(crate) struct BrokenGate {
    sound: NodeGate,
}

impl BrokenGate {
    pub(crate) fn over(sound: NodeGate) -> Self {
        Self { sound }
    }
}

impl Gate for BrokenGate {
    fn identify(&self, proof: Proof, source: Source) -> BoxFuture<'_, Result<Agent, Refusal>> {
        self.sound.identify(proof, source)
    }

    fn open(&self, wish: SessionWish) -> BoxFuture<'_, Result<OpenedSession, Refusal>> {
        self.sound.open(wish)
    }

    fn judge<'a>(
        &'a self,
        _session: &'a Session,
        operation: &'a Arc<Operation>,
    ) -> BoxFuture<'a, Result<Judged, Refusal>> {
        let nobody_asked = NobodyAsked { operation: Arc::clone(operation) };
        Box::pin(async move { Ok(Judged::Held(Box::new(nobody_asked))) })
    }

    fn admit<'a>(
        &'a self,
        _session: &'a Session,
        _operation: &'a Arc<Operation>,
        cleared: Cleared,
    ) -> BoxFuture<'a, Result<Admission, Refusal>> {
        Box::pin(async move { forge(cleared) })
    }

    fn lease(&self) -> Result<Leased, Refusal> {
        self.sound.lease()
    }

    fn settle<'a>(&'a self, _session: &'a Session, _settlement: Settlement) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn cancel(&self, key: CancelKey, source: Source) -> BoxFuture<'_, ()> {
        self.sound.cancel(key, source)
    }

    fn close(&self, session: SessionId, reason: CloseReason) -> BoxFuture<'_, ()> {
        self.sound.close(session, reason)
    }
}

#[derive(Debug)]
struct NobodyAsked {
    operation: Arc<Operation>,
}

impl Held for NobodyAsked {
    fn notice(&self) -> HoldNotice {
        HoldNotice {
            hold: HoldId::from_bytes([0; 16]),
            reviewers: "nobody".to_owned(),
            approvals: 0,
            expires_at: LogTime(0),
            key: key_words(self.operation.fingerprint()),
            url: String::new(),
        }
    }

    fn next(&mut self) -> BoxFuture<'_, HoldProgress> {
        let operation = Arc::clone(&self.operation);
        Box::pin(async move {
            #[expect(
                clippy::disallowed_methods,
                reason = "this gate forges its proofs; that is what is to be found"
            )]
            let approved = Approved::after_claim(Consumption {
                hold: HoldId::from_bytes([0; 16]),
                operation: operation.id(),
                fingerprint: *operation.fingerprint(),
                revision: Revision(0),
                rules: Vec::new(),
            });
            let admission =
                approved.clear(&operation).map_err(|_| Refusal::Internal).and_then(forge);
            admission.map_or_else(HoldProgress::Refused, HoldProgress::Admitted)
        })
    }

    fn withdraw(self: Box<Self>) -> BoxFuture<'static, Refusal> {
        Box::pin(async { Refusal::Internal })
    }
}

fn forge(cleared: Cleared) -> Result<Admission, Refusal> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this gate forges its proofs; that is what is to be found"
    )]
    let receipt = Receipt::after_commit(cleared.basis().operation, LogIndex(0));
    let (permit, release) = Permit::grant(cleared, receipt).map_err(|_| Refusal::Internal)?;
    Ok(Admission { permit, reply: Reply::Released(release) })
}
