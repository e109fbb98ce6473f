//! Decoding message bodies, strictly.
//!
//! The message types are pgwire's; the decoding is ours, because pgwire's decoders replace invalid UTF-8 silently and
//! read past a body whose counts lie. Every read here is bounded by the body.

use bytes::{Buf, Bytes};
use pgwire::messages::extendedquery::{Bind, Close, Describe, Execute, Parse};
use sinew::{QueryError, Result};

use super::errors::{invalid_utf8, protocol_violation};

/// A decoded message of the client.
#[derive(Debug)]
pub enum FrontendMessage {
    Query(String),
    Parse(Parse),
    Bind(Bind),
    Describe(Describe),
    Execute(Execute),
    Close(Close),
    Flush,
    Sync,
    Terminate,
    CopyData(Bytes),
    CopyDone,
    CopyFail(String),
    FunctionCall,
    Password,
}

/// Decodes one body. 08P01 when malformed, 22021 when text is no UTF-8.
pub fn decode(kind: u8, body: Bytes) -> Result<FrontendMessage> {
    let mut reader = BodyReader { body };
    let message = match kind {
        b'Q' => FrontendMessage::Query(reader.text()?),
        b'P' => {
            let name = reader.name()?;
            let query = reader.text()?;
            let count = reader.count()?;
            let type_oids = (0..count).map(|_| reader.u32()).collect::<Result<_>>()?;
            FrontendMessage::Parse(Parse::new(name, query, type_oids))
        }
        b'B' => {
            let portal = reader.name()?;
            let statement = reader.name()?;
            let count = reader.count()?;
            let formats = (0..count).map(|_| reader.i16()).collect::<Result<_>>()?;
            let count = reader.count()?;
            let params = (0..count).map(|_| reader.value()).collect::<Result<_>>()?;
            let count = reader.count()?;
            let result_formats = (0..count).map(|_| reader.i16()).collect::<Result<_>>()?;
            FrontendMessage::Bind(Bind::new(portal, statement, formats, params, result_formats))
        }
        b'D' => FrontendMessage::Describe(Describe::new(reader.target("DESCRIBE")?, reader.name()?)),
        b'C' => FrontendMessage::Close(Close::new(reader.target("CLOSE")?, reader.name()?)),
        b'E' => FrontendMessage::Execute(Execute::new(reader.name()?, reader.i32()?)),
        b'H' => FrontendMessage::Flush,
        b'S' => FrontendMessage::Sync,
        b'X' => FrontendMessage::Terminate,
        b'd' => FrontendMessage::CopyData(std::mem::take(&mut reader.body)),
        b'c' => FrontendMessage::CopyDone,
        b'f' => FrontendMessage::CopyFail(reader.text()?),
        b'F' => return Ok(FrontendMessage::FunctionCall),
        b'p' => return Ok(FrontendMessage::Password),
        other => return Err(protocol_violation(format!("invalid frontend message type {other}"))),
    };
    if !reader.body.is_empty() {
        return Err(protocol_violation("invalid message format: bytes left over"));
    }
    Ok(message)
}

struct BodyReader {
    body: Bytes,
}

fn short() -> QueryError {
    protocol_violation("insufficient data left in message")
}

impl BodyReader {
    fn need(&self, bytes: usize) -> Result<()> {
        if self.body.len() < bytes { Err(short()) } else { Ok(()) }
    }

    fn i16(&mut self) -> Result<i16> {
        self.need(2)?;
        Ok(self.body.get_i16())
    }

    fn i32(&mut self) -> Result<i32> {
        self.need(4)?;
        Ok(self.body.get_i32())
    }

    fn u32(&mut self) -> Result<u32> {
        self.need(4)?;
        Ok(self.body.get_u32())
    }

    /// Counts are unsigned: PostgreSQL allows 65535 parameters.
    fn count(&mut self) -> Result<u16> {
        self.need(2)?;
        Ok(self.body.get_u16())
    }

    fn text(&mut self) -> Result<String> {
        let end = self
            .body
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| protocol_violation("invalid string in message"))?;
        let bytes = self.body.split_to(end);
        self.body.advance(1);
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(invalid_utf8(&bytes, &error)),
        }
    }

    /// None for the unnamed statement or portal.
    fn name(&mut self) -> Result<Option<String>> {
        let name = self.text()?;
        Ok((!name.is_empty()).then_some(name))
    }

    fn target(&mut self, what: &str) -> Result<u8> {
        self.need(1)?;
        match self.body.get_u8() {
            target @ (b'S' | b'P') => Ok(target),
            other => Err(protocol_violation(format!("invalid {what} message subtype {other}"))),
        }
    }

    fn value(&mut self) -> Result<Option<Bytes>> {
        let length = self.i32()?;
        match length {
            -1 => Ok(None),
            length if length < 0 => Err(protocol_violation("invalid parameter length")),
            length => {
                self.need(length as usize)?;
                Ok(Some(self.body.split_to(length as usize)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use pgwire::messages::Message;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn body_of(message: &impl Message) -> Bytes {
        let mut out = BytesMut::new();
        message.encode(&mut out).expect("encodes");
        out.split_off(5).freeze()
    }

    fn bind() -> Bind {
        Bind::new(
            Some("p".into()),
            None,
            vec![1, 0],
            vec![Some(Bytes::from_static(b"abc")), None, Some(Bytes::new())],
            vec![1],
        )
    }

    #[test]
    fn agrees_with_pgwires_encoder() {
        let parse = Parse::new(Some("s1".into()), "select $1".into(), vec![23, 0]);
        match decode(b'P', body_of(&parse)).expect("parse") {
            FrontendMessage::Parse(decoded) => assert_eq!(decoded, parse),
            other => panic!("{other:?}"),
        }
        match decode(b'B', body_of(&bind())).expect("bind") {
            FrontendMessage::Bind(decoded) => assert_eq!(decoded, bind()),
            other => panic!("{other:?}"),
        }
        match decode(b'E', body_of(&Execute::new(None, 50))).expect("execute") {
            FrontendMessage::Execute(decoded) => assert_eq!(decoded, Execute::new(None, 50)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn truncated_and_random_bodies_are_errors_not_panics() {
        let whole = body_of(&bind());
        for length in 0..whole.len() {
            assert_eq!(decode(b'B', whole.slice(..length)).expect_err("truncated").sqlstate(), "08P01");
        }
        let mut rng = StdRng::seed_from_u64(5);
        for _ in 0..5000 {
            let length = rng.random_range(0..40);
            let body: Vec<u8> = (0..length).map(|_| rng.random::<u8>()).collect();
            for kind in *b"QPBDECfF" {
                // Only that it returns.
                let _ = decode(kind, Bytes::from(body.clone()));
            }
        }
    }

    #[test]
    fn invalid_utf8_is_22021() {
        assert_eq!(decode(b'Q', Bytes::from_static(b"select '\xff'\0")).expect_err("bad").sqlstate(), "22021");
    }
}
