//! The functions that may run unseen, and what the best-known others are for. A function that is on no list is a demand
//! [`Action::Function`]; nothing here widens what another list allows.

use super::{Action, Name};

/// Built-in functions that exist in every supported release (13 and later), read nothing but their arguments, the clock
/// and harmless facts of the session, run no text as SQL, take no relation by name and change nothing. A function that a
/// later release added is absent, because on an older target its name may belong to a user function.
const HARMLESS: &[&str] = &[
    // Text.
    "ascii", "bit_length", "btrim", "char_length", "character_length", "chr", "concat",
    "concat_ws", "convert", "convert_from", "convert_to", "decode", "encode", "format", "get_bit",
    "get_byte", "initcap", "is_normalized", "left", "length", "like_escape", "lower", "lpad",
    "ltrim", "md5", "normalize", "octet_length", "overlay", "parse_ident", "position",
    "quote_ident", "quote_literal", "quote_nullable", "regexp_match", "regexp_matches",
    "regexp_replace", "regexp_split_to_array", "regexp_split_to_table", "repeat", "replace",
    "reverse", "right", "rpad", "rtrim", "set_bit", "set_byte", "sha224", "sha256", "sha384",
    "sha512", "similar_escape", "similar_to_escape", "split_part", "starts_with",
    "string_to_array", "strpos", "substr", "substring", "to_ascii", "to_hex", "translate", "upper",
    // Numbers.
    "abs", "acos", "acosd", "acosh", "asin", "asind", "asinh", "atan", "atan2", "atan2d", "atand",
    "atanh", "cbrt", "ceil", "ceiling", "cos", "cosd", "cosh", "cot", "cotd", "degrees", "div",
    "exp", "factorial", "floor", "gcd", "lcm", "ln", "log", "log10", "min_scale", "mod", "pi",
    "pow", "power", "radians", "random", "round", "scale", "sign", "sin", "sind", "sinh", "sqrt",
    "tan", "tand", "tanh", "to_number", "trim_scale", "trunc", "width_bucket",
    // Dates and times.
    "age", "clock_timestamp", "date_part", "date_trunc", "isfinite", "justify_days",
    "justify_hours", "justify_interval", "make_date", "make_interval", "make_time",
    "make_timestamp", "make_timestamptz", "now", "overlaps", "statement_timestamp", "timeofday",
    "timezone", "to_char", "to_date", "to_timestamp", "transaction_timestamp",
    // Conversions written as functions; each is also a built-in type.
    "bool", "box", "bpchar", "char", "circle", "date", "float4", "float8", "int2", "int4", "int8",
    "interval", "line", "lseg", "money", "name", "numeric", "path", "point",
    "polygon", "text", "time", "timestamp", "timestamptz", "timetz", "varbit", "varchar", "xml",
    // Arrays, ranges, rows.
    "array_append", "array_cat", "array_dims", "array_fill", "array_length", "array_lower",
    "array_ndims", "array_position", "array_positions", "array_prepend", "array_remove",
    "array_replace", "array_to_json", "array_to_string", "array_upper", "cardinality", "daterange",
    "enum_first", "enum_last", "enum_range", "generate_series", "generate_subscripts", "int4range",
    "int8range", "isempty", "lower_inc", "lower_inf", "num_nonnulls", "num_nulls", "numrange",
    "range_merge", "row_to_json", "tsrange", "tstzrange", "unnest", "upper_inc", "upper_inf",
    // JSON.
    "json_array_elements", "json_array_elements_text", "json_array_length", "json_build_array",
    "json_build_object", "json_each", "json_each_text", "json_extract_path",
    "json_extract_path_text", "json_object", "json_object_keys", "json_strip_nulls",
    "json_to_record", "json_to_recordset", "json_typeof", "jsonb_array_elements",
    "jsonb_array_elements_text", "jsonb_array_length", "jsonb_build_array", "jsonb_build_object",
    "jsonb_each", "jsonb_each_text", "jsonb_extract_path", "jsonb_extract_path_text",
    "jsonb_insert", "jsonb_object", "jsonb_object_keys", "jsonb_path_exists",
    "jsonb_path_exists_tz", "jsonb_path_match", "jsonb_path_match_tz", "jsonb_path_query",
    "jsonb_path_query_array", "jsonb_path_query_array_tz", "jsonb_path_query_first",
    "jsonb_path_query_first_tz", "jsonb_path_query_tz", "jsonb_pretty", "jsonb_set",
    "jsonb_set_lax", "jsonb_strip_nulls", "jsonb_to_record", "jsonb_to_recordset", "jsonb_typeof",
    "to_json", "to_jsonb",
    // XML; those that run SQL text or read by name are deliberately absent.
    "xml_is_well_formed", "xml_is_well_formed_content", "xml_is_well_formed_document",
    "xmlcomment", "xmlexists", "xpath", "xpath_exists",
    // Text search; ts_stat and ts_rewrite run SQL text and are deliberately absent.
    "array_to_tsvector", "json_to_tsvector", "jsonb_to_tsvector", "numnode", "phraseto_tsquery",
    "plainto_tsquery", "querytree", "setweight", "strip", "to_tsquery", "to_tsvector", "ts_delete",
    "ts_filter", "ts_headline", "ts_rank", "ts_rank_cd", "tsquery_phrase", "tsvector_to_array",
    "websearch_to_tsquery",
    // Networks and geometry.
    "abbrev", "area", "bound_box", "broadcast", "center", "diameter", "family", "height", "host",
    "hostmask", "inet_merge", "inet_same_family", "isclosed", "isopen", "macaddr8_set7bit",
    "masklen", "netmask", "network", "npoints", "pclose", "popen", "radius", "set_masklen",
    "slope", "width",
    // Aggregates.
    "array_agg", "avg", "bit_and", "bit_or", "bool_and", "bool_or", "corr", "count", "covar_pop",
    "covar_samp", "every", "json_agg", "json_object_agg", "jsonb_agg", "jsonb_object_agg", "max",
    "min", "mode", "percentile_cont", "percentile_disc", "regr_avgx", "regr_avgy", "regr_count",
    "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "stddev",
    "stddev_pop", "stddev_samp", "string_agg", "sum", "var_pop", "var_samp", "variance", "xmlagg",
    // Window functions.
    "cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile",
    "percent_rank", "rank", "row_number",
    // About the session and the value, not about the server or other sessions.
    "current_database", "current_schema", "current_schemas", "current_user", "format_type",
    "gen_random_uuid", "getdatabaseencoding", "pg_client_encoding", "pg_collation_for",
    "pg_column_size", "pg_is_in_recovery", "pg_size_bytes", "pg_size_pretty", "pg_typeof",
    "session_user", "version",
];

/// Whether a call of this name may run unseen. `EXTRACT(...)` is `pg_catalog.extract` in the tree; releases before 14 have
/// no function of that name, so an unqualified one could be a user's.
pub(super) fn is_harmless(name: &Name) -> bool {
    name.built_in().is_some_and(|bare| HARMLESS.contains(&bare)) || *name == Name::in_schema("pg_catalog", "extract")
}

/// Every function name on the list, for a look into the target's catalogue: a user function of such a name can be chosen
/// over the built-in one when its argument types fit better.
pub fn built_in_functions() -> impl Iterator<Item = &'static str> {
    HARMLESS.iter().copied()
}

/// Functions of known effect, by name or by the beginning of the name (`*` at the end): what they demand beside
/// [`Action::Function`]. The list only adds demands, so it need not be complete.
const EFFECTS: &[(&str, Action)] = &[
    ("pg_read_*", Action::Program),
    ("pg_ls_*", Action::Program),
    ("pg_stat_file", Action::Program),
    ("pg_file_*", Action::Program),
    ("pg_current_logfile", Action::Program),
    ("lo_import", Action::Program),
    ("lo_export", Action::Program),
    ("lo_*", Action::Write),
    ("lowrite", Action::Write),
    ("nextval", Action::Write),
    ("setval", Action::Write),
    ("set_config", Action::Session),
    ("setseed", Action::Session),
    ("pg_notify", Action::Notify),
    ("pg_advisory*", Action::Lock),
    ("pg_try_advisory*", Action::Lock),
    ("pg_export_snapshot", Action::Session),
    ("pg_terminate_backend", Action::Admin),
    ("pg_cancel_backend", Action::Admin),
    ("pg_reload_conf", Action::Admin),
    ("pg_rotate_logfile*", Action::Admin),
    ("pg_promote", Action::Admin),
    ("pg_switch_wal", Action::Admin),
    ("pg_backup_*", Action::Admin),
    ("pg_start_backup", Action::Admin),
    ("pg_stop_backup", Action::Admin),
    ("pg_stat_reset*", Action::Admin),
    ("pg_wal_replay_*", Action::Admin),
    ("pg_log_*", Action::Admin),
    ("pg_import_system_collations", Action::Admin),
    ("pg_create_*", Action::Replication),
    ("pg_drop_replication*", Action::Replication),
    ("pg_copy_*", Action::Replication),
    ("pg_logical_*", Action::Replication),
    ("pg_replication_*", Action::Replication),
    ("dblink*", Action::Opaque),
    ("query_to_xml*", Action::Opaque),
    ("cursor_to_xml*", Action::Opaque),
    ("table_to_xml*", Action::Opaque),
    ("schema_to_xml*", Action::Opaque),
    ("database_to_xml*", Action::Opaque),
    ("ts_stat", Action::Opaque),
    ("ts_rewrite", Action::Opaque),
    ("crosstab*", Action::Opaque),
    ("connectby", Action::Opaque),
    ("xpath_table", Action::Opaque),
];

/// What a call demands beside [`Action::Function`], whatever schema it is in.
pub(super) fn effects(name: &Name) -> impl Iterator<Item = Action> {
    EFFECTS.iter().filter(move |(pattern, _)| matches(pattern, &name.name)).map(|(_, action)| *action)
}

/// Whether a name is, or for a pattern with a star begins with, the pattern.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |start| name.starts_with(start))
}

/// The output columns of harmless functions in FROM whose rows are single values or pairs; `alias.column` beyond them
/// would be a function call with that value as its argument.
pub(super) fn output_columns(name: &Name) -> &'static [&'static str] {
    match name.built_in() {
        Some("json_each" | "json_each_text" | "jsonb_each" | "jsonb_each_text") => &["key", "value"],
        Some("json_array_elements" | "json_array_elements_text" | "jsonb_array_elements" | "jsonb_array_elements_text") => {
            &["value"]
        }
        _ => &[],
    }
}
