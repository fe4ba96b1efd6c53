//! What a snapshot file keeps to itself, and everything that can be done to one.

use super::*;
use countersign_core::secret::Secret;

const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// The frozen file: version 1, one round, a salt of sevens, the state `state`.
const FROZEN: &str = include_str!("frozen-v1.hex");

fn head() -> SnapshotHead {
    SnapshotHead {
        cluster_id: "07".repeat(16),
        cluster_name: "blue".to_owned(),
        epoch: 1,
        node: 2,
        taken_at: Timestamp(1_790_000_000_000),
        index: 42,
        chain_sequence: 17,
        chain_hash: "09".repeat(32),
        version: "0.1.0".to_owned(),
        salt: "07".repeat(32),
        rounds: 1,
    }
}

fn key() -> Secret {
    Secret::new("the cluster's key")
}

fn file(state: &[u8]) -> Vec<u8> {
    let (mut writer, mut file) = SnapshotWriter::salted(head(), &key(), PASSPHRASE).unwrap();
    file.extend(writer.put(state).unwrap());
    file.extend(writer.finish().unwrap());
    file
}

fn read(file: &[u8], passphrase: &[u8]) -> Result<Vec<u8>, FileProblem> {
    let (mut opened, found) = SnapshotReader::new(file)?.open(passphrase)?;
    assert_eq!(found, key());
    let mut state = Vec::new();
    while let Some(piece) = opened.piece()? {
        state.extend_from_slice(&piece);
    }
    Ok(state)
}

#[test]
fn what_is_written_reads_back_whatever_its_length() {
    for length in [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME] {
        let state = vec![5; length];
        assert!(read(&file(&state), PASSPHRASE).unwrap() == state, "{length} bytes");
    }
}

#[test]
fn the_bytes_of_version_1_stay_as_they_are() {
    assert_eq!(hex::encode(file(b"state")), FROZEN.trim());
    let frozen = hex::decode(FROZEN.trim()).unwrap();
    assert_eq!(read(&frozen, PASSPHRASE).unwrap(), b"state");
}

#[test]
fn every_changed_byte_and_every_cut_is_found() {
    let whole = file(b"state");
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        assert!(read(&changed, PASSPHRASE).is_err(), "byte {place} changed");
        assert!(read(&whole[..place], PASSPHRASE).is_err(), "cut at {place}");
    }
    let longer = [whole.as_slice(), b"x"].concat();
    assert!(matches!(read(&longer, PASSPHRASE), Err(FileProblem::Behind)));
}

#[test]
fn frames_that_are_left_out_repeated_or_moved_are_found() {
    let state = [vec![0; FRAME], vec![1; FRAME], vec![2; FRAME]].concat();
    let whole = file(&state);
    let last = 4 + TAG;
    let frame = 4 + FRAME + TAG;
    let (beginning, frames) = whole.split_at(whole.len() - last - 3 * frame);
    let [one, two, three] = [0, 1, 2].map(|n| &frames[n * frame..(n + 1) * frame]);
    let end = &frames[3 * frame..];
    let orders: [&[&[u8]]; 5] = [
        &[one, three, end],
        &[one, two, two, three, end],
        &[two, one, three, end],
        &[one, two, three],
        &[end],
    ];
    for (number, order) in orders.into_iter().enumerate() {
        let other = [beginning, &order.concat()].concat();
        assert!(read(&other, PASSPHRASE).is_err(), "order {number}");
    }
    assert!(read(&[beginning, &[one, two, three, end].concat()].concat(), PASSPHRASE).is_ok());
}

#[test]
fn another_passphrase_opens_nothing_and_nothing_is_in_clear() {
    let whole = file(b"a statement with a name in it");
    assert!(matches!(read(&whole, b"another passphrase"), Err(FileProblem::Sealed(0))));
    for hidden in [b"statement".as_slice(), b"the cluster's key"] {
        assert!(!whole.windows(hidden.len()).any(|window| window == hidden));
    }
}

#[test]
fn a_head_that_would_keep_a_reader_busy_is_not_believed() {
    let rounds = SnapshotHead { rounds: MAX_ROUNDS + 1, ..head() };
    assert!(SnapshotWriter::salted(rounds, &key(), PASSPHRASE).is_err());
    let long = [MAGIC.as_slice(), &[0, 0, 0, 1], &[0xff; 4]].concat();
    assert!(matches!(SnapshotReader::new(long.as_slice()), Err(FileProblem::Another)));
    let later = [MAGIC.as_slice(), &[0, 0, 0, 2], &[0; 4]].concat();
    assert!(matches!(SnapshotReader::new(later.as_slice()), Err(FileProblem::Version(2))));
}
