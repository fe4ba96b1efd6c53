//! The moments between an approval and the begin of a program.

use super::{
    odd_host::Manner,
    raw::{heard, log_in, status},
    world::{LONG, World},
};
use countersign_core::{
    mask::{Detector, MaskKind},
    record::Outcome,
    recording::Entry,
    refusal::Refusal,
};
use russh::{ChannelMsg, Sig};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::{sleep, timeout};

/// More than a word from one task to another takes.
const MOMENT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn nothing_begins_for_a_session_that_was_ended_while_it_was_admitted() {
    let (world, host) = World::before_an_odd_host(Manner::OneChannel).await;
    let handle = log_in(&world).await;
    let channel = handle.channel_open_session().await.unwrap();
    world.gate.admitting.send_replace(false);
    channel.exec(true, "uptime").await.unwrap();
    while world.gate.admitted.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(20)).await;
    }
    world.gate.end_all(Refusal::SessionEnded { reason: "revoked".to_owned() }).await;
    sleep(MOMENT).await;
    world.gate.admitting.send_replace(true);
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::Refused);
    assert_eq!(host.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn nothing_begins_for_an_agent_that_went_away_while_it_was_admitted() {
    let (world, host) = World::before_an_odd_host(Manner::OneChannel).await;
    let handle = log_in(&world).await;
    let channel = handle.channel_open_session().await.unwrap();
    world.gate.admitting.send_replace(false);
    channel.exec(true, "uptime").await.unwrap();
    while world.gate.admitted.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(20)).await;
    }
    channel.close().await.unwrap();
    sleep(MOMENT).await;
    world.gate.admitting.send_replace(true);
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::Refused);
    assert_eq!(host.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_came_to_be_covered_while_it_was_held_does_not_begin() {
    let world = World::new().await;
    let mark = world.at("mark");
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, format!("touch {}", mark.display())).await.unwrap();
    world.gate.hold(0).await;
    world.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
    world.gate.approve(0).await;
    assert_eq!(status(&heard(&mut channel).await), Some(126));
    assert!(!mark.exists());
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::Refused);
}

#[tokio::test]
async fn an_approval_is_not_used_up_by_a_connection_that_died_idle() {
    let (world, host) = World::before_an_odd_host(Manner::OneChannel).await;
    let handle = log_in(&world).await;
    for (n, line) in ["uptime", "echo $((1))"].into_iter().enumerate() {
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.exec(true, line).await.unwrap();
        if n == 1 {
            world.gate.approve(0).await;
        }
        assert_eq!(status(&heard(&mut channel).await), Some(0), "{line}");
        assert_eq!(world.gate.settlement(n).await.outcome, Outcome::Completed);
        // The connection is kept when the program is settled.
        sleep(MOMENT).await;
    }
    assert_eq!(host.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_the_target_does_not_run_is_known_not_to_have_run() {
    let (world, host) = World::before_an_odd_host(Manner::RefusesCommands).await;
    let ran = world.run_approved("echo $((1))", b"").await;
    assert_eq!(ran.status, Some(75), "{ran:?}");
    assert!(ran.err.ends_with("countersign: REFUSED the target is not available\n"), "{ran:?}");
    assert_eq!(host.asked.load(Ordering::SeqCst), 1);
    let settled = world.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.word.as_str()), (Outcome::Failed, "not begun"));
}

#[tokio::test]
async fn a_program_ends_once_whatever_its_host_says() {
    let (world, _host) = World::before_an_odd_host(Manner::EndsOften).await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, "uptime").await.unwrap();
    let heard = heard(&mut channel).await;
    let ends = heard
        .iter()
        .filter(|one| matches!(one, ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. }));
    assert_eq!((ends.count(), status(&heard)), (1, Some(0)), "{heard:?}");
    assert_eq!(world.gate.settlement(0).await.word, "exit 0");
}

#[tokio::test]
async fn signals_from_before_a_program_runs_do_not_reach_it() {
    let (world, _host) = World::before_an_odd_host(Manner::Listens).await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.signal(Sig::KILL).await.unwrap();
    // Until it was heard.
    channel.set_env(true, "LANG", "C").await.unwrap();
    let answer = timeout(LONG, channel.wait()).await.unwrap();
    assert!(matches!(answer, Some(ChannelMsg::Failure)), "{answer:?}");
    channel.exec(true, "echo $((1))").await.unwrap();
    let hold = world.gate.hold(0).await;
    channel.signal(Sig::USR1).await.unwrap();
    sleep(MOMENT).await;
    assert_eq!(*hold.ended.borrow(), "", "it is still held");
    world.gate.approve(0).await;
    world.gate.admitted_output("begun\n").await;
    channel.eof().await.unwrap();
    assert_eq!(status(&heard(&mut channel).await), Some(3));
}

#[tokio::test]
async fn a_signal_reaches_a_program_that_runs() {
    let (world, _host) = World::before_an_odd_host(Manner::Listens).await;
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, "uptime").await.unwrap();
    world.gate.admitted_output("begun\n").await;
    channel.signal(Sig::USR1).await.unwrap();
    assert_eq!(status(&heard(&mut channel).await), Some(4));
    let recorded = world.gate.recorder.entries.lock().unwrap();
    let signalled =
        |entry: &Entry| matches!(entry, Entry::Signalled { signal, .. } if signal == "USR1");
    assert!(recorded.iter().any(signalled), "{recorded:?}");
}
