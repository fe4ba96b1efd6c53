//! Measures how many bytes of rows a core masks in a second: `cargo run --release -p countersign-core --example mask_speed`.
//! It measures the masking of values alone; what a wire format costs around it is the adapter's. The rounds are short, and the
//! fastest of them counts: in the others the core has done something else as well.

#![expect(clippy::disallowed_methods, reason = "a benchmark has no gate")]
#![expect(clippy::disallowed_types, reason = "a benchmark measures time")]
#![expect(clippy::print_stdout, reason = "what was measured is printed")]

use countersign_core::{
    agent::{Agent, Identity, Workload},
    id::{Revision, SessionId},
    log_time::LogTime,
    mask::{
        ColumnMask, ColumnName, Detector, MaskError, MaskKey, MaskKind, MaskPlace, MaskPlan,
        MaskRule, MaskRules, MaskTargets, Shown,
    },
    secret::Secret,
    session::{Opening, Session},
    target::{Protocol, Target, TargetName, TargetNameError},
};
use std::{collections::BTreeSet, hint::black_box, time::Instant};

const ROWS: usize = 5_000;
const ROUNDS: usize = 200;
const COLUMNS: [&str; 8] =
    ["id", "name", "email", "phone", "amount", "created_at", "address", "note"];
/// The ten of the goal.
const DETECTORS: [Detector; 10] = [
    Detector::Email,
    Detector::PaymentCard,
    Detector::Iban,
    Detector::UsSsn,
    Detector::Phone,
    Detector::Ipv4,
    Detector::Ipv6,
    Detector::Jwt,
    Detector::AwsAccessKey,
    Detector::PrivateKey,
];

fn row(n: usize) -> [String; COLUMNS.len()] {
    let note = match n % 4 {
        0 => "called back, wants the invoice in two parts; nothing else to be done before Monday",
        1 => "returned the parcel of 2024-03-11 09:30:00, order 20240311-0007, weight 12.50 kg",
        2 => "prefers to be written to; see the ticket of last week about the colour of the box",
        _ => "",
    };
    [
        (1_000_000 + n * 37).to_string(),
        format!("Ada Lovelace {n}"),
        format!("ada.lovelace{n}@example.com"),
        format!("+44 20 7946 {:04}", n % 10_000),
        format!("{}.{:02}", n * 13 % 99_999, n % 100),
        format!("2024-{:02}-{:02} {:02}:30:00.123456+00", n % 12 + 1, n % 28 + 1, n % 24),
        format!("{} Long Street, 10{:03} Berlin", n % 200, n % 1000),
        note.to_owned(),
    ]
}

fn rule(name: &str, kind: MaskKind) -> MaskRule {
    MaskRule {
        name: name.to_owned(),
        targets: MaskTargets::All,
        columns: Vec::new(),
        json_paths: Vec::new(),
        detectors: BTreeSet::new(),
        patterns: Vec::new(),
        kind,
        unless_groups: BTreeSet::new(),
    }
}

fn session() -> Result<Session, TargetNameError> {
    let identity = Identity { issuer: "https://issuer".to_owned(), subject: "bot".to_owned() };
    Ok(Session::opened(Opening {
        id: SessionId::from_bytes([1; 16]),
        agent: Agent {
            identity,
            name: "bot".to_owned(),
            owner: None,
            groups: BTreeSet::new(),
            workload: Workload::default(),
            expires_at: LogTime(1_000),
        },
        target: Target {
            name: TargetName::parse("orders")?,
            revision: Revision(1),
            protocol: Protocol::Postgres,
        },
        role: "app".to_owned(),
        opened_at: LogTime(1),
    }))
}

fn measure(what: &str, plan: &MaskPlan, rows: &[[String; COLUMNS.len()]]) -> Result<(), MaskError> {
    let bytes: usize = rows.iter().flatten().map(String::len).sum();
    let mut masks: Vec<ColumnMask> = COLUMNS
        .iter()
        .map(|column| plan.column(&ColumnName::new("public", "t", *column)))
        .collect();
    let mut changed = 0_usize;
    let speed = fastest(bytes, || {
        for row in rows {
            for (mask, value) in masks.iter_mut().zip(row) {
                match black_box(mask.mask(black_box(value))?) {
                    Shown::Same(_) => {}
                    Shown::Changed(_) | Shown::Null => changed += 1,
                }
            }
        }
        Ok(())
    })?;
    let cells = rows.len() * COLUMNS.len();
    println!("{what:40} {speed:8.0} MB/s  ({} of {cells} values masked)", changed / ROUNDS);
    Ok(())
}

/// MB a second of the fastest round over so many bytes.
#[expect(clippy::cast_precision_loss, reason = "a speed is shown in few digits")]
fn fastest(
    bytes: usize,
    mut round: impl FnMut() -> Result<(), MaskError>,
) -> Result<f64, MaskError> {
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        round()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(bytes as f64 / least / 1e6)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = MaskKey::new(Secret::new([7; 32]));
    let session = session()?;
    let rows: Vec<_> = (0..ROWS).map(row).collect();
    let plan = |rule: MaskRule| -> Result<MaskPlan, Box<dyn std::error::Error>> {
        let rules = MaskRules::compile(&key, Revision(1), vec![rule]);
        Ok(rules.map_err(|problems| format!("{problems:?}"))?.plan(&session))
    };
    for kind in [
        MaskKind::Null,
        MaskKind::Redact,
        MaskKind::Partial { first: 1, last: 4 },
        MaskKind::Fake,
        MaskKind::Hash,
    ] {
        let mut one = rule("one", kind);
        one.columns.push("public.t.email".parse()?);
        measure(&format!("one column of eight, {}", kind.name()), &plan(one)?, &rows)?;
    }
    let mut ten = rule("ten", MaskKind::Redact);
    ten.detectors = DETECTORS.into();
    let plan = plan(ten)?;
    measure("ten detectors, two columns with findings", &plan, &rows)?;
    let clear: Vec<_> = rows
        .into_iter()
        .map(|mut row| {
            for found in row.iter_mut().skip(2).take(2) {
                "nothing to be found".clone_into(found);
            }
            row
        })
        .collect();
    measure("ten detectors, nothing found", &plan, &clear)?;
    let mut text = plan.text(MaskPlace::Message);
    let long =
        "a long text of words, 12 numbers (and 3.5 others), with nothing in it. ".repeat(5_000);
    let speed = fastest(long.len(), || {
        black_box(text.mask(black_box(&long))?);
        Ok(())
    })?;
    println!("{:40} {speed:8.0} MB/s", "ten detectors, one long text");
    Ok(())
}
