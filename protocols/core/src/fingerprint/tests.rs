//! Every field counts, nothing can be moved from one field into the next, and the value never changes.

use super::*;
use crate::{
    id::Revision,
    target::{Protocol, TargetName},
};
use std::collections::BTreeSet;

#[derive(Clone)]
struct Whole {
    target: Target,
    agent: Identity,
    workload: Workload,
    settings: Vec<(String, String)>,
    text: Vec<u8>,
    parameters: Vec<Parameter>,
}

impl Whole {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(Fingerprinted {
            target: &self.target,
            agent: &self.agent,
            workload: &self.workload,
            settings: &self.settings,
            text: &self.text,
            parameters: &self.parameters,
        })
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn parameter(value: Option<&[u8]>) -> Parameter {
    Parameter {
        format: 0,
        type_oid: 23,
        value: value.map(<[u8]>::to_vec),
        shown: "not hashed".to_owned(),
    }
}

fn sample() -> Whole {
    Whole {
        target: Target {
            name: TargetName::parse("orders").unwrap(),
            revision: Revision(4),
            protocol: Protocol::Postgres,
        },
        agent: Identity { issuer: "https://issuer".to_owned(), subject: "bot".to_owned() },
        workload: Workload {
            repository: "shop".to_owned(),
            branch: "main".to_owned(),
            job: "migrate".to_owned(),
        },
        settings: vec![pair("role", "app"), pair("search_path", "public")],
        text: b"delete from accounts where id = $1".to_vec(),
        parameters: vec![parameter(Some(b"7")), parameter(None)],
    }
}

/// Changes one field.
type Change = Box<dyn Fn(&mut Whole)>;

#[test]
fn each_field_changes_the_fingerprint() {
    let changes: Vec<Change> = vec![
        Box::new(|_| {}),
        Box::new(|whole| whole.target.name = TargetName::parse("order").unwrap()),
        Box::new(|whole| whole.target.revision = Revision(5)),
        Box::new(|whole| whole.agent.issuer.push('/')),
        Box::new(|whole| whole.agent.subject.push('2')),
        Box::new(|whole| whole.workload.repository.push('2')),
        Box::new(|whole| whole.workload.branch.push('2')),
        Box::new(|whole| whole.workload.job.push('2')),
        Box::new(|whole| {
            whole.workload.branch = "mainmigrate".to_owned();
            whole.workload.job.clear();
        }),
        Box::new(|whole| whole.settings[0].1 = "admin".to_owned()),
        Box::new(|whole| whole.settings[0].0 = "Role".to_owned()),
        Box::new(|whole| whole.settings.swap(0, 1)),
        Box::new(|whole| drop(whole.settings.pop())),
        Box::new(|whole| whole.text.push(b' ')),
        Box::new(|whole| whole.text.make_ascii_uppercase()),
        Box::new(|whole| whole.text.extend(b"--")),
        Box::new(|whole| whole.parameters[0].value = Some(b"8".to_vec())),
        Box::new(|whole| whole.parameters[0].value = None),
        Box::new(|whole| whole.parameters[1].value = Some(Vec::new())),
        Box::new(|whole| whole.parameters[0].format = 1),
        Box::new(|whole| whole.parameters[0].type_oid = 20),
        Box::new(|whole| whole.parameters.swap(0, 1)),
        Box::new(|whole| drop(whole.parameters.pop())),
    ];
    let count = changes.len();
    let all: BTreeSet<_> = changes
        .into_iter()
        .map(|change| {
            let mut whole = sample();
            change(&mut whole);
            whole.fingerprint()
        })
        .collect();
    assert_eq!(all.len(), count);
}

#[test]
fn how_a_value_is_shown_is_not_part_of_it() {
    let mut other = sample();
    other.parameters[0].shown = "seven".to_owned();
    assert_eq!(other.fingerprint(), sample().fingerprint());
}

#[test]
fn bytes_cannot_move_from_one_field_into_the_next() {
    let differ = |left: &dyn Fn(&mut Whole), right: &dyn Fn(&mut Whole)| {
        let (mut one, mut two) = (sample(), sample());
        left(&mut one);
        right(&mut two);
        assert_ne!(one.fingerprint(), two.fingerprint());
    };
    differ(
        &|whole| (whole.agent.issuer, whole.agent.subject) = ("ab".to_owned(), "c".to_owned()),
        &|whole| (whole.agent.issuer, whole.agent.subject) = ("a".to_owned(), "bc".to_owned()),
    );
    differ(&|whole| whole.settings = vec![pair("a", "bc")], &|whole| {
        whole.settings = vec![pair("ab", "c")];
    });
    differ(&|whole| (whole.settings, whole.text) = (vec![pair("a", "b")], Vec::new()), &|whole| {
        (whole.settings, whole.text) = (Vec::new(), b"ab".to_vec());
    });
    differ(
        &|whole| whole.parameters = vec![parameter(Some(b"1")), parameter(Some(b"2"))],
        &|whole| whole.parameters = vec![parameter(Some(b"12"))],
    );
}

#[test]
fn the_fingerprint_of_an_operation_never_changes() {
    assert_eq!(sample().fingerprint().to_string(), FROZEN);
}

/// Worked out apart from this code, from the description of the encoding.
const FROZEN: &str = "cedbf74b68aaa20616d0a55306ad0272ef24c43bdbb7e9903cbd9e41d39d339c";

#[test]
fn a_fingerprint_reads_back_as_it_was_written() {
    let fingerprint = sample().fingerprint();
    assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    assert_eq!("xyz".parse::<Fingerprint>(), Err(FingerprintError));
    assert_eq!("ab".parse::<Fingerprint>(), Err(FingerprintError));
}
