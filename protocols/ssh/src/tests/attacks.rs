//! Ways around the gate that a client can try.

use super::{
    gate::TOKEN,
    raw::{connect, connect_with, heard, log_in, status},
    world::{World, certificate},
};
use russh::{
    ChannelMsg, Preferred, Pty, cipher, client, compression, kex,
    keys::{
        HashAlg, PrivateKey, PrivateKeyWithHashAlg, agent::AgentIdentity, signature::Signer as _,
        ssh_encoding::Encode as _,
    },
    mac,
};
use std::{borrow::Cow, sync::Arc, sync::atomic::Ordering, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

fn key(world: &World, name: &str) -> Arc<PrivateKey> {
    let text = std::fs::read(world.at(name)).unwrap();
    Arc::new(PrivateKey::from_openssh(text).unwrap())
}

#[tokio::test]
async fn only_the_agents_own_certificate_or_token_lets_in() {
    let world = World::new().await;
    for (name, good) in [("stranger", false), ("agent", true)] {
        let mut handle = connect(&world).await;
        let certificate = certificate(&world.at(&format!("{name}-cert.pub")));
        let key = key(&world, name);
        let answer = handle.authenticate_openssh_cert("deploy@web1", key, certificate).await;
        assert_eq!(answer.unwrap().success(), good, "{name}");
    }
    for (token, good) in [("", false), ("a-bad-token", false), (TOKEN, true)] {
        let mut handle = connect(&world).await;
        let answer = handle.authenticate_password("deploy@web1", token).await.unwrap();
        assert_eq!(answer.success(), good, "{token}");
    }
}

#[tokio::test]
async fn a_key_without_a_certificate_lets_nobody_in_and_costs_no_proof() {
    let world = World::new().await;
    let mut handle = connect(&world).await;
    for name in ["stranger", "agent", "own"] {
        let key = PrivateKeyWithHashAlg::new(key(&world, name), None);
        let answer = handle.authenticate_publickey("deploy@web1", key).await.unwrap();
        assert!(!answer.success(), "{name}");
    }
    assert_eq!(world.gate.proofs.load(Ordering::SeqCst), 0);
    let certificate = certificate(&world.at("agent-cert.pub"));
    let key = key(&world, "agent");
    let answer = handle.authenticate_openssh_cert("deploy@web1", key, certificate).await.unwrap();
    assert!(answer.success(), "what comes behind them counts");
}

#[tokio::test]
async fn a_key_that_is_offered_and_not_proved_is_not_even_looked_at() {
    let world = World::new().await;
    // The client has the agent's public key, and signs with another one.
    let agent = std::fs::read_to_string(world.at("agent.pub")).unwrap();
    let agent = russh::keys::PublicKey::from_openssh(&agent).unwrap();
    let mut handle = connect(&world).await;
    let mut forger = Forger(key(&world, "stranger"));
    let answer = handle.authenticate_publickey_with("deploy@web1", agent, None, &mut forger).await;
    assert!(!answer.is_ok_and(|answer| answer.success()));
    assert_eq!(world.gate.proofs.load(Ordering::SeqCst), 0);
}

/// Signs with a key that is not the one it was asked for.
struct Forger(Arc<PrivateKey>);

impl russh::Signer for Forger {
    type Error = russh::AgentAuthError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        mut signed: Vec<u8>,
    ) -> Result<Vec<u8>, russh::AgentAuthError> {
        self.0.try_sign(&signed).unwrap().encode_prefixed(&mut signed).unwrap();
        Ok(signed)
    }
}

#[tokio::test]
async fn a_user_name_that_means_no_target_lets_nobody_in() {
    let world = World::new().await;
    for user in ["deploy", "deploy@web1%root", "deploy@", "@web1", "deploy@web1\nx", "x;id@WEB1"] {
        let mut handle = connect(&world).await;
        let answer = handle.authenticate_password(user, TOKEN).await.unwrap();
        assert!(!answer.success(), "{user:?}");
    }
    for user in ["root@web1", "deploy@web2", "ci-bot@web1"] {
        let mut handle = connect(&world).await;
        // The proof is good; the session is not opened.
        drop(handle.authenticate_password(user, TOKEN).await);
        let opened = timeout(Duration::from_secs(10), handle.channel_open_session()).await;
        assert!(opened.unwrap().is_err(), "{user:?}");
    }
}

#[tokio::test]
async fn a_command_with_a_nul_is_refused() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, &b"uptime\0; touch /tmp/x"[..]).await.unwrap();
    assert_eq!(status(&heard(&mut channel).await), Some(126));
    assert!(world.gate.admitted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_program_runs_on_a_channel_and_never_a_second_one() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, "uptime").await.unwrap();
    channel.exec(true, "touch /tmp/never").await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let heard = heard(&mut channel).await;
    let refused = heard.iter().filter(|one| matches!(one, ChannelMsg::Failure)).count();
    assert_eq!((status(&heard), refused), (Some(0), 3), "{heard:?}");
    assert_eq!(world.gate.admitted.lock().unwrap().len(), 1);
    assert_eq!(world.gate.hold_count(), 0);
}

#[tokio::test]
async fn variables_displays_agents_and_forwards_are_refused() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    let variables = ["LD_PRELOAD", "BASH_ENV", "GIT_SSH_COMMAND", "LANG"];
    for name in variables {
        channel.set_env(true, name, "/tmp/evil.so").await.unwrap();
    }
    channel.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await.unwrap();
    channel.agent_forward(true).await.unwrap();
    for what in variables.into_iter().chain(["x11", "agent"]) {
        let answer = timeout(Duration::from_secs(10), channel.wait()).await.unwrap();
        assert!(matches!(answer, Some(ChannelMsg::Failure)), "{what}: {answer:?}");
    }
    assert!(handle.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await.is_err());
    assert!(handle.channel_open_direct_streamlocal("/run/docker.sock").await.is_err());
    assert!(handle.tcpip_forward("127.0.0.1", 0).await.is_err());
    assert!(handle.streamlocal_forward("/tmp/sock").await.is_err());
}

#[tokio::test]
async fn data_before_a_request_ends_the_connection() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let channel = handle.channel_open_session().await.unwrap();
    channel.data_bytes(&b"rm -rf /\n"[..]).await.unwrap();
    for _ in 0..100 {
        if handle.is_closed() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the connection stands");
}

#[tokio::test]
async fn a_flood_of_channels_is_stopped_and_the_connection_goes_on() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let mut open = Vec::new();
    for _ in 0..200 {
        open.extend(handle.channel_open_session().await.ok());
    }
    assert_eq!(open.len(), 64);
    let mut one = open.pop().unwrap();
    one.exec(true, "uptime").await.unwrap();
    assert_eq!(status(&heard(&mut one).await), Some(0));
}

#[tokio::test]
async fn a_terminal_of_an_odd_name_is_not_given() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    for (name, good) in [("xterm-256color", true), ("x\u{1b}[2J", false), ("$(id)", false)] {
        let mut channel = handle.channel_open_session().await.unwrap();
        let modes = [(Pty::ECHO, 1)];
        channel.request_pty(true, name, 80, 24, 0, 0, &modes).await.unwrap();
        let answer = timeout(Duration::from_secs(10), channel.wait()).await.unwrap();
        assert_eq!(matches!(answer, Some(ChannelMsg::Success)), good, "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn an_old_algorithm_finds_no_common_ground() {
    let world = World::new().await;
    let old: [(&str, Preferred); 5] = [
        (
            "sha1 key exchange",
            Preferred { kex: Cow::Borrowed(&[kex::DH_G14_SHA1]), ..Preferred::DEFAULT },
        ),
        ("cbc", Preferred { cipher: Cow::Borrowed(&[cipher::AES_256_CBC]), ..Preferred::DEFAULT }),
        (
            "chacha20, which Terrapin is about",
            Preferred { cipher: Cow::Borrowed(&[cipher::CHACHA20_POLY1305]), ..Preferred::DEFAULT },
        ),
        (
            "sha1 mac",
            Preferred {
                cipher: Cow::Borrowed(&[cipher::AES_256_CTR]),
                mac: Cow::Borrowed(&[mac::HMAC_SHA1]),
                ..Preferred::DEFAULT
            },
        ),
        ("no cipher", Preferred { cipher: Cow::Borrowed(&[cipher::NONE]), ..Preferred::DEFAULT }),
    ];
    for (what, preferred) in old {
        let config = client::Config { preferred, ..client::Config::default() };
        assert!(connect_with(&world, config).await.is_err(), "{what}");
    }
    let compressed = Preferred {
        compression: Cow::Borrowed(&[compression::NONE]),
        kex: Cow::Borrowed(&[kex::MLKEM768X25519_SHA256]),
        ..Preferred::DEFAULT
    };
    let config = client::Config { preferred: compressed, ..client::Config::default() };
    connect_with(&world, config)
        .await
        .expect("a key exchange that a quantum computer does not break");
}

#[tokio::test]
async fn bytes_that_are_no_ssh_end_the_connection() {
    let world = World::new().await;
    let long = vec![b'A'; 100_000];
    let floods: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &long,
        b"SSH-1.5-old\r\n",
        // A packet of 4 GiB.
        b"SSH-2.0-x\r\n\xff\xff\xff\xff\x00\x00\x00\x00",
    ];
    for bytes in floods {
        let mut socket = TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
        drop(socket.write_all(bytes).await);
        let mut answer = Vec::new();
        let ended = timeout(Duration::from_secs(40), socket.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{:?}", &bytes[..12.min(bytes.len())]);
    }
    assert_eq!(world.gate.proofs.load(Ordering::SeqCst), 0);
    drop(log_in(&world).await);
}

#[tokio::test]
async fn nothing_of_the_connection_protocol_is_heard_before_the_login() {
    let world = World::new().await;
    let handle = connect(&world).await;
    let opened = timeout(Duration::from_secs(5), handle.channel_open_session()).await;
    assert!(!matches!(opened, Ok(Ok(_))));
    assert!(world.gate.admitted.lock().unwrap().is_empty());
}
