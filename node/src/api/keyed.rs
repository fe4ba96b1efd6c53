//! `Idempotency-Key`: a request that is sent again with its key is answered as it was the first time, by any node, and another
//! request with the same key is refused. The cluster keeps both for some minutes.

use super::{
    caller::Caller,
    failure::{Answer, Failure},
    input::idempotency_key,
    reading,
};
use crate::app::Node;
use axum::http::HeaderMap;
use countersign_api::resource::{ApplyAnswer, ApplyRequest, ApplyResult};
use countersign_raft_store::{
    limits::MAX_RESOURCE_BODY,
    records::{RequestId, RequestRecord},
    reply::StateRefusal,
};
use sha2::{Digest, Sha256};

/// By what the cluster recognises a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyed {
    /// Of the caller and the key, or drawn where there is no key.
    pub(super) id: RequestId,
    /// Of the content.
    pub(super) content: [u8; 32],
    lookup: Lookup,
}

/// Whether the request may have been made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lookup {
    Needed,
    /// Nobody can have sent an id that was drawn just now.
    Useless,
}

impl Keyed {
    pub(super) fn of(headers: &HeaderMap, caller: &Caller, request: &ApplyRequest) -> Answer<Self> {
        let content = serde_json::to_vec(request)
            .map_err(|error| Failure::internal("a request could not be written", &error))?;
        let content = Sha256::digest(&content).into();
        let Some(key) = idempotency_key(headers)? else {
            let id = RequestId(rand::random());
            return Ok(Self { id, content, lookup: Lookup::Useless });
        };
        let mut hash = Sha256::new();
        for part in [caller.author().identity.to_string().as_bytes(), key.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [id, _rest] = *digest.as_chunks::<16>().0 else { return Err(unusable()) };
        Ok(Self { id: RequestId(id), content, lookup: Lookup::Needed })
    }

    /// The answer to this request, when it was committed before.
    pub(super) async fn before(self, node: &Node) -> Answer<Option<ApplyAnswer>> {
        if self.lookup == Lookup::Useless {
            return Ok(None);
        }
        let found = reading::linear(node, None, move |view| Ok(view.request(self.id)?)).await?;
        let applied = match found {
            None => return Ok(None),
            Some(RequestRecord::Applied(applied)) if applied.content == self.content => applied,
            Some(
                RequestRecord::Applied(_)
                | RequestRecord::AccessRefused
                | RequestRecord::Cancelled
                | RequestRecord::ClosedUnopened
                | RequestRecord::Administered
                | RequestRecord::Checkpointed
                | RequestRecord::SignedIn,
            ) => return Err(StateRefusal::IdUsed.into()),
        };
        let answer: ApplyAnswer = serde_json::from_str(&applied.answer)
            .map_err(|error| Failure::internal("a kept answer cannot be read", &error))?;
        Ok(Some(ApplyAnswer { revision: Some(applied.revision.0), ..answer }))
    }
}

fn unusable() -> Failure {
    Failure::new(countersign_api::problem::ProblemKind::Internal, "a digest is not two ids long")
}

/// An answer as it is kept: without the documents before and after, where those are too long.
pub(super) fn kept(answer: &ApplyAnswer) -> Answer<String> {
    let written = |answer: &ApplyAnswer| {
        serde_json::to_string(answer)
            .map_err(|error| Failure::internal("an answer could not be written", &error))
    };
    let whole = written(answer)?;
    if whole.len() <= MAX_RESOURCE_BODY {
        return Ok(whole);
    }
    let short = |result: &ApplyResult| ApplyResult {
        before: None,
        after: None,
        changes: Vec::new(),
        ..result.clone()
    };
    written(&ApplyAnswer { results: answer.results.iter().map(short).collect(), ..answer.clone() })
}
