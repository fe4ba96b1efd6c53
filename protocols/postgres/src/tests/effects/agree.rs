//! Whether what a text did at a real server is among what it asks for. An effect that its demands do not cover is the worst
//! thing a corpus can show.

use super::watch::Seen;
use crate::classify::{Action, Classified, Demand};

/// What is wrong, if anything: an effect or a read that nothing in the demands stands for.
pub(super) fn uncovered(seen: &Seen, classified: &Classified) -> Option<String> {
    let demands: Vec<Demand> = classified.demands().into_iter().collect();
    let asks = Asks(&demands);
    let effect = seen.effects.iter().find(|effect| !asks.covers_effect(effect));
    let read = seen.reads.iter().find(|read| !asks.covers_read(read));
    effect.or(read).map(|what| format!("nothing it asks for covers that it {what}"))
}

struct Asks<'a>(&'a [Demand]);

impl Asks<'_> {
    fn any(&self, actions: &[Action]) -> bool {
        self.0.iter().any(|demand| actions.contains(&demand.action))
    }

    /// Whether one of the actions is asked for on this relation, or on no relation in particular.
    fn on(&self, relation: &str, actions: &[Action]) -> bool {
        let (schema, name) = relation.split_once('.').unwrap_or(("", relation));
        self.0.iter().filter(|demand| actions.contains(&demand.action)).any(|demand| {
            demand.object.as_ref().is_none_or(|object| {
                object.name == name && object.schema.as_deref().is_none_or(|found| found == schema)
            })
        })
    }

    fn covers_effect(&self, effect: &str) -> bool {
        if self.any(&[Action::Opaque]) {
            return true;
        }
        let (word, object) = effect.split_once(' ').unwrap_or((effect, ""));
        match (word, object) {
            ("writes", "pg_catalog.pg_authid" | "pg_catalog.pg_auth_members") => {
                self.any(&[Action::Role])
            }
            ("writes", "pg_catalog.pg_db_role_setting") | ("changes", _) => {
                self.any(&[Action::Role, Action::Admin])
            }
            ("writes" | "defines", "") => self.any(&ACTS),
            ("writes", relation) => {
                self.on(relation, &[Action::Write, Action::Ddl]) || self.any(&[Action::Function])
            }
            ("locks", "advisory") => self.any(&[Action::Lock]),
            // What is done to an index or under another name locks the table.
            ("locks", relation) => {
                self.on(relation, &ACTS)
                    || self.any(&[Action::Function, Action::Ddl, Action::Maintain])
            }
            ("sets", "role" | "session_authorization") => {
                self.any(&[Action::Role, Action::Session])
            }
            (
                "sets",
                "DateStyle" | "IntervalStyle" | "TimeZone" | "extra_float_digits"
                | "application_name",
            ) => self.any(&[Action::Session, Action::Preference]),
            ("sets", _) => self.any(&[Action::Session]),
            ("prepares", _) => self.any(&[Action::Prepare]),
            ("opens", _) => self.any(&[Action::Cursor]),
            ("listens" | "notifies", _) => self.any(&[Action::Notify]),
            ("moves", _) => self.any(&[Action::Write, Action::Ddl, Action::Function]),
            ("makes", _) => self.any(&[Action::Replication]),
            ("reloads" | "ends", _) => self.any(&[Action::Admin]),
            ("touches", _) => self.any(&[Action::Program, Action::Admin]),
            ("discloses", _) => self.any(&[Action::Program]),
            _ => false,
        }
    }

    fn covers_read(&self, read: &str) -> bool {
        let relation = read.strip_prefix("reads ").unwrap_or(read);
        let acts = [&ACTS[..], &[Action::Read]].concat();
        let named = self.0.iter().any(|demand| demand.object.is_some()) && self.on(relation, &acts);
        named || self.any(&[Action::Opaque, Action::Function, Action::Ddl, Action::Maintain])
    }
}

/// What changes something.
const ACTS: [Action; 12] = [
    Action::Write,
    Action::Ddl,
    Action::Privilege,
    Action::Role,
    Action::Function,
    Action::Lock,
    Action::Program,
    Action::Maintain,
    Action::Replication,
    Action::Admin,
    Action::Copy,
    Action::Notify,
];
