//! Agents that want a request to be another one for the gateway than for the target. The target must see nothing of it.

use super::{
    gate::TOKEN,
    raw::{said, statuses},
    world::World,
};
use hyper::StatusCode;

const POD: &str = "/k8s/prod/api/v1/namespaces/dev/pods/web";

fn request(line: &str, headers: &str, body: &str) -> String {
    format!(
        "{line}\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

#[tokio::test]
async fn a_request_whose_length_can_be_read_in_two_ways_goes_nowhere() {
    let world = World::new().await;
    let smuggled = format!("0\r\n\r\nDELETE {POD} HTTP/1.1\r\nHost: x\r\n\r\n");
    let length = smuggled.len();
    for headers in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("Transfer-Encoding: identity, chunked\r\nContent-Length: {length}\r\n"),
        format!("Transfer-Encoding: xchunked\r\nContent-Length: {length}\r\n"),
        format!("Transfer-Encoding : chunked\r\nContent-Length: {length}\r\n"),
        format!("Transfer-Encoding:\tchunked\r\nContent-Length: {length}\r\n"),
        format!("X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: 5\r\n"),
        format!("Content-Length: 5\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}, {length}\r\n"),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: 0x5\r\nX: {length}\r\n"),
        format!("Content-Length: -1\r\nX: {length}\r\n"),
        "Transfer-Encoding: chunked\r\n".to_owned(),
    ] {
        let line = format!("PUT {POD} HTTP/1.1");
        let heard = said(&world, request(&line, &headers, &smuggled).as_bytes()).await;
        let statuses = statuses(&heard);
        assert!(statuses.iter().all(|status| status.starts_with("400")), "{headers:?}: {heard}");
        assert!(statuses.len() <= 1, "{headers:?}: {heard}");
    }
    assert_eq!((world.server.count(), world.gate.hold_count()), (0, 0));
}

#[tokio::test]
async fn a_head_that_is_not_as_it_should_be_goes_nowhere() {
    let world = World::new().await;
    for (line, headers) in [
        (format!("GET https://other{POD} HTTP/1.1"), ""),
        (format!("GET {POD} HTTP/1.0"), ""),
        (format!("GET {POD}"), ""),
        (format!("GET  {POD} HTTP/1.1"), ""),
        (format!("GET {POD} x HTTP/1.1"), ""),
        (format!("get {POD} HTTP/1.1"), ""),
        ("OPTIONS * HTTP/1.1".to_owned(), ""),
        ("CONNECT prod:443 HTTP/1.1".to_owned(), ""),
        (format!("TRACE {POD} HTTP/1.1"), ""),
        (format!("GET {POD} HTTP/1.1"), "Host: other\r\n"),
        (format!("GET {POD} HTTP/1.1"), "Authorization: Bearer other\r\n"),
        (format!("GET {POD} HTTP/1.1"), "Impersonate-User: system:admin\r\n"),
        (format!("GET {POD} HTTP/1.1"), "Impersonate_User: system:admin\r\n"),
        (format!("GET {POD} HTTP/1.1"), "X-Remote-User: admin\r\n"),
        (format!("GET {POD} HTTP/1.1"), "X-HTTP-Method-Override: DELETE\r\n"),
        (format!("GET {POD} HTTP/1.1"), "Connection: Authorization\r\n"),
        (format!("GET {POD} HTTP/1.1"), "X: y\r\n z\r\n"),
        (format!("GET {POD} HTTP/1.1"), "X\u{1}: y\r\n"),
        (format!("GET {POD} HTTP/1.1"), "no colon\r\n"),
    ] {
        let heard = said(&world, request(&line, headers, "").as_bytes()).await;
        let statuses = statuses(&heard);
        let refused = statuses.iter().all(|status| status.starts_with('4'));
        assert!(refused && statuses.len() <= 1, "{line} {headers:?}: {heard}");
    }
    assert_eq!(world.server.count(), 0);
}

#[tokio::test]
async fn a_path_that_can_be_read_in_two_ways_goes_nowhere() {
    let world = World::new().await;
    for path in [
        "/k8s/prod//api/v1/namespaces/dev/pods/web",
        "/k8s/prod/api/v1/namespaces//pods",
        "/k8s/prod/api/v1/namespaces/dev/../prod/secrets/db",
        "/k8s/prod/api/v1/namespaces/dev/./pods",
        "/k8s/prod/api/v1/namespaces/dev%2fpods/web",
        "/k8s/prod/api/v1/namespaces%2Fdev/pods/web",
        "/k8s/prod/api/v1/namespaces/dev/pods/web%2flog",
        "/k8s/prod/api/v1/namespaces/dev/pods/%77eb",
        "/k8s/prod/api/v1/namespaces/dev/pods/%252e%252e",
        "/k8s/prod/api/v1/namespaces/dev/pods/web;x=y",
        "/k8s/prod/api/v1/namespaces/dev/pods/web\\log",
        "/k8s/prod/api/v1/namespaces/dev/pods/web%00",
        "/k8s/prod/api/v1/namespaces/dev/pods/web/",
        "/k8s/prod/api/v1/namespaces/dev/pods?watch=0&watch=1",
        "/k8s/prod/api/v1/namespaces/dev/pods?",
        "/k8s/../prod/api/v1/pods",
        "/k8s/prod%2fapi/v1/pods",
        "/k8s/prod/../other/api/v1/pods",
        "//k8s/prod/api/v1/pods",
    ] {
        let line = format!("GET {path} HTTP/1.1");
        let heard = said(&world, request(&line, "", "").as_bytes()).await;
        let statuses = statuses(&heard);
        let refused = statuses.iter().all(|status| status.starts_with('4'));
        assert!(refused && statuses.len() == 1, "{path}: {heard}");
    }
    assert_eq!(world.server.count(), 0);
}

#[tokio::test]
async fn an_upgrade_makes_no_tunnel_of_the_connection() {
    // As in CVE-2018-1002105: behind an upgrade that has failed comes another request, in the hope that a tunnel is left.
    let world = World::new().await;
    let behind = format!(
        "DELETE {POD} HTTP/1.1\r\nHost: localhost\r\nImpersonate-User: system:admin\r\n\r\n"
    );
    for protocol in ["SPDY/3.1", "websocket", "h2c", "TLS/1.0", "x"] {
        for path in [
            format!("{POD}/exec?command=id"),
            format!("{POD}/attach"),
            format!("{POD}/portforward?ports=80"),
            format!("{POD}/log"),
            format!("{POD}/proxy/x"),
            POD.to_owned(),
            "/k8s/prod/apis/metrics.k8s.io/v1beta1".to_owned(),
        ] {
            let upgrade = format!(
                "Upgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n"
            );
            let head = request(&format!("GET {path} HTTP/1.1"), &upgrade, "");
            let head = head.replace("Connection: close", "Connection: Upgrade");
            let end = request(&format!("GET {POD}/end HTTP/1.1"), "X-Remote-User: x\r\n", "");
            let heard = said(&world, format!("{head}{behind}{end}").as_bytes()).await;
            let statuses = statuses(&heard);
            assert!(statuses.iter().all(|status| status.starts_with('4')), "{path}: {heard}");
            assert!(heard.contains("not supported"), "{heard}");
        }
    }
    assert_eq!((world.server.count(), world.gate.hold_count()), (0, 0));
}

#[tokio::test]
async fn what_comes_behind_a_granted_upgrade_is_no_request() {
    let world = World::new().await;
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n";
    let head = request(&format!("GET {POD}/exec?command=id HTTP/1.1"), upgrade, "");
    let head = head.replace("Connection: close", "Connection: Upgrade");
    let behind = request(&format!("DELETE {POD} HTTP/1.1"), "", "");
    let heard = said(&world, format!("{head}{behind}").as_bytes()).await;
    assert_eq!(statuses(&heard), ["101 Switching Protocols"], "{heard}");
    assert_eq!(*world.gate.hold(0).await.ended.borrow(), "parked");
    assert_eq!((world.server.count(), world.gate.hold_count()), (0, 1));
}

#[tokio::test]
async fn streams_are_refused_without_an_upgrade_too_and_a_nodes_own_interface_always() {
    let world = World::new().await;
    let mut client = world.client().await;
    for (method, path) in [
        ("POST", format!("{POD}/exec?command=id")),
        ("GET", format!("{POD}/attach")),
        ("POST", format!("{POD}/portforward?ports=80")),
        ("GET", "/k8s/prod/api/v1/nodes/n1/proxy/run/x".to_owned()),
    ] {
        let came = client.ask(method, &path, &[], "").await;
        assert_eq!(came.status, StatusCode::BAD_REQUEST, "{path}: {came:?}");
        assert!(came.message().contains("not supported"), "{came:?}");
    }
    assert_eq!((world.server.count(), world.gate.hold_count()), (0, 0));
}

#[tokio::test]
async fn too_many_or_too_long_headers_go_nowhere() {
    let world = World::new().await;
    let many = "X: y\r\n".repeat(100);
    let long = format!("X: {}\r\n", "y".repeat(100 * 1024));
    for headers in [many, long] {
        let line = format!("GET {POD} HTTP/1.1");
        let heard = said(&world, request(&line, &headers, "").as_bytes()).await;
        assert!(statuses(&heard).iter().all(|status| status.starts_with('4')), "{heard}");
    }
    let mut client = world.client().await;
    let names: Vec<String> = (0..100).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "y")).collect();
    assert!(client.ask("GET", POD, &many, "").await.status.is_client_error());
    let long = "y".repeat(100 * 1024);
    let refused = client.begin("GET", POD, &[("x", &long)], "").await;
    assert!(refused.is_err() || refused.unwrap().status().is_client_error());
    assert_eq!(world.server.count(), 0);
}

#[tokio::test]
async fn over_http_2_what_belongs_to_http_1_goes_nowhere() {
    let world = World::new().await;
    let mut client = world.client().await;
    for header in [
        ("host", "other"),
        ("impersonate-group", "system:masters"),
        ("x-remote-group", "system:masters"),
    ] {
        let came = client.ask("GET", POD, &[header], "").await;
        assert!(came.status.is_client_error(), "{header:?}: {came:?}");
        client = world.client().await;
    }
    for header in
        [("connection", "upgrade"), ("upgrade", "websocket"), ("transfer-encoding", "chunked")]
    {
        // The client's own library may see to it, or the gateway's.
        if let Ok(answer) = client.begin("GET", POD, &[header], "").await {
            assert!(answer.status() == StatusCode::OK || answer.status().is_client_error());
        }
        client = world.client().await;
    }
    let seen = world.server.seen.borrow().clone();
    assert!(
        seen.iter()
            .all(|seen| seen.headers.keys().all(|name| name != "upgrade" && name != "connection"))
    );
}
