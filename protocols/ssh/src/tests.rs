//! The adapter over real sockets, before OpenSSH's own server and behind its client, with a gate that answers as it is told.

mod attacks;
mod beginnings;
mod bulk;
mod endings;
mod exec;
mod floods;
mod gate;
mod hold;
mod host;
mod lateness;
mod odd_host;
mod raw;
mod sftp;
mod sftp_attacks;
mod sftp_raw;
mod shell;
mod world;
