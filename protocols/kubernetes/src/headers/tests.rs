//! Headers: what gets an agent nowhere, and what the target sees.

use super::*;

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    map
}

fn read(headers: &[(&str, &str)]) -> Result<Headers, BadHeader> {
    Headers::read(&map(headers), Forms::Masked)
}

fn upstream(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let made = read(headers).unwrap().upstream().unwrap();
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    made.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

#[test]
fn no_header_takes_another_ones_rights_method_or_path() {
    for name in [
        "Impersonate-User",
        "impersonate-group",
        "Impersonate-Uid",
        "Impersonate-Extra-scopes",
        "Impersonate_User",
        "X-Remote-User",
        "X-Remote-Group",
        "X_Remote_Extra-x",
        "X-HTTP-Method-Override",
        "X-Http-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Proxy-Authorization",
        "Proxy-Connection",
    ] {
        assert_eq!(read(&[(name, "x")]).unwrap_err(), BadHeader::Never, "{name}");
    }
}

#[test]
fn what_stands_once_does_not_stand_twice() {
    for (name, value) in [
        ("Authorization", "Bearer a"),
        ("Content-Type", "application/json"),
        ("Host", "x"),
        ("Content-Encoding", "identity"),
    ] {
        assert_eq!(read(&[(name, value), (name, value)]).unwrap_err(), BadHeader::Twice, "{name}");
    }
}

#[test]
fn a_connection_takes_no_header_away() {
    for named in ["Impersonate-User", "close, Authorization", "keep-alive,Content-Type", "x-y"] {
        assert_eq!(read(&[("Connection", named)]).unwrap_err(), BadHeader::Connection, "{named}");
    }
    for known in ["close", "Keep-Alive", "keep-alive, close", "TE"] {
        assert!(read(&[("Connection", known)]).is_ok(), "{known}");
    }
}

#[test]
fn an_upgrade_without_a_stream_and_a_compressed_body_are_refused() {
    for protocol in ["websocket", "SPDY/3.1", "h2c", "anything"] {
        let found = read(&[("Connection", "Upgrade"), ("Upgrade", protocol)]);
        assert_eq!(found.unwrap_err(), BadHeader::Upgrade, "{protocol}");
    }
    for coding in ["gzip", "deflate", "identity, gzip", ""] {
        assert_eq!(
            read(&[("Content-Encoding", coding)]).unwrap_err(),
            BadHeader::Coding,
            "{coding}"
        );
    }
}

#[test]
fn only_a_bearer_token_in_its_place_is_a_proof() {
    let token = read(&[("Authorization", "Bearer abc.def-_~+/=")]).unwrap().token.unwrap();
    assert_eq!(token.expose(), b"abc.def-_~+/=");
    assert!(read(&[]).unwrap().token.is_none());
    for other in
        ["Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer a, Bearer b"]
    {
        let found = read(&[("Authorization", other)]);
        assert_eq!(found.unwrap_err(), BadHeader::Authorization, "{other}");
    }
    let smuggled = "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj";
    let found = read(&[("Sec-WebSocket-Protocol", smuggled)]);
    assert_eq!(found.unwrap_err(), BadHeader::Authorization);
}

#[test]
fn the_target_sees_what_was_read_and_nothing_else() {
    let all = upstream(&[
        ("Authorization", "Bearer agent"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip"),
        ("Content-Type", "application/json"),
        ("User-Agent", "kubectl/1.32"),
        ("Cookie", "a=b"),
        ("Forwarded", "for=1.2.3.4"),
        ("Range", "bytes=0-1"),
        ("TE", "trailers"),
        ("Trailer", "Authorization"),
        ("Via", "1.1 x"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Host", "x"),
        ("X-Real-Ip", "1.2.3.4"),
        ("Kubectl-Command", "kubectl get"),
        ("Audit-Id", "x"),
        ("Expect", "100-continue"),
    ]);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        all,
        [
            header("accept", "application/json"),
            header("content-type", "application/json"),
            header("user-agent", "kubectl/1.32"),
        ]
    );
}

#[test]
fn only_what_can_be_masked_is_asked_for() {
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    for (accept, expected) in [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/*;q=0.5", "application/json"),
        ("application/json;q=0.9, */*;q=0.1", "application/json"),
        ("application/vnd.kubernetes.protobuf, application/json", "application/json"),
        ("application/vnd.kubernetes.protobuf;as=Table, */*", "application/json"),
        ("application/cbor, application/json;q=0.2", "application/json"),
        ("application/json;stream=watch, application/json", "application/json"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", table),
        ("text/plain", "text/plain"),
        ("application/yaml", "application/json"),
    ] {
        assert_eq!(upstream(&[("Accept", accept)])[0].1, expected, "{accept}");
    }
    let both = format!("{table},application/json");
    let asked = &upstream(&[("Accept", &both)])[0].1;
    assert_eq!(asked, &format!("{table}, application/json"));
    assert_eq!(upstream(&[])[0].1, "application/json");
    for accept in [
        "application/vnd.kubernetes.protobuf",
        "application/cbor",
        "application/json;q=0",
        "application/json;q=0.000",
        "text/html",
        "",
        "application/json;as=Table;x=y",
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    ] {
        let found = read(&[("Accept", accept)]);
        assert_eq!(found.unwrap_err(), BadHeader::NotAcceptable, "{accept}");
    }
    let many = vec!["application/json"; 17].join(",");
    assert_eq!(read(&[("Accept", &many)]).unwrap_err(), BadHeader::NotAcceptable);
}

#[test]
fn yaml_is_json_by_another_name_where_the_agent_prefers_it() {
    let label = |accept: &str| read(&[("Accept", accept)]).unwrap().label();
    assert_eq!(label("application/yaml"), Label::Yaml);
    assert_eq!(label("application/yaml, application/json"), Label::Yaml);
    assert_eq!(label("application/json, application/yaml"), Label::AsItIs);
    assert_eq!(label("*/*"), Label::AsItIs);
}

#[test]
fn the_schema_is_had_in_protobuf_where_nothing_is_covered() {
    let schema = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let read = |accept: &str| Headers::read(&map(&[("Accept", accept)]), Forms::Schema);
    let asked = read(schema).unwrap().upstream().unwrap();
    assert_eq!(asked[ACCEPT], schema);
    assert!(read("application/vnd.kubernetes.protobuf").is_err());
}
