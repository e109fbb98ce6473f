//! A client that says exactly what it is told and shows each answer as one line of text.
//!
//! Where drivers hide the protocol's messages, its rules are tested with this one. A line is the message's type byte and
//! what matters of its content: `T a:23:0` (name, type oid, format), `D 1|NULL`, `C SELECT 1`, `E 42601 message`,
//! `N 25P01 message`, `Z I`; a syntax or name error's position is added as `@7`, its context as `[while …]`.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::Server;

/// An answer takes no longer, unless the server hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// One message: type byte, length, body.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn with_zero(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn list(items: &[i16]) -> Vec<u8> {
    let mut out = (items.len() as u16).to_be_bytes().to_vec();
    out.extend(items.iter().flat_map(|item| item.to_be_bytes()));
    out
}

pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', &with_zero(text))
}

pub fn parse(name: &str, text: &str, types: &[u32]) -> Vec<u8> {
    let mut body = [with_zero(name), with_zero(text), (types.len() as u16).to_be_bytes().to_vec()].concat();
    body.extend(types.iter().flat_map(|oid| oid.to_be_bytes()));
    message(b'P', &body)
}

/// Parameters (None: NULL) in the formats `formats`, results in `result_formats`.
pub fn bind(
    portal: &str,
    statement: &str,
    formats: &[i16],
    parameters: &[Option<&[u8]>],
    result_formats: &[i16],
) -> Vec<u8> {
    let mut body = [with_zero(portal), with_zero(statement), list(formats)].concat();
    body.extend((parameters.len() as u16).to_be_bytes());
    for parameter in parameters {
        body.extend(parameter.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        body.extend_from_slice(parameter.unwrap_or_default());
    }
    body.extend(list(result_formats));
    message(b'B', &body)
}

/// `target` is `S` or `P`.
pub fn describe(target: u8, name: &str) -> Vec<u8> {
    message(b'D', &[&[target], &with_zero(name)[..]].concat())
}

pub fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    message(b'E', &[with_zero(portal), max_rows.to_be_bytes().to_vec()].concat())
}

pub fn close(target: u8, name: &str) -> Vec<u8> {
    message(b'C', &[&[target], &with_zero(name)[..]].concat())
}

pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

pub fn flush() -> Vec<u8> {
    message(b'H', b"")
}

/// Parse, Bind, Describe, Execute of unnamed things, with parameters and results as text.
pub fn run(text: &str, parameters: &[&str]) -> Vec<u8> {
    let parameters: Vec<Option<&[u8]>> = parameters.iter().map(|text| Some(text.as_bytes())).collect();
    [parse("", text, &[]), bind("", "", &[], &parameters, &[]), describe(b'P', ""), execute("", 0)].concat()
}

/// The port to connect to. With `SINEW_ORACLE_PORT` it is that of a PostgreSQL 15 on this machine, against which the tests
/// of what both must do are tried.
pub fn port(server: &Server) -> u16 {
    match std::env::var("SINEW_ORACLE_PORT") {
        Ok(port) => port.parse().expect("SINEW_ORACLE_PORT is a port"),
        Err(_) => server.port,
    }
}

/// A connection.
pub struct RawClient {
    stream: TcpStream,
    buffer: Vec<u8>,
    pub process_id: i32,
    pub secret: Vec<u8>,
}

impl RawClient {
    /// A session of user `postgres`, past the first ReadyForQuery.
    pub async fn connect(server: &Server) -> RawClient {
        let (client, _) = RawClient::connect_with(server, 0, &[("user", "postgres"), ("database", "postgres")]).await;
        client
    }

    /// As [`Self::connect`] with protocol 3.`minor` and these parameters; gives the greeting's lines as well.
    pub async fn connect_with(server: &Server, minor: u16, parameters: &[(&str, &str)]) -> (RawClient, Vec<String>) {
        let stream = TcpStream::connect(("127.0.0.1", port(server))).await.expect("the server accepts connections");
        let mut client = RawClient { stream, buffer: Vec::new(), process_id: 0, secret: Vec::new() };
        let mut body = [3u16.to_be_bytes(), minor.to_be_bytes()].concat();
        for (name, value) in parameters {
            body.extend([with_zero(name), with_zero(value)].concat());
        }
        body.push(0);
        client.send(&[&(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()).await;
        let greeting = client.until_ready().await;
        (client, greeting)
    }

    /// Sends bytes in place of a startup message, and gives the first byte of the answer.
    pub async fn first_byte(server: &Server, bytes: &[u8]) -> u8 {
        let mut stream = TcpStream::connect(("127.0.0.1", port(server))).await.expect("the server accepts connections");
        stream.write_all(bytes).await.expect("the connection is open");
        stream.read_u8().await.expect("the server answers")
    }

    /// Asks another connection to cancel what this one runs.
    pub async fn cancel(&self, server: &Server) {
        let mut request = (12 + self.secret.len() as u32).to_be_bytes().to_vec();
        request.extend(80_877_102u32.to_be_bytes());
        request.extend(self.process_id.to_be_bytes());
        request.extend_from_slice(&self.secret);
        let mut stream = TcpStream::connect(("127.0.0.1", port(server))).await.expect("the server accepts connections");
        stream.write_all(&request).await.expect("the connection is open");
        let mut rest = Vec::new();
        // The server closes without a word.
        let _ = stream.read_to_end(&mut rest).await;
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the connection is open");
    }

    /// Sends, and gives what is answered up to ReadyForQuery.
    pub async fn ask(&mut self, bytes: &[u8]) -> Vec<String> {
        self.send(bytes).await;
        self.until_ready().await
    }

    /// The lines up to ReadyForQuery; up to the end of the stream when there is none (then the last line is `closed`).
    pub async fn until_ready(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.next().await;
            let is_last = line.starts_with('Z') || line == "closed";
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// The next `count` lines.
    pub async fn take(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::with_capacity(count);
        for _ in 0..count {
            lines.push(self.next().await);
        }
        lines
    }

    /// The next line.
    pub async fn next(&mut self) -> String {
        tokio::time::timeout(ANSWER_LIMIT, self.receive()).await.expect("the server answers in time")
    }

    /// True when nothing arrives for a while.
    pub async fn is_silent(&mut self) -> bool {
        self.buffer.is_empty()
            && tokio::time::timeout(Duration::from_millis(300), self.stream.readable()).await.is_err()
    }

    async fn receive(&mut self) -> String {
        loop {
            if self.buffer.len() >= 5 {
                let length =
                    u32::from_be_bytes([self.buffer[1], self.buffer[2], self.buffer[3], self.buffer[4]]) as usize;
                if self.buffer.len() > length {
                    let message: Vec<u8> = self.buffer.drain(..length + 1).collect();
                    if message[0] == b'K' {
                        self.process_id = i32::from_be_bytes([message[5], message[6], message[7], message[8]]);
                        self.secret = message[9..].to_vec();
                    }
                    return shown(message[0], &message[5..]);
                }
            }
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                return "closed".to_owned();
            }
        }
    }
}

/// Reads a body from its front.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken.to_vec()
    }

    fn i16(&mut self) -> i16 {
        let bytes = self.bytes(2);
        i16::from_be_bytes([bytes[0], bytes[1]])
    }

    fn i32(&mut self) -> i32 {
        let bytes = self.bytes(4);
        i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn text(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).expect("a text ends");
        let text = self.bytes(end);
        self.bytes(1);
        String::from_utf8(text).expect("the server sends UTF-8")
    }
}

/// Text as it is, other bytes in hexadecimal.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') => text.to_owned(),
        _ => bytes.iter().fold("0x".to_owned(), |shown, byte| format!("{shown}{byte:02x}")),
    }
}

fn shown(kind: u8, bytes: &[u8]) -> String {
    let mut body = Body(bytes);
    let content = match kind {
        b'T' => {
            let fields = (0..body.i16()).map(|_| {
                let name = body.text();
                body.bytes(6);
                let oid = body.i32();
                body.bytes(6);
                format!("{name}:{oid}:{}", body.i16())
            });
            fields.collect::<Vec<_>>().join(" ")
        }
        b'D' => {
            let values = (0..body.i16()).map(|_| match body.i32() {
                -1 => "NULL".to_owned(),
                length => readable(&body.bytes(length as usize)),
            });
            values.collect::<Vec<_>>().join("|")
        }
        b'E' | b'N' => {
            let mut fields = std::collections::BTreeMap::new();
            while body.0[0] != 0 {
                let key = body.bytes(1)[0];
                fields.insert(key, body.text());
            }
            // Errors at run time have a position here and none in PostgreSQL.
            let position = fields.get(&b'P').filter(|_| fields[&b'C'].starts_with("42"));
            let place = position.map_or(String::new(), |position| format!(" @{position}"));
            let context = fields.get(&b'W').map_or(String::new(), |context| format!(" [{context}]"));
            format!("{} {}{place}{context}", fields[&b'C'], fields[&b'M'])
        }
        b't' => (0..body.i16()).map(|_| body.i32().to_string()).collect::<Vec<_>>().join(","),
        b'S' => format!("{}={}", body.text(), body.text()),
        b'C' => body.text(),
        b'Z' => readable(bytes),
        b'A' => {
            let process_id = body.i32();
            format!("{process_id} {} {}", body.text(), body.text())
        }
        b'R' => body.i32().to_string(),
        b'K' => "key".to_owned(),
        b'v' => {
            let version = body.i32();
            let options: Vec<String> = (0..body.i32()).map(|_| body.text()).collect();
            format!("{} {}", version & 0xffff, options.join(","))
        }
        b'G' | b'H' => {
            let format = body.bytes(1)[0];
            format!("{format} {}", body.i16())
        }
        _ => readable(bytes),
    };
    format!("{} {content}", kind as char).trim_end().to_owned()
}
