//! Policy: the published schema, and checking texts before they are applied.

use super::{
    Api,
    failure::{Answer, Failure},
    input::{Asked, Body, Nothing},
    reading,
};
use axum::{Json, extract::State};
use countersign_api::{
    policy::{PolicyCheck, PolicyCheckRequest, PolicySchema, PolicyText},
    problem::{Problem, ProblemKind},
};
use countersign_core::policy::{Policies, PolicyDocument, schema_text};

/// Bytes of all texts of one check: more than a cluster's policies have.
const MAX_CEDAR: usize = 1024 * 1024;
/// Texts of one check.
const MAX_TEXTS: usize = 2_000;

/// Compiles policy texts together, without applying anything.
#[utoipa::path(post, path = "/v1/policy/check", tag = "policy", request_body = PolicyCheckRequest, responses((status = 200, body = PolicyCheck), (status = "default", body = Problem)))]
pub(crate) async fn check(Body(request): Body<PolicyCheckRequest>) -> Answer<Json<PolicyCheck>> {
    check_extent(&request.policies)?;
    reading::heavy(move || Ok(Json(compiled(&documents(&request.policies))))).await
}

/// Refuses more texts than a cluster's policies have.
pub(super) fn check_extent(texts: &[PolicyText]) -> Answer<()> {
    let bytes: usize = texts.iter().map(|text| text.name.len() + text.cedar.len()).sum();
    if bytes <= MAX_CEDAR && texts.len() <= MAX_TEXTS {
        return Ok(());
    }
    let detail = format!("at most {MAX_TEXTS} texts of together {MAX_CEDAR} bytes are looked at");
    Err(Failure::new(ProblemKind::Invalid, detail))
}

pub(super) fn documents(texts: &[PolicyText]) -> Vec<PolicyDocument> {
    let document =
        |text: &PolicyText| PolicyDocument { name: text.name.clone(), text: text.cedar.clone() };
    texts.iter().map(document).collect()
}

fn compiled(documents: &[PolicyDocument]) -> PolicyCheck {
    match Policies::compile(documents) {
        Ok(policies) => PolicyCheck {
            ok: true,
            rules: policies.rule_names().map(str::to_owned).collect(),
            problems: Vec::new(),
        },
        Err(problems) => PolicyCheck {
            ok: false,
            rules: Vec::new(),
            problems: problems.into_iter().map(Into::into).collect(),
        },
    }
}

/// The schema that policies are validated against.
#[utoipa::path(get, path = "/v1/policy/schema", tag = "policy", responses((status = 200, body = PolicySchema), (status = "default", body = Problem)))]
pub(crate) async fn schema(
    State(api): State<Api>,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Json<PolicySchema>> {
    reading::reached(api.node()?, min.get()).await?;
    Ok(Json(PolicySchema { cedar_schema: schema_text() }))
}
