//! What Cedar is asked about: the agent with its groups, the resource with what it lies in, the context.

use super::matter::{Matter, Who};
use crate::{
    operation::{NamedColumn, Resource, Transaction},
    target::TargetName,
};
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
pub(super) fn principal(who: &Who) -> Result<(EntityUid, Vec<Entity>), EntityError> {
    let Who { agent, name, groups, .. } = who;
    let id = uid("Agent", &agent.to_string())?;
    let groups =
        groups.iter().map(|group| uid("Group", group)).collect::<Result<HashSet<_>, _>>()?;
    let attributes = HashMap::from([
        ("issuer".to_owned(), text(agent.issuer.clone())),
        ("subject".to_owned(), text(agent.subject.clone())),
        ("name".to_owned(), text(name.clone())),
    ]);
    let mut entities: Vec<_> =
        groups.iter().map(|group| Entity::new_no_attrs(group.clone(), HashSet::new())).collect();
    entities.push(Entity::new(id.clone(), attributes, groups).map_err(|_| EntityError)?);
    Ok((id, entities))
}

/// What an operation acts on, as policies write it.
pub fn place(target: &TargetName, resource: &Resource) -> String {
    match resource {
        Resource::Target => target.to_string(),
        Resource::Relation { schema, name } => {
            format!("{target}/{}.{}", quoted(schema), quoted(name))
        }
        Resource::Path { path: inside }
        | Resource::Program { name: inside }
        | Resource::Url { path: inside } => format!("{target}:{inside}"),
        Resource::ApiObject { namespace, group, version: _, resource, name, subresource } => {
            let kind = api_resource(resource, group);
            below(&below(&format!("{target}:{namespace}/{kind}"), name), subresource)
        }
    }
}

fn api_resource(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

fn below(place: &str, inside: &str) -> String {
    if inside.is_empty() { place.to_owned() } else { format!("{place}/{inside}") }
}

/// The resource of a demand, and it with everything that it lies in. A `/` or `.` inside a name cannot imitate another entity:
/// names are quoted as PostgreSQL's `quote_ident` would where they hold anything but plain characters, and the parts of an
/// object of the Kubernetes API hold neither.
pub(super) fn resource(
    who: &Who,
    resource: &Resource,
) -> Result<(EntityUid, Vec<Entity>), EntityError> {
    let target = who.target.as_str();
    let whole = uid("Target", target)?;
    let line = match resource {
        Resource::Target => vec![whole],
        Resource::Relation { schema, name: _ } => vec![
            uid("Relation", &place(&who.target, resource))?,
            uid("Schema", &format!("{target}/{}", quoted(schema)))?,
            whole,
        ],
        Resource::Path { path } => places("Path", target, path, whole)?,
        Resource::Program { .. } => vec![uid("Program", &place(&who.target, resource))?, whole],
        Resource::Url { path } => places("Url", target, path, whole)?,
        Resource::ApiObject { .. } => return api_object(&who.target, resource, whole),
    };
    let nested = nested(&line);
    Ok((line.into_iter().next().ok_or(EntityError)?, nested))
}

/// A path and the folders that it lies in, innermost first, then the target.
fn places(
    kind: &str,
    target: &str,
    path: &str,
    whole: EntityUid,
) -> Result<Vec<EntityUid>, EntityError> {
    folders(path).map(|place| uid(kind, &format!("{target}:{place}"))).chain([Ok(whole)]).collect()
}

/// An object of the Kubernetes API, in its namespace, where it has one, and in its resource.
fn api_object(
    target: &TargetName,
    object: &Resource,
    whole: EntityUid,
) -> Result<(EntityUid, Vec<Entity>), EntityError> {
    let Resource::ApiObject { namespace, group, version, resource, name, subresource } = object
    else {
        return Err(EntityError);
    };
    let id = uid("ApiObject", &place(target, object))?;
    let kind = format!("{target}:{}", api_resource(resource, group));
    let mut around = vec![uid("ApiResource", &below(&kind, subresource))?];
    if !namespace.is_empty() {
        around.push(uid("Namespace", &format!("{target}:{namespace}"))?);
    }
    let parts = [
        ("namespace", namespace),
        ("group", group),
        ("version", version),
        ("resource", resource),
        ("name", name),
        ("subresource", subresource),
    ];
    let attributes =
        parts.into_iter().map(|(part, value)| (part.to_owned(), text(value.clone()))).collect();
    let within = HashSet::from([whole.clone()]);
    let mut entities: Vec<_> = around
        .iter()
        .map(|outer| Entity::new_no_attrs(outer.clone(), within.clone()))
        .chain([Entity::new_no_attrs(whole, HashSet::new())])
        .collect();
    let around = around.into_iter().collect();
    entities.push(Entity::new(id.clone(), attributes, around).map_err(|_| EntityError)?);
    Ok((id, entities))
}

/// A path and the folders that it lies in, innermost first: the last is `/` or `~`.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    let inside = path.rmatch_indices('/').map(|(at, _)| at).filter(|at| *at + 1 < path.len());
    let outside = inside.filter_map(|at| path.get(..at.max(1)));
    std::iter::once(path).chain(outside)
}

/// The entities of `line`, each in the next.
fn nested(line: &[EntityUid]) -> Vec<Entity> {
    let parents = line.iter().skip(1).map(|parent| HashSet::from([parent.clone()]));
    let parents = parents.chain(std::iter::once(HashSet::new()));
    line.iter()
        .zip(parents)
        .map(|(id, parents)| Entity::new_no_attrs(id.clone(), parents))
        .collect()
}

/// The context of the whole operation.
pub(super) fn context(matter: &Matter) -> Result<Context, EntityError> {
    let Matter { who, asked } = matter;
    let (mut tables, mut paths, mut programs) = (Vec::new(), Vec::new(), Vec::new());
    for demand in &asked.demands {
        match &demand.resource {
            Resource::Target | Resource::ApiObject { .. } | Resource::Url { .. } => (),
            Resource::Relation { schema, name } => {
                tables.push(text(format!("{}.{}", quoted(schema), quoted(name))));
            }
            Resource::Path { path } => paths.push(text(path.clone())),
            Resource::Program { name } => programs.push(text(name.clone())),
        }
    }
    let columns = asked.columns.iter().map(|named| {
        let NamedColumn { schema, relation, column } = named;
        let column = column.as_deref().map_or_else(|| "*".to_owned(), quoted);
        text(format!("{}.{}.{column}", quoted(schema), quoted(relation)))
    });
    let commands = asked.commands.iter().cloned().map(text);
    Context::from_pairs([
        ("columns".to_owned(), RestrictedExpression::new_set(columns)),
        ("tables".to_owned(), RestrictedExpression::new_set(tables)),
        ("paths".to_owned(), RestrictedExpression::new_set(paths)),
        ("programs".to_owned(), RestrictedExpression::new_set(programs)),
        ("commands".to_owned(), RestrictedExpression::new_set(commands)),
        ("role".to_owned(), text(who.role.clone())),
        ("workload".to_owned(), workload(who)?),
        (
            "in_transaction".to_owned(),
            RestrictedExpression::new_bool(asked.transaction == Transaction::Open),
        ),
    ])
    .map_err(|_| EntityError)
}

fn workload(who: &Who) -> Result<RestrictedExpression, EntityError> {
    let parts = who.workload.parts();
    let parts = parts.map(|(name, said)| (name.to_owned(), text(said.to_owned())));
    RestrictedExpression::new_record(parts).map_err(|_| EntityError)
}

fn text(value: String) -> RestrictedExpression {
    RestrictedExpression::new_string(value)
}

fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
