//! The parts of a hold: the operation as it is hashed, and what is known around it.

use super::super::text::{moment, shown};
use countersign_api::{
    hold::{Choice, Decision, Evidence, Hold, Operation, Parameter},
    visible::visible_lines,
};
use maud::{Markup, html};

/// What exactly an approval is for.
pub(super) fn exactly(hold: &Hold) -> Markup {
    let operation = &hold.operation;
    html! {
        section aria-labelledby="operation" {
            h2 id="operation" { "What would happen" }
            @if let Some(gone) = &operation.not_kept { p.notice { (shown(gone)) } }
            @else { (text(operation)) }
            @if !operation.parameters.is_empty() { (values(operation)) }
            dl.facts {
                dt { "Actions" } dd { (operation.actions.join(", ")) }
                dt { "Acts on" }
                dd { @for resource in &operation.resources { code { (shown(resource)) } " " } }
                @for (name, value) in &operation.context { dt { (shown(name)) } dd { (shown(value)) } }
                dt { "Fingerprint" } dd { code.fingerprint { (hold.fingerprint) } }
            }
        }
    }
}

fn text(operation: &Operation) -> Markup {
    let visible = visible_lines(&operation.text).collect::<Vec<_>>().join("\n");
    let marked = visible != operation.text;
    html! {
        pre.operation tabindex="0" { (visible) }
        p.small {
            (operation.text_length) " bytes"
            @if marked { " · characters that hide, move or imitate others are shown as " code { "⟨U+XXXX⟩" } }
        }
        @if let Some(raw) = &operation.text_base64 {
            p.notice { "This is not UTF-8 text. Its exact bytes (base64): " code.fingerprint { (raw) } }
        }
    }
}

fn values(operation: &Operation) -> Markup {
    html! {
        h3 { "Bound values" }
        ol.values {
            @for parameter in &operation.parameters { li { (value(parameter)) } }
        }
        @let shown = operation.parameters.len() as u64;
        @if operation.parameter_count > shown {
            p.notice { (operation.parameter_count - shown) " more are not shown" }
        }
    }
}

fn value(parameter: &Parameter) -> Markup {
    html! {
        @match (&parameter.shown, &parameter.base64) {
            (Some(text), _) => code { (shown(text)) },
            (None, Some(raw)) => { "bytes (base64): " code { (raw) } },
            (None, None) => em { "null" },
        }
        @if parameter.format == 1 { span.small { " binary, type " (parameter.type_oid) } }
    }
}

/// Who asks, why it waits, who has decided, and what was found out.
pub(super) fn around(hold: &Hold, now: u64) -> Markup {
    let agent = &hold.agent;
    html! {
        section aria-labelledby="why" {
            h2 id="why" { "Who asks, and why it waits" }
            dl.facts {
                dt { "Agent" } dd { (shown(&agent.name)) " (" (shown(&agent.subject)) " at " (shown(&agent.issuer)) ")" }
                @if let Some(owner) = &agent.owner { dt { "Acts for" } dd { (shown(owner)) } }
                @if let Some(job) = &agent.workload {
                    dt { "Repository" } dd { (shown(&job.repository)) }
                    dt { "Branch" } dd { (shown(&job.branch)) }
                    dt { "Job" } dd { (shown(&job.job)) }
                }
                dt { "Groups" } dd { (agent.groups.iter().map(|group| shown(group)).collect::<Vec<_>>().join(", ")) }
                dt { "Rules" } dd { @for rule in &hold.rules { code { (shown(rule)) } " " } "at policy revision " (hold.policy_revision) }
                @for needed in &hold.reviewers.requirements {
                    dt { "Asks for" }
                    dd {
                        (needed.quorum) " of " (shown(&needed.reviewers)) ": " (needed.approvals) " so far"
                        @if let Some(other) = &needed.escalation { ", or of " (shown(&other.group)) " " (moment(other.at, now)) }
                    }
                }
                dt { "Session" } dd { code { (hold.session_id) } " on node " (hold.node) }
                dt { "Hold" } dd { code { (hold.id) } }
            }
        }
        @if let Some(found) = &hold.evidence { (evidence(found, now)) }
        @if !hold.decisions.is_empty() { (decisions(hold, now)) }
        @if !hold.previous.is_empty() { (before(hold, now)) }
    }
}

fn decisions(hold: &Hold, now: u64) -> Markup {
    html! {
        section aria-labelledby="decisions" {
            h2 id="decisions" { "Decisions" }
            (list(&hold.decisions, now))
        }
    }
}

fn list(decisions: &[Decision], now: u64) -> Markup {
    html! {
        ul.decisions {
            @for made in decisions {
                li {
                    @match made.decision {
                        Choice::Approve => span.badge.good { "approved" },
                        Choice::Reject => span.badge.bad { "rejected" },
                        Choice::BreakGlass => span.badge.bad { "broke the glass" },
                    }
                    " " (shown(&made.reviewer.name)) " " (moment(made.at, now))
                    @if made.for_seconds > 0 { ", for " (super::span(made.for_seconds * 1000)) }
                    @if !made.comment.is_empty() {
                        @for line in visible_lines(&made.comment) { p.comment { (line) } }
                    }
                }
            }
        }
    }
}

/// What was decided about exactly this before.
fn before(hold: &Hold, now: u64) -> Markup {
    html! {
        section aria-labelledby="before" {
            h2 id="before" { "The same before" }
            ul.decisions {
                @for earlier in &hold.previous {
                    li {
                        a href=(format!("/holds/{}", earlier.id)) { (earlier.state.name()) }
                        " " (moment(earlier.created_at, now))
                        (list(&earlier.decisions, now))
                    }
                }
            }
        }
    }
}

fn evidence(found: &Evidence, now: u64) -> Markup {
    let plan = found.plan.as_ref().and_then(|plan| serde_json::to_string_pretty(plan).ok());
    html! {
        section aria-labelledby="evidence" {
            h2 id="evidence" { "What the target expects" }
            p.small { "Estimates of the target's own, gathered " (moment(found.at, now)) "; they may be wrong." }
            dl.facts {
                @if let Some(rows) = found.affected_rows { dt { "Rows changed" } dd { (rows) } }
                @if let Some(rows) = found.returned_rows { dt { "Rows returned" } dd { (rows) } }
                @for change in &found.changes { dt { (shown(&change.what)) } dd { (change.rows) " rows" } }
                @if let Some(why) = &found.no_plan { dt { "No plan" } dd { (shown(why)) } }
                @if let Some(open) = &found.transaction {
                    dt { "Transaction" } dd { "open for " (super::span(open.age_ms)) @if !open.waiting { ", of a session that does not wait any more" } }
                    @for lock in open.locks.iter().flatten() { dt { "Lock" } dd { (shown(lock)) } }
                    @if let Some(why) = &open.no_locks { dt { "Locks" } dd { (shown(why)) } }
                }
            }
            @if let Some(plan) = plan {
                details { summary { "The whole plan" } pre tabindex="0" { (visible_lines(&plan).collect::<Vec<_>>().join("\n")) } }
            }
        }
    }
}
