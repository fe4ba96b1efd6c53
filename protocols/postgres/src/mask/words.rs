//! What the target says in words: errors, notices, notifications. Where columns are covered, a message that can hold a
//! value gives way to what its SQLSTATE says in general; severity, code and place in the text stay. Detectors read the rest.
//!
//! What the server's parser says of a place in the text that the agent sent stays, as long as no code of a user's runs:
//! an agent that hears only "undefined column" cannot mend its statement. The same parser can be made to read values
//! (`ssn::regclass`, `query_to_xml`); it then speaks of no place in the agent's text, or says in which context it stood.

use super::{condition::condition, cover::Code};
use bytes::{BufMut, Bytes, BytesMut};
use countersign_core::mask::{ColumnMask, MaskError, MaskPlace, MaskPlan, REDACTED};

/// Files of the server that read a text, before anything of it runs.
const GRAMMAR: &[&str] = &["gram.y", "scan.l"];
/// Files of the server that speak of a text while it is analysed.
const PARSER: &[&str] = &[
    "aclchk.c",
    "analyze.c",
    "namespace.c",
    "parse_agg.c",
    "parse_clause.c",
    "parse_coerce.c",
    "parse_collate.c",
    "parse_cte.c",
    "parse_expr.c",
    "parse_func.c",
    "parse_merge.c",
    "parse_node.c",
    "parse_oper.c",
    "parse_param.c",
    "parse_relation.c",
    "parse_target.c",
    "parse_type.c",
];
/// Files of the server that name the constraint, table or column that is in the way.
const CONSTRAINTS: &[&str] = &[
    "domains.c",
    "execExprInterp.c",
    "execIndexing.c",
    "execMain.c",
    "execPartition.c",
    "nbtinsert.c",
    "ri_triggers.c",
    "tablecmds.c",
];

/// Settings that are told where columns are covered. Each has one of a few values, so that code could put no value of a
/// column's into it; of any other setting (`application_name`, `scram_iterations`) the agent knows what it asked for.
const TOLD: &[&str] = &[
    "DateStyle",
    "IntervalStyle",
    "client_encoding",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
];

/// Whether something is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tells {
    It,
    Nothing,
}

/// The masks of what is said in words.
#[derive(Debug)]
pub(crate) struct Words {
    /// What stands in a message is searched.
    text: ColumnMask,
    /// What a message could be made of.
    anything: ColumnMask,
    covers_columns: Covers,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Covers {
    Columns,
    Texts,
}

impl Words {
    pub(crate) fn new(plan: &MaskPlan) -> Self {
        Self {
            text: plan.text(MaskPlace::Message),
            anything: plan.anything(MaskPlace::Message),
            covers_columns: if plan.covers_columns() { Covers::Columns } else { Covers::Texts },
        }
    }

    /// The body of an error or a notice ("Error and Notice Message Fields"). What is malformed ends there.
    pub(crate) fn complaint(&mut self, code: Code, body: &[u8]) -> Result<Bytes, MaskError> {
        let fields = fields(body);
        let keeps = match self.covers_columns {
            Covers::Texts => Keeps::All,
            Covers::Columns => keeps(code, &fields),
        };
        let mut out = BytesMut::with_capacity(body.len());
        let mut withheld = false;
        for Field(name, value) in &fields {
            let stays = match (name, keeps) {
                (_, Keeps::All) | (b's' | b't' | b'c' | b'd' | b'n', Keeps::Names) => true,
                (_, Keeps::Names | Keeps::Nothing) => false,
            };
            match name {
                // A place in a text that code in the target put together: the code can choose where its error is.
                b'p' if keeps == Keeps::Nothing => withheld = true,
                // Severity, places in the text, and places in the server's source.
                b'S' | b'V' | b'P' | b'p' | b'F' | b'L' | b'R' => put(&mut out, *name, value),
                b'C' if self.covers_columns == Covers::Columns => {
                    put(&mut out, *name, known_state(value));
                }
                _ if stays => put(&mut out, *name, &self.text.mask_text(value)?),
                b'M' => {
                    self.anything.count();
                    put(&mut out, *name, condition(state(&fields)).1);
                }
                _ => withheld = true,
            }
        }
        if withheld {
            put(
                &mut out,
                b'H',
                "Columns of the target are masked; what the target says beyond this is withheld.",
            );
        }
        out.put_u8(0);
        Ok(out.freeze())
    }

    /// The payload of a notification.
    pub(crate) fn payload(&mut self, payload: &str) -> Result<String, MaskError> {
        match self.covers_columns {
            Covers::Columns if payload.is_empty() => Ok(String::new()),
            Covers::Columns => {
                self.anything.count();
                Ok(REDACTED.to_owned())
            }
            Covers::Texts => self.text.mask_text(payload),
        }
    }

    /// Whether the agent may hear what a setting is.
    pub(crate) fn setting(&self, name: &str, value: &str) -> Tells {
        match self.covers_columns {
            Covers::Texts => Tells::It,
            Covers::Columns if TOLD.contains(&name) => Tells::It,
            Covers::Columns if name == "TimeZone" && is_zone(value) => Tells::It,
            Covers::Columns => Tells::Nothing,
        }
    }

    /// The masks, to hand over what they counted.
    pub(crate) fn masks(&mut self) -> [&mut ColumnMask; 2] {
        [&mut self.text, &mut self.anything]
    }
}

/// A code that says nothing of itself.
pub(super) fn known_state(state: &str) -> &str {
    condition(state).0.unwrap_or(state)
}

fn state<'a>(fields: &[Field<'a>]) -> &'a str {
    fields.iter().find(|field| field.0 == b'C').map_or("", |field| field.1)
}

fn keeps(code: Code, fields: &[Field<'_>]) -> Keeps {
    let of = |name: u8| fields.iter().find(|field| field.0 == name).map(|field| field.1);
    let said_by = of(b'F').unwrap_or_default();
    if [b'W', b'q', b'p'].iter().any(|name| of(*name).is_some()) {
        return Keeps::Nothing;
    }
    match (of(b'P'), code) {
        (Some(_), _) if GRAMMAR.contains(&said_by) => Keeps::All,
        (Some(_), Code::OfText) if PARSER.contains(&said_by) => Keeps::All,
        (_, Code::OfText) if CONSTRAINTS.contains(&said_by) => Keeps::Names,
        (_, Code::OfText | Code::Unseen) => Keeps::Nothing,
    }
}

/// What of a message stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    All,
    /// The names of what is in the way.
    Names,
    Nothing,
}

struct Field<'a>(u8, &'a str);

fn fields(body: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = body;
    while let Some((name, behind)) = rest.split_first() {
        let Some(end) = behind.iter().position(|byte| *byte == 0) else { break };
        let (value, behind) = behind.split_at(end);
        let Ok(value) = std::str::from_utf8(value) else { break };
        if *name == 0 {
            break;
        }
        fields.push(Field(*name, value));
        rest = behind.get(1..).unwrap_or_default();
    }
    fields
}

fn put(out: &mut BytesMut, name: u8, text: &str) {
    out.put_u8(name);
    out.put_slice(text.replace('\0', " ").as_bytes());
    out.put_u8(0);
}

/// Whether a zone is one of the names that the server has: a zone can be made that says anything (POSIX's TZ: any letters,
/// then an offset). Without digits there is no offset, so that the name must be known.
fn is_zone(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_' | '-');
    let offset = value.strip_prefix("Etc/GMT+").or_else(|| value.strip_prefix("Etc/GMT-"));
    let hours = |digits: &str| digits.parse::<u8>().is_ok_and(|hours| hours <= 14);
    offset.is_some_and(hours) || value.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::gate::plan;
    use countersign_core::mask::{Detector, MaskKind};

    #[test]
    fn only_zones_that_say_nothing_else_are_told() {
        for zone in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+12"] {
            assert!(is_zone(zone), "{zone}");
        }
        for zone in
            ["<123456789>0", "<078-05-1120>0", "<a b>0", "Secret5", "Europe/Secret1", "Etc/GMT+99"]
        {
            assert!(!is_zone(zone), "{zone}");
        }
    }

    #[test]
    fn where_columns_are_covered_only_settings_that_hold_no_value_are_told() {
        let of = |columns: &[&str]| Words::new(&plan(columns, &[Detector::Email], MaskKind::Hash));
        let (covered, searched) = (of(&["public.t.c"]), of(&[]));
        for (name, value, told) in [
            ("server_version", "16.4", Tells::It),
            ("DateStyle", "ISO, MDY", Tells::It),
            ("TimeZone", "Europe/Berlin", Tells::It),
            ("TimeZone", "<078-05-1120>0", Tells::Nothing),
            ("application_name", "psql", Tells::Nothing),
            ("scram_iterations", "780511", Tells::Nothing),
            ("of_a_version_to_come", "1", Tells::Nothing),
        ] {
            assert_eq!(covered.setting(name, value), told, "{name}");
            assert_eq!(searched.setting(name, value), Tells::It, "{name}");
        }
    }

    #[test]
    fn a_message_without_its_end_is_read_as_far_as_it_goes() {
        let names = |body: &[u8]| fields(body).iter().map(|field| field.0).collect::<Vec<_>>();
        assert_eq!(names(b"SERROR\0C22012\0Mno end"), b"SC");
        assert_eq!(names(b"C\0\0"), b"C");
        assert_eq!(names(b""), b"");
        assert_eq!(names(b"M\xff\0C1\0"), b"");
    }
}
