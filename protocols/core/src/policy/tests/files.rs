//! Rules about the files, programs and commands of an SSH target.

use super::*;

fn path(path: &str) -> Resource {
    Resource::Path { path: path.to_owned() }
}

fn program(name: &str) -> Resource {
    Resource::Program { name: name.to_owned() }
}

fn verdict(policies: &Policies, demands: &[Demand]) -> String {
    shown(&judge(policies, &ssh_session("web1"), demands))
}

#[test]
fn a_rule_about_a_folder_reaches_everything_below_it_and_nothing_beside_it() {
    let policies = compile(
        r#"@id("logs") permit(principal, action == Action::"ssh:read", resource in Path::"web1:/var/log");
           @id("own") permit(principal, action == Action::"ssh:read", resource in Path::"web1:~/notes");"#,
    );
    for inside in ["/var/log", "/var/log/syslog", "/var/log/a/b/c", "~/notes", "~/notes/today"] {
        let found = verdict(&policies, &[on(Action::SshRead, path(inside))]);
        assert!(found.starts_with("allow before_reply"), "{inside}: {found}");
    }
    for outside in ["/var", "/var/logs", "/var/log2/x", "/", "~", "~/note", "~/var/log/x", "/notes"]
    {
        let found = verdict(&policies, &[on(Action::SshRead, path(outside))]);
        assert!(found.starts_with("deny"), "{outside}: {found}");
    }
    let elsewhere =
        shown(&judge(&policies, &ssh_session("web2"), &[on(Action::SshRead, path("/var/log/x"))]));
    assert!(elsewhere.starts_with("deny"), "{elsewhere}");
}

#[test]
fn the_root_and_the_own_folder_are_in_the_target() {
    let policies = compile(
        r#"@id("root") permit(principal, action == Action::"ssh:list", resource in Path::"web1:/");
           @id("all") permit(principal, action == Action::"ssh:read", resource in Target::"web1");"#,
    );
    let asks = |action, resource| verdict(&policies, &[on(action, resource)]);
    assert!(asks(Action::SshList, path("/")).starts_with("allow"));
    assert!(asks(Action::SshList, path("/var/log/syslog")).starts_with("allow"));
    assert!(asks(Action::SshList, path("~/x")).starts_with("deny"));
    assert!(asks(Action::SshList, Resource::Target).starts_with("deny"));
    for everywhere in [path("/"), path("~"), path("~/x"), path("/a/b"), Resource::Target] {
        assert!(asks(Action::SshRead, everywhere).starts_with("allow"));
    }
}

#[test]
fn a_rule_can_ask_which_programs_and_files_the_whole_operation_has() {
    let policies = compile(
        r#"@id("reads") permit(principal, action in [Action::"ssh:query", Action::"ssh:read"], resource in Target::"web1")
             when { ["cat", "ls"].containsAll(context.programs) };
           @id("no-keys") forbid(principal, action, resource) when { context.paths.contains("/etc/ssh/key") };"#,
    );
    let cat = |name: &str| [on(Action::SshQuery, program("cat")), on(Action::SshRead, path(name))];
    assert!(verdict(&policies, &cat("/etc/hosts")).starts_with("allow"));
    assert!(verdict(&policies, &cat("/etc/ssh/key")).starts_with("deny no-keys"));
    let mut more = cat("/etc/hosts").to_vec();
    more.push(on(Action::SshQuery, program("who")));
    assert!(verdict(&policies, &more).starts_with("deny"));
}

#[test]
fn an_ssh_operation_that_asks_for_nothing_is_opaque_in_its_own_protocol() {
    let other =
        compile(r#"@id("o") permit(principal, action == Action::"postgres:opaque", resource);"#);
    assert_eq!(verdict(&other, &[]), "deny : no rule permits ssh:opaque");
    let own = compile(r#"@id("o") permit(principal, action == Action::"ssh:opaque", resource);"#);
    assert_eq!(verdict(&own, &[]), "allow before_forward by o");
    let group = compile(r#"@id("all") permit(principal, action in Action::"ssh", resource);"#);
    assert!(verdict(&group, &[]).starts_with("deny"));
    assert_eq!(
        verdict(&group, &[on(Action::SshExec, program("rm"))]),
        "allow before_forward by all"
    );
}

#[test]
fn rules_of_one_protocol_do_not_reach_another() {
    let policies = compile(
        r#"permit(principal, action in Action::"postgres", resource);
           permit(principal, action in Action::"ssh", resource in Path::"web1:/");"#,
    );
    assert!(verdict(&policies, &[on(Action::SshQuery, program("ls"))]).starts_with("deny"));
    assert!(verdict(&policies, &[on(Action::SshRead, path("/x"))]).starts_with("allow"));
    let orders = session("ci-bot", &["ci"], "orders");
    assert!(shown(&judge(&policies, &orders, &[])).starts_with("deny"));
}
