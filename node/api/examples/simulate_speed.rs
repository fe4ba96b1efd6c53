//! What judging recorded operations again costs: `cargo run --release -p countersign-api --example simulate_speed`. It judges
//! 100,000 events as the audit has them under 1,000 policies such as a large organisation has, and exits with status 1 where
//! that takes longer than ten seconds. Reading the events from a store is not part of it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]

use countersign_api::policy::Simulating;
use countersign_core::{
    id::LogIndex,
    log_time::LogTime,
    policy::{Policies, PolicyDocument},
    record::{AuditEvent, ChainHash, EventKind},
};
use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

const OPERATIONS: u64 = 100_000;
const POLICIES: u64 = 1_000;
/// One in so many operations asks for something that no other one does.
const RARE: u64 = 10;
/// Operations between two words about how far it is.
const PROGRESS: u64 = 20_000;
/// What is promised.
const PROMISED: Duration = Duration::from_secs(10);

/// Rules of fifty teams for twenty targets, as people write them, and some that are asked about everything.
fn policies() -> Vec<PolicyDocument> {
    let rule = |n: u64| {
        let (team, target) = (n % 50, n % 20);
        match n % 5 {
            0 | 1 => format!(
                "permit(principal in Group::\"team{team}\", action == Action::\"postgres:read\", resource in Schema::\"t{target}/public\");"
            ),
            2 => format!(
                "@hold(\"dba{team}\") permit(principal in Group::\"team{team}\", action, resource in Target::\"t{target}\") when {{ context.tables.contains(\"public.t{n}\") }};"
            ),
            3 => format!(
                "forbid(principal, action == Action::\"postgres:program\", resource in Target::\"t{target}\") unless {{ context.role == \"r{n}\" }};"
            ),
            _ => format!(
                "forbid(principal, action, resource) when {{ context.role == \"retired{n}\" && !context.in_transaction }};"
            ),
        }
    };
    (0..POLICIES).map(|n| PolicyDocument { name: format!("p{n}"), text: rule(n) }).collect()
}

/// A recorded read.
fn event(n: u64) -> AuditEvent {
    let table = if n.is_multiple_of(RARE) { n } else { n % 500 };
    let asks = format!("asks-1\tpassing\tnone\ndemand\tpostgres:read\trelation\tpublic\tt{table}");
    let facts = [
        ("verdict", "allow".to_owned()),
        ("agent.issuer", "https://issuer.example".to_owned()),
        ("agent.subject", format!("bot{}", n % 50)),
        ("agent.name", format!("bot{}", n % 50)),
        ("target.name", format!("t{}", n % 20)),
        ("policy.rules", "reads".to_owned()),
        ("judged.protocol", "postgres".to_owned()),
        ("judged.role", "app".to_owned()),
        ("judged.groups", format!("team{}", n % 50)),
        ("judged.asks", asks),
    ];
    AuditEvent {
        sequence: n + 1,
        at: LogTime(n),
        index: LogIndex(n),
        kind: EventKind::Intent,
        fields: facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect(),
        previous: ChainHash::default(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement outside of the product")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn main() -> ExitCode {
    let policies = match Policies::compile(&policies()) {
        Ok(policies) => policies,
        Err(problems) => {
            eprintln!("{problems:#?}");
            return ExitCode::FAILURE;
        }
    };
    let events: Vec<_> = (0..OPERATIONS).map(event).collect();
    let begun = now();
    let mut found = Simulating::default();
    for event in &events {
        found.take(&policies, event);
        if event.sequence.is_multiple_of(PROGRESS) {
            println!(
                "{} of {OPERATIONS} after {:.1?}",
                event.sequence,
                now().saturating_sub(begun)
            );
        }
    }
    let (found, taken) = (found.finish(), now().saturating_sub(begun));
    println!(
        "{} judged, {} would be judged otherwise, in {taken:.1?}; promised {PROMISED:?}",
        found.judged, found.changed
    );
    if taken <= PROMISED && found.judged == OPERATIONS {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
