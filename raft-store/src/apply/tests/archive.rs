//! The archive: what has left the state was its oldest, signed part, and nothing else leaves it.

use super::{harness::*, signing::signed};
use crate::{
    command::*,
    key_space::{self, Table},
    machine::View as _,
    records::*,
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    id::NodeId,
    log_time::LogTime,
    record::{ChainHash, ChainHead, EventKind},
};

/// A chain of some events with a checkpoint behind them.
fn ready() -> Replica {
    let mut replica = Replica::ready();
    for n in 1..=20 {
        replica.opened(n, "bot");
    }
    signed(&mut replica);
    replica
}

/// The file of these events, as it should be.
fn file(replica: &Replica, number: u64, after: u64, last: u64) -> ArchiveFile {
    let events = replica.events();
    let event = |sequence| events.iter().find(|event| event.sequence == sequence).unwrap();
    ArchiveFile {
        number,
        after,
        last: ChainHead { sequence: last, hash: event(last).hash() },
        from: event(after + 1).at,
        to: event(last).at,
        digest: [5; 32],
        size: 100,
    }
}

fn run(replica: &mut Replica, file: ArchiveFile) -> crate::reply::Reply {
    replica.run(Command::ArchiveEvents(file))
}

/// A node says that it has read a file.
fn read(replica: &mut Replica, node: u64, number: u64) -> crate::reply::Reply {
    replica.run(Command::ArchiveRead(ArchiveRead { node: NodeId(node), number, digest: [5; 32] }))
}

fn first_row(replica: &Replica) -> u64 {
    let rows = replica.state.scan(&key_space::table(Table::Audit), None, 1).unwrap();
    key_space::trailing_number(&rows[0].0).unwrap()
}

#[test]
fn a_span_that_is_archived_leaves_the_state_and_the_chain_names_its_file() {
    let mut replica = ready();
    let wanted = file(&replica, 1, 0, 10);
    run(&mut replica, wanted).unwrap();
    assert_eq!(first_row(&replica), 1, "it leaves with the next tick");
    let events = replica.events();
    let said = events.iter().find(|event| event.fields.contains_key("archive.file")).unwrap();
    assert_eq!(said.kind, EventKind::ClusterChanged);
    assert_eq!(said.fields["archive.digest"], hex::encode([5; 32]));
    assert_eq!((&*said.fields["archive.first"], &*said.fields["archive.last"]), ("1", "10"));
    for node in [1, 2] {
        replica.run(Command::Tick).unwrap();
        assert_eq!(first_row(&replica), 1, "too few have read it");
        read(&mut replica, node, 1).unwrap();
    }
    replica.run(Command::Tick).unwrap();
    assert_eq!(first_row(&replica), 11);
    assert_eq!(run(&mut replica, wanted), Ok(Answer::Done), "a retry changes nothing");
    let events = replica.events();
    assert_eq!(events.iter().filter(|e| e.fields.contains_key("archive.file")).count(), 1);
    let next = file(&replica, 2, 10, 15);
    run(&mut replica, next).unwrap();
    // Who has not read the first begins with the second: that the first is there, enough have said.
    read(&mut replica, 3, 2).unwrap();
    read(&mut replica, 1, 2).unwrap();
    replica.run(Command::Tick).unwrap();
    assert_eq!(first_row(&replica), 16);
}

#[test]
fn one_node_alone_however_often_it_says_so_lets_nothing_leave() {
    let mut replica = ready();
    let (first, second) = (file(&replica, 1, 0, 10), file(&replica, 2, 10, 15));
    run(&mut replica, first).unwrap();
    run(&mut replica, second).unwrap();
    let other = ArchiveRead { node: NodeId(2), number: 1, digest: [6; 32] };
    let refused = |replica: &mut Replica, command| {
        let state = replica.state.clone();
        assert_eq!(refusal(replica.run(command)), StateRefusal::NotVerified);
        assert_eq!(replica.state, state);
    };
    refused(&mut replica, Command::ArchiveRead(other));
    refused(&mut replica, Command::ArchiveRead(ArchiveRead { number: 2, ..other }));
    refused(&mut replica, Command::ArchiveRead(ArchiveRead { number: 3, ..other }));
    assert_eq!(refusal(read(&mut replica, 2, 2)), StateRefusal::NotVerified, "not the next one");
    assert_eq!(refusal(read(&mut replica, 7, 1)), StateRefusal::UnknownNode);
    for number in [1, 1, 2, 2, 1] {
        read(&mut replica, 1, number).unwrap();
    }
    // Another node has read the first only.
    read(&mut replica, 2, 1).unwrap();
    replica.run(Command::Tick).unwrap();
    assert_eq!(first_row(&replica), 11);
    // What a removed node has read does not count.
    replica.run(Command::RemoveNode(RemoveNode { node: NodeId(1), author: ada() })).unwrap();
    assert_eq!(refusal(read(&mut replica, 1, 2)), StateRefusal::UnknownNode);
    read(&mut replica, 2, 2).unwrap();
    replica.run(Command::Tick).unwrap();
    assert_eq!(first_row(&replica), 11);
    read(&mut replica, 3, 2).unwrap();
    replica.run(Command::Tick).unwrap();
    assert_eq!(first_row(&replica), 16);
}

#[test]
fn nothing_leaves_that_is_not_the_next_signed_span_of_this_chain() {
    let mut replica = ready();
    let right = file(&replica, 1, 0, 10);
    let other = ChainHash([1; 32]);
    assert_eq!(replica.count(EventKind::Checkpoint), 1);
    let head = replica.events().len() as u64;
    for wrong in [
        ArchiveFile { number: 2, ..right },
        ArchiveFile { number: 0, ..right },
        ArchiveFile { last: ChainHead { hash: other, ..right.last }, ..right },
        ArchiveFile { last: ChainHead { sequence: 11, ..right.last }, ..right },
        ArchiveFile { last: ChainHead { sequence: 1_000_000, ..right.last }, ..right },
        ArchiveFile { from: LogTime(0), ..right },
        ArchiveFile { to: LogTime(0), ..right },
        // A gap, and nothing at all.
        file(&replica, 1, 1, 10),
        ArchiveFile { last: ChainHead::default(), ..right },
        // The checkpoint does not cover itself.
        file(&replica, 1, 0, head),
    ] {
        let state = replica.state.clone();
        assert_eq!(refusal(run(&mut replica, wrong)), StateRefusal::NotVerified, "{wrong:?}");
        assert_eq!(replica.state, state);
    }
    run(&mut replica, right).unwrap();
    let overlapping = file(&replica, 2, 5, 12);
    assert_eq!(refusal(run(&mut replica, overlapping)), StateRefusal::NotVerified);
}

#[test]
fn a_file_that_is_lost_is_replaced_only_while_its_events_are_in_the_state() {
    let mut replica = ready();
    let (first, second) = (file(&replica, 1, 0, 10), file(&replica, 2, 10, 15));
    run(&mut replica, first).unwrap();
    run(&mut replica, second).unwrap();
    read(&mut replica, 1, 1).unwrap();
    read(&mut replica, 1, 2).unwrap();
    let again = ArchiveFile { digest: [6; 32], size: 9, ..first };
    let shorter = ArchiveFile { digest: [6; 32], ..file(&replica, 1, 0, 9) };
    assert_eq!(refusal(run(&mut replica, shorter)), StateRefusal::NotVerified);
    run(&mut replica, again).unwrap();
    // What node 1 has read is not what is there now.
    assert_eq!(refusal(read(&mut replica, 2, 1)), StateRefusal::NotVerified);
    let anew = |node| ArchiveRead { node: NodeId(node), number: 1, digest: [6; 32] };
    replica.run(Command::ArchiveRead(anew(2))).unwrap();
    read(&mut replica, 2, 2).unwrap();
    replica.run(Command::Tick).unwrap();
    assert_eq!(first_row(&replica), 1, "one node alone has read it");
    replica.run(Command::ArchiveRead(anew(1))).unwrap();
    replica.run(Command::Tick).unwrap();
    assert_eq!(first_row(&replica), 11);
    assert_eq!(refusal(run(&mut replica, first)), StateRefusal::NotVerified, "it is kept");
    let last = replica.events().last().unwrap().clone();
    assert_eq!(last.fields["archive.digest"], hex::encode([6; 32]));
}

#[test]
fn a_chain_without_a_checkpoint_is_not_archived() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let all = file(&replica, 1, 0, 2);
    assert_eq!(refusal(run(&mut replica, all)), StateRefusal::NotVerified);
}
