//! A hold in full: everything that a decision should rest on, nothing cut off, nothing that deceives the eye.

mod evidence;

use crate::{
    output::{self, Terminal, Tone},
    sessions,
    visible::{visible, visible_lines},
};
use countersign_api::{
    agent::Workload,
    hold::{Choice, Decision, Hold, HoldState, Parameter, PreviousHold, Rejection},
};

/// The whole hold for people.
pub(super) fn whole(hold: &Hold, terminal: &Terminal) -> String {
    let mut parts = vec![head(hold, terminal), text(hold)];
    if !hold.operation.parameters.is_empty() {
        parts.push(parameters(&hold.operation.parameters));
    }
    if !hold.operation.context.is_empty() {
        let rows =
            hold.operation.context.iter().map(|(name, value)| [visible(name), visible(value)]);
        parts.push(output::table(["setting", "value"], rows));
    }
    if let Some(evidence) = &hold.evidence {
        parts.extend(evidence::shown(evidence));
    }
    if !hold.decisions.is_empty() {
        parts.push(decisions(&hold.decisions));
    }
    if !hold.previous.is_empty() {
        parts.push(format!("the same before:\n{}", previous(&hold.previous)));
    }
    parts.join("\n\n")
}

/// What was decided about earlier holds of the same fingerprint.
fn previous(holds: &[PreviousHold]) -> String {
    let rows = holds.iter().map(|before| {
        let decisions = before.decisions.iter().map(|made| {
            let (name, comment) = (visible(&made.reviewer.name), visible(&made.comment));
            format!("{name} {}: {comment}", made.decision.name())
        });
        [
            before.id.clone(),
            before.state.name().to_owned(),
            before.created_at.to_string(),
            decisions.collect::<Vec<_>>().join("; "),
        ]
    });
    output::table(["hold", "state", "created", "decisions"], rows)
}

/// Who decides, and how far it is.
pub(super) fn reviewers(hold: &Hold) -> String {
    let each = hold.reviewers.requirements.iter().map(|needed| {
        format!("{} {}/{}", visible(&needed.reviewers), needed.approvals, needed.quorum)
    });
    each.collect::<Vec<_>>().join(", ")
}

fn head(hold: &Hold, terminal: &Terminal) -> String {
    let state = terminal.toned(hold.state.name(), tone(hold.state));
    let state = match &hold.state_reason {
        Some(reason) => format!("{state}: {}", visible(reason)),
        None => state,
    };
    let client = if hold.waiting { "waits for the answer" } else { "has gone; the hold is parked" };
    let reason = if hold.reason_required { " (a comment is required)" } else { "" };
    let rejection = match hold.reviewers.rejection {
        Rejection::Ends => "",
        Rejection::Noted => " (a rejection is noted and does not end it)",
    };
    let mut pairs = vec![
        ("hold", hold.id.clone()),
        ("state", state),
        ("agent", sessions::agent(&hold.agent)),
        ("groups", visible(&hold.agent.groups.iter().cloned().collect::<Vec<_>>().join(", "))),
        ("workload", visible(&workload(hold))),
        ("target", format!("{} ({})", hold.target, hold.protocol)),
        ("operation", visible(&hold.operation.summary)),
        ("actions", hold.operation.actions.join(", ")),
        ("resources", visible(&hold.operation.resources.join(", "))),
        ("held by", visible(&hold.rules.join(", "))),
        ("decides", format!("{}{reason}{rejection}", reviewers(hold))),
        ("client", format!("{client} (node {})", hold.node)),
        ("created", hold.created_at.to_string()),
        ("expires", hold.expires_at.to_string()),
        ("policy revision", hold.policy_revision.to_string()),
        ("session", hold.session_id.clone()),
        ("fingerprint", hold.fingerprint.clone()),
        ("key", hold.key.clone()),
    ];
    let later = hold.reviewers.requirements.iter().filter_map(|needed| needed.escalation.as_ref());
    for other in later {
        pairs.push(("escalates", format!("to {} at {}", visible(&other.group), other.at)));
    }
    if let Some(group) = &hold.reviewers.break_glass {
        pairs.push(("break glass", format!("any one of {}, with a reason", visible(group))));
    }
    let broken = hold.decisions.iter().find(|made| made.decision == Choice::BreakGlass);
    if let Some(made) = broken {
        let by = format!("BROKEN by {} at {}", visible(&made.reviewer.name), made.at);
        pairs.push(("glass", terminal.toned(&by, Tone::Bad)));
    }
    if let (Some(seconds), Some(shape)) = (hold.grantable_seconds, &hold.operation.shape) {
        let most = humantime::format_duration(std::time::Duration::from_secs(seconds));
        pairs.push(("grantable", format!("for {most} at the most: {}", visible(shape))));
    }
    if let Some(grant) = &hold.grant {
        pairs.push(("grant", grant.clone()));
    }
    if let Some(operation) = &hold.consumed_by {
        pairs.push(("consumed by", operation.clone()));
    }
    output::pairs(&pairs)
}

/// What the agent's token says of its job.
fn workload(hold: &Hold) -> String {
    let Some(Workload { repository, branch, job }) = &hold.agent.workload else {
        return String::new();
    };
    let parts = [("repository", repository), ("branch", branch), ("job", job)];
    let said = parts.iter().filter(|(_, said)| !said.is_empty());
    said.map(|(name, said)| format!("{name} {said}")).collect::<Vec<_>>().join(", ")
}

const fn tone(state: HoldState) -> Tone {
    match state {
        HoldState::Pending => Tone::Waiting,
        HoldState::Approved | HoldState::Consumed => Tone::Good,
        HoldState::Rejected => Tone::Bad,
        HoldState::Withdrawn | HoldState::Expired | HoldState::Invalidated => Tone::Plain,
    }
}

fn text(hold: &Hold) -> String {
    let operation = &hold.operation;
    if let Some(not_kept) = &operation.not_kept {
        return visible(not_kept);
    }
    // Only a whole hold is shown to whoever decides; an excerpt that comes here says so.
    let what = if operation.excerpt { "only the beginning of the text" } else { "exact text" };
    let mut lines = vec![format!("{what}, {} bytes:", operation.text_length)];
    lines.extend(
        visible_lines(&operation.text).map(|line| format!("  | {line}").trim_end().to_owned()),
    );
    if operation.text_base64.is_some() {
        lines
            .push("  (not UTF-8: -o json has the exact bytes in operation.text_base64)".to_owned());
    }
    lines.join("\n")
}

fn parameters(parameters: &[Parameter]) -> String {
    let rows = parameters.iter().enumerate().map(|(place, parameter)| {
        let value = match &parameter.shown {
            Some(value) => visible(value),
            None => "NULL".to_owned(),
        };
        let format = if parameter.format == 0 { "text" } else { "binary" };
        [format!("${}", place + 1), value, format.to_owned(), parameter.type_oid.to_string()]
    });
    output::table(["parameter", "value", "format", "type oid"], rows)
}

fn decisions(decisions: &[Decision]) -> String {
    let rows = decisions.iter().map(|decision| {
        [
            visible(&decision.reviewer.name),
            decision.decision.name().to_owned(),
            decision.at.to_string(),
            decision.node.to_string(),
            visible(&decision.comment),
        ]
    });
    output::table(["reviewer", "decision", "at", "node", "comment"], rows)
}
