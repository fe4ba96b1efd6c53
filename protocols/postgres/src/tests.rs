//! Tests of the whole adapter: raw sockets and real clients in front, a real PostgreSQL behind, a gate of the tests' own.

mod accounts;
mod agent;
mod catalogue;
mod certificate;
mod copy;
mod differential;
mod effects;
mod evidence;
mod fake;
mod fence;
pub(crate) mod gate;
mod hold;
mod look_up;
mod mask;
mod names;
mod place;
mod posture;
mod pressure;
mod queries;
mod recorded;
mod target_limits;
mod upstream;
mod waiting;
mod wire;

use proptest::test_runner::Config;

/// How many cases a property is tried on: so many, or as many as `PROPTEST_CASES` says.
pub(crate) fn thorough(cases: u32) -> Config {
    let usual = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { usual } else { Config { cases, ..usual } }
}
