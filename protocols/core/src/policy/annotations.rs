//! The annotations of a rule, read once when policies are compiled. An unknown annotation, or a value that cannot be
//! read, is a problem of the policy: it is never ignored.

use crate::{
    hold::{Escalation, HoldTerms, MAX_WAYS, ReasonRule, RejectionRule, Requirement, Reviewers},
    permit::AuditLevel,
};
use cedar_policy::{Effect, Policy};
use std::collections::{BTreeMap, BTreeSet};

/// How long a hold lives when its rule does not say: one hour.
pub(super) const DEFAULT_EXPIRES_MS: u64 = 60 * 60 * 1000;
/// How long a client is kept waiting when the rule does not say: ten minutes.
pub(super) const DEFAULT_WAIT_MS: u64 = 10 * 60 * 1000;
/// The longest life of a hold: one week.
const MAX_SPAN_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// The longest life of a grant, and how long one lives at the most when the rule does not say: one day, one hour.
const MAX_GRANT_MS: u64 = 24 * 60 * 60 * 1000;
const DEFAULT_GRANT_MS: u64 = 60 * 60 * 1000;
/// How long reviewers have their peace after a rejection when the rule does not say: ten minutes.
const DEFAULT_AGAIN_MS: u64 = 10 * 60 * 1000;
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
    hold: Option<Reviewers>,
    quorum: Option<u32>,
    expires_ms: Option<u64>,
    wait_ms: Option<u64>,
    in_transaction: Option<InTransaction>,
    audit: Option<AuditLevel>,
    reason: Option<ReasonRule>,
    rejection: Option<RejectionRule>,
    escalation: Option<Escalation>,
    grantable_ms: Option<u64>,
    again_after_ms: Option<u64>,
    break_glass: Option<String>,
}

impl Found {
    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "id" => {}
            "hold" if value.trim_ascii().is_empty() => {
                return Err("@hold needs the group that decides, as in @hold(\"dba\")".to_owned());
            }
            "hold" => self.hold = Some(reviewers(key, value)?),
            "quorum" => self.quorum = Some(quorum(value)?),
            "expires" => self.expires_ms = Some(span(key, value)?),
            "wait" => self.wait_ms = Some(span(key, value)?),
            "in_transaction" => self.in_transaction = Some(in_transaction(value)?),
            "audit" => self.audit = Some(audit(value)?),
            "reason" => self.reason = Some(reason(value)?),
            "rejection" => self.rejection = Some(rejection(value)?),
            "grantable" => self.grantable_ms = Some(grantable(value)?),
            "again" => self.again_after_ms = Some(again(value)?),
            "break_glass" => self.break_glass = Some(glass(value)?),
            "escalate" => self.escalation = Some(escalation(value)?),
            other => {
                return Err(format!(
                    "unknown annotation @{other}: known are @id, @hold, @quorum, @expires, @wait, @in_transaction, @audit, @reason, @rejection, @escalate, @grantable, @again, @break_glass"
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
            || self.rejection.is_some()
            || self.escalation.is_some()
            || self.grantable_ms.is_some()
            || self.again_after_ms.is_some()
            || self.break_glass.is_some()
    }

    fn terms(self, name: &str) -> Result<RuleTerms, String> {
        if self.hold.is_none() && self.needs_hold() {
            return Err(
                "@quorum, @expires, @wait, @in_transaction, @reason, @rejection, @escalate, @grantable, @again and @break_glass mean something only beside @hold"
                    .to_owned(),
            );
        }
        let (audit, in_transaction) = (self.audit, self.in_transaction);
        if self.hold.is_some() && audit.is_some_and(|level| level < AuditLevel::BeforeForward) {
            return Err("a held operation is always audited before_forward".to_owned());
        }
        let hold = self.hold_terms(name)?.map(|terms| HoldWish {
            terms,
            in_transaction: in_transaction.unwrap_or(InTransaction::Allowed),
        });
        Ok(RuleTerms { hold, audit })
    }

    fn hold_terms(self, name: &str) -> Result<Option<HoldTerms>, String> {
        let Some(reviewers) = self.hold else { return Ok(None) };
        let expires_after_ms = self.expires_ms.unwrap_or(DEFAULT_EXPIRES_MS);
        if self.escalation.as_ref().is_some_and(|other| other.after_ms >= expires_after_ms) {
            return Err("the hold has expired by the time that @escalate names".to_owned());
        }
        let terms = HoldTerms {
            requirements: requirements(reviewers, self.quorum.unwrap_or(1), self.escalation),
            expires_after_ms,
            wait_ms: self.wait_ms.unwrap_or(DEFAULT_WAIT_MS),
            reason: self.reason.unwrap_or(ReasonRule::Optional),
            rejection: self.rejection.unwrap_or(RejectionRule::Ends),
            grantable_ms: self.grantable_ms,
            again_after_ms: self.again_after_ms.unwrap_or(DEFAULT_AGAIN_MS),
            rules: vec![name.to_owned()],
            break_glass: self.break_glass,
        };
        if terms.ways() > MAX_WAYS {
            return Err(format!(
                "@hold and @quorum can be met in more than {MAX_WAYS} ways: ask for fewer groups joined by `or`"
            ));
        }
        if terms.requirements.iter().any(|needed| needed.quorum > MAX_QUORUM) {
            return Err(format!("more than {MAX_QUORUM} humans are asked of one group"));
        }
        Ok(Some(terms))
    }
}

/// What each side of an `and` asks for, `quorum` times over. A side that is there twice asks for twice as many.
fn requirements(
    reviewers: Reviewers,
    quorum: u32,
    escalation: Option<Escalation>,
) -> Vec<Requirement> {
    let mut counted: BTreeMap<Reviewers, u32> = BTreeMap::new();
    for clause in reviewers.clauses() {
        *counted.entry(clause).or_default() += quorum;
    }
    let required = |(reviewers, quorum)| {
        let escalation = escalation.clone();
        Requirement { reviewers, quorum, escalation }
    };
    counted.into_iter().map(required).collect()
}

fn reviewers(key: &str, value: &str) -> Result<Reviewers, String> {
    Reviewers::parse(value).map_err(|error| format!("@{key}(\"{value}\"): {error}"))
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

/// Zero asks again each time.
fn again(value: &str) -> Result<u64, String> {
    if value == "0s" { Ok(0) } else { span("again", value) }
}

/// `@grantable` alone is for an hour at the most.
fn grantable(value: &str) -> Result<u64, String> {
    if value.is_empty() {
        return Ok(DEFAULT_GRANT_MS);
    }
    match span("grantable", value)? {
        most_ms if most_ms <= MAX_GRANT_MS => Ok(most_ms),
        _longer => Err(format!("@grantable(\"{value}\") is longer than a day")),
    }
}

fn rejection(value: &str) -> Result<RejectionRule, String> {
    match value {
        "ends" => Ok(RejectionRule::Ends),
        "noted" => Ok(RejectionRule::Noted),
        other => Err(format!("@rejection(\"{other}\") is neither ends nor noted")),
    }
}

fn glass(value: &str) -> Result<String, String> {
    match reviewers("break_glass", value)? {
        Reviewers::Group(group) => Ok(group),
        Reviewers::All(_) | Reviewers::Any(_) => {
            Err(format!("@break_glass(\"{value}\") is not one group, as in \"incident\""))
        }
    }
}

fn escalation(value: &str) -> Result<Escalation, String> {
    let wrong =
        || format!("@escalate(\"{value}\") is not a group and a time, as in \"leads after 2h\"");
    let (group, after) = value.rsplit_once(" after ").ok_or_else(wrong)?;
    match reviewers("escalate", group)? {
        Reviewers::Group(group) => {
            Ok(Escalation { group, after_ms: span("escalate", after.trim_ascii())? })
        }
        Reviewers::All(_) | Reviewers::Any(_) => Err(wrong()),
    }
}

/// What rules ask for together: every requirement with the greatest quorum, the shortest times, the strictest of the rest.
/// None where there is no rule.
pub(super) fn union<'r>(wishes: impl IntoIterator<Item = &'r HoldWish>) -> Option<HoldWish> {
    let mut wishes = wishes.into_iter();
    let first = wishes.next()?;
    let (mut requirements, mut rules) = (Asked::new(), BTreeSet::new());
    gather((&mut requirements, &mut rules), &first.terms);
    let HoldWish { mut terms, mut in_transaction } = first.clone();
    for other in wishes {
        gather((&mut requirements, &mut rules), &other.terms);
        in_transaction = in_transaction.stricter(other.in_transaction);
        terms = stricter(terms, &other.terms);
    }
    let required = |(reviewers, (quorum, escalation)): (&Reviewers, _)| {
        let reviewers = reviewers.clone();
        Requirement { reviewers, quorum, escalation }
    };
    terms.requirements = requirements.into_iter().map(required).collect();
    terms.rules = rules.into_iter().cloned().collect();
    Some(HoldWish { terms, in_transaction })
}

type Asked<'r> = BTreeMap<&'r Reviewers, (u32, Option<Escalation>)>;

/// Adds what a rule asks for, and its name.
fn gather<'r>((asked, rules): (&mut Asked<'r>, &mut BTreeSet<&'r String>), terms: &'r HoldTerms) {
    for Requirement { reviewers, quorum, escalation } in &terms.requirements {
        match asked.get_mut(reviewers) {
            Some((most, known)) => {
                *most = (*most).max(*quorum);
                *known = later(known.take(), escalation.clone());
            }
            None => drop(asked.insert(reviewers, (*quorum, escalation.clone()))),
        }
    }
    rules.extend(&terms.rules);
}

/// The terms with whatever others say more strictly; requirements and rules are gathered.
fn stricter(terms: HoldTerms, other: &HoldTerms) -> HoldTerms {
    HoldTerms {
        expires_after_ms: terms.expires_after_ms.min(other.expires_after_ms),
        wait_ms: terms.wait_ms.min(other.wait_ms),
        reason: terms.reason.max(other.reason),
        again_after_ms: terms.again_after_ms.max(other.again_after_ms),
        rejection: terms.rejection.max(other.rejection),
        grantable_ms: terms.grantable_ms.zip(other.grantable_ms).map(|(one, other)| one.min(other)),
        // Who may alone by one rule may not by both, unless both name the same.
        break_glass: terms.break_glass.filter(|group| other.break_glass.as_ref() == Some(group)),
        ..terms
    }
}

/// The escalation that both allow: who else may decide by one rule alone may not by both.
fn later(one: Option<Escalation>, other: Option<Escalation>) -> Option<Escalation> {
    let (one, other) = (one?, other?);
    let after_ms = one.after_ms.max(other.after_ms);
    (one.group == other.group).then_some(Escalation { group: one.group, after_ms })
}
