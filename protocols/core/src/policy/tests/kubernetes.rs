//! Rules about the objects and URLs of a Kubernetes target.

use super::*;

fn url(path: &str) -> Resource {
    Resource::Url { path: path.to_owned() }
}

fn verdict(policies: &Policies, demands: &[Demand]) -> String {
    shown(&judge(policies, &session_of(Protocol::Kubernetes, "prod"), demands))
}

fn one(policies: &Policies, action: Action, resource: Resource) -> String {
    verdict(policies, &[on(action, resource)])
}

#[test]
fn a_rule_about_a_resource_reaches_neither_its_sub_resources_nor_other_groups() {
    let policies = compile(
        r#"@id("pods") permit(principal, action, resource in ApiResource::"prod:pods");
           @id("scale") permit(principal, action, resource in ApiResource::"prod:deployments.apps/scale");"#,
    );
    for inside in ["shop/pods/web", "shop/pods", "/pods", "shop/deployments.apps/web/scale"] {
        let found = one(&policies, Action::KubernetesGet, api_object(inside));
        assert!(found.starts_with("allow"), "{inside}: {found}");
    }
    for outside in [
        "shop/pods/web/exec",
        "shop/pods/web/log",
        "shop/pods.metrics.k8s.io/web",
        "shop/podtemplates/web",
        "pods/services/web",
        "shop/deployments.apps/web",
        "shop/scale.apps/deployments",
    ] {
        let found = one(&policies, Action::KubernetesGet, api_object(outside));
        assert!(found.starts_with("deny"), "{outside}: {found}");
    }
}

#[test]
fn a_rule_about_a_namespace_reaches_what_is_in_it_and_not_what_is_in_all() {
    let policies =
        compile(r#"@id("shop") permit(principal, action, resource in Namespace::"prod:shop");"#);
    let asks = |place| one(&policies, Action::KubernetesList, api_object(place));
    for inside in ["shop/pods", "shop/secrets/db", "shop/namespaces/shop", "shop/pods/web/exec"] {
        assert!(asks(inside).starts_with("allow"), "{inside}");
    }
    for outside in ["/pods", "/nodes/shop", "shop2/pods", "other/namespaces/other", "/namespaces"] {
        assert!(asks(outside).starts_with("deny"), "{outside}");
    }
    let elsewhere = session_of(Protocol::Kubernetes, "test");
    let found =
        judge(&policies, &elsewhere, &[on(Action::KubernetesList, api_object("shop/pods"))]);
    assert!(shown(&found).starts_with("deny"));
}

#[test]
fn a_rule_can_name_one_object_and_ask_for_its_parts() {
    let policies = compile(
        r#"@id("one") permit(principal, action == Action::"kubernetes:get", resource == ApiObject::"prod:shop/configmaps/app");
           @id("like") permit(principal, action == Action::"kubernetes:get", resource)
             when { resource is ApiObject && resource.resource == "configmaps" && resource.group == "" && resource.name like "web-*" };
           @id("node") permit(principal, action == Action::"kubernetes:get", resource == ApiObject::"prod:/nodes/n1");"#,
    );
    for (place, expected) in [
        ("shop/configmaps/app", "allow"),
        ("shop/configmaps/web-1", "allow"),
        ("/nodes/n1", "allow"),
        ("shop/configmaps", "deny"),
        ("shop/configmaps.example.com/web-1", "deny"),
        ("other/configmaps/app", "deny"),
        ("shop/configmaps/app/status", "deny"),
    ] {
        let found = one(&policies, Action::KubernetesGet, api_object(place));
        assert!(found.starts_with(expected), "{place}: {found}");
    }
}

#[test]
fn urls_lie_in_each_other_and_in_the_target() {
    let policies = compile(
        r#"@id("health") permit(principal, action == Action::"kubernetes:url", resource in Url::"prod:/livez");
           @id("all") permit(principal, action == Action::"kubernetes:discover", resource in Target::"prod");"#,
    );
    assert!(one(&policies, Action::KubernetesUrl, url("/livez/etcd")).starts_with("allow"));
    assert!(one(&policies, Action::KubernetesUrl, url("/livez2")).starts_with("deny"));
    assert!(one(&policies, Action::KubernetesUrl, url("/")).starts_with("deny"));
    assert!(one(&policies, Action::KubernetesDiscover, url("/")).starts_with("allow"));
    assert!(one(&policies, Action::KubernetesDiscover, url("/openapi/v3")).starts_with("allow"));
}

#[test]
fn what_is_never_held_is_allowed_by_a_rule_without_a_hold_or_denied() {
    let holding =
        r#"@id("all") @hold("ops") permit(principal, action in Action::"kubernetes", resource);"#;
    let plain = r#"@id("plain") permit(principal, action in [Action::"kubernetes:discover", Action::"kubernetes:review", Action::"kubernetes:lease", Action::"kubernetes:get"], resource);"#;
    let forbidden =
        r#"@id("no") forbid(principal, action == Action::"kubernetes:lease", resource);"#;
    let only_held = compile(holding);
    let both = compile(&format!("{holding}{plain}"));
    let with_forbid = compile(&format!("{holding}{plain}{forbidden}"));
    let lease = || api_object("kube-system/leases.coordination.k8s.io/x");
    for action in Action::ALL.iter().copied().filter(|action| action.is_never_held()) {
        let found = one(&only_held, action, lease());
        assert!(found.starts_with("deny all") && found.contains("never held"), "{found}");
        assert!(one(&both, action, lease()).starts_with("allow"), "{}", action.name());
    }
    assert!(one(&with_forbid, Action::KubernetesLease, lease()).starts_with("deny no"));
    // Everything else is held where one rule holds, and where anything beside it is.
    assert!(one(&both, Action::KubernetesGet, lease()).starts_with("hold"));
    let mixed = [on(Action::KubernetesLease, lease()), on(Action::KubernetesPrivilege, lease())];
    assert!(verdict(&both, &mixed).starts_with("hold"));
}

#[test]
fn a_kubernetes_operation_that_asks_for_nothing_is_opaque_in_its_own_protocol() {
    let group =
        compile(r#"@id("all") permit(principal, action in Action::"kubernetes", resource);"#);
    assert!(verdict(&group, &[]).starts_with("deny"));
    let own =
        compile(r#"@id("o") permit(principal, action == Action::"kubernetes:opaque", resource);"#);
    assert_eq!(verdict(&own, &[]), "allow before_forward by o");
}

#[test]
fn what_reads_may_be_audited_while_it_runs_and_whatever_acts_is_audited_before() {
    let policies =
        compile(r#"@id("a") permit(principal, action in Action::"kubernetes", resource);"#);
    for action in Action::ALL.iter().copied() {
        if action.protocol() != Protocol::Kubernetes || action.is_opaque() {
            continue;
        }
        let reads = [
            Action::KubernetesDiscover,
            Action::KubernetesUrl,
            Action::KubernetesReview,
            Action::KubernetesGet,
            Action::KubernetesList,
            Action::KubernetesWatch,
            Action::KubernetesLog,
        ];
        let level = if reads.contains(&action) { "before_reply" } else { "before_forward" };
        let found = one(&policies, action, api_object("shop/pods/web"));
        assert_eq!(found, format!("allow {level} by a"), "{}", action.name());
    }
}
