//! Cutting the byte stream into messages.
//!
//! A message is one type byte, a length that counts itself, and a body. Nothing is decoded here. A message above the limit is skipped as it arrives, never stored, and handed on as
//! [`Frame::Oversized`] in its place in the order, so that the connection stays usable.

use bytes::{Buf, Bytes, BytesMut};
use sinew::QueryError;

use super::errors::protocol_violation;
use super::socket::TERMINATE;

/// Longest message body accepted, in bytes.
pub const MESSAGE_LIMIT_BYTES: usize = 64 << 20;

/// One message in order of arrival.
#[derive(Debug, Clone)]
pub enum Frame {
    Message {
        kind: u8,
        body: Bytes,
    },
    /// Skipped: it was longer than [`MESSAGE_LIMIT_BYTES`].
    Oversized {
        kind: u8,
        body_size_bytes: usize,
    },
    /// The stream cannot be followed any further; the connection ends with this error.
    Fatal(QueryError),
}

impl Frame {
    pub fn kind(&self) -> Option<u8> {
        match self {
            Frame::Message { kind, .. } | Frame::Oversized { kind, .. } => Some(*kind),
            Frame::Fatal(_) => None,
        }
    }
}

/// Cuts frames out of what was read so far.
#[derive(Default)]
pub struct FrameReader {
    buffer: BytesMut,
    /// Kind, whole body size and bytes still to be skipped of an oversized message.
    skipping: Option<(u8, usize, usize)>,
    failed: bool,
}

impl FrameReader {
    /// True while a message has begun and not ended.
    pub fn is_mid_message(&self) -> bool {
        !self.failed && (self.skipping.is_some() || !self.buffer.is_empty())
    }

    /// Appends what was read.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        if let Some((_, _, left)) = &mut self.skipping {
            // What had come before is gone already.
            let skipped = bytes.len().min(*left);
            *left -= skipped;
            bytes = &bytes[skipped..];
        }
        if self.buffer.is_empty() && self.buffer.capacity() > (1 << 20) {
            self.buffer = BytesMut::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether [`Self::next_frame`] has one.
    pub fn has_frame(&self) -> bool {
        if self.failed {
            return false;
        }
        if let Some((_, _, left)) = self.skipping {
            return left == 0;
        }
        match self.buffer.first() {
            None => false,
            Some(kind) if !is_frontend_kind(*kind) => true,
            Some(_) if self.buffer.len() < 5 => false,
            Some(_) => {
                let length = (&self.buffer[1..5]).get_u32() as usize;
                // A bad length is one to be told of, an oversized message one to be skipped.
                !(4..=i32::MAX as usize).contains(&length)
                    || length - 4 > MESSAGE_LIMIT_BYTES
                    || self.buffer.len() > length
            }
        }
    }

    /// The last that has arrived is a goodbye.
    pub fn ends_with_terminate(&self) -> bool {
        self.skipping.is_none() && self.buffer.ends_with(&TERMINATE)
    }

    /// The kind of the next frame, when it has arrived whole and is to be read.
    pub fn next_kind(&self) -> Option<u8> {
        if self.skipping.is_none() && self.has_frame() { self.buffer.first().copied() } else { None }
    }

    /// The next whole message, or None until more is read. After [`Frame::Fatal`] there is none.
    pub fn next_frame(&mut self) -> Option<Frame> {
        if self.failed {
            self.buffer.clear();
            return None;
        }
        if let Some((kind, body_size_bytes, left)) = self.skipping {
            if left > 0 {
                return None;
            }
            self.skipping = None;
            return Some(Frame::Oversized { kind, body_size_bytes });
        }
        let kind = *self.buffer.first()?;
        if !is_frontend_kind(kind) {
            return Some(self.fail(format!("invalid frontend message type {kind}")));
        }
        if self.buffer.len() < 5 {
            return None;
        }
        let length = (&self.buffer[1..5]).get_u32() as usize;
        if length < 4 || length > i32::MAX as usize {
            return Some(self.fail("invalid message length".to_owned()));
        }
        let body_size_bytes = length - 4;
        if body_size_bytes > MESSAGE_LIMIT_BYTES {
            self.buffer.advance(5);
            let skipped = body_size_bytes.min(self.buffer.len());
            self.buffer.advance(skipped);
            self.skipping = Some((kind, body_size_bytes, body_size_bytes - skipped));
            return self.next_frame();
        }
        if self.buffer.len() < 5 + body_size_bytes {
            return None;
        }
        self.buffer.advance(5);
        let body = self.buffer.split_to(body_size_bytes).freeze();
        Some(Frame::Message { kind, body })
    }

    fn fail(&mut self, message: String) -> Frame {
        self.failed = true;
        self.buffer.clear();
        Frame::Fatal(protocol_violation(message))
    }
}

fn is_frontend_kind(kind: u8) -> bool {
    matches!(kind, b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'd' | b'c' | b'f' | b'F' | b'p')
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![kind];
        out.put_u32(body.len() as u32 + 4);
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn frames_survive_any_chunking() {
        let mut rng = StdRng::seed_from_u64(11);
        let bodies: Vec<Vec<u8>> = (0..200).map(|i| vec![i as u8; rng.random_range(0..300)]).collect();
        let stream: Vec<u8> = bodies.iter().flat_map(|body| message(b'd', body)).collect();
        for _ in 0..20 {
            let mut reader = FrameReader::default();
            let mut seen = Vec::new();
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let take = rng.random_range(1..=97.min(rest.len()));
                reader.feed(&rest[..take]);
                rest = &rest[take..];
                while reader.has_frame() {
                    assert_eq!(reader.next_kind(), Some(b'd'));
                    match reader.next_frame() {
                        Some(Frame::Message { kind: b'd', body }) => seen.push(body.to_vec()),
                        other => panic!("unexpected {other:?}"),
                    }
                }
                assert!(reader.next_frame().is_none());
            }
            assert_eq!(seen, bodies);
            assert!(!reader.is_mid_message());
        }
    }

    #[test]
    fn an_oversized_message_is_skipped_and_the_next_one_read() {
        let mut reader = FrameReader::default();
        let size = MESSAGE_LIMIT_BYTES + 10;
        reader.buffer.put_u8(b'Q');
        reader.buffer.put_u32(size as u32 + 4);
        let chunk = vec![b'x'; 1 << 20];
        let mut left = size;
        while left > 0 {
            let take = left.min(chunk.len());
            reader.feed(&chunk[..take]);
            left -= take;
            // Who waits only looks whether there is something to take.
            assert_eq!(reader.has_frame(), left == 0 || left + chunk.len() == size);
            if left + chunk.len() == size {
                assert!(reader.next_frame().is_none());
            }
            assert!(reader.buffer.is_empty(), "skipped bytes are not kept");
        }
        reader.feed(&message(b'S', b""));
        assert!(
            matches!(reader.next_frame(), Some(Frame::Oversized { kind: b'Q', body_size_bytes }) if body_size_bytes == size)
        );
        assert!(matches!(reader.next_frame(), Some(Frame::Message { kind: b'S', .. })));
    }

    #[test]
    fn garbage_ends_the_connection() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], &[b'Q', 0, 0, 0, 1][..], &[b'Q', 0xff, 0xff, 0xff, 0xff][..]] {
            let mut reader = FrameReader::default();
            reader.feed(bytes);
            assert!(matches!(reader.next_frame(), Some(Frame::Fatal(_))), "{bytes:?}");
            assert!(reader.next_frame().is_none());
        }
    }
}
