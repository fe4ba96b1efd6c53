//! Which relations a text reads in the end: those it names, what views among them read in turn, and which others share
//! rows with each (tables that inherit from it, and all that it or one of those inherits from). With the numbers by which `RowDescription`
//! names relations and columns.
//!
//! A name that the text gives without a schema is every relation it can mean: what is found too much is covered too much.

use crate::{
    classify::{Classified, Name},
    upstream::OwnRow,
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

/// Relations that share rows with one and matter, at most; one that has more of them is not followed.
const MAX_KIN: usize = 2_000;

/// The relations that a text reads, and the queries of the views among them, read, by the views' numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Known {
    pub(crate) reach: Reach,
    pub(crate) definitions: BTreeMap<u32, Arc<Classified>>,
    /// The names, in lower case, that kin was asked for by; none where nothing was asked.
    pub(crate) tables: Option<BTreeSet<String>>,
}

impl Known {
    /// Whether all sessions have the same relations under these names. That there is none is believed once only.
    pub(crate) fn is_shared(&self, names: &BTreeSet<Name>) -> bool {
        let temporary = |one: &Reached| one.name.schema.as_deref() == Some("pg_temp");
        let found = |name: &Name| self.reach.relations.values().any(|one| name.can_mean(&one.name));
        !self.reach.relations.values().any(temporary) && names.iter().all(found)
    }

    /// What is known of both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut definitions = self.definitions.clone();
        definitions.extend(other.definitions.iter().map(|(oid, read)| (*oid, Arc::clone(read))));
        let tables = match (&self.tables, &other.tables) {
            (Some(these), Some(those)) => Some(these & those),
            (tables, None) | (None, tables) => tables.clone(),
        };
        Self { reach: self.reach.clone().and(other.reach.clone()), definitions, tables }
    }

    /// Whether all kin is known that can have one of these names, in lower case.
    pub(crate) fn tells_of(&self, wanted: &BTreeSet<String>) -> bool {
        self.tables.as_ref().is_none_or(|asked| wanted.is_subset(asked))
    }

    /// The same where none of it is.
    pub(crate) fn without_kin(&self) -> Self {
        let mut known = self.clone();
        known.reach.relations.values_mut().for_each(|reached| reached.kin = Kin::TooMany);
        known
    }

    /// What the definitions of views name and the catalogue was not asked for. Without a schema, as the target writes them,
    /// names are of its own.
    pub(crate) fn missing(&self) -> BTreeSet<Name> {
        let named = self.definitions.values().flat_map(|read| &read.statements);
        let found =
            |name: &&Name| self.reach.relations.values().any(|one| name.can_mean(&one.name));
        let missing = named.flat_map(|statement| &statement.tables).filter(|name| !found(name));
        let placed = |name: &Name| match &name.schema {
            Some(_) => name.clone(),
            None => Name::in_schema("pg_catalog", name.name.as_str()),
        };
        missing.map(placed).collect()
    }
}

/// The relations that a text reads.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reach {
    pub(crate) relations: BTreeMap<u32, Reached>,
}

impl Reach {
    /// What is known of both. Of a relation that is another one in each, nothing is.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (oid, relation) in other.relations {
            match self.relations.entry(oid) {
                Entry::Vacant(vacant) => drop(vacant.insert(relation)),
                Entry::Occupied(mut known) if *known.get() != relation => {
                    known.get_mut().rows = Rows::Unknown;
                }
                Entry::Occupied(_) => {}
            }
        }
        self
    }
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reached {
    pub(crate) name: Name,
    /// Its columns that were not dropped, by number.
    pub(crate) columns: BTreeMap<i16, Attribute>,
    pub(crate) kin: Kin,
    pub(crate) rows: Rows,
    pub(crate) rules: Rules,
}

/// A column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    /// The columns of the same relation that it is generated from.
    pub(crate) generated_from: BTreeSet<i16>,
}

/// The relations that share rows with one: those of the names that were asked for, and one of each schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kin {
    These(BTreeSet<Name>),
    TooMany,
}

/// Where the rows of a relation come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Rows {
    /// They are its own.
    Own,
    /// From what a view or materialised view was defined as.
    Query(String),
    /// From the server itself.
    System,
    /// It is not known.
    Unknown,
}

/// Whether what is written to a relation is replaced by something that its own definition does not show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rules {
    None,
    /// A rule (`CREATE RULE` for anything but SELECT) or an `INSTEAD OF` trigger says what comes back.
    Some,
}

/// The statement that asks what `names` reach, with unqualified names looked up along `search_path`. `tables` are the names, in
/// lower case, that matter of what shares rows with them.
pub(crate) fn reach(
    names: &BTreeSet<Name>,
    search_path: &[String],
    tables: &BTreeSet<String>,
) -> String {
    let mut pairs: BTreeSet<(&str, &str)> = BTreeSet::new();
    for Name { schema, name } in names {
        if let Some(schema) = schema {
            pairs.insert((schema, name));
        } else {
            let path = search_path.iter().map(String::as_str).chain(["pg_catalog", "pg_temp"]);
            pairs.extend(path.map(|schema| (schema, name.as_str())));
        }
    }
    let wanted: Vec<String> = pairs
        .iter()
        .map(|(schema, name)| format!("({}, {})", literal(schema), literal(name)))
        .collect();
    // One more shows that there are too many.
    let closure =
        CLOSURE.replace("{kin}", &(MAX_KIN + 1).to_string()).replace("{tables}", &texts(tables));
    format!("WITH RECURSIVE wanted(schema, name) AS (VALUES {}), {closure}", wanted.join(", "))
}

/// An array of texts as a constant; `standard_conforming_strings` is on, so that only quotes are special.
fn texts(all: &BTreeSet<String>) -> String {
    let quoted: Vec<String> =
        all.iter().map(|text| format!("'{}'", text.replace('\'', "''"))).collect();
    format!("ARRAY[{}]::pg_catalog.text[]", quoted.join(","))
}

/// A rule's query depends on what it reads; the relation that has the rule is read by it in name only. Of names that are not
/// ASCII nobody but the gateway says what they are in lower case: they all come. A relation shows the rows of all that inherit
/// from it, and each of those can inherit from others, whose rules are for its rows too.
///
/// The planner takes an array for ten rows, and what is found by recursion for ten times as much a step: with three of those in
/// each other it would compile (`jit`) for seconds what then runs for a millisecond.
const CLOSURE: &str = "reached(oid) AS ( \
       SELECT c.oid FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         JOIN wanted w ON w.name OPERATOR(pg_catalog.=) c.relname \
           AND (w.schema OPERATOR(pg_catalog.=) n.nspname \
             OR w.schema OPERATOR(pg_catalog.=) 'pg_temp'::pg_catalog.name \
               AND n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) \
       UNION \
       SELECT d.refobjid FROM reached r \
         JOIN pg_catalog.pg_rewrite w ON w.ev_class OPERATOR(pg_catalog.=) r.oid \
         JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
           AND d.objid OPERATOR(pg_catalog.=) w.oid \
           AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass), \
     found(oid) AS (SELECT u.oid FROM pg_catalog.unnest(ARRAY(SELECT oid FROM reached)) AS u(oid)), \
     below(oid, kin) AS ( \
       SELECT f.oid, f.oid FROM found f \
       UNION SELECT b.oid, i.inhrelid FROM below b \
         JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) b.kin), \
     family(oid, kin) AS ( \
       SELECT u.oid, u.kin FROM ROWS FROM (pg_catalog.unnest(ARRAY(SELECT oid FROM below)), \
           pg_catalog.unnest(ARRAY(SELECT kin FROM below))) AS u(oid, kin) \
       UNION SELECT f.oid, i.inhparent FROM family f \
         JOIN pg_catalog.pg_inherits i ON i.inhrelid OPERATOR(pg_catalog.=) f.kin), \
     kin(oid, kin) AS (SELECT oid, kin FROM family WHERE oid OPERATOR(pg_catalog.<>) kin) \
     SELECT c.oid::pg_catalog.text, \
       CASE WHEN n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname::pg_catalog.text END, \
       c.relname::pg_catalog.text, c.relkind::pg_catalog.text, \
       CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite w WHERE w.ev_class OPERATOR(pg_catalog.=) c.oid \
             AND w.ev_type OPERATOR(pg_catalog.<>) '1'::pg_catalog.\"char\") \
           OR EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid \
             AND (t.tgtype OPERATOR(pg_catalog.&) '64'::pg_catalog.int2) OPERATOR(pg_catalog.<>) '0'::pg_catalog.int2) \
         THEN 'rules' END, \
       (SELECT pg_catalog.string_agg(pg_catalog.concat(a.attnum, ':', \
             pg_catalog.encode(pg_catalog.convert_to(a.attname::pg_catalog.text, 'UTF8'), 'hex'), ':', \
             CASE WHEN a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog.\"char\" THEN \
               (SELECT pg_catalog.string_agg(d.refobjsubid::pg_catalog.text, '+') FROM pg_catalog.pg_depend d \
                  WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
                    AND d.refobjid OPERATOR(pg_catalog.=) c.oid AND d.refobjsubid OPERATOR(pg_catalog.>) 0 \
                    AND (d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
                        AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.objsubid OPERATOR(pg_catalog.=) a.attnum \
                      OR d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
                        AND d.objid OPERATOR(pg_catalog.=) (SELECT f.oid FROM pg_catalog.pg_attrdef f \
                          WHERE f.adrelid OPERATOR(pg_catalog.=) c.oid AND f.adnum OPERATOR(pg_catalog.=) a.attnum))) \
             END), ',' ORDER BY a.attnum) \
          FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid \
            AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped), \
       (SELECT pg_catalog.string_agg(pg_catalog.concat( \
             pg_catalog.encode(pg_catalog.convert_to(m.nspname::pg_catalog.text, 'UTF8'), 'hex'), ':', \
             pg_catalog.encode(pg_catalog.convert_to(k.relname::pg_catalog.text, 'UTF8'), 'hex')), ',') \
          FROM (SELECT r.relname, r.relnamespace FROM kin \
                JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) kin.kin \
                WHERE kin.oid OPERATOR(pg_catalog.=) c.oid \
                  AND (pg_catalog.translate(r.relname::pg_catalog.text, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') \
                      OPERATOR(pg_catalog.=) ANY ({tables}) \
                    OR pg_catalog.octet_length(pg_catalog.convert_to(r.relname::pg_catalog.text, 'UTF8')) \
                      OPERATOR(pg_catalog.<>) pg_catalog.char_length(r.relname::pg_catalog.text)) \
              UNION (SELECT DISTINCT ON (r.relnamespace) r.relname, r.relnamespace FROM kin \
                JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) kin.kin \
                WHERE kin.oid OPERATOR(pg_catalog.=) c.oid ORDER BY r.relnamespace, r.oid) \
              LIMIT {kin}) k \
            JOIN pg_catalog.pg_namespace m ON m.oid OPERATOR(pg_catalog.=) k.relnamespace), \
       CASE WHEN c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['v', 'm']::pg_catalog.\"char\"[]) \
           AND n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog'::pg_catalog.name \
           AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'::pg_catalog.name \
         THEN pg_catalog.pg_get_viewdef(c.oid) END \
     FROM found r JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.oid \
       JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace";

/// A name as a constant; `standard_conforming_strings` is on, so that only quotes are special.
fn literal(name: &str) -> String {
    format!("'{}'::pg_catalog.name", name.replace('\'', "''"))
}

/// Reads the rows. A row that is not what was asked for makes the whole unreadable.
pub(crate) fn read_reach(rows: &[OwnRow]) -> Option<Reach> {
    let relations = rows.iter().map(|row| Some((text(row, 0).parse().ok()?, reached(row)?)));
    Some(Reach { relations: relations.collect::<Option<_>>()? })
}

fn reached(row: &OwnRow) -> Option<Reached> {
    let schema = text(row, 1);
    let system = matches!(schema, "pg_catalog" | "information_schema");
    let rows = match (text(row, 3), row.get(7)) {
        _ if system => Rows::System,
        ("v" | "m", Some(Some(query))) => Rows::Query(query.clone()),
        ("r" | "p" | "f" | "S" | "c" | "i" | "I", _) => Rows::Own,
        _ => Rows::Unknown,
    };
    Some(Reached {
        name: Name::in_schema(schema, text(row, 2)),
        columns: listed(text(row, 5))
            .map(|(number, rest)| Some((number.parse().ok()?, attribute(rest)?)))
            .collect::<Option<_>>()?,
        kin: kin(text(row, 6))?,
        rows,
        rules: if text(row, 4).is_empty() { Rules::None } else { Rules::Some },
    })
}

fn attribute(text: &str) -> Option<Attribute> {
    let (name, from) = text.split_once(':')?;
    let from = from.split('+').filter(|number| !number.is_empty());
    Some(Attribute {
        name: unhex(name)?,
        generated_from: from.map(|number| number.parse().ok()).collect::<Option<_>>()?,
    })
}

fn kin(text: &str) -> Option<Kin> {
    let kin = listed(text)
        .map(|(schema, name)| Some(Name::in_schema(unhex(schema)?, unhex(name)?)))
        .collect::<Option<BTreeSet<_>>>()?;
    Some(if kin.len() > MAX_KIN { Kin::TooMany } else { Kin::These(kin) })
}

fn listed(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let items = text.split(',').filter(|item| !item.is_empty());
    items.map(|item| item.split_once(':').unwrap_or((item, "")))
}

fn unhex(text: &str) -> Option<String> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    if rest.is_empty() { String::from_utf8(bytes?).ok() } else { None }
}

fn text(row: &OwnRow, place: usize) -> &str {
    row.get(place).and_then(Option::as_deref).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(parts: [&str; 8]) -> OwnRow {
        parts.map(|part| Some(part.to_owned()).filter(|part| !part.is_empty())).to_vec()
    }

    #[test]
    fn a_row_of_the_catalogue_is_read_whole_or_not_at_all() {
        let good = row(["17", "public", "t", "r", "", "1:6964:,3:c3bc:1+2", "7075626c6963:70", ""]);
        let reach = read_reach(std::slice::from_ref(&good)).unwrap();
        let found = &reach.relations[&17];
        let (first, last) = (&found.columns[&1], &found.columns[&3]);
        assert_eq!((first.name.as_str(), first.generated_from.len()), ("id", 0));
        assert_eq!((last.name.as_str(), &last.generated_from), ("ü", &BTreeSet::from([1, 2])));
        assert_eq!(found.kin, Kin::These(BTreeSet::from([Name::in_schema("public", "p")])));
        assert_eq!((&found.rows, found.rules), (&Rows::Own, Rules::None));
        let view = row(["18", "public", "v", "v", "rules", "", "", " SELECT 1;"]);
        let view = read_reach(&[view]).unwrap().relations.remove(&18).unwrap();
        assert_eq!(view.rows, Rows::Query(" SELECT 1;".to_owned()));
        let lost = row(["18", "public", "v", "v", "", "", "", ""]);
        assert_eq!(read_reach(&[lost]).unwrap().relations[&18].rows, Rows::Unknown);
        for (place, wrong) in [
            (0, "x"),
            (5, "1:6:"),
            (5, "a:69:"),
            (5, "1:ff:"),
            (5, "1:69"),
            (5, "1:69:x"),
            (6, "70:zz"),
        ] {
            let mut bad = good.clone();
            bad[place] = Some(wrong.to_owned());
            assert_eq!(read_reach(&[bad]), None, "{wrong}");
        }
    }
}
