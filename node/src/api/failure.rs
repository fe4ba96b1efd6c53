//! From what fails inside to the problem that the caller hears. Faults of our own are logged here, where they are handled.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_api::problem::{MEDIA_TYPE, Problem, ProblemItem, ProblemKind};
use countersign_core::hold::{DecisionError, HoldError};
use countersign_raft_store::{
    handle::{LogError, ProposeError, ReadError},
    limits::Limit,
    reply::StateRefusal,
};

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) Box<Problem>);

/// What a handler answers.
pub(crate) type Answer<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(kind, detail)))
    }

    pub(crate) fn hint(self, hint: &str) -> Self {
        Self(Box::new(self.0.hint(hint)))
    }

    /// The failure as OAuth answers it (RFC 6749, section 5.2).
    pub(crate) fn oauth(mut self, error: &str) -> Self {
        self.0.status = StatusCode::BAD_REQUEST.as_u16();
        self.named(error)
    }

    /// The same where another status says more.
    pub(crate) fn named(mut self, error: &str) -> Self {
        self.0.error = Some(error.to_owned());
        self
    }

    pub(crate) fn errors(self, errors: Vec<ProblemItem>) -> Self {
        Self(Box::new(self.0.errors(errors)))
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        let shown: String = name.chars().take(100).collect();
        Self::new(ProblemKind::NotFound, format!("there is no {what} `{shown}`"))
    }

    pub(crate) fn no_quorum() -> Self {
        Self::new(
            ProblemKind::NoQuorum,
            "this node cannot reach a quorum of the cluster, or does not hold the serving lease; nothing was changed that it knows of",
        )
        .hint("ask another node, or try again when a majority of the nodes is up")
    }

    /// A fault of our own: the cause goes to the log, the caller hears only that there was one.
    pub(crate) fn internal(what: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "{what}");
        Self::new(ProblemKind::Internal, "the node could not do it; its log says why")
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        match error {
            LogError::NoQuorum => Self::no_quorum(),
            LogError::Unknown => Self::new(
                ProblemKind::NoQuorum,
                "the quorum was lost while it was committed: it may or may not have taken effect",
            )
            .hint("look whether it did, then repeat it; a decision may simply be repeated"),
            LogError::Overloaded => {
                Self::new(ProblemKind::Overloaded, "too many changes are under way")
                    .hint("try again in a moment")
            }
            LogError::Stopped => {
                Self::new(ProblemKind::ShuttingDown, "this node stops").hint("ask another node")
            }
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::internal("the state could not be read", &error)
    }
}

impl From<ProposeError> for Failure {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Refused(refused) => refused.into(),
            ProposeError::Log(error) => error.into(),
            error @ (ProposeError::Format(_) | ProposeError::OtherAnswer) => {
                Self::internal("a proposal has no usable answer", &error)
            }
        }
    }
}

impl From<StateRefusal> for Failure {
    fn from(refused: StateRefusal) -> Self {
        let conflict = |detail: String| Self::new(ProblemKind::Conflict, detail);
        match refused {
            StateRefusal::NotInitialised => not_initialised(),
            StateRefusal::AlreadyInitialised => {
                Self::new(ProblemKind::AlreadyInitialised, "the cluster was initialised before")
            }
            StateRefusal::NoSuchGrant => Self::new(ProblemKind::NotFound, "there is no such grant"),
            StateRefusal::NoSuchHold => Self::new(ProblemKind::NotFound, "there is no such hold"),
            StateRefusal::SessionGone => {
                Self::new(ProblemKind::NotFound, "there is no such open session")
            }
            StateRefusal::NoSuchCredential => {
                Self::new(ProblemKind::NotFound, "there is no such credential, or its time is over")
            }
            StateRefusal::OtherAudience => Self::new(ProblemKind::Forbidden, "for another target"),
            StateRefusal::ProviderChanged => {
                conflict("the identity provider has been defined anew in this moment".to_owned())
                    .hint("repeat the request")
            }
            StateRefusal::RotationUnderWay => {
                conflict("a new key of this role is under way already".to_owned())
                    .hint("the next one can come when that one is used")
            }
            StateRefusal::Hold(error) => error.into(),
            StateRefusal::Revoked => Self::new(ProblemKind::Forbidden, "this identity was revoked"),
            StateRefusal::OverLimit { limit } => over_limit(limit),
            StateRefusal::IdUsed => Self::new(
                ProblemKind::IdempotencyMismatch,
                "the idempotency key was used for a request with another content",
            )
            .hint("use a fresh key for every new request"),
            StateRefusal::Conflict { kind, name, found } => {
                let now = found.map_or("it does not exist".to_owned(), |found| {
                    format!("it is at revision {found}")
                });
                Self::new(ProblemKind::RevisionConflict, format!("{kind} {name} is not at the expected revision: {now}"))
                    .hint("read it again, carry your change over, and repeat the request with the new revision")
            }
            StateRefusal::BadName { name } => {
                Self::new(ProblemKind::Invalid, format!("`{name}` is no name for a resource"))
            }
            StateRefusal::Closed => {
                conflict("the cluster was recovered and takes no agents yet".to_owned())
                    .hint("look at what was recovered, then `countersignctl cluster reopen`")
            }
            StateRefusal::BadJoinToken => Self::new(
                ProblemKind::NotIdentified,
                "the join token is unknown, expired, or was used by another node",
            )
            .hint("make a new one with `countersignctl cluster token create`"),
            other @ (StateRefusal::UnknownNode
            | StateRefusal::StaleIncarnation
            | StateRefusal::NoSuchTarget
            | StateRefusal::IdentityExpired
            | StateRefusal::StaleRevision { .. }
            | StateRefusal::NotAttached
            | StateRefusal::GrantGone
            | StateRefusal::RejectedLately { .. }
            | StateRefusal::OtherFingerprint
            | StateRefusal::NeedsClaim
            | StateRefusal::NoSuchOperation
            | StateRefusal::AlreadySettled { .. }
            | StateRefusal::IntentStands
            | StateRefusal::OutOfOrder { .. }
            | StateRefusal::RecordingEnded
            | StateRefusal::WrappedAnew
            | StateRefusal::KeyNotEverywhere
            | StateRefusal::OldCluster { .. }
            | StateRefusal::NotVerified) => conflict(other.to_string()),
        }
    }
}

fn over_limit(limit: Limit) -> Failure {
    if limit == Limit::CredentialsPerAgent {
        return Failure::new(ProblemKind::TooManyRequests, "this agent has too many credentials")
            .hint("use the one that it was issued last, or wait until one ends: that takes an hour at most");
    }
    Failure::new(
        ProblemKind::Invalid,
        format!("more than the limit `{limit}` of the cluster allows"),
    )
}

pub(crate) fn not_initialised() -> Failure {
    Failure::new(
        ProblemKind::NotInitialised,
        "this node has not been initialised and has not joined a cluster",
    )
    .hint("`countersignctl cluster init` makes a cluster of it")
}

impl From<HoldError> for Failure {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::Settled { state } => Self::settled(state),
            HoldError::AlreadyApproved => Self::settled("approved"),
            HoldError::OtherFingerprint => Self::new(
                ProblemKind::OtherFingerprint,
                "the fingerprint that was seen is not the hold's: what was shown is not what would be executed",
            )
            .hint("look at the hold again and decide about what it shows now"),
            HoldError::Decision(error) => error.into(),
            error @ (HoldError::OtherAgent | HoldError::NotApproved | HoldError::OtherRevision) => {
                Self::new(ProblemKind::Conflict, error.to_string())
            }
        }
    }
}

impl Failure {
    pub(crate) fn settled(state: &str) -> Self {
        Self::new(
            ProblemKind::HoldSettled,
            format!("the hold is already {state}; that does not change any more"),
        )
        .hint("look at its decisions to see who was first")
    }
}

impl From<DecisionError> for Failure {
    fn from(error: DecisionError) -> Self {
        let (kind, hint) = match error {
            DecisionError::Requester => (ProblemKind::Requester, "another person must decide"),
            DecisionError::Owner => (ProblemKind::Owner, "another person must decide"),
            DecisionError::NotInGroup => (
                ProblemKind::NotInGroup,
                "the hold's `reviewers` name the groups; sign in anew if you were just added",
            ),
            DecisionError::Sharer => (
                ProblemKind::Sharer,
                "another person must decide; `credential list` names who has which key",
            ),
            DecisionError::NoGlass => (
                ProblemKind::NotInGroup,
                "the rule that holds names no group by @break_glass; ask the hold's `reviewers`",
            ),
            DecisionError::AlreadyDecided => (
                ProblemKind::AlreadyDecided,
                "a decision cannot be changed or made twice; others may decide",
            ),
            DecisionError::NotGrantable | DecisionError::GrantTooLong { .. } => (
                ProblemKind::NotGrantable,
                "the hold's `grantable_seconds` says for how long; approve it once with `for_seconds` 0",
            ),
            DecisionError::ReasonRequired => (ProblemKind::ReasonRequired, "give a `comment`"),
        };
        Self::new(kind, error.to_string()).hint(hint)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        match self.0.problem_kind() {
            // RFC 6750, section 3: a refused bearer is told which scheme is wanted.
            Some(ProblemKind::NotIdentified) => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"countersign\""),
                );
            }
            Some(
                ProblemKind::NoQuorum
                | ProblemKind::Overloaded
                | ProblemKind::TooManyRequests
                | ProblemKind::Behind,
            ) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Some(_) | None => {}
        }
        // The middleware writes the request's id into the document.
        response.extensions_mut().insert(self);
        response
    }
}
