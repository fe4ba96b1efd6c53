//! `policy test`: the cases that stand beside policies.

use super::{compiled, texts};
use crate::{
    cli::Global,
    connection,
    failure::{Failure, Status},
    output::Terminal,
    visible::visible,
};
use countersign_api::policy::{PolicyTest, PolicyTestRequest, PolicyText, run};
use std::path::PathBuf;

/// Runs the cases of files, without a cluster.
pub(super) fn offline(paths: &[PathBuf], terminal: &mut Terminal) -> Result<(), Failure> {
    let (texts, sources) = texts(paths)?;
    let policies = compiled(&texts, &sources).map_err(|problems| {
        let first = problems.first().map(super::line).unwrap_or_default();
        Failure::new(Status::Failed, first).hint("`policy check` shows everything that is wrong")
    })?;
    // As long as it takes: it is nobody's time but the caller's.
    let tested = run(&policies, texts.iter().flat_map(PolicyText::cases), u64::MAX)
        .map_err(|too_much| Failure::new(Status::Failed, too_much.to_string()))?;
    told(tested, terminal)
}

/// Runs the cases of the policies in force, at a node.
pub(super) async fn in_force(global: &Global, terminal: &mut Terminal) -> Result<(), Failure> {
    let client = connection::client(global, terminal)?;
    told(client.test_policy(&PolicyTestRequest::default()).await?.body, terminal)
}

fn told(tested: PolicyTest, terminal: &mut Terminal) -> Result<(), Failure> {
    let failed = tested.cases.iter().filter(|case| !case.passed).count();
    terminal.answer(&tested, |tested, _| {
        let wrong = tested.cases.iter().filter_map(|case| {
            let problem = case.problem.as_ref()?;
            Some(format!("{}: {}: {}", case.policy, visible(&case.case), visible(problem)))
        });
        let total = format!("{} cases, {failed} failed", tested.cases.len());
        wrong.chain([total]).collect::<Vec<_>>().join("\n")
    })?;
    if tested.cases.is_empty() {
        return Err(Failure::answered(Status::Failed, "there is no test case".to_owned()));
    }
    if failed > 0 {
        return Err(Failure::answered(Status::Failed, format!("{failed} cases failed")));
    }
    Ok(())
}
