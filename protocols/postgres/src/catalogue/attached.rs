//! What belongs to relations and can bring code that no text names: defaults, generated columns, checks, index expressions,
//! rules, row security, statistics. PostgreSQL notes what each of these depends on, unless it is its own; planning evaluates
//! the immutable functions among it. The look-up asks it of the relations that a text names, evidence of all that planning
//! looks at with them. What belongs to an extension counts as the server's own: nobody but who administers the server brings
//! it in.

use super::look_up::array;
use crate::classify::{Classified, Name};
use std::collections::BTreeSet;

/// The statement that finds such code behind everything that planning a text looks at: a row where there is any, or where
/// rows come from elsewhere. Every relation that a name of the text could mean is looked at.
pub(crate) fn attached(classified: &Classified, search_path: &[String]) -> String {
    let tables: BTreeSet<&Name> =
        classified.statements.iter().flat_map(|statement| &statement.tables).collect();
    let named = tables.iter().filter_map(|table| table.schema.as_deref());
    let schemas: BTreeSet<&str> = named.chain(search_path.iter().map(String::as_str)).collect();
    let names: BTreeSet<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let (schemas, names, code) =
        (array(schemas), array(names), code_of("SELECT relation FROM reached"));
    format!(
        "WITH RECURSIVE reached(relation) AS ( \
           SELECT c.oid FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
             WHERE c.relname OPERATOR(pg_catalog.=) ANY ({names}) AND n.nspname OPERATOR(pg_catalog.=) ANY ({schemas}) \
           UNION SELECT next.relation FROM reached r CROSS JOIN LATERAL ({NEXT}) next(relation) \
             WHERE next.relation OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid) \
         SELECT 'code'::pg_catalog.text FROM ({code}) found \
         UNION ALL SELECT 'foreign'::pg_catalog.text FROM reached r \
           JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.relation \
           WHERE c.relkind OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\" \
         LIMIT 1"
    )
}

/// The code of relations and of what belongs to them: a row for each, with the part that needs it and the class of what it
/// needs. `relations` is a query of their numbers.
pub(super) fn code_of(relations: &str) -> String {
    CODE.replace("{relations}", relations)
}

/// From a relation to those that planning looks at with it.
const NEXT: &str = "SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) r.relation \
     UNION ALL SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) r.relation \
     UNION ALL SELECT d.refobjid FROM pg_catalog.pg_rewrite w \
       JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
         AND d.objid OPERATOR(pg_catalog.=) w.oid \
       WHERE w.ev_class OPERATOR(pg_catalog.=) r.relation \
         AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
     UNION ALL SELECT d.refobjid FROM pg_catalog.pg_policy y \
       JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_policy'::pg_catalog.regclass \
         AND d.objid OPERATOR(pg_catalog.=) y.oid \
       WHERE y.polrelid OPERATOR(pg_catalog.=) r.relation \
         AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass";

/// The parts are what belongs to a relation, its indexes, and itself: partition keys and index expressions depend for their
/// relation. Code is functions, operators and what is made of them, and domains, whose checks are code.
const CODE: &str = "SELECT part.object, d.refclassid FROM ( \
       SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, r.relation FROM ({relations}) r(relation) \
       UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, x.indexrelid FROM ({relations}) r(relation) \
         JOIN pg_catalog.pg_index x ON x.indrelid OPERATOR(pg_catalog.=) r.relation \
       UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, a.oid FROM ({relations}) r(relation) \
         JOIN pg_catalog.pg_attrdef a ON a.adrelid OPERATOR(pg_catalog.=) r.relation \
       UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, y.oid FROM ({relations}) r(relation) \
         JOIN pg_catalog.pg_constraint y ON y.conrelid OPERATOR(pg_catalog.=) r.relation \
       UNION ALL SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, w.oid FROM ({relations}) r(relation) \
         JOIN pg_catalog.pg_rewrite w ON w.ev_class OPERATOR(pg_catalog.=) r.relation \
       UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, y.oid FROM ({relations}) r(relation) \
         JOIN pg_catalog.pg_policy y ON y.polrelid OPERATOR(pg_catalog.=) r.relation \
       UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid FROM ({relations}) r(relation) \
         JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid OPERATOR(pg_catalog.=) r.relation) part(class, object) \
     JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) part.class \
       AND d.objid OPERATOR(pg_catalog.=) part.object \
     WHERE d.refobjid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid \
       AND (d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
           'pg_catalog.pg_operator'::pg_catalog.regclass, 'pg_catalog.pg_opclass'::pg_catalog.regclass, \
           'pg_catalog.pg_opfamily'::pg_catalog.regclass, 'pg_catalog.pg_cast'::pg_catalog.regclass]::pg_catalog.oid[]) \
         OR d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass \
           AND EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) d.refobjid \
             AND t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog.\"char\")) \
       AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e \
         WHERE e.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog.\"char\" \
           AND e.classid OPERATOR(pg_catalog.=) d.refclassid AND e.objid OPERATOR(pg_catalog.=) d.refobjid)";
