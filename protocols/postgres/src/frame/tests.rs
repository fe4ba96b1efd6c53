//! Tests of the framing: limits before anything is kept, and messages that arrive in pieces of any size.

mod any_bytes;

use super::{Body, CHUNK, FrameError, FrameReader, FrontendKind, Head, message, read_execute};
use bytes::{BufMut, Bytes};
use std::io::Cursor;

fn reader(bytes: &[u8]) -> FrameReader<Cursor<Vec<u8>>> {
    FrameReader::new(Cursor::new(bytes.to_vec()))
}

fn framed(kind: u8, length: i32) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.put_i32(length);
    bytes
}

#[tokio::test]
async fn a_length_that_does_not_count_itself_is_refused() {
    for length in [3, 0, -1, i32::MIN] {
        let refused = reader(&framed(b'Q', length)).head().await.unwrap_err();
        assert!(matches!(refused, FrameError::Length { kind: b'Q' }), "{length}: {refused:?}");
    }
    assert_eq!(reader(&framed(b'S', 4)).head().await.unwrap(), Head { kind: b'S', body: 0 });
}

#[tokio::test]
async fn messages_come_whole_however_the_bytes_are_cut() {
    let first = message(b'Q', |out| out.put_slice(b"SELECT 1\0"));
    let stream = [first.as_ref(), &message(b'S', |_| {})].concat();
    for cut in 1..stream.len() {
        let (early, late) = stream.split_at(cut);
        let pieces = tokio::io::AsyncReadExt::chain(Cursor::new(early), Cursor::new(late));
        let mut reader = FrameReader::new(pieces);
        let head = reader.head().await.unwrap();
        assert_eq!(reader.whole(head).await.unwrap(), "SELECT 1\0");
        let head = reader.head().await.unwrap();
        assert_eq!(head, Head { kind: b'S', body: 0 });
        assert!(reader.whole(head).await.unwrap().is_empty());
        assert!(matches!(reader.head().await, Err(FrameError::Closed)));
    }
}

#[tokio::test]
async fn a_message_that_is_cut_off_is_never_handed_on() {
    let whole = message(b'Q', |out| out.put_slice(b"DELETE FROM accounts\0"));
    for end in 5..whole.len() {
        let mut reader = reader(&whole[..end]);
        let head = reader.head().await.unwrap();
        assert!(matches!(reader.whole(head).await, Err(FrameError::Closed)), "{end}");
    }
}

#[tokio::test]
async fn a_streamed_body_is_held_a_chunk_at_a_time_and_ends_where_it_says() {
    let size = 5 * CHUNK + 7;
    let mut stream = message(b'd', |out| out.put_bytes(9, size)).to_vec();
    stream.extend_from_slice(&message(b'c', |_| {}));
    let mut reader = reader(&stream);
    let head = reader.head().await.unwrap();
    assert_eq!(reader.begin(head).len(), 5);
    let mut seen = 0;
    while let Some(piece) = reader.chunk().await.unwrap() {
        assert!(piece.iter().all(|byte| *byte == 9));
        assert!(reader.buffered() <= 2 * CHUNK);
        seen += piece.len();
    }
    assert_eq!(seen, size);
    assert_eq!(reader.head().await.unwrap().kind, b'c');
}

#[tokio::test]
async fn a_terminate_is_seen_behind_messages_that_wait_but_not_inside_them() {
    let hidden = message(b'Q', |out| out.put_slice(b"X\0\0\0\x04\0"));
    let mut inside = reader(&hidden);
    inside.fill().await.unwrap();
    assert!(!inside.has_buffered(b'X'));
    let mut behind = reader(&[hidden.as_ref(), &message(b'X', |_| {})].concat());
    behind.fill().await.unwrap();
    assert!(behind.has_buffered(b'X'));
}

#[test]
fn a_type_that_agents_do_not_send_is_refused_and_so_is_too_long_a_body() {
    let unknown = FrontendKind::of(Head { kind: b'?', body: 0 }).unwrap_err();
    assert!(matches!(unknown, FrameError::UnknownType { kind: b'?' }));
    for kind in *b"BCDEFHPQSX" {
        FrontendKind::of(Head { kind, body: 0 }).unwrap();
        let long = FrontendKind::of(Head { kind, body: usize::MAX }).unwrap_err();
        assert!(matches!(long, FrameError::Length { .. }), "{kind}");
    }
}

#[test]
fn a_field_cannot_reach_beyond_its_body_nor_may_anything_be_left() {
    let mut value = Vec::new();
    value.put_i32(5);
    value.extend_from_slice(b"four");
    Body::new("value", Bytes::from(value)).value().unwrap_err();
    let mut negative = Body::new("value", Bytes::from_static(&[0xff, 0xff, 0xff, 0xfe]));
    negative.value().unwrap_err();
    let mut null = Body::new("value", Bytes::from_static(&[0xff; 4]));
    assert_eq!(null.value().unwrap(), None);
    null.end().unwrap();
    Body::new("text", Bytes::from_static(b"no end")).text().unwrap_err();
    Body::new("text", Bytes::from_static(b"\xff\0")).text().unwrap_err();
    read_execute(Bytes::from_static(b"p\0\0\0\0\0more")).unwrap_err();
}
