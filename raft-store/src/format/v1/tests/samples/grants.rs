//! Grants in every state.

use super::*;
use countersign_core::grant::{Grant, GrantEnd, GrantState, Template};

pub(super) fn grant_id() -> GrantId {
    GrantId::from_bytes([8; 16])
}

pub(super) fn template() -> Template {
    Template::from_bytes([0xcd; 32])
}

pub(in crate::format::v1::tests) fn grants() -> Vec<(&'static str, GrantRecord)> {
    let over = |end| GrantState::Over { end, at: LogTime(80_000) };
    let of = |state| GrantRecord {
        number: 301,
        grant: Grant {
            id: grant_id(),
            agent: identity(),
            owner: Some(t("olga")),
            target: target(),
            target_revision: Revision(5),
            template: template(),
            terms: terms(),
            revision: Revision(6),
            expires_at: LogTime(90_000),
            state,
        },
        hold: hold_id(),
        agent_name: t("bot"),
        protocol: Protocol::Postgres,
        shape: t("delete from a where b = $1"),
        summary: t("DELETE"),
        decisions: decisions(),
        granted_at: LogTime(70_000),
        uses: 3,
        last_used_at: Some(LogTime(75_000)),
    };
    vec![
        ("grant-in-force", of(GrantState::InForce)),
        ("grant-revoked", of(over(GrantEnd::Revoked { reason: t("why") }))),
        ("grant-expired", of(over(GrantEnd::Expired))),
        ("grant-invalidated", of(over(GrantEnd::Invalidated { reason: t("why") }))),
    ]
}
