//! Whatever bytes an agent sends, in whatever pieces: no decoder panics, nothing is handed on beyond its declared length,
//! and what is handed on is what was sent.

use super::super::{
    Bind, FrameError, FrameReader, FrontendKind, Head, bind, message, parse, read_bind,
    read_execute, read_named, read_parse, read_text,
};
use crate::{
    startup::{InitialPacket, StartupParameters, read_packet},
    tests::thorough,
    upstream::{error_code, read_ready, read_status},
};
use bytes::{BufMut, Bytes};
use proptest::prelude::*;
use std::{
    io::{self, Cursor},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, ReadBuf};

/// Hands its bytes out in pieces of these sizes, in turn.
struct InPieces {
    bytes: Vec<u8>,
    sizes: Vec<usize>,
    turn: usize,
}

impl AsyncRead for InPieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let turn = self.turn % self.sizes.len().max(1);
        self.turn += 1;
        let wanted = self.sizes.get(turn).copied().unwrap_or(usize::MAX).max(1);
        let count = wanted.min(buffer.remaining()).min(self.bytes.len());
        buffer.put_slice(&self.bytes[..count]);
        self.bytes.drain(..count);
        Poll::Ready(Ok(()))
    }
}

/// Every message that a stream yields, up to the first error.
fn messages(bytes: Vec<u8>, sizes: Vec<usize>) -> (Vec<(Head, Bytes)>, FrameError) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut reader = FrameReader::new(InPieces { bytes, sizes, turn: 0 });
        let mut all = Vec::new();
        loop {
            let next = async {
                let head = reader.head().await?;
                FrontendKind::of(head)?;
                Ok((head, reader.whole(head).await?))
            };
            match next.await {
                Ok(message) => all.push(message),
                Err(error) => return (all, error),
            }
        }
    })
}

/// Puts a body through every decoder.
fn decode(body: &Bytes) {
    drop(read_text(body.clone()));
    drop(read_parse(body.clone()));
    drop(read_bind(body.clone()));
    drop(read_named(body.clone()));
    drop(read_execute(body.clone()));
    // And those for what a target says.
    drop(read_ready(body.clone()));
    drop(read_status(body.clone()));
    drop(error_code(body.clone()));
}

/// Puts bytes through what reads the first packet of a connection.
fn begin(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if let Ok(InitialPacket::Session { parameters, .. }) =
        runtime.block_on(read_packet(&mut Cursor::new(bytes)))
    {
        drop(StartupParameters::read(parameters));
    }
}

fn kinds() -> impl Strategy<Value = u8> {
    prop::sample::select(b"BCDEFHPQSXdcfp?Z\0".to_vec())
}

proptest! {
    #![proptest_config(thorough(1000))]

    #[test]
    fn any_bytes_in_any_pieces_are_messages_of_their_length_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(1usize..9, 0..5),
    ) {
        let sent = bytes.len();
        let (all, _) = messages(bytes, sizes);
        let mut taken = 0;
        for (head, body) in &all {
            prop_assert_eq!(head.body, body.len());
            taken += 5 + body.len();
            decode(body);
        }
        prop_assert!(taken <= sent);
    }

    #[test]
    fn what_is_sent_arrives_whole_however_it_is_cut_and_whatever_stands_behind_it(
        bodies in prop::collection::vec((kinds(), prop::collection::vec(any::<u8>(), 0..40)), 1..6),
        sizes in prop::collection::vec(1usize..9, 0..5),
        behind in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let known = |(kind, body): &&(u8, Vec<u8>)| {
            FrontendKind::of(Head { kind: *kind, body: body.len() }).is_ok()
        };
        let stream: Vec<u8> = bodies
            .iter()
            .flat_map(|(kind, body)| message(*kind, |out| out.put_slice(body)))
            .chain(behind)
            .collect();
        let (all, _) = messages(stream, sizes);
        let expected: Vec<_> = bodies.iter().take_while(known).collect();
        prop_assert!(all.len() >= expected.len());
        for ((head, body), (kind, sent)) in all.iter().zip(&expected) {
            prop_assert_eq!((head.kind, body.as_ref()), (*kind, sent.as_slice()));
            decode(body);
        }
    }

    #[test]
    fn a_message_with_one_byte_changed_is_read_or_refused(
        name in "[a-z]{0,4}",
        text in "[ -~]{0,20}",
        values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..6)), 0..4),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let parameters: Vec<(u16, Option<&[u8]>)> =
            values.iter().map(|value| (0, value.as_deref())).collect();
        let what = Bind {
            portal: &name,
            statement: &text,
            parameters: parameters.iter().copied(),
            result_formats: &[1],
        };
        for whole in [bind(what), parse(&name, text.as_bytes(), &[23])] {
            let mut body = whole[5..].to_vec();
            let at = place.index(body.len());
            body[at] = byte;
            decode(&body.into());
        }
    }

    #[test]
    fn any_first_packet_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120), version in any::<bool>()) {
        begin(&bytes);
        if version {
            // A true head, so that the parameters are reached.
            let mut packet = Vec::new();
            packet.put_u32(u32::try_from(bytes.len() + 8).unwrap());
            packet.put_u32(3 << 16);
            packet.extend(&bytes);
            begin(&packet);
        }
    }
}
