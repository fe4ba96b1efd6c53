//! The forms of core's types, which are parts of commands, records and replies.

use super::{Bad, Form, form_enum, form_struct, list};
use crate::records::HoldPhase;
use countersign_core::{
    agent::{Agent, Identity, Workload},
    evidence::{EstimatedChange, Estimates, Evidence, Locks, OpenTransaction, Plan},
    fingerprint::Fingerprint,
    gate::{CancelKey, Settlement},
    grant::{Grant, GrantEnd, GrantState, Template},
    hold::{
        Choice, Consumption, Decision, DecisionError, Escalation, Hold, HoldError, HoldState,
        HoldTerms, ReasonRule, RejectionRule, Requirement, Reviewers,
    },
    id::{
        CredentialId, GrantId, HoldId, Incarnation, LogIndex, NodeId, OperationId, Revision,
        SessionId,
    },
    log_time::LogTime,
    mask::MaskTally,
    operation::{Action, Demand, Parameter, Resource},
    permit::{Approval, AuditLevel, Basis},
    record::{
        AuditKey, ChainHash, ChainHead, Claim, ClusterId, Endorsement, EventKind, KeyIntroduction,
        Outcome, Signature, Signed, Statement,
    },
    recording::{DataKeyId, Position, SegmentDigest},
    reviewer::Reviewer,
    target::{Protocol, TargetName},
};
use serde::Serializer;
use std::{collections::BTreeSet, net::SocketAddr};

list!(String, (String, String), Parameter, Decision, Requirement, EstimatedChange);

macro_rules! ids {
    ($($id:ty),+) => { $(
        impl Form for $id {
            type Dto = [u8; 16];

            fn dto(&self) -> [u8; 16] {
                *self.as_bytes()
            }

            fn of(dto: [u8; 16]) -> Result<Self, Bad> {
                Ok(Self::from_bytes(dto))
            }
        }
    )+ };
}

macro_rules! numbers {
    ($($number:ty),+) => { $(
        impl Form for $number {
            type Dto = u64;

            fn dto(&self) -> u64 {
                self.0
            }

            fn of(dto: u64) -> Result<Self, Bad> {
                Ok(Self(dto))
            }
        }
    )+ };
}

/// Values that are stored by their name, which never changes.
macro_rules! named {
    ($($value:ty = $find:expr),+ $(,)?) => { $(
        impl Form for $value {
            type Dto = String;

            fn dto(&self) -> String {
                self.name().to_owned()
            }

            fn put<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.name())
            }

            fn of(dto: String) -> Result<Self, Bad> {
                let find: fn(&str) -> Option<Self> = $find;
                find(&dto).ok_or(Bad(concat!("unknown ", stringify!($value))))
            }
        }
    )+ };
}

ids!(HoldId, GrantId, OperationId, SessionId, CredentialId);
numbers!(NodeId, Incarnation, Revision, LogIndex, LogTime);
named!(
    Action = |name| Action::ALL.iter().copied().find(|action| action.name() == name),
    EventKind = EventKind::named,
    Protocol = |name| Protocol::ALL.iter().copied().find(|protocol| protocol.name() == name),
);

impl Form for Fingerprint {
    type Dto = [u8; 32];

    fn dto(&self) -> [u8; 32] {
        *self.as_bytes()
    }

    fn of(dto: [u8; 32]) -> Result<Self, Bad> {
        Ok(Self::from_bytes(dto))
    }
}

impl Form for Template {
    type Dto = [u8; 32];

    fn dto(&self) -> [u8; 32] {
        *self.as_bytes()
    }

    fn of(dto: [u8; 32]) -> Result<Self, Bad> {
        Ok(Self::from_bytes(dto))
    }
}

macro_rules! bytes {
    ($($value:ty = $bytes:ty),+ $(,)?) => { $(
        impl Form for $value {
            type Dto = $bytes;

            fn dto(&self) -> $bytes {
                self.0
            }

            fn of(dto: $bytes) -> Result<Self, Bad> {
                Ok(Self(dto))
            }
        }
    )+ };
}

bytes!(ChainHash = [u8; 32], AuditKey = [u8; 32], ClusterId = [u8; 16]);

/// As two halves: serde knows no arrays of 64.
impl Form for Signature {
    type Dto = ([u8; 32], [u8; 32]);

    fn dto(&self) -> Self::Dto {
        let mut halves = ([0; 32], [0; 32]);
        let (first, second) = self.0.split_at(32);
        halves.0.copy_from_slice(first);
        halves.1.copy_from_slice(second);
        halves
    }

    fn of((first, second): Self::Dto) -> Result<Self, Bad> {
        let whole = [first, second].concat();
        whole.try_into().map(Self).map_err(|_| Bad("not a signature"))
    }
}

impl Form for SegmentDigest {
    type Dto = [u8; 32];

    fn dto(&self) -> [u8; 32] {
        self.0
    }

    fn of(dto: [u8; 32]) -> Result<Self, Bad> {
        Ok(Self(dto))
    }
}

impl Form for DataKeyId {
    type Dto = [u8; 16];

    fn dto(&self) -> [u8; 16] {
        self.0
    }

    fn of(dto: [u8; 16]) -> Result<Self, Bad> {
        Ok(Self(dto))
    }
}

form_enum!(PositionV1 for Position { Followed, Last });

impl Form for TargetName {
    type Dto = String;

    fn dto(&self) -> String {
        self.as_str().to_owned()
    }

    fn of(dto: String) -> Result<Self, Bad> {
        Self::parse(&dto).map_err(|_| Bad("not a target name"))
    }
}

/// As policies write it.
impl Form for Reviewers {
    type Dto = String;

    fn dto(&self) -> String {
        self.to_string()
    }

    fn of(dto: String) -> Result<Self, Bad> {
        Self::parse(&dto).map_err(|_| Bad("not an expression of groups"))
    }
}

impl Form for SocketAddr {
    type Dto = String;

    fn dto(&self) -> String {
        self.to_string()
    }

    fn of(dto: String) -> Result<Self, Bad> {
        dto.parse().map_err(|_| Bad("not an address"))
    }
}

/// The name of a settled state: core has it as a word of the program, so it is looked up among those.
impl Form for &'static str {
    type Dto = String;

    fn dto(&self) -> String {
        (*self).to_owned()
    }

    fn of(dto: String) -> Result<Self, Bad> {
        HoldPhase::named(&dto).map(HoldPhase::name).ok_or(Bad("unknown state of a hold"))
    }
}

/// Rule, place and count of each entry.
impl Form for MaskTally {
    type Dto = Vec<(String, String, u64)>;

    fn dto(&self) -> Self::Dto {
        self.iter().map(|(rule, place, values)| (rule.into(), place.into(), values)).collect()
    }

    fn of(dto: Self::Dto) -> Result<Self, Bad> {
        let mut tally = Self::default();
        for (rule, place, values) in dto {
            tally.add(&rule, &place, values);
        }
        Ok(tally)
    }
}

form_struct!(IdentityV1 for Identity { issuer: String, subject: String });
form_struct!(AgentV1 for Agent {
    identity: Identity,
    name: String,
    owner: Option<String>,
    groups: BTreeSet<String>,
    workload: Workload,
    expires_at: LogTime,
});
form_struct!(WorkloadV1 for Workload { repository: String, branch: String, job: String });
form_struct!(ReviewerV1 for Reviewer {
    identity: Identity,
    name: String,
    also_known_as: BTreeSet<String>,
    groups: BTreeSet<String>,
});
form_struct!(ParameterV1 for Parameter {
    format: u16,
    type_oid: u32,
    value: Option<Vec<u8>>,
    shown: String,
});
form_enum!(ResourceV1 for Resource {
    Target,
    Relation { schema: String, name: String },
    Path { path: String },
    Program { name: String },
    ApiObject {
        namespace: String,
        group: String,
        version: String,
        resource: String,
        name: String,
        subresource: String,
    },
    Url { path: String },
});
form_struct!(DemandV1 for Demand { action: Action, resource: Resource });
form_struct!(CancelKeyV1 for CancelKey { process: u32, secret: u32 });
form_enum!(OutcomeV1 for Outcome { Completed, Failed, Refused, OutcomeUnknown });
form_struct!(SettlementV1 for Settlement {
    operation: OperationId,
    outcome: Outcome,
    rows: u64,
    bytes: u64,
    word: String,
    masked: MaskTally,
});
form_enum!(AuditLevelV1 for AuditLevel { BeforeReply, BeforeForward, Batched });
form_struct!(BasisV1 for Basis {
    operation: OperationId,
    fingerprint: Fingerprint,
    audit: AuditLevel,
    revision: Revision,
    rules: Vec<String>,
    approval: Option<Approval>,
});
form_enum!(ApprovalV1 for Approval { Hold(hold: HoldId), Grant(grant: GrantId) });
form_enum!(ChoiceV1 for Choice { Approve, Reject, BreakGlass });
form_struct!(DecisionV1 for Decision {
    reviewer: Reviewer,
    choice: Choice,
    grant_ms: u64,
    comment: String,
    at: LogTime,
    node: NodeId,
});
form_struct!(EscalationV1 for Escalation { group: String, after_ms: u64 });
form_struct!(RequirementV1 for Requirement {
    reviewers: Reviewers,
    quorum: u32,
    escalation: Option<Escalation>,
});
form_enum!(RejectionRuleV1 for RejectionRule { Noted, Ends });
form_enum!(ReasonRuleV1 for ReasonRule { Optional, Required });
form_struct!(HoldTermsV1 for HoldTerms {
    requirements: Vec<Requirement>,
    expires_after_ms: u64,
    wait_ms: u64,
    reason: ReasonRule,
    grantable_ms: Option<u64>,
    again_after_ms: u64,
    rejection: RejectionRule,
    rules: Vec<String>,
    break_glass: Option<String>,
});
form_enum!(HoldStateV1 for HoldState {
    Pending { decisions: Vec<Decision> },
    Approved { decisions: Vec<Decision> },
    Consumed { decisions: Vec<Decision>, operation: OperationId },
    Rejected { decisions: Vec<Decision> },
    Withdrawn { decisions: Vec<Decision> },
    Expired { decisions: Vec<Decision> },
    Invalidated { decisions: Vec<Decision>, reason: String },
});
form_struct!(HoldV1 for Hold {
    id: HoldId,
    fingerprint: Fingerprint,
    requester: Identity,
    requester_name: String,
    owner: Option<String>,
    target: TargetName,
    terms: HoldTerms,
    revision: Revision,
    opened_at: LogTime,
    expires_at: LogTime,
    state: HoldState,
});
form_struct!(GrantV1 for Grant {
    id: GrantId,
    agent: Identity,
    owner: Option<String>,
    target: TargetName,
    target_revision: Revision,
    template: Template,
    terms: HoldTerms,
    revision: Revision,
    expires_at: LogTime,
    state: GrantState,
});
form_enum!(GrantStateV1 for GrantState { InForce, Over { end: GrantEnd, at: LogTime } });
form_enum!(GrantEndV1 for GrantEnd {
    Revoked { reason: String },
    Expired,
    Invalidated { reason: String },
});
form_struct!(EvidenceV1 for Evidence {
    plan: Plan,
    estimates: Option<Estimates>,
    transaction: Option<OpenTransaction>,
});
form_enum!(PlanV1 for Plan { Known(document: String), Absent(reason: String) });
form_struct!(EstimatesV1 for Estimates { returned: u64, changed: Vec<EstimatedChange> });
form_struct!(EstimatedChangeV1 for EstimatedChange { what: String, rows: u64 });
form_struct!(OpenTransactionV1 for OpenTransaction { age_ms: u64, locks: Locks });
form_enum!(LocksV1 for Locks { Known { lines: Vec<String>, left_out: u64 }, Unknown(reason: String) });
form_enum!(ClaimV1 for Claim { Checkpoint, Head, Span { after: u64 } });
form_struct!(StatementV1 for Statement {
    claim: Claim,
    cluster: ClusterId,
    head: ChainHead,
    at: LogTime,
});
form_struct!(SignedV1 for Signed { statement: Statement, key: AuditKey, signature: Signature });
form_struct!(EndorsementV1 for Endorsement { by: AuditKey, signature: Signature });
form_struct!(KeyIntroductionV1 for KeyIntroduction {
    cluster: ClusterId,
    number: u64,
    key: AuditKey,
    endorsement: Option<Endorsement>,
    own: Signature,
});
form_struct!(ConsumptionV1 for Consumption {
    hold: HoldId,
    operation: OperationId,
    fingerprint: Fingerprint,
    revision: Revision,
    rules: Vec<String>,
});
form_enum!(DecisionErrorV1 for DecisionError {
    Requester,
    Owner,
    NotInGroup,
    AlreadyDecided,
    ReasonRequired,
    NotGrantable,
    GrantTooLong { most_ms: u64 },
    NoGlass,
    Sharer,
});
form_enum!(HoldErrorV1 for HoldError {
    Settled { state: &'static str },
    AlreadyApproved,
    Decision(error: DecisionError),
    OtherFingerprint,
    OtherAgent,
    NotApproved,
    OtherRevision,
});
