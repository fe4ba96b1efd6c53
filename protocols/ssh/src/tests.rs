//! The adapter over real sockets, before OpenSSH's own server and behind its client, with a gate that answers as it is told.

mod attacks;
mod bulk;
mod endings;
mod exec;
mod floods;
mod gate;
mod hold;
mod host;
mod lateness;
mod raw;
mod world;
