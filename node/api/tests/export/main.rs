//! Exports of the audit chain, as whoever has one meets them.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod ocsf;
