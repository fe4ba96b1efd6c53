//! What a change of a relation can run that sets the session to something: triggers and rules, and defaults, checks and row
//! security that call what somebody made or one of the server's functions that can. It reaches partitions and heirs, what a
//! foreign key passes a change on to, and what a view stands for.
//!
//! Whether any of it does set something is not looked at, and neither is what a TRUNCATE cascades to.

use super::attached::code_of;

/// PostgreSQL's own functions that set something, or run a text that can.
const SETTING: &str = "ARRAY['set_config', 'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema', \
     'cursor_to_xml', 'ts_stat', 'ts_rewrite']::pg_catalog.name[]";

/// The rows that say so: one for each relation of `asked`.
pub(super) fn sets() -> String {
    let code = code_of("SELECT relation FROM touched");
    format!(
        "SELECT 's', q.schema, q.name, NULL, NULL, NULL FROM asked q WHERE ( \
           WITH RECURSIVE touched(relation) AS ( \
             SELECT q.oid UNION SELECT next.relation FROM touched t CROSS JOIN LATERAL ({NEXT}) next(relation)) \
           SELECT EXISTS (SELECT 1 FROM touched t JOIN pg_catalog.pg_trigger g ON g.tgrelid OPERATOR(pg_catalog.=) t.relation \
               WHERE NOT g.tgisinternal) \
             OR EXISTS (SELECT 1 FROM touched t JOIN pg_catalog.pg_rewrite w ON w.ev_class OPERATOR(pg_catalog.=) t.relation \
               WHERE w.ev_type OPERATOR(pg_catalog.<>) '1'::pg_catalog.\"char\") \
             OR EXISTS ({code}) \
             OR EXISTS (SELECT 1 FROM touched t CROSS JOIN LATERAL ({EXPRESSIONS}) e(tree) \
               JOIN pg_catalog.pg_proc p ON p.proname OPERATOR(pg_catalog.=) ANY ({SETTING}) \
                 AND p.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace \
               WHERE pg_catalog.strpos(e.tree, pg_catalog.concat(':funcid ', p.oid, ' ')) OPERATOR(pg_catalog.>) 0))"
    )
}

/// From a relation to those that a change of it can change.
const NEXT: &str = "SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) t.relation \
     UNION ALL SELECT y.conrelid FROM pg_catalog.pg_constraint y \
       WHERE y.confrelid OPERATOR(pg_catalog.=) t.relation AND y.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\" \
         AND (y.confdeltype OPERATOR(pg_catalog.=) ANY (ARRAY['c', 'n', 'd']::pg_catalog.\"char\"[]) \
           OR y.confupdtype OPERATOR(pg_catalog.=) ANY (ARRAY['c', 'n', 'd']::pg_catalog.\"char\"[])) \
     UNION ALL SELECT d.refobjid FROM pg_catalog.pg_rewrite w \
       JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
         AND d.objid OPERATOR(pg_catalog.=) w.oid \
       WHERE w.ev_class OPERATOR(pg_catalog.=) t.relation \
         AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass";

/// What is evaluated for a changed row, as the server keeps it: it names functions by their numbers, and reading it takes no
/// lock.
const EXPRESSIONS: &str = "SELECT a.adbin::pg_catalog.text FROM pg_catalog.pg_attrdef a \
       WHERE a.adrelid OPERATOR(pg_catalog.=) t.relation \
     UNION ALL SELECT y.conbin::pg_catalog.text FROM pg_catalog.pg_constraint y \
       WHERE y.conrelid OPERATOR(pg_catalog.=) t.relation \
     UNION ALL SELECT pg_catalog.concat(y.polqual, y.polwithcheck) FROM pg_catalog.pg_policy y \
       WHERE y.polrelid OPERATOR(pg_catalog.=) t.relation \
     UNION ALL SELECT w.ev_action::pg_catalog.text FROM pg_catalog.pg_rewrite w \
       WHERE w.ev_class OPERATOR(pg_catalog.=) t.relation";
