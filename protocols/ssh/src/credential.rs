//! From a user name and a proof of identity to an open session: the agent, the target and its role, the gate's consent. The
//! target is not dialled.

use crate::target::{SshTarget, TargetRole, Targets};
use countersign_core::{
    gate::{Gate, Identified, OpenedSession, Proof, SessionWish, Source},
    refusal::Refusal,
    target::{Protocol, TargetName},
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// For one proof; the gate's own waits are shorter.
const IDENTIFY_DEADLINE: Duration = Duration::from_secs(10);
/// The longest user name, in bytes.
const MAX_USER: usize = 256;
/// What the client calls itself, for the audit: SSH has no name for it.
const CLIENT: &str = "ssh";

/// A user name, `LOGIN@TARGET`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Login {
    pub(crate) login: String,
    pub(crate) target: TargetName,
}

/// Who is logging in, and as what.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) who: Identified,
    pub(crate) login: Login,
}

/// A session that was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) opened: OpenedSession,
    pub(crate) target: Arc<SshTarget>,
    pub(crate) role: TargetRole,
}

impl Login {
    /// Reads a user name. A login can have an @ of its own.
    pub(crate) fn read(user: &str) -> Option<Self> {
        let (login, target) = user.rsplit_once('@')?;
        let fits = user.len() <= MAX_USER && !login.is_empty() && !login.contains(char::is_control);
        let target = TargetName::parse(target).ok()?;
        fits.then(|| Self { login: login.to_owned(), target })
    }
}

/// Checks a proof. That the user name means nothing is said to nobody before that.
pub(crate) async fn identify(
    proof: Proof,
    user: &str,
    source: Source,
    gate: &dyn Gate,
) -> Result<LoggedIn, Refusal> {
    let identified = timeout(IDENTIFY_DEADLINE, gate.identify(proof, source)).await;
    let who = identified.unwrap_or(Err(Refusal::Overloaded { limit: "identify_deadline" }))?;
    let login = Login::read(user).ok_or(Refusal::NoSuchTarget)?;
    Ok(LoggedIn { who, login })
}

/// Opens the session.
pub(crate) async fn open(
    LoggedIn { who, login }: LoggedIn,
    source: Source,
    gate: &dyn Gate,
    targets: &dyn Targets,
) -> Result<Admitted, Refusal> {
    let (revision, target) = targets.ssh(&login.target).ok_or(Refusal::NoSuchTarget)?;
    let named = target.role(&login.login, &who.agent.name).ok_or(Refusal::NoSuchTarget)?;
    let (name, role) = (named.0.to_owned(), named.1.clone());
    let wish = SessionWish {
        who,
        target: login.target,
        revision,
        protocol: Protocol::Ssh,
        role: name,
        source,
        client: CLIENT.to_owned(),
    };
    let opened = timeout(IDENTIFY_DEADLINE, gate.open(wish)).await;
    let opened = opened.unwrap_or(Err(Refusal::Overloaded { limit: "identify_deadline" }))?;
    Ok(Admitted { opened, target, role })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_is_a_login_and_a_target() {
        let read = |user| Login::read(user).map(|read| (read.login, read.target.to_string()));
        let of = |login: &str, target: &str| Some((login.to_owned(), target.to_owned()));
        assert_eq!(read("deploy@web1"), of("deploy", "web1"));
        assert_eq!(read("svc@corp@web1"), of("svc@corp", "web1"));
        for none in
            ["deploy", "@web1", "deploy@", "deploy@web1%root", "deploy@WEB", "de\nploy@web1"]
        {
            assert_eq!(read(none), None, "{none:?}");
        }
        assert_eq!(read(&format!("{}@web1", "x".repeat(MAX_USER))), None);
    }
}
