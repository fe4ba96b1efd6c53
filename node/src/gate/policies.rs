//! The rules in force, compiled once a revision: what policies say, and what is masked.

use arc_swap::ArcSwap;
use countersign_api::resource::{MaskRuleSpec, PolicySpec};
use countersign_core::{
    id::{LogIndex, Revision},
    mask::{MaskKey, MaskRule, MaskRuleProblem, MaskRules},
    policy::{Policies, PolicyDocument, PolicyProblem, Rules},
};
use countersign_raft_store::{
    handle::{LogError, ReadError, Store},
    records::ResourceKind,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::timeout};

/// How long this node may take to apply a revision that the log says is in force.
const CATCH_UP: Duration = Duration::from_secs(3);

/// The policies in force, as this node knows them.
#[derive(Debug)]
pub struct PoliciesInForce {
    store: Store,
    mask_key: MaskKey,
    current: ArcSwap<Rules>,
    /// One compilation at a time.
    loading: Mutex<()>,
}

/// Why the policies in force cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum PolicyReadError {
    /// The state cannot be read.
    #[error("the policies could not be read")]
    Read(#[from] ReadError),
    /// A policy is not readable. It was checked when it was applied: another version of the program did that.
    #[error("the policy {name} is not readable")]
    Body {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// They do not compile. They were checked when they were applied: another version of the program did that.
    #[error("the policies do not compile: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Problems(Vec<PolicyProblem>),
    /// A mask rule is not readable, for the same reason.
    #[error("the mask rule {name} is not readable: {why}")]
    Mask {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// The mask rules do not compile, for the same reason.
    #[error("the mask rules do not compile: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Masks(Vec<MaskRuleProblem>),
    /// This node does not catch up with the log.
    #[error("this node is behind the log")]
    Behind(#[source] LogError),
    /// The reading task was lost.
    #[error("the policies were not read to the end")]
    Lost,
}

impl PoliciesInForce {
    /// Nothing is allowed until policies are read.
    pub(super) fn new(store: Store, mask_key: MaskKey) -> Result<Self, PolicyReadError> {
        let policies = Policies::compile(&[]).map_err(PolicyReadError::Problems)?;
        #[expect(clippy::disallowed_methods, reason = "this is the gate; there is no rule yet")]
        let masks = MaskRules::none(Revision(0));
        let nothing = Rules { policies, masks };
        let current = ArcSwap::from_pointee(nothing);
        Ok(Self { store, mask_key, current, loading: Mutex::new(()) })
    }

    /// The rules as of the last time they were read. Whether they are in force is found out when what was judged under
    /// them is recorded.
    pub fn current(&self) -> Arc<Rules> {
        self.current.load_full()
    }

    /// Reads the policies that this node has applied, if their revision is another.
    pub async fn refresh(&self) -> Result<(), PolicyReadError> {
        let _one = self.loading.lock().await;
        let (store, known) = (self.store.clone(), self.current().revision());
        let key = self.mask_key.clone();
        // Reading the disk and compiling take milliseconds: not on the threads that serve.
        let read = tokio::task::spawn_blocking(move || read(&store, known, &key)).await;
        if let Some(rules) = read.map_err(|_panicked| PolicyReadError::Lost)?? {
            tracing::info!(policy.revision = rules.revision().0, "policies in force");
            self.current.store(Arc::new(rules));
        }
        Ok(())
    }

    /// Reads the policies of `revision` or a later one, which the log says is in force.
    pub(super) async fn catch_up(&self, revision: Revision) -> Result<(), PolicyReadError> {
        match timeout(CATCH_UP, self.store.applied(LogIndex(revision.0))).await {
            Ok(applied) => applied.map_err(PolicyReadError::Behind)?,
            Err(_late) => return Err(PolicyReadError::Behind(LogError::NoQuorum)),
        }
        self.refresh().await
    }
}

/// The policies that are applied, compiled; `None` when `known` is their revision.
fn read(store: &Store, known: Revision, key: &MaskKey) -> Result<Option<Rules>, PolicyReadError> {
    let view = store.view()?;
    // Before the rules: should they change in between, they stand under a revision that is not in force any more, and
    // what is judged by them is found out when it is recorded.
    let revision = view.policy_revision()?;
    if revision == known {
        return Ok(None);
    }
    let documents = view
        .resources(ResourceKind::Policy)?
        .into_iter()
        .map(|resource| match serde_json::from_str::<PolicySpec>(&resource.body) {
            Ok(spec) => Ok(PolicyDocument { name: resource.name, text: spec.cedar }),
            Err(source) => Err(PolicyReadError::Body { name: resource.name, source }),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let policies = Policies::compile(&documents).map_err(PolicyReadError::Problems)?;
    let masks = view
        .resources(ResourceKind::MaskRule)?
        .into_iter()
        .map(|resource| mask_rule(&resource.name, &resource.body))
        .collect::<Result<Vec<_>, _>>()?;
    #[expect(clippy::disallowed_methods, reason = "this is the gate")]
    let masks = MaskRules::compile(key, revision, masks).map_err(PolicyReadError::Masks)?;
    Ok(Some(Rules { policies, masks }))
}

fn mask_rule(name: &str, body: &str) -> Result<MaskRule, PolicyReadError> {
    let unreadable = |why: String| PolicyReadError::Mask { name: name.to_owned(), why };
    let spec: MaskRuleSpec =
        serde_json::from_str(body).map_err(|error| unreadable(error.to_string()))?;
    spec.rule(name)
        .map_err(|found| unreadable(found.first().map(ToString::to_string).unwrap_or_default()))
}
