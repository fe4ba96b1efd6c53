//! PostgreSQL's own types. Any other type can bring input functions, casts and CHECK constraints of a user's making, so a
//! cast to it is a call.

use super::Name;

/// Types of `pg_catalog` whose conversion runs PostgreSQL's own code only. Pseudo-types and `aclitem` (which looks up roles) are absent.
const BUILT_IN: &[&str] = &[
    "bit", "bool", "box", "bpchar", "bytea", "char", "cidr", "circle", "date", "daterange",
    "float4", "float8", "inet", "int2", "int4", "int4range", "int8", "int8range", "interval",
    "json", "jsonb", "jsonpath", "line", "lseg", "macaddr", "macaddr8", "money", "name", "numeric",
    "numrange", "oid", "path", "pg_lsn", "point", "polygon", "regclass", "regcollation",
    "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc",
    "regprocedure", "regrole", "regtype", "text", "tid", "time", "timestamp", "timestamptz",
    "timetz", "tsquery", "tsrange", "tstzrange", "tsvector", "uuid", "varbit", "varchar", "xid",
    "xid8", "xml",
];

/// Whether a type of this name is PostgreSQL's own.
pub(super) fn is_built_in(name: &Name) -> bool {
    name.built_in().is_some_and(|bare| BUILT_IN.contains(&bare))
}
