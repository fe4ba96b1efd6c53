//! The statement that asks whether planning could run code that somebody made and that no text names: the defaults, checks,
//! generated columns, index expressions, rules, statistics and row security of the relations, of those above and below them,
//! and of what views and rules reach. PostgreSQL notes what each of these depends on, unless it is its own.
//!
//! It runs with `pg_catalog` alone in the search path, so that its operators are PostgreSQL's.

use crate::classify::{Classified, Name};
use std::collections::BTreeSet;

/// The statement: a row where there is such code. Every relation that a name of the text could mean is looked at.
pub(super) fn attached(classified: &Classified, search_path: &[String]) -> String {
    let tables: BTreeSet<&Name> =
        classified.statements.iter().flat_map(|statement| &statement.tables).collect();
    let named = tables.iter().filter_map(|table| table.schema.as_deref());
    let schemas = array(named.chain(search_path.iter().map(String::as_str)));
    let names = array(tables.iter().map(|table| table.name.as_str()));
    format!(
        "WITH RECURSIVE reached(relation) AS ( \
           SELECT c.oid FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relname = ANY ({names}) AND n.nspname = ANY ({schemas}) \
           UNION SELECT next.relation FROM reached r CROSS JOIN LATERAL ({NEXT}) next(relation) \
             WHERE next.relation >= '16384'::pg_catalog.oid), \
         part(class, object) AS ({PARTS}) \
         SELECT 'code'::pg_catalog.text FROM part p \
           JOIN pg_catalog.pg_depend d ON d.classid = p.class AND d.objid = p.object \
           WHERE d.refobjid >= '16384'::pg_catalog.oid AND {IS_CODE} AND NOT {IN_AN_EXTENSION} \
         UNION ALL SELECT 'foreign'::pg_catalog.text FROM reached r \
           JOIN pg_catalog.pg_class c ON c.oid = r.relation WHERE c.relkind = 'f' \
         LIMIT 1"
    )
}

/// From a relation to those that planning looks at with it.
const NEXT: &str = "SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = r.relation \
     UNION ALL SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.relation \
     UNION ALL SELECT x.indexrelid FROM pg_catalog.pg_index x WHERE x.indrelid = r.relation \
     UNION ALL SELECT d.refobjid FROM pg_catalog.pg_rewrite w \
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid \
       WHERE w.ev_class = r.relation AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
     UNION ALL SELECT d.refobjid FROM pg_catalog.pg_policy y \
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = y.oid \
       WHERE y.polrelid = r.relation AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass";

/// What belongs to a relation, and the relation itself: partition keys and index expressions depend for their relation.
const PARTS: &str = "SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, r.relation FROM reached r \
     UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, a.oid FROM reached r \
       JOIN pg_catalog.pg_attrdef a ON a.adrelid = r.relation \
     UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, y.oid FROM reached r \
       JOIN pg_catalog.pg_constraint y ON y.conrelid = r.relation \
     UNION ALL SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, w.oid FROM reached r \
       JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.relation \
     UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, y.oid FROM reached r \
       JOIN pg_catalog.pg_policy y ON y.polrelid = r.relation \
     UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid FROM reached r \
       JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = r.relation";

/// Functions, operators and what is made of them; domains, whose checks are code.
const IS_CODE: &str = "(d.refclassid = ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
       'pg_catalog.pg_operator'::pg_catalog.regclass, 'pg_catalog.pg_opclass'::pg_catalog.regclass, \
       'pg_catalog.pg_opfamily'::pg_catalog.regclass, 'pg_catalog.pg_cast'::pg_catalog.regclass]::pg_catalog.oid[]) \
     OR d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND EXISTS (SELECT 1 FROM pg_catalog.pg_type t \
       WHERE t.oid = d.refobjid AND t.typtype = 'd'))";

/// What belongs to an extension counts as the server's own, as it does for the look-up.
const IN_AN_EXTENSION: &str = "EXISTS (SELECT 1 FROM pg_catalog.pg_depend e \
     WHERE e.deptype = 'e' AND e.classid = d.refclassid AND e.objid = d.refobjid)";

/// An array of names as a constant; `standard_conforming_strings` is on, so that only quotes are special.
fn array<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: BTreeSet<String> =
        names.into_iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
    let quoted: Vec<String> = quoted.into_iter().collect();
    format!("ARRAY[{}]::pg_catalog.name[]", quoted.join(","))
}
