//! The one statement that asks the catalogue. Every name in it is qualified, operators too, so that nothing a user defined
//! takes part in it.
//!
//! What belongs to an extension counts as the server's own here: nobody but who administers the server brings it in.

use super::{attached::code_of, question::Question, sets::sets};
use std::collections::BTreeSet;

/// Leaves `pg_catalog` alone in the search path until the transaction ends. Definitions of views that are asked for then
/// come with every other name qualified, so that they mean the same wherever they are read.
pub(crate) fn qualified_names_only() -> String {
    "SELECT pg_catalog.set_config('search_path', '', true)".to_owned()
}

/// The names that a set of questions is about.
#[derive(Default)]
struct Names<'a> {
    relations: BTreeSet<&'a str>,
    schemas: BTreeSet<&'a str>,
    functions: BTreeSet<&'a str>,
    operators: BTreeSet<&'a str>,
    rows: BTreeSet<&'a str>,
    types: BTreeSet<u32>,
}

impl<'a> Names<'a> {
    fn of(questions: &'a BTreeSet<Question>) -> Self {
        let mut names = Self::default();
        for question in questions {
            match question {
                Question::Relation(schema, name) => {
                    names.schemas.extend(schema.as_deref());
                    names.relations.insert(name);
                }
                Question::Inside(name) => drop(names.relations.insert(name)),
                Question::Function(name) => drop(names.functions.insert(name)),
                Question::Operator(name) => drop(names.operators.insert(name)),
                Question::RowFunction(name) => drop(names.rows.insert(name)),
                Question::Type(oid) => drop(names.types.insert(*oid)),
                Question::Casts
                | Question::Classes
                | Question::Domains
                | Question::EventTriggers => {}
            }
        }
        names
    }
}

/// The statement that asks `questions`, with unqualified names looked up in `pg_catalog`, then in `search_path`, then among
/// the session's temporary relations.
pub(crate) fn look_up(questions: &BTreeSet<Question>, search_path: &[String]) -> String {
    let names = Names::of(questions);
    let path = || search_path.iter().map(String::as_str);
    let mut schemas = names.schemas.clone();
    schemas.extend(path().chain(["pg_catalog"]));
    let (schemas, relations) = (array(schemas), array(names.relations));
    let own = array(path().chain(["pg_catalog"]));
    let (functions, operators, rows) =
        (array(names.functions), array(names.operators), array(names.rows));
    format!(
        "WITH RECURSIVE {CODE_TYPES}, \
         asked(oid, schema, name, namespace) AS ({ASKED} \
           WHERE c.relname OPERATOR(pg_catalog.=) ANY ({relations}) \
             AND (n.nspname OPERATOR(pg_catalog.=) ANY ({schemas}) OR n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())) \
         {relations_are} UNION ALL {COLUMNS} UNION ALL {DESCENDANTS} UNION ALL {sets} \
         UNION ALL SELECT 'f', n.nspname::pg_catalog.text, p.proname::pg_catalog.text, NULL, NULL, NULL \
           FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace \
           WHERE p.proname OPERATOR(pg_catalog.=) ANY ({functions}) AND n.nspname OPERATOR(pg_catalog.=) ANY ({own}) \
             AND p.oid {BY_A_USER} AND NOT EXISTS ({IN_AN_EXTENSION} 'pg_catalog.pg_proc'::pg_catalog.regclass \
               AND e.objid OPERATOR(pg_catalog.=) p.oid) \
         UNION ALL SELECT 'o', n.nspname::pg_catalog.text, o.oprname::pg_catalog.text, NULL, NULL, NULL \
           FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace \
           WHERE o.oprname OPERATOR(pg_catalog.=) ANY ({operators}) AND n.nspname OPERATOR(pg_catalog.=) ANY ({own}) \
             AND o.oid {BY_A_USER} AND NOT EXISTS ({IN_AN_EXTENSION} 'pg_catalog.pg_operator'::pg_catalog.regclass \
               AND e.objid OPERATOR(pg_catalog.=) o.oid) \
         UNION ALL SELECT 'c', n.nspname::pg_catalog.text, p.proname::pg_catalog.text, NULL, NULL, NULL \
           FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace \
           WHERE p.proname OPERATOR(pg_catalog.=) ANY ({rows}) AND n.nspname OPERATOR(pg_catalog.=) ANY ({own}) \
             AND p.oid {BY_A_USER} AND p.pronargs OPERATOR(pg_catalog.>=) 1 \
         UNION ALL {types} UNION ALL {DATABASE}",
        relations_are = relations_are(),
        sets = sets(),
        types = types(&names.types),
    )
}

/// The oids of what was made after the database was.
const BY_A_USER: &str = "OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid";

/// Whether an object belongs to an extension; its class and number follow.
const IN_AN_EXTENSION: &str = "SELECT 1 FROM pg_catalog.pg_depend e \
     WHERE e.deptype OPERATOR(pg_catalog.=) 'e' AND e.classid OPERATOR(pg_catalog.=)";

/// Casts by functions that somebody made, beside those of extensions. A macro, because constants of other constants need one.
macro_rules! user_casts {
    () => {
        "pg_catalog.pg_cast k WHERE k.oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid \
         AND k.castfunc OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.deptype OPERATOR(pg_catalog.=) 'e' \
           AND e.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_cast'::pg_catalog.regclass \
           AND e.objid OPERATOR(pg_catalog.=) k.oid)"
    };
}

/// Domains with a check that needs a function, an operator or another type that somebody made: PostgreSQL notes no
/// dependence on its own.
macro_rules! code_domains {
    () => {
        "SELECT y.contypid FROM pg_catalog.pg_constraint y \
         WHERE y.contypid OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid AND EXISTS ( \
           SELECT 1 FROM pg_catalog.pg_depend d \
           WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass \
             AND d.objid OPERATOR(pg_catalog.=) y.oid \
             AND d.deptype OPERATOR(pg_catalog.=) 'n' \
             AND d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
               'pg_catalog.pg_operator'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass]::pg_catalog.oid[]))"
    };
}

/// The types whose values bring code of a user's: domains with such a check, types with such a cast, and every type that
/// is made of them.
const CODE_TYPES: &str = concat!(
    "code(type) AS (SELECT start.type FROM (",
    code_domains!(),
    " UNION ALL SELECT t.oid FROM pg_catalog.pg_type t \
       WHERE t.oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid AND EXISTS (SELECT 1 FROM ",
    user_casts!(),
    " AND (k.castsource OPERATOR(pg_catalog.=) t.oid OR k.casttarget OPERATOR(pg_catalog.=) t.oid))) start(type) \
     UNION SELECT made.type FROM code r CROSS JOIN LATERAL ( \
       SELECT t.oid FROM pg_catalog.pg_type t \
         WHERE t.typelem OPERATOR(pg_catalog.=) r.type OR t.typbasetype OPERATOR(pg_catalog.=) r.type \
       UNION ALL SELECT w.reltype FROM pg_catalog.pg_attribute a \
         JOIN pg_catalog.pg_class w ON w.oid OPERATOR(pg_catalog.=) a.attrelid \
         WHERE a.atttypid OPERATOR(pg_catalog.=) r.type AND w.reltype OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid \
       UNION ALL SELECT g.rngtypid FROM pg_catalog.pg_range g WHERE g.rngsubtype OPERATOR(pg_catalog.=) r.type) made(type))"
);

/// The relations that are asked for.
const ASKED: &str = "SELECT c.oid, CASE WHEN n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() \
       THEN 'pg_temp' ELSE n.nspname::pg_catalog.text END, c.relname::pg_catalog.text, c.relnamespace \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace";

/// What they are: kind, definition, and what stands between a read and their rows: row security, types, and what the planner
/// evaluates of what belongs to them; it folds functions that are only called immutable. A row security policy depends on its
/// own table; on a function, an operator or another relation it depends only where it uses one that somebody made. Types of
/// the relation's own columns are looked at apart.
fn relations_are() -> String {
    let code = code_of("SELECT c.oid");
    format!(
        "SELECT 'r', q.schema, q.name, c.relkind::pg_catalog.text, \
       CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END, \
       CASE WHEN c.relrowsecurity AND EXISTS (SELECT 1 FROM pg_catalog.pg_policy y \
           JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) y.oid \
           WHERE y.polrelid OPERATOR(pg_catalog.=) c.oid \
             AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_policy'::pg_catalog.regclass \
             AND (d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass, \
                 'pg_catalog.pg_operator'::pg_catalog.regclass]::pg_catalog.oid[]) \
               OR d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
                 AND d.refobjid OPERATOR(pg_catalog.<>) c.oid)) THEN 'row security' \
         WHEN EXISTS (SELECT 1 FROM code WHERE code.type OPERATOR(pg_catalog.=) c.reltype) THEN 'code' \
         WHEN c.relrowsecurity \
           OR EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) c.oid) \
           OR EXISTS (SELECT 1 FROM ({code}) found(object, class) \
             WHERE found.class OPERATOR(pg_catalog.<>) 'pg_catalog.pg_type'::pg_catalog.regclass \
               OR found.object OPERATOR(pg_catalog.<>) c.oid) \
         THEN 'planning' END \
     FROM asked q JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) q.oid"
    )
}

/// The types that bring no code of a user's: enumerations and what belongs to extensions, and arrays of these.
fn types(asked: &BTreeSet<u32>) -> String {
    let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
    format!(
        "SELECT 't', NULL, t.oid::pg_catalog.text, NULL, NULL, NULL FROM pg_catalog.pg_type t \
           JOIN pg_catalog.pg_type b ON b.oid OPERATOR(pg_catalog.=) \
             CASE WHEN t.typcategory OPERATOR(pg_catalog.=) 'A'::pg_catalog.\"char\" THEN t.typelem ELSE t.oid END \
         WHERE t.oid OPERATOR(pg_catalog.=) ANY ('{{{asked}}}'::pg_catalog.oid[]) \
           AND NOT EXISTS (SELECT 1 FROM code WHERE code.type OPERATOR(pg_catalog.=) b.oid) \
           AND (b.typtype OPERATOR(pg_catalog.=) 'e'::pg_catalog.\"char\" \
             OR b.typtype OPERATOR(pg_catalog.=) 'b'::pg_catalog.\"char\" \
               AND EXISTS ({IN_AN_EXTENSION} 'pg_catalog.pg_type'::pg_catalog.regclass \
                 AND e.objid OPERATOR(pg_catalog.=) b.oid))",
        asked = asked.join(",")
    )
}

/// The columns they have, each as its length in bytes, a colon and its name.
const COLUMNS: &str = "SELECT 'a', q.schema, q.name, pg_catalog.string_agg(pg_catalog.concat( \
       pg_catalog.octet_length(b.attname::pg_catalog.text), ':', b.attname), ''), NULL, NULL \
     FROM asked q JOIN pg_catalog.pg_attribute b ON b.attrelid OPERATOR(pg_catalog.=) q.oid \
     WHERE b.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT b.attisdropped GROUP BY 2, 3";

/// What is read with them: tables that inherit from them, and partitions that are foreign or in another schema.
const DESCENDANTS: &str = "SELECT 'd', q.schema, q.name, f.relkind::pg_catalog.text, fn.nspname::pg_catalog.text, f.relname::pg_catalog.text \
     FROM asked q CROSS JOIN LATERAL (WITH RECURSIVE below(relation) AS ( \
         SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) q.oid \
         UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN below b ON i.inhparent OPERATOR(pg_catalog.=) b.relation) \
       SELECT relation FROM below) b \
     JOIN pg_catalog.pg_class f ON f.oid OPERATOR(pg_catalog.=) b.relation \
     JOIN pg_catalog.pg_namespace fn ON fn.oid OPERATOR(pg_catalog.=) f.relnamespace \
     WHERE f.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'f']::pg_catalog.\"char\"[]) \
       AND (f.relnamespace OPERATOR(pg_catalog.<>) q.namespace OR NOT f.relispartition \
         OR f.relkind OPERATOR(pg_catalog.=) 'f')";

/// What the database holds that any expression may meet.
const DATABASE: &str = concat!(
    "SELECT 'k', NULL, NULL, NULL, NULL, NULL WHERE EXISTS (SELECT 1 FROM ",
    user_casts!(),
    " AND k.castsource OPERATOR(pg_catalog.<) '16384'::pg_catalog.oid AND k.casttarget OPERATOR(pg_catalog.<) '16384'::pg_catalog.oid) \
     UNION ALL SELECT 'p', NULL, NULL, NULL, NULL, NULL WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_opclass x \
       WHERE x.opcdefault AND x.oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.deptype OPERATOR(pg_catalog.=) 'e' \
           AND e.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_opclass'::pg_catalog.regclass \
           AND e.objid OPERATOR(pg_catalog.=) x.oid)) \
     UNION ALL SELECT 'e', NULL, NULL, NULL, NULL, NULL WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_event_trigger) \
     UNION ALL SELECT 'm', NULL, NULL, NULL, NULL, NULL WHERE EXISTS (",
    code_domains!(),
    ")"
);

/// An array of names as a constant; `standard_conforming_strings` is on, so that only quotes are special.
pub(super) fn array<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> =
        names.into_iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
    format!("ARRAY[{}]::pg_catalog.name[]", quoted.join(","))
}
