//! What judging costs: `cargo run --release -p countersign-core --example policy_speed`. It has 1,000 policies such as a
//! large organisation has, and prints the median and the slowest of many judgements: of a shape that was judged before, of one
//! that was not, and of the costliest operation that the limits let be judged. It judges by what the gate judges by, and
//! exits with status 1 where a judgement takes longer than is promised.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]

use countersign_core::{
    agent::{Identity, Workload},
    operation::{Action, Demand, Effect, Resource, Transaction},
    policy::{Asked, Matter, Policies, PolicyDocument, Who, find},
    target::{Protocol, TargetName},
};
use std::{
    collections::BTreeSet,
    fmt::Write,
    process::ExitCode,
    time::{Duration, SystemTime},
};

/// Policies, and rules of each kind.
const POLICIES: usize = 1_000;
/// Judgements that are timed.
const TIMES: usize = 2_000;
/// Those that take long.
const FEW: usize = 5;
/// What is promised.
const CACHED: Duration = Duration::from_micros(50);
const UNCACHED: Duration = Duration::from_millis(1);
const COSTLIEST: Duration = Duration::from_millis(500);

/// Rules of fifty teams for twenty targets, as people write them, and some that are asked about everything.
fn policies() -> Vec<PolicyDocument> {
    let rule = |n: usize| {
        let (team, target) = (n % 50, n % 20);
        match n % 5 {
            0 => format!(
                "permit(principal in Group::\"team{team}\", action == Action::\"postgres:read\", resource in Schema::\"t{target}/public\");"
            ),
            1 => format!(
                "@hold(\"dba{team}\") @quorum(\"2\") permit(principal in Group::\"team{team}\", action, resource in Target::\"t{target}\") when {{ context.tables.contains(\"public.pii_{n}\") }};"
            ),
            2 => format!(
                "permit(principal in Group::\"team{team}\", action in [Action::\"ssh:query\", Action::\"ssh:read\"], resource in Path::\"t{target}:/var/log/app{n}\");"
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

fn matter(name: &str, tables: impl Iterator<Item = String>) -> Matter {
    let acted = |name| Resource::Relation { schema: "public".to_owned(), name };
    let demands =
        tables.map(|name| Demand { action: Action::PostgresRead, resource: acted(name) }).collect();
    let who = Who {
        agent: Identity { issuer: "https://issuer.example".to_owned(), subject: name.to_owned() },
        name: name.to_owned(),
        groups: (0..10).map(|n| format!("team{n}")).collect(),
        workload: Workload::default(),
        target: TargetName::parse("t5").unwrap_or_else(|_| unreachable!("it is a name")),
        protocol: Protocol::Postgres,
        role: "app".to_owned(),
    };
    let (columns, commands) = (BTreeSet::new(), BTreeSet::new());
    let (effect, transaction) = (Effect::Passing, Transaction::None);
    Matter::new(who, Asked { demands, columns, commands, effect, transaction })
}

/// How long each takes, in order.
fn timed(mut judge: impl FnMut(usize), times: usize) -> Vec<Duration> {
    let mut taken: Vec<_> = (0..times)
        .map(|n| {
            let begun = now();
            judge(n);
            now().saturating_sub(begun)
        })
        .collect();
    taken.sort();
    taken
}

#[expect(clippy::disallowed_methods, reason = "a measurement outside of the product")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Prints a line; whether the promise is kept.
fn report(what: &str, taken: &[Duration], promised: Duration) -> bool {
    let (median, slowest) = (taken.get(taken.len() / 2), taken.last());
    let (Some(&median), Some(&slowest)) = (median, slowest) else { return false };
    println!("{what:<34} median {median:>10.1?}  slowest {slowest:>10.1?}  promised {promised:?}");
    median <= promised
}

fn main() -> ExitCode {
    let begun = now();
    let policies = match Policies::compile(&policies()) {
        Ok(policies) => policies,
        Err(problems) => {
            eprintln!("{problems:#?}");
            return ExitCode::FAILURE;
        }
    };
    println!("{POLICIES} policies compiled in {:.1?}", now().saturating_sub(begun));
    let known = matter("bot", ["orders".to_owned(), "items".to_owned()].into_iter());
    let cached = timed(|_| drop(find(&policies, known.clone())), TIMES);
    let uncached = timed(
        |n| {
            let tables = [format!("orders{n}"), format!("items{n}")];
            drop(find(&policies, matter("bot", tables.into_iter())));
        },
        TIMES,
    );
    let tables = |n: usize| (0..1_000).map(move |table| format!("t{n}_{table}"));
    let name = "a".repeat(32);
    let pattern = hostile(&format!("principal.name like \"{}\"", "*a".repeat(150)));
    let patterns = timed(|n| drop(find(&pattern, matter(&name, tables(n)))), FEW);
    let plain = hostile("false");
    let one = timed(|n| drop(find(&plain, matter(&name, tables(n).take(1)))), FEW);
    let plains = timed(|n| drop(find(&plain, matter(&name, tables(n)))), FEW);
    let held = hostile_of("@hold(\"dbaNUMBER\") ", "false");
    let held = timed(|n| drop(find(&held, matter(&name, tables(n).take(8)))), FEW);
    let kept = [
        report("a shape that was judged before", &cached, CACHED),
        report("a shape that was not", &uncached, UNCACHED),
        report("1,900 rules in reach, one table", &one, COSTLIEST),
        report("the same, 1,000 tables", &plains, COSTLIEST),
        report("eight tables, each rule with a hold", &held, COSTLIEST),
        report("the same with long patterns", &patterns, COSTLIEST),
    ];
    if kept.iter().all(|kept| *kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Rules that are asked about everything, as many as may be.
fn hostile(condition: &str) -> Policies {
    hostile_of("", condition)
}

/// The same with annotations, in which a word stands for the rule's number.
fn hostile_of(annotations: &str, condition: &str) -> Policies {
    let text = (0..1_900).fold(String::new(), |mut text, n| {
        let annotations = annotations.replace("NUMBER", &format!("{n}"));
        let _never = writeln!(
            text,
            "{annotations}permit(principal, action, resource) when {{ {condition} || context.role == \"app\" }};"
        );
        text
    });
    let document = PolicyDocument { name: "hostile".to_owned(), text };
    Policies::compile(&[document]).unwrap_or_else(|problems| unreachable!("{problems:?}"))
}
