//! Programs in containers, over WebSocket.

use super::{
    gate::{Decision, TOKEN},
    world::{LONG, World},
};
use countersign_core::{
    gate::CloseReason,
    id::HoldId,
    mask::{Detector, MaskKind},
    record::Outcome,
    recording::{Entry, Stream},
    refusal::Refusal,
};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

const EXEC: &str =
    "/k8s/prod/api/v1/namespaces/dev/pods/web/exec?command=sh&stdin=true&stdout=true";
const V5: &str = "v5.channel.k8s.io,v4.channel.k8s.io";

struct Agent(WebSocketStream<TlsStream<TcpStream>>);

impl Agent {
    async fn ask(world: &World, path: &str, protocols: &str) -> Result<Self, Error> {
        let mut request = format!("wss://localhost{path}").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        headers.insert("sec-websocket-protocol", protocols.parse().unwrap());
        let stream = world.connect(b"http/1.1").await;
        client_async(request, stream).await.map(|(socket, _)| Self(socket))
    }

    async fn at(world: &World, path: &str) -> Self {
        Self::ask(world, path, V5).await.unwrap()
    }

    async fn send(&mut self, channel: u8, text: &str) {
        let message = [&[channel], text.as_bytes()].concat();
        self.0.send(Message::Binary(message.into())).await.unwrap();
    }

    /// The next thing that is said on a channel; `None` at the end.
    async fn next(&mut self) -> Option<(u8, String)> {
        loop {
            match timeout(LONG, self.0.next()).await.expect("something comes") {
                Some(Ok(Message::Binary(bytes))) if bytes.len() > 1 => {
                    return Some((bytes[0], String::from_utf8_lossy(&bytes[1..]).into_owned()));
                }
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map(|frame| u16::from(frame.code));
                    assert_eq!(code, Some(1000), "clients take another end for a failure");
                    return None;
                }
                Some(Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    async fn until(&mut self, channel: u8, text: &str) {
        let mut heard = String::new();
        while !heard.contains(text) {
            let (on, said) = self.next().await.expect("it is said");
            assert_ne!(on, 3, "{said}");
            if on == channel {
                heard += &said;
            }
        }
    }

    /// The message of the status at the end.
    async fn status(&mut self) -> Value {
        loop {
            let (channel, said) = self.next().await.expect("there is a status");
            if channel == 3 {
                return serde_json::from_str(&said).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn an_approved_program_is_told_of_runs_and_is_recorded() {
    let world = World::new().await;
    let mut agent = Agent::at(&world, EXEC).await;
    let (channel, notice) = agent.next().await.unwrap();
    assert!(channel == 2 && notice.starts_with("countersign: HELD id="), "{notice}");
    assert_eq!(*world.server.connections.borrow(), 0, "nothing is dialled before the approval");
    // What is sent early is the program's.
    agent.send(0, "early").await;
    agent.send(4, "{\"Width\":80,\"Height\":24}").await;
    let hold = world.gate.approve(0).await;
    let commands = &hold.operation.classification().commands;
    assert_eq!(commands.iter().collect::<Vec<_>>(), ["sh"]);
    agent.until(1, "out").await;
    agent.until(1, "early").await;
    agent.send(0, "exit").await;
    assert_eq!(agent.status().await["status"], "Success");
    assert_eq!(agent.next().await, None);
    let settled = world.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.word.as_str()), (Outcome::Completed, "exit 0"));
    let entries = world.gate.recorder.entries.lock().unwrap().clone();
    let wrote = |wanted: Stream| {
        let bytes = entries.iter().filter_map(move |entry| {
            let Entry::Wrote { stream, bytes, .. } = entry else { return None };
            (*stream == wanted).then(|| bytes.clone())
        });
        String::from_utf8(bytes.flatten().collect()).unwrap()
    };
    assert_eq!(wrote(Stream::Input), "earlyexit");
    assert!(wrote(Stream::Output).contains("outearly"));
    assert_eq!(wrote(Stream::Error), "err");
    assert!(
        entries.iter().any(|entry| matches!(entry, Entry::Resized { columns: 80, rows: 24, .. }))
    );
    let seen = world.server.request(0).await;
    assert_eq!(seen.headers["authorization"], "Bearer the-gateways-own");
    assert!(!seen.headers.contains_key("origin"));
    world.gate.closed.subscribe().wait_for(|closed| closed.len() == 1).await.unwrap();
}

#[tokio::test]
async fn the_exit_status_and_the_end_of_the_input_pass() {
    let world = World::new().await;
    for (said, channel) in [("fail", 0), ("\0", 255)] {
        let before = world.gate.hold_count();
        let mut agent = Agent::at(&world, EXEC).await;
        world.gate.approve(before).await;
        agent.until(1, "out").await;
        agent.send(channel, said).await;
        let status = agent.status().await;
        let failed = channel == 0;
        assert_eq!(status["reason"] == "NonZeroExitCode", failed, "{status}");
        let word = if failed { "exit 5" } else { "exit 0" };
        assert_eq!(world.gate.settlement(before).await.word, word);
    }
}

#[tokio::test]
async fn what_the_target_cannot_be_told_is_not_kept_quiet() {
    let world = World::new().await;
    let mut agent = Agent::at(&world, &EXEC.replace("/web/", "/old/")).await;
    world.gate.approve(0).await;
    agent.until(1, "out").await;
    agent.send(255, "\0").await;
    let status = agent.status().await;
    assert!(status["message"].as_str().unwrap().contains("input has ended"), "{status}");
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::OutcomeUnknown);
}

#[tokio::test]
async fn what_is_refused_says_why_and_nothing_is_dialled() {
    let world = World::new().await;
    let mut agent = Agent::at(&world, EXEC).await;
    let refusal =
        Refusal::Rejected { hold: HoldId::from_bytes([7; 16]), comment: "not today".to_owned() };
    world.gate.hold(0).await.decide.send_replace(Decision::Refuse(refusal));
    let status = agent.status().await;
    assert!(status["message"].as_str().unwrap().contains("not today"), "{status}");
    assert_eq!(agent.next().await, None);

    let mut agent = Agent::at(&world, &EXEC.replace("/dev/", "/kube-system/")).await;
    assert_eq!(agent.status().await["code"], 403);

    // A stream is not masked: where a detector covers the target, nothing of it passes.
    world.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
    let mut agent = Agent::at(&world, EXEC).await;
    assert!(agent.status().await["message"].as_str().unwrap().contains("masked"));
    assert_eq!(*world.server.connections.borrow(), 0);
}

#[tokio::test]
async fn an_agent_that_goes_away_parks_its_hold_and_one_that_interrupts_withdraws() {
    let world = World::new().await;
    let agent = Agent::at(&world, EXEC).await;
    let hold = world.gate.hold(0).await;
    drop(agent);
    let mut ended = hold.ended.subscribe();
    let parked = timeout(LONG, ended.wait_for(|ended| !ended.is_empty())).await.unwrap();
    assert_eq!(*parked.unwrap(), "parked");

    let mut agent = Agent::at(&world, &format!("{EXEC}&tty=true")).await;
    let hold = world.gate.hold(1).await;
    agent.send(0, "\u{3}").await;
    assert!(agent.status().await["message"].as_str().unwrap().contains("withdrawn"));
    assert_eq!(*hold.ended.borrow(), "withdrawn");
    assert_eq!(*world.server.connections.borrow(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_has_sent_more_than_is_kept_is_missed_too() {
    let world = World::new().await;
    let mut agent = Agent::at(&world, EXEC).await;
    let hold = world.gate.hold(0).await;
    let piece = "x".repeat(32 * 1024);
    for _ in 0..9 {
        agent.send(0, &piece).await;
    }
    drop(agent);
    let mut ended = hold.ended.subscribe();
    let parked = timeout(LONG, ended.wait_for(|ended| !ended.is_empty())).await;
    assert_eq!(*parked.expect("it is missed").unwrap(), "parked");
}

#[tokio::test]
async fn what_the_target_says_instead_of_running_it_is_passed_on() {
    let world = World::new().await;
    let mut agent = Agent::at(&world, &EXEC.replace("/web/", "/none/")).await;
    world.gate.approve(0).await;
    let status = agent.status().await;
    assert_eq!(status["reason"], "NotFound", "{status}");
    let settled = world.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.word.as_str()), (Outcome::Failed, "404"));
}

#[tokio::test]
async fn a_program_ends_with_its_session_and_with_its_agent() {
    let world = World::new().await;
    let mut agent = Agent::at(&world, EXEC).await;
    world.gate.approve(0).await;
    agent.until(1, "out").await;
    world.gate.end_all(Refusal::SessionEnded { reason: "revoked".to_owned() }).await;
    let status = agent.status().await;
    assert!(status["message"].as_str().unwrap().contains("revoked"), "{status}");
    assert_eq!(agent.next().await, None);
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::OutcomeUnknown);

    let mut agent = Agent::at(&world, EXEC).await;
    world.gate.approve(1).await;
    agent.until(1, "out").await;
    drop(agent);
    assert_eq!(world.gate.settlement(1).await.outcome, Outcome::OutcomeUnknown);
    let closed = world.gate.closed.subscribe();
    let closed = closed.clone().wait_for(|closed| closed.len() == 2).await.unwrap().clone();
    assert!(matches!(closed[..], [CloseReason::Refused(_), CloseReason::Agent]), "{closed:?}");
}

#[tokio::test]
async fn a_program_ends_with_the_policy_that_it_was_let_through_under() {
    let world = World::new().await;
    let mut agent = Agent::at(&world, EXEC).await;
    world.gate.approve(0).await;
    agent.until(1, "out").await;
    world.gate.policy_changed.store(true, std::sync::atomic::Ordering::SeqCst);
    let status = agent.status().await;
    assert_eq!(status["status"], "Failure", "{status}");
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::OutcomeUnknown);
}

#[tokio::test]
async fn nothing_else_is_upgraded() {
    let world = World::new().await;
    for (path, protocols) in [
        (EXEC, "v3.channel.k8s.io"),
        ("/k8s/prod/api/v1/namespaces/dev/pods/web/portforward?ports=80", "v4.channel.k8s.io"),
        ("/k8s/prod/api/v1/namespaces/dev/pods?watch=true", V5),
        ("/k8s/prod/api/v1/namespaces/dev/pods/web/proxy/ws", V5),
    ] {
        let refused = Agent::ask(&world, path, protocols).await.err().unwrap();
        assert!(matches!(&refused, Error::Http(answer) if answer.status() == 400), "{refused}");
    }
    assert_eq!((world.server.count(), world.gate.hold_count()), (0, 0));
}
