//! Shells: who lets them begin, what is kept of them, and that they end when they must.

use super::{
    raw::{heard, log_in, status},
    world::{LONG, World, came},
};
use countersign_core::{
    record::Outcome,
    recording::{Entry, Stream},
    refusal::Refusal,
};
use russh::{Channel, ChannelMsg, Pty, client::Msg};
use std::{fs, path::Path, time::Duration};
use tokio::time::{sleep, timeout};

fn recorded(world: &World, stream: Stream) -> String {
    let entries = world.gate.recorder.entries.lock().unwrap();
    let of = |entry: &Entry| {
        let Entry::Wrote { stream: of, bytes, .. } = entry else { return None };
        (*of == stream).then(|| bytes.clone())
    };
    let bytes: Vec<u8> = entries.iter().filter_map(of).flatten().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn sizes(world: &World) -> Vec<(u64, u64)> {
    let entries = world.gate.recorder.entries.lock().unwrap();
    let size = |entry: &Entry| {
        let Entry::Resized { columns, rows, .. } = entry else { return None };
        Some((*columns, *rows))
    };
    entries.iter().filter_map(size).collect()
}

/// Reads on until the program has said this.
async fn until(channel: &mut Channel<Msg>, wanted: &str) -> String {
    let mut said = String::new();
    while !said.contains(wanted) {
        match timeout(LONG, channel.wait()).await.expect("it is said") {
            Some(ChannelMsg::Data { data }) => said.push_str(&String::from_utf8_lossy(&data)),
            Some(_) => {}
            None => panic!("it ended before {wanted}: {said}"),
        }
    }
    said
}

async fn line_of(file: &Path) -> String {
    let written = async {
        loop {
            match fs::read_to_string(file) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                Ok(_) | Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(LONG, written).await.expect("it is written")
}

#[tokio::test]
async fn a_shell_waits_for_a_human_and_is_a_terminal_then() {
    let world = World::new().await;
    let client = world.ssh(&["-tt", "deploy@web1@127.0.0.1"]).spawn().unwrap();
    let input = b"tty && echo $((6*7))-answer; exit 5\n";
    let (ran, hold) = tokio::join!(came(client, input), world.gate.approve(0));
    assert_eq!(ran.status, Some(5), "{ran:?}");
    assert!(ran.out.contains("/dev/pts/") && ran.out.contains("42-answer"), "{ran:?}");
    assert!(ran.err.contains("HELD id=hold_"), "{ran:?}");
    assert_eq!(hold.operation.text(), b"shell");
    let actions: Vec<_> = hold.operation.demands().iter().map(|one| one.action.name()).collect();
    assert_eq!(actions, ["ssh:shell"]);
    assert!(recorded(&world, Stream::Input).contains("echo $((6*7))-answer"));
    assert!(recorded(&world, Stream::Output).contains("42-answer"));
    let settled = world.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.word.as_str()), (Outcome::Completed, "exit 5"));
}

#[tokio::test]
async fn a_shell_without_a_terminal_reads_a_script() {
    let world = World::new().await;
    let client = world.ssh(&["-T", "deploy@web1@127.0.0.1"]).spawn().unwrap();
    let (ran, _) = tokio::join!(came(client, b"echo out; exit 3\n"), world.gate.approve(0));
    assert!(ran.out.ends_with("out\n"), "{ran:?}");
    assert_eq!(ran.status, Some(3), "{ran:?}");
}

#[tokio::test]
async fn a_terminal_has_its_size_and_modes_and_follows_the_window() {
    let world = World::new().await;
    world.gate.approve_all();
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    let modes = [(Pty::ECHO, 0), (Pty::VINTR, 7)];
    channel.request_pty(true, "vt100", 91, 17, 0, 0, &modes).await.unwrap();
    channel.request_shell(true).await.unwrap();
    let ask = &b"stty size; stty -a; echo $TERM-now\n"[..];
    channel.data_bytes(ask).await.unwrap();
    let said = until(&mut channel, "vt100-now").await;
    assert!(said.contains("17 91") && said.contains("intr = ^G"), "{said}");
    assert!(said.contains("-echo "), "{said}");
    channel.window_change(120, 40, 0, 0).await.unwrap();
    channel.data_bytes(&b"stty size; exit\n"[..]).await.unwrap();
    until(&mut channel, "40 120").await;
    assert_eq!(status(&heard(&mut channel).await), Some(0));
    assert_eq!(sizes(&world), [(91, 17), (120, 40)]);
}

#[tokio::test]
async fn a_shell_that_policy_does_not_let_begin_reaches_no_host() {
    let world = World::new().await;
    world.gate.deny("ssh:shell");
    let client = world.ssh(&["-tt", "deploy@web1@127.0.0.1"]).spawn().unwrap();
    let ran = came(client, b"touch mark\n").await;
    assert_eq!(ran.status, Some(126), "{ran:?}");
    assert!(world.gate.admitted.lock().unwrap().is_empty());
    let log = fs::read_to_string(world.at("sshd.log")).unwrap();
    assert!(!log.contains("Accepted publickey"), "{log}");
}

#[tokio::test]
async fn ctrl_c_while_a_shell_is_held_takes_it_back() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.request_shell(true).await.unwrap();
    let hold = world.gate.hold(0).await;
    channel.data_bytes(&b"rm x\n\x03"[..]).await.unwrap();
    assert_eq!(status(&heard(&mut channel).await), Some(126));
    assert_eq!(*hold.ended.borrow(), "withdrawn");
}

#[tokio::test]
async fn a_shell_whose_session_is_ended_is_gone_with_what_runs_in_its_terminal() {
    let world = World::new().await;
    world.gate.approve_all();
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.request_shell(true).await.unwrap();
    let file = world.at("process");
    let line = format!("sh -c 'echo $$ > {}; sleep 1000; :'\n", file.display());
    channel.data_bytes(line.into_bytes()).await.unwrap();
    let process = line_of(&file).await;
    world.gate.end_all(Refusal::SessionEnded { reason: "revoked".to_owned() }).await;
    let heard = heard(&mut channel).await;
    assert_eq!(status(&heard), Some(255), "{heard:?}");
    let gone = async {
        while Path::new(&format!("/proc/{process}")).exists() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, gone).await.expect("it has ended");
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::OutcomeUnknown);
}
