//! Commands of OpenSSH's client: what comes back is what the host said.

use super::world::{Came, World, came};
use countersign_core::{
    mask::{Detector, MaskKind},
    record::Outcome,
    recording::{Entry, Stream},
    refusal::Refusal,
};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_plain_read_goes_through_without_a_human() {
    let world = World::new().await;
    let text = "one\ntwo\n";
    std::fs::write(world.at("log"), text).unwrap();
    let read = world.run(&format!("cat {}", world.at("log").display())).await;
    assert_eq!(read, Came { out: text.to_owned(), err: String::new(), status: Some(0) });
    assert_eq!(world.gate.hold_count(), 0);
    let settled = world.gate.settlement(0).await;
    assert_eq!(
        (settled.outcome, settled.word.as_str(), settled.bytes),
        (Outcome::Completed, "exit 0", 8)
    );
}

#[tokio::test]
async fn streams_stay_apart_and_the_status_is_the_commands_own() {
    let world = World::new().await;
    let line = "cat; echo out; echo err >&2; exit 7";
    let ran = world.run_approved(line, b"in\n").await;
    assert_eq!((ran.out.as_str(), ran.status), ("in\nout\n", Some(7)), "{ran:?}");
    let (held, rest) = ran.err.split_once('\n').unwrap();
    assert!(held.starts_with("countersign: HELD id=hold_"), "{held}");
    assert_eq!(rest, "err\n");
    let wrote = |stream| {
        let entries = world.gate.recorder.entries.lock().unwrap();
        let of = |entry: &Entry| {
            let Entry::Wrote { stream: of, bytes, .. } = entry else { return None };
            (*of == stream).then(|| bytes.clone())
        };
        String::from_utf8(entries.iter().filter_map(of).flatten().collect()).unwrap()
    };
    assert_eq!(wrote(Stream::Input), "in\n");
    assert_eq!(wrote(Stream::Output), "in\nout\n");
    assert_eq!(wrote(Stream::Error), "err\n");
}

#[tokio::test]
async fn what_is_forwarded_is_what_was_hashed() {
    let world = World::new().await;
    let line = "printf '%s|' 'a  b' \"c\td\" é $((1+1)); printf '\\n'";
    let ran = world.run_approved(line, b"").await;
    assert_eq!(ran.out, "a  b|c\td|é|2|\n");
    assert_eq!(world.gate.hold(0).await.operation.text(), line.as_bytes());
}

#[tokio::test]
async fn a_program_that_a_signal_ends_says_so() {
    let world = World::new().await;
    let ran = world.run_approved("kill -TERM $$", b"").await;
    // OpenSSH's client has no status of its own for it.
    assert_eq!(ran.status, Some(255), "{ran:?}");
    assert_eq!(world.gate.settlement(0).await.word, "signal TERM");
}

#[tokio::test]
async fn what_policy_denies_is_refused_with_126_and_reaches_no_host() {
    let world = World::new().await;
    let ran = world.run("reboot").await;
    assert_eq!((ran.out.as_str(), ran.status), ("", Some(126)));
    assert_eq!(
        ran.err,
        "countersign: REFUSED denied by policy (no-reboot): ssh:exec is forbidden\n"
    );
    assert!(!log(&world).contains("Accepted publickey"));
}

#[tokio::test]
async fn a_role_without_a_key_logs_in_by_a_certificate_of_its_session() {
    let world = World::new().await;
    let certified = || world.ssh(&["certified@web1@127.0.0.1", "uptime"]).spawn().unwrap();
    let ran = came(certified(), b"").await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(log(&world).contains("ID ses_"), "the host's log has the session: {}", log(&world));
    // Without an authority nothing is used up.
    std::fs::remove_file(world.at("authority")).unwrap();
    assert_eq!(came(certified(), b"").await.status, Some(75));
    assert_eq!(world.gate.admitted.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_host_that_shows_another_key_is_not_talked_to() {
    let world = World::where_the_target_is_known_by("stranger.pub").await;
    let ran = world.run("uptime").await;
    assert_eq!(ran.status, Some(75), "{ran:?}");
    assert_eq!(ran.err, "countersign: REFUSED the target is not available\n");
    assert!(!log(&world).contains("Accepted publickey"));
    assert!(world.gate.admitted.lock().unwrap().is_empty(), "nothing was used up");
}

#[tokio::test]
async fn a_node_without_a_lease_forwards_nothing() {
    let world = World::new().await;
    world.gate.lease.store(false, Ordering::SeqCst);
    let mark = world.at("mark");
    let ran = world.run_approved(&format!("touch {}", mark.display()), b"").await;
    assert_eq!(ran.status, Some(75), "{ran:?}");
    assert!(ran.err.ends_with("countersign: REFUSED the gateway has no quorum\n"), "{ran:?}");
    assert!(!mark.exists());
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::Refused);
}

#[tokio::test]
async fn an_answer_whose_intent_is_not_committed_is_withheld() {
    let world = World::new().await;
    world.gate.releases.store(false, Ordering::SeqCst);
    let ran = world.run("uptime").await;
    assert_eq!((ran.out.as_str(), ran.status), ("", Some(255)), "{ran:?}");
    assert!(ran.err.starts_with("countersign: ENDED the answer is withheld"), "{ran:?}");
}

#[tokio::test]
async fn where_a_detector_covers_the_target_nothing_passes() {
    let world = World::new().await;
    world.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
    let ran = world.run("uptime").await;
    assert_eq!((ran.out.as_str(), ran.status), ("", Some(126)), "{ran:?}");
    assert!(world.gate.admitted.lock().unwrap().is_empty());
    world.gate.mask(&["public.orders.note"], &[], MaskKind::Redact);
    assert_eq!(world.run("uptime").await.status, Some(0), "columns are no affair of a host's");
}

#[tokio::test]
async fn what_an_agent_alone_may_see_is_not_in_its_recording() {
    let world = World::new().await;
    world.gate.mask_for_others(Detector::Email);
    let ran = world.run_approved("cat; echo out@a.example; exit $((0))", b"in@a.example\n").await;
    assert_eq!((ran.out.as_str(), ran.status), ("in@a.example\nout@a.example\n", Some(0)));
    let entries = world.gate.recorder.entries.lock().unwrap();
    assert!(!entries.iter().any(|entry| matches!(entry, Entry::Wrote { .. })), "{entries:?}");
    let told = |text: &str| entries.iter().any(|entry| format!("{entry:?}").contains(text));
    assert!(told("13 bytes of the input of op_"), "{entries:?}");
    assert!(told(" of the output of op_"), "{entries:?}");
}

#[tokio::test]
async fn a_session_whose_recording_is_lost_goes_no_further() {
    let world = World::new().await;
    world.gate.recorder.lost.store(true, Ordering::SeqCst);
    let ran = world.run("uptime").await;
    assert_eq!((ran.out.as_str(), ran.status), ("", Some(255)), "{ran:?}");
}

#[tokio::test]
async fn a_session_that_is_ended_is_told_and_gone() {
    let world = World::new().await;
    let client = world.begin("echo begun; sleep 60");
    world.gate.approve(0).await;
    let end = async {
        world.gate.admitted_output("begun\n").await;
        world.gate.end_all(Refusal::SessionEnded { reason: "revoked".to_owned() }).await;
    };
    let (ran, ()) = tokio::join!(came(client, b""), end);
    assert_eq!((ran.out.as_str(), ran.status), ("begun\n", Some(255)), "{ran:?}");
    assert!(ran.err.contains("the session was ended: revoked"), "{ran:?}");
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::OutcomeUnknown);
}

#[tokio::test]
async fn several_programs_run_on_one_connection_while_one_is_held() {
    let world = World::new().await;
    let control = format!("ControlPath={}", world.at("control").display());
    let mux = ["-o", "ControlMaster=auto", "-o", "ControlPersist=30", "-o", &control];
    let words = |line| [&mux[..], &["deploy@web1@127.0.0.1", line]].concat();
    let held = world.ssh(&words("echo held; exit 3")).spawn().unwrap();
    world.gate.hold(0).await;
    for _ in 0..3 {
        let beside = world.ssh(&words("uptime")).spawn().unwrap();
        let beside = came(beside, b"").await;
        assert_eq!(beside.status, Some(0), "{beside:?}");
    }
    world.gate.approve(0).await;
    let ran = came(held, b"").await;
    assert_eq!((ran.out.as_str(), ran.status), ("held\n", Some(3)), "{ran:?}");
    assert!(log(&world).matches("Accepted publickey").count() < 4, "connections are used again");
    let mut end = world.ssh(&[&mux[..], &["-O", "exit", "deploy@web1@127.0.0.1"]].concat());
    end.status().await.unwrap();
}

fn log(world: &World) -> String {
    std::fs::read_to_string(world.at("sshd.log")).unwrap()
}
