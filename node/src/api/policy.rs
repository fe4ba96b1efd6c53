//! Policy: the published schema, and checking texts before they are applied.

use super::{failure::Answer, input::Body};
use axum::Json;
use countersign_api::{
    policy::{PolicyCheck, PolicyCheckRequest, PolicySchema},
    problem::Problem,
};
use countersign_core::policy::{Policies, PolicyDocument, schema_text};

/// Compiles policy texts together, without applying anything.
#[utoipa::path(post, path = "/v1/policy/check", tag = "policy", request_body = PolicyCheckRequest, responses((status = 200, body = PolicyCheck), (status = "default", body = Problem)))]
pub(crate) async fn check(Body(request): Body<PolicyCheckRequest>) -> Answer<Json<PolicyCheck>> {
    let documents: Vec<_> =
        request.policies.into_iter().map(|text| PolicyDocument { name: text.name, text: text.cedar }).collect();
    let done = tokio::task::spawn_blocking(move || compiled(&documents)).await;
    done.map(Json).map_err(|error| super::failure::Failure::internal("a policy check was not finished", &error))
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
pub(crate) async fn schema() -> Json<PolicySchema> {
    Json(PolicySchema { cedar_schema: schema_text() })
}
