//! The client against a plain-text look at what it would send; against a real node it is tested where nodes are.

use super::*;

#[test]
fn an_endpoint_is_an_https_url_without_credentials() {
    let client = |url: &str| Client::new(ClientConfig::new(vec![url.to_owned()]));
    assert!(client("https://127.0.0.1:7443").is_ok());
    for wrong in ["http://127.0.0.1:7443", "127.0.0.1:7443", "https://u:p@h", "https://h/?q", ""] {
        assert!(client(wrong).is_err(), "{wrong}");
    }
    assert!(Client::new(ClientConfig::new(Vec::new())).is_err());
}

#[test]
fn a_ca_file_without_a_certificate_is_refused() {
    let mut config = ClientConfig::new(vec!["https://h".to_owned()]);
    config.ca_pem = Some(b"nothing".to_vec());
    assert!(matches!(Client::new(config), Err(ClientError::Configuration { .. })));
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_a_passing_failure() {
    let mut config =
        ClientConfig::new(vec!["https://127.0.0.1:1".to_owned(), "https://127.0.0.1:2".to_owned()]);
    config.rounds = 1;
    let error = Client::new(config).unwrap().cluster().await.unwrap_err();
    assert!(error.is_passing() && error.was_unsent(), "{error:?}");
}

#[test]
fn the_debug_form_of_a_client_shows_no_token() {
    let mut config = ClientConfig::new(vec!["https://h".to_owned()]);
    config.token = Some(Secret::new("hunter2"));
    assert!(!format!("{:?}", Client::new(config).unwrap()).contains("hunter2"));
}
