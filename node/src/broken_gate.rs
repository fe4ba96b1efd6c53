//! Gates that are deliberately broken. They exist only with the feature `broken-gate`, to show that the checkers of
//! `countersign-chaos` find such gates. Each is wrong in its way and in nothing else: everything that it does not break is
//! done by the sound gate.

use crate::gate::NodeGate;
use countersign_core::{
    evidence::Evidence,
    gate::{
        Admission, BoxFuture, CancelKey, CloseReason, Gate, Held, HoldNotice, HoldProgress,
        Identified, Judged, OpenedSession, Proof, Reply, SessionWish, Settlement, Signal, Signals,
        Source,
    },
    hold::{Approved, Consumption},
    id::{HoldId, LogIndex, Revision, SessionId},
    key_words::key_words,
    log_time::LogTime,
    mask::MaskPlan,
    operation::Operation,
    permit::{Cleared, Leased, Permit, Receipt},
    refusal::Refusal,
    session::Session,
};
use std::{sync::Arc, time::Duration};

/// Says which gate is wanted: a name of [`Way`]. The development cluster passes it on to its nodes.
const WANTED: &str = "BROKEN_GATE";

/// How a gate is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It asks neither policy nor reviewers and commits no intent.
    AsksNobody,
    /// It ends no session, whatever was revoked, and records no outcome.
    Forgets,
}

/// A broken gate.
#[derive(Debug)]
pub(crate) struct BrokenGate {
    sound: NodeGate,
    way: Way,
}

impl BrokenGate {
    /// Broken in the way that the environment names, or by asking nobody.
    pub(crate) fn over(sound: NodeGate) -> Self {
        let way = match std::env::var(WANTED).as_deref() {
            Ok("forgets") => Way::Forgets,
            Ok(_) | Err(_) => Way::AsksNobody,
        };
        tracing::warn!(?way, "this gate is broken on purpose");
        Self { sound, way }
    }
}

impl Gate for BrokenGate {
    fn identify(&self, proof: Proof, source: Source) -> BoxFuture<'_, Result<Identified, Refusal>> {
        self.sound.identify(proof, source)
    }

    fn open(&self, wish: SessionWish) -> BoxFuture<'_, Result<OpenedSession, Refusal>> {
        match self.way {
            Way::AsksNobody => self.sound.open(wish),
            Way::Forgets => Box::pin(async {
                let opened = self.sound.open(wish).await?;
                Ok(OpenedSession { signals: Box::new(NeverEnds(opened.signals)), ..opened })
            }),
        }
    }

    fn judge<'a>(
        &'a self,
        session: &'a Session,
        operation: &'a Arc<Operation>,
    ) -> BoxFuture<'a, Result<Judged, Refusal>> {
        match self.way {
            Way::AsksNobody => {
                let masks = self.sound.masks(session);
                let nobody_asked = NobodyAsked { operation: Arc::clone(operation), masks };
                Box::pin(async move { Ok(Judged::Held(Box::new(nobody_asked))) })
            }
            Way::Forgets => self.sound.judge(session, operation),
        }
    }

    fn admit<'a>(
        &'a self,
        session: &'a Session,
        operation: &'a Arc<Operation>,
        cleared: Cleared,
    ) -> BoxFuture<'a, Result<Admission, Refusal>> {
        match self.way {
            Way::AsksNobody => Box::pin(async move { forge(cleared) }),
            Way::Forgets => self.sound.admit(session, operation, cleared),
        }
    }

    fn lease(&self) -> Result<Leased, Refusal> {
        self.sound.lease()
    }

    fn goes_on(&self, _admitted: Revision) -> Result<Leased, Refusal> {
        self.sound.lease()
    }

    fn masks(&self, session: &Session) -> MaskPlan {
        self.sound.masks(session)
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

/// Signals of which the one that ends the session is lost.
#[derive(Debug)]
struct NeverEnds(Box<dyn Signals>);

impl Signals for NeverEnds {
    fn next(&mut self) -> BoxFuture<'_, Signal> {
        Box::pin(async {
            match self.0.next().await {
                Signal::Cancel => Signal::Cancel,
                // After this one there is none.
                Signal::End(_) => std::future::pending().await,
            }
        })
    }
}

#[derive(Debug)]
struct NobodyAsked {
    operation: Arc<Operation>,
    masks: MaskPlan,
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
        let (operation, masks) = (Arc::clone(&self.operation), self.masks.clone());
        Box::pin(async move {
            #[expect(
                clippy::disallowed_methods,
                reason = "this gate forges its proofs; that is what is to be found"
            )]
            let approved = Approved::after_claim(Consumption {
                hold: HoldId::from_bytes([0; 16]),
                operation: operation.id(),
                fingerprint: *operation.fingerprint(),
                revision: masks.revision(),
                rules: Vec::new(),
            });
            let admission =
                approved.clear(&operation, masks).map_err(|_| Refusal::Internal).and_then(forge);
            admission.map_or_else(HoldProgress::Refused, HoldProgress::Admitted)
        })
    }

    fn hasten(&mut self, _waited: Duration) {}

    fn wants_evidence(&self) -> bool {
        false
    }

    fn attach(&self, _evidence: Evidence) {}

    fn void(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
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
    #[expect(
        clippy::disallowed_methods,
        reason = "this gate forges its proofs; that is what is to be found"
    )]
    let granted = Permit::grant(cleared, receipt);
    let (permit, release) = granted.map_err(|_| Refusal::Internal)?;
    Ok(Admission { permit, reply: Reply::Released(release) })
}
