//! The reviewers' page: what waits, what exactly it is, and a decision about it. Rendered on the node, usable without any
//! script; the script only renews what is shown. Everything it shows and decides goes through what the HTTP API has: a
//! page can do nothing that the API would refuse.

mod confirm;
mod cookies;
mod failure;
mod hold;
mod inbox;
mod layout;
mod live;
mod sign_in;
mod text;

pub(crate) use cookies::token;
pub(crate) use failure::rendered;
pub(crate) use hold::{decide, show};
pub(crate) use inbox::list;
pub(crate) use layout::{Rendered, icon, script, style};
pub(crate) use sign_in::{begin, choose, finish, leave};
