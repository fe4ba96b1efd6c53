//! What Cedar is asked about: the agent with its groups, the resource with what it lies in, the context.

use super::findings::Matter;
use crate::operation::{NamedColumn, Resource, Transaction};
use cedar_policy::{Context, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
};

/// The question could not be put, which denies.
#[derive(Debug, thiserror::Error)]
#[error("the operation cannot be put to the policy")]
pub(super) struct EntityError;

/// The entity `kind::"id"`.
pub(super) fn uid(kind: &str, id: &str) -> Result<EntityUid, EntityError> {
    let kind = EntityTypeName::from_str(kind).map_err(|_| EntityError)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// The agent and its groups.
pub(super) fn principal(matter: &Matter) -> Result<(EntityUid, Vec<Entity>), EntityError> {
    let Matter { agent, name, groups, .. } = matter;
    let id = uid("Agent", &agent.to_string())?;
    let groups =
        groups.iter().map(|group| uid("Group", group)).collect::<Result<HashSet<_>, _>>()?;
    let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
    let attributes = HashMap::from([
        ("issuer".to_owned(), text(&agent.issuer)),
        ("subject".to_owned(), text(&agent.subject)),
        ("name".to_owned(), text(name)),
    ]);
    let mut entities: Vec<_> =
        groups.iter().map(|group| Entity::new_no_attrs(group.clone(), HashSet::new())).collect();
    entities.push(Entity::new(id.clone(), attributes, groups).map_err(|_| EntityError)?);
    Ok((id, entities))
}

/// The resource of a demand and what it lies in, innermost first. A `/` or `.` inside a name cannot imitate another
/// entity: names are quoted as PostgreSQL's `quote_ident` would where they hold anything but plain characters.
pub(super) fn resource(
    matter: &Matter,
    resource: &Resource,
) -> Result<Vec<EntityUid>, EntityError> {
    let target = matter.target.as_str();
    let whole = uid("Target", target)?;
    match resource {
        Resource::Target => Ok(vec![whole]),
        Resource::Relation { schema, name } => Ok(vec![
            uid("Relation", &format!("{target}/{}.{}", quoted(schema), quoted(name)))?,
            uid("Schema", &format!("{target}/{}", quoted(schema)))?,
            whole,
        ]),
    }
}

/// The entities of `line`, each in the next.
pub(super) fn nested(line: &[EntityUid]) -> Vec<Entity> {
    let parents = line.iter().skip(1).map(|parent| HashSet::from([parent.clone()]));
    let parents = parents.chain(std::iter::once(HashSet::new()));
    line.iter()
        .zip(parents)
        .map(|(id, parents)| Entity::new_no_attrs(id.clone(), parents))
        .collect()
}

/// The context of the whole operation.
pub(super) fn context(matter: &Matter) -> Result<Context, EntityError> {
    let tables = matter.demands.iter().filter_map(|demand| match &demand.resource {
        Resource::Target => None,
        Resource::Relation { schema, name } => {
            Some(RestrictedExpression::new_string(format!("{}.{}", quoted(schema), quoted(name))))
        }
    });
    let columns = matter.columns.iter().map(|named| {
        let NamedColumn { schema, relation, column } = named;
        let column = column.as_deref().map_or_else(|| "*".to_owned(), quoted);
        let whole = format!("{}.{}.{column}", quoted(schema), quoted(relation));
        RestrictedExpression::new_string(whole)
    });
    Context::from_pairs([
        ("columns".to_owned(), RestrictedExpression::new_set(columns)),
        ("tables".to_owned(), RestrictedExpression::new_set(tables)),
        ("role".to_owned(), RestrictedExpression::new_string(matter.role.clone())),
        (
            "in_transaction".to_owned(),
            RestrictedExpression::new_bool(matter.transaction == Transaction::Open),
        ),
    ])
    .map_err(|_| EntityError)
}

fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
