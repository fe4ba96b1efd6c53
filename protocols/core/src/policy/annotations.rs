//! The annotations of a rule, read once when policies are compiled. An unknown annotation, or a value that cannot be
//! read, is a problem of the policy: it is never ignored.

use crate::{
    hold::{HoldTerms, ReasonRule, Requirement},
    permit::AuditLevel,
};
use cedar_policy::{Effect, Policy};

/// How long a hold lives when its rule does not say: one hour.
pub(super) const DEFAULT_EXPIRES_MS: u64 = 60 * 60 * 1000;
/// How long a client is kept waiting when the rule does not say: ten minutes.
pub(super) const DEFAULT_WAIT_MS: u64 = 10 * 60 * 1000;
/// The longest life of a hold: one week.
const MAX_SPAN_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// The greatest quorum.
const MAX_QUORUM: u32 = 16;

/// What a rule's annotations say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RuleTerms {
    pub(super) hold: Option<HoldWish>,
    pub(super) audit: Option<AuditLevel>,
}

/// What a rule that holds asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HoldWish {
    pub(super) terms: HoldTerms,
    pub(super) in_transaction: InTransaction,
}

/// What becomes of a hold inside an open transaction, from the loosest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InTransaction {
    /// It is one like any other.
    Allowed,
    /// Its client is kept waiting so many milliseconds at most.
    AtMost(u64),
    /// There is none: the operation is denied.
    Refused,
}

impl InTransaction {
    const fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused, _) | (_, Self::Refused) => Self::Refused,
            (Self::AtMost(one), Self::AtMost(two)) => {
                Self::AtMost(if one < two { one } else { two })
            }
            (Self::AtMost(one), Self::Allowed) | (Self::Allowed, Self::AtMost(one)) => {
                Self::AtMost(one)
            }
            (Self::Allowed, Self::Allowed) => Self::Allowed,
        }
    }
}

/// Reads a rule's annotations. `name` is the rule's name in audit events.
pub(super) fn read(policy: &Policy, name: &str) -> Result<RuleTerms, String> {
    let mut found = Found::default();
    for (key, value) in policy.annotations() {
        found.take(key, value)?;
    }
    if policy.effect() == Effect::Forbid && found.says_anything() {
        return Err("a forbid takes no other annotation than @id: it always denies".to_owned());
    }
    found.terms(name)
}

#[derive(Default)]
struct Found {
    hold: Option<String>,
    quorum: Option<u32>,
    expires_ms: Option<u64>,
    wait_ms: Option<u64>,
    in_transaction: Option<InTransaction>,
    audit: Option<AuditLevel>,
    reason: Option<ReasonRule>,
}

impl Found {
    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "id" => {}
            "hold" if value.trim().is_empty() => {
                return Err("@hold needs the group that decides, as in @hold(\"dba\")".to_owned());
            }
            "hold" => self.hold = Some(value.to_owned()),
            "quorum" => self.quorum = Some(quorum(value)?),
            "expires" => self.expires_ms = Some(span(key, value)?),
            "wait" => self.wait_ms = Some(span(key, value)?),
            "in_transaction" => self.in_transaction = Some(in_transaction(value)?),
            "audit" => self.audit = Some(audit(value)?),
            "reason" => self.reason = Some(reason(value)?),
            other => {
                return Err(format!(
                    "unknown annotation @{other}: known are @id, @hold, @quorum, @expires, @wait, @in_transaction, @audit, @reason"
                ));
            }
        }
        Ok(())
    }

    fn says_anything(&self) -> bool {
        self.hold.is_some() || self.audit.is_some() || self.needs_hold()
    }

    fn needs_hold(&self) -> bool {
        self.quorum.is_some()
            || self.expires_ms.is_some()
            || self.wait_ms.is_some()
            || self.in_transaction.is_some()
            || self.reason.is_some()
    }

    fn terms(self, name: &str) -> Result<RuleTerms, String> {
        if self.hold.is_none() && self.needs_hold() {
            return Err(
                "@quorum, @expires, @wait, @in_transaction and @reason mean something only beside @hold"
                    .to_owned(),
            );
        }
        let Self { hold, quorum, expires_ms, wait_ms, in_transaction, audit, reason } = self;
        if hold.is_some() && audit.is_some_and(|level| level < AuditLevel::BeforeForward) {
            return Err("a held operation is always audited before_forward".to_owned());
        }
        let hold = hold.map(|group| HoldWish {
            terms: HoldTerms {
                requirements: vec![Requirement { group, quorum: quorum.unwrap_or(1) }],
                expires_after_ms: expires_ms.unwrap_or(DEFAULT_EXPIRES_MS),
                wait_ms: wait_ms.unwrap_or(DEFAULT_WAIT_MS),
                reason: reason.unwrap_or(ReasonRule::Optional),
                rules: vec![name.to_owned()],
            },
            in_transaction: in_transaction.unwrap_or(InTransaction::Allowed),
        });
        Ok(RuleTerms { hold, audit })
    }
}

fn quorum(value: &str) -> Result<u32, String> {
    match value.parse() {
        Ok(n) if (1..=MAX_QUORUM).contains(&n) => Ok(n),
        Ok(_) | Err(_) => {
            Err(format!("@quorum(\"{value}\") is not a number from 1 to {MAX_QUORUM}"))
        }
    }
}

fn span(key: &str, value: &str) -> Result<u64, String> {
    let wrong = || format!("@{key}(\"{value}\") is not a time span such as \"30m\", up to 7 days");
    let span = humantime::parse_duration(value).map_err(|_| wrong())?;
    let span_ms = u64::try_from(span.as_millis()).map_err(|_| wrong())?;
    if (1..=MAX_SPAN_MS).contains(&span_ms) { Ok(span_ms) } else { Err(wrong()) }
}

fn in_transaction(value: &str) -> Result<InTransaction, String> {
    match value {
        "allow" => Ok(InTransaction::Allowed),
        "refuse" => Ok(InTransaction::Refused),
        other => span("in_transaction", other).map(InTransaction::AtMost).map_err(|_| {
            format!(
                "@in_transaction(\"{other}\") is neither \"allow\" nor \"refuse\" nor a time span such as \"30s\", up to 7 days"
            )
        }),
    }
}

fn audit(value: &str) -> Result<AuditLevel, String> {
    match value {
        "before_forward" => Ok(AuditLevel::BeforeForward),
        "before_reply" => Ok(AuditLevel::BeforeReply),
        "batched" => Ok(AuditLevel::Batched),
        other => {
            Err(format!("@audit(\"{other}\") is none of before_forward, before_reply, batched"))
        }
    }
}

fn reason(value: &str) -> Result<ReasonRule, String> {
    match value {
        "required" => Ok(ReasonRule::Required),
        "optional" => Ok(ReasonRule::Optional),
        other => Err(format!("@reason(\"{other}\") is neither required nor optional")),
    }
}

/// The union of what two rules ask for, the stricter of what they say about transactions.
pub(super) fn union(left: HoldWish, right: HoldWish) -> HoldWish {
    HoldWish {
        terms: both(left.terms, right.terms),
        in_transaction: left.in_transaction.stricter(right.in_transaction),
    }
}

/// The terms of both: the longer list of groups with the greater quorum, the shorter times, the stricter reason.
fn both(left: HoldTerms, right: HoldTerms) -> HoldTerms {
    let mut requirements = left.requirements;
    for needed in right.requirements {
        match requirements.iter_mut().find(|known| known.group == needed.group) {
            Some(known) => known.quorum = known.quorum.max(needed.quorum),
            None => requirements.push(needed),
        }
    }
    requirements.sort();
    let mut rules = left.rules;
    rules.extend(right.rules);
    rules.sort();
    rules.dedup();
    HoldTerms {
        requirements,
        expires_after_ms: left.expires_after_ms.min(right.expires_after_ms),
        wait_ms: left.wait_ms.min(right.wait_ms),
        reason: left.reason.max(right.reason),
        rules,
    }
}
