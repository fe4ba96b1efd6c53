//! `login` and `whoami`. A login here is a token that somebody else issued, kept in a file; no flow with a provider.

use crate::{
    cli::Global,
    connection, context,
    context::Contexts,
    failure::Failure,
    files,
    output::{self, Terminal},
};
/// Keeps a token for the context.
pub(crate) fn login(global: &Global, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut contexts = Contexts::load()?;
    let name = match contexts.chosen(global.context.as_deref())? {
        Some((name, _)) => name.to_owned(),
        None => {
            return Err(Failure::usage("there is no context to log in to")
                .hint("`countersignctl context add NAME --server URL --ca-file FILE` makes one"));
        }
    };
    let token = connection::given_token(global)?.ok_or_else(|| {
        Failure::usage("no token is given").hint("add --token-file FILE, or `-` for stdin")
    })?;
    let kept = context::folder()?.join("tokens").join(&name);
    files::write_private(&kept, token.expose())?;
    if let Some(context) = contexts.contexts.get_mut(&name) {
        context.token_file = Some(kept);
    }
    contexts.save()?;
    terminal.note(&format!("logged in to {name}; `countersignctl whoami` shows as whom"));
    Ok(())
}

/// Shows whom the cluster takes the caller for.
pub(crate) async fn whoami(global: &Global, terminal: &mut Terminal) -> Result<(), Failure> {
    let caller = connection::client(global, terminal)?.whoami().await?.body;
    terminal.answer(&caller, |caller, _| {
        let mut pairs = match &caller.reviewer {
            Some(reviewer) => vec![
                ("name", crate::visible::visible(&reviewer.name)),
                ("issuer", reviewer.issuer.clone()),
                ("subject", crate::visible::visible(&reviewer.subject)),
            ],
            None => vec![("name", "the bootstrap token".to_owned())],
        };
        let listed = |items: Vec<String>| {
            if items.is_empty() { "none".to_owned() } else { items.join(", ") }
        };
        pairs.push((
            "groups",
            listed(caller.groups.iter().map(|group| crate::visible::visible(group)).collect()),
        ));
        pairs.push((
            "roles",
            listed(caller.roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect()),
        ));
        output::pairs(&pairs)
    })
}
