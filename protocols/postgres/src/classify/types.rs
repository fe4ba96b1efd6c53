//! PostgreSQL's own types. Any other type can bring input functions, casts and CHECK constraints of a user's making, so a
//! cast to it is a call.

use super::Name;

/// Types of `pg_catalog` whose conversion runs PostgreSQL's own code only. Pseudo-types and `aclitem` (which looks up roles) are absent.
const BUILT_IN: &[&str] = &[
    "bit",
    "bool",
    "box",
    "bpchar",
    "bytea",
    "char",
    "cidr",
    "circle",
    "date",
    "daterange",
    "float4",
    "float8",
    "inet",
    "int2",
    "int4",
    "int4range",
    "int8",
    "int8range",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "numrange",
    "oid",
    "path",
    "pg_lsn",
    "point",
    "polygon",
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "text",
    "tid",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "uuid",
    "varbit",
    "varchar",
    "xid",
    "xid8",
    "xml",
];

/// The types whose conversion looks a name or number up in the catalogue, with the relation that it says something about.
const LOOKED_UP: &[(&str, &str)] = &[
    ("regclass", "pg_class"),
    ("regcollation", "pg_collation"),
    ("regconfig", "pg_ts_config"),
    ("regdictionary", "pg_ts_dict"),
    ("regnamespace", "pg_namespace"),
    ("regoper", "pg_operator"),
    ("regoperator", "pg_operator"),
    ("regproc", "pg_proc"),
    ("regprocedure", "pg_proc"),
    ("regrole", "pg_authid"),
    ("regtype", "pg_type"),
];

/// The relation of the catalogue that a conversion to this type reads.
pub(super) fn looked_up_in(name: &Name) -> Option<&'static str> {
    let bare = name.built_in()?;
    LOOKED_UP.iter().find(|(known, _)| *known == bare).map(|(_, relation)| *relation)
}

/// Whether a type of this name is PostgreSQL's own.
pub(super) fn is_built_in(name: &Name) -> bool {
    name.built_in().is_some_and(|bare| BUILT_IN.contains(&bare))
}
