//! What an SQLSTATE says in general (appendix "PostgreSQL Error Codes"). A code that is not PostgreSQL's own could be made
//! of a value; it gives way to the general one of its class.

/// Codes that agents act on, with what they say.
const CONDITIONS: &[(&str, &str)] = &[
    ("00000", "successful completion"),
    ("01000", "warning"),
    ("02000", "no data"),
    ("21000", "cardinality violation"),
    ("22001", "string data, right truncation"),
    ("22003", "numeric value out of range"),
    ("22004", "null value not allowed"),
    ("22007", "invalid datetime format"),
    ("22008", "datetime field overflow"),
    ("22012", "division by zero"),
    ("22021", "character not in repertoire"),
    ("22023", "invalid parameter value"),
    ("22025", "invalid escape sequence"),
    ("22030", "duplicate JSON object key value"),
    ("22032", "invalid JSON text"),
    ("2200L", "not an XML document"),
    ("2200M", "invalid XML document"),
    ("2200N", "invalid XML content"),
    ("2201B", "invalid regular expression"),
    ("2201W", "invalid row count in limit clause"),
    ("2201X", "invalid row count in result offset clause"),
    ("2202E", "array subscript error"),
    ("22P01", "floating point exception"),
    ("22P02", "invalid text representation"),
    ("22P03", "invalid binary representation"),
    ("22P04", "bad copy file format"),
    ("22P05", "untranslatable character"),
    ("23001", "restrict violation"),
    ("23502", "not null violation"),
    ("23503", "foreign key violation"),
    ("23505", "unique violation"),
    ("23514", "check violation"),
    ("23P01", "exclusion violation"),
    ("24000", "invalid cursor state"),
    ("25001", "active SQL transaction"),
    ("25006", "read only SQL transaction"),
    ("25P01", "no active SQL transaction"),
    ("25P02", "in failed SQL transaction"),
    ("25P03", "idle in transaction session timeout"),
    ("26000", "invalid SQL statement name"),
    ("34000", "invalid cursor name"),
    ("3B001", "invalid savepoint specification"),
    ("3D000", "invalid catalog name"),
    ("3F000", "invalid schema name"),
    ("40001", "serialization failure"),
    ("40P01", "deadlock detected"),
    ("42501", "insufficient privilege"),
    ("42601", "syntax error"),
    ("42701", "duplicate column"),
    ("42702", "ambiguous column"),
    ("42703", "undefined column"),
    ("42704", "undefined object"),
    ("42710", "duplicate object"),
    ("42723", "duplicate function"),
    ("42725", "ambiguous function"),
    ("42803", "grouping error"),
    ("42804", "datatype mismatch"),
    ("42809", "wrong object type"),
    ("42830", "invalid foreign key"),
    ("42846", "cannot coerce"),
    ("42883", "undefined function"),
    ("428C9", "generated always"),
    ("42P01", "undefined table"),
    ("42P02", "undefined parameter"),
    ("42P03", "duplicate cursor"),
    ("42P05", "duplicate prepared statement"),
    ("42P06", "duplicate schema"),
    ("42P07", "duplicate table"),
    ("42P18", "indeterminate datatype"),
    ("44000", "check option violation"),
    ("53100", "disk full"),
    ("53200", "out of memory"),
    ("53300", "too many connections"),
    ("53400", "configuration limit exceeded"),
    ("54000", "program limit exceeded"),
    ("54001", "statement too complex"),
    ("55000", "object not in prerequisite state"),
    ("55006", "object in use"),
    ("55P03", "lock not available"),
    ("57014", "query canceled"),
    ("57P01", "admin shutdown"),
    ("57P02", "crash shutdown"),
    ("57P03", "cannot connect now"),
    ("57P04", "database dropped"),
    ("57P05", "idle session timeout"),
    ("58000", "system error"),
    ("58030", "I/O error"),
    ("58P01", "undefined file"),
    ("P0001", "raised exception"),
    ("P0002", "no data found"),
    ("P0003", "too many rows"),
    ("P0004", "assert failure"),
    ("XX000", "internal error"),
    ("XX001", "data corrupted"),
    ("XX002", "index corrupted"),
];

/// Classes, each with the code that stands for all of it.
const CLASSES: &[(&str, &str, &str)] = &[
    ("00", "00000", "successful completion"),
    ("01", "01000", "warning"),
    ("02", "02000", "no data"),
    ("08", "08000", "connection exception"),
    ("0A", "0A000", "feature not supported"),
    ("21", "21000", "cardinality violation"),
    ("22", "22000", "data exception"),
    ("23", "23000", "integrity constraint violation"),
    ("24", "24000", "invalid cursor state"),
    ("25", "25000", "invalid transaction state"),
    ("28", "28000", "invalid authorization specification"),
    ("2B", "2B000", "dependent privilege descriptors still exist"),
    ("2F", "2F000", "SQL routine exception"),
    ("38", "38000", "external routine exception"),
    ("39", "39000", "external routine invocation exception"),
    ("40", "40000", "transaction rollback"),
    ("42", "42000", "syntax error or access rule violation"),
    ("53", "53000", "insufficient resources"),
    ("54", "54000", "program limit exceeded"),
    ("55", "55000", "object not in prerequisite state"),
    ("57", "57000", "operator intervention"),
    ("58", "58000", "system error"),
    ("F0", "F0000", "configuration file error"),
    ("HV", "HV000", "error of a foreign data wrapper"),
    ("P0", "P0000", "PL/pgSQL error"),
    ("XX", "XX000", "internal error"),
];

/// What a code says, and the code to say in its place if it is not known.
pub(super) fn condition(state: &str) -> (Option<&'static str>, &'static str) {
    if let Some((_, general)) = CONDITIONS.iter().find(|(known, _)| *known == state) {
        return (None, general);
    }
    let class = CLASSES.iter().find(|(class, ..)| state.get(..2) == Some(class));
    match class {
        Some((_, code, general)) => (Some(code), general),
        None => (Some("XX000"), "error of the target"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_not_the_servers_own_says_nothing_of_itself() {
        assert_eq!(condition("23505"), (None, "unique violation"));
        assert_eq!(condition("22XYZ"), (Some("22000"), "data exception"));
        assert_eq!(condition("78051"), (Some("XX000"), "error of the target"));
        assert_eq!(condition(""), (Some("XX000"), "error of the target"));
        assert_eq!(condition("é"), (Some("XX000"), "error of the target"));
    }
}
