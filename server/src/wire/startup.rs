//! The first exchange: encryption requests, cancel requests, the startup packet, and the greeting.

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey, Startup,
};
use pgwire::messages::{DecodeContext, Message};
use rand::RngExt;
use sinew::{Database, Notice, QueryError, Result, Session, sqlstate};
use tokio::net::TcpStream;

use super::encode::push_message;
use super::errors::{code, notice_response, protocol_violation};

/// As in PostgreSQL, in bytes.
const PACKET_LIMIT_BYTES: usize = 10_000;
/// `postgres -V` of the release whose behaviour we follow: drivers choose their catalog queries by it.
const SERVER_VERSION: &str = "15.0";
/// Highest minor version of protocol 3 spoken here.
const NEWEST_MINOR: u16 = 2;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// What a new connection wants.
#[derive(Debug)]
pub enum Opening {
    Session(StartupRequest),
    Cancel { process_id: i32, secret: Bytes },
}

/// A session asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StartupRequest {
    pub user: String,
    pub database: String,
    /// Settings in the order they apply.
    pub settings: Vec<(String, String)>,
    /// Protocol 3.x, negotiated.
    pub minor: u16,
    /// The client asked for a newer minor version or for these options: it is told what we speak.
    pub negotiate: bool,
    pub unknown_options: Vec<String>,
}

/// Reads until the client has said what it wants. `rest` receives what was read beyond it. None: the client left.
pub async fn read_opening(stream: &TcpStream, rest: &mut BytesMut) -> Result<Option<Opening>> {
    // One refusal each for TLS and GSSAPI is all a client needs.
    for _ in 0..3 {
        let Some(packet) = read_packet(stream, rest).await? else { return Ok(None) };
        let request = (&packet[4..8]).get_u32();
        match request {
            SSL_REQUEST | GSS_REQUEST => {
                if packet.len() != 8 {
                    return Err(protocol_violation("invalid encryption request"));
                }
                if write_all(stream, b"N").await.is_err() {
                    return Ok(None);
                }
            }
            CANCEL_REQUEST => return decode_cancel(packet).map(Some),
            _ => return decode_startup(packet).map(Opening::Session).map(Some),
        }
    }
    Err(protocol_violation("too many encryption requests"))
}

async fn read_packet(stream: &TcpStream, buffer: &mut BytesMut) -> Result<Option<BytesMut>> {
    loop {
        if buffer.len() >= 4 {
            let length = (&buffer[..4]).get_u32() as usize;
            if !(8..=PACKET_LIMIT_BYTES).contains(&length) {
                return Err(protocol_violation("invalid length of startup packet"));
            }
            if buffer.len() >= length {
                return Ok(Some(buffer.split_to(length)));
            }
        }
        buffer.reserve(1024);
        if stream.readable().await.is_err() {
            return Ok(None);
        }
        match stream.try_read_buf(buffer) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Ok(None),
        }
    }
}

/// Writes without an outbox: before a session exists.
pub async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn decode_cancel(mut packet: BytesMut) -> Result<Opening> {
    match CancelRequest::decode(&mut packet, &DecodeContext::default()) {
        Ok(Some(request)) => Ok(Opening::Cancel { process_id: request.pid, secret: request.secret_key.to_bytes() }),
        _ => Err(protocol_violation("invalid cancel request")),
    }
}

/// `packet` is whole and at least 8 bytes long.
fn decode_startup(mut packet: BytesMut) -> Result<StartupRequest> {
    let (major, minor) = ((&packet[4..6]).get_u16(), (&packet[6..8]).get_u16());
    if major != 3 {
        return Err(QueryError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{NEWEST_MINOR}"),
        ));
    }
    if packet.last() != Some(&0) || packet.len() == 8 {
        return Err(protocol_violation("invalid startup packet layout: expected terminator as last byte"));
    }
    let startup = match Startup::decode(&mut packet, &DecodeContext::default()) {
        Ok(Some(startup)) => startup,
        _ => return Err(protocol_violation("invalid startup packet")),
    };
    // There is no 3.1: who asks for it gets 3.0.
    let spoken = if minor >= NEWEST_MINOR { NEWEST_MINOR } else { 0 };
    let mut request = StartupRequest { minor: spoken, ..StartupRequest::default() };
    for (name, value) in startup.parameters {
        match name.as_str() {
            "user" => request.user = value,
            "database" => request.database = value,
            "options" => request.settings.extend(parse_options(&value)?),
            "replication" if ["false", "off", "no", "0"].contains(&value.to_lowercase().as_str()) => {}
            "replication" => return Err(QueryError::unsupported("a replication connection")),
            option if option.starts_with("_pq_.") => request.unknown_options.push(name),
            _ => request.settings.push((name, value)),
        }
    }
    request.negotiate = minor != spoken || !request.unknown_options.is_empty();
    if request.user.is_empty() {
        return Err(QueryError::new(
            code::INVALID_AUTHORIZATION,
            "no PostgreSQL user name specified in startup packet",
        ));
    }
    if request.user == sinew::INTERNAL_USER {
        return Err(QueryError::new(code::INVALID_AUTHORIZATION, format!("role \"{}\" cannot log in", request.user)));
    }
    if request.database.is_empty() {
        request.database = request.user.clone();
    }
    Ok(request)
}

/// `-c name=value`, `-cname=value` and `--name=value`; a backslash protects a space.
fn parse_options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let assignment = if word == "-c" {
            words.next().unwrap_or_default()
        } else if let Some(rest) = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            rest.to_owned()
        } else {
            return Err(invalid_option(&word));
        };
        let (name, value) = assignment.split_once('=').ok_or_else(|| invalid_option(&assignment))?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn invalid_option(word: &str) -> QueryError {
    QueryError::new(sqlstate::SYNTAX_ERROR, format!("invalid command-line argument for server process: {word}"))
}

/// A session with the client's settings applied, and what to warn of. A value that a known setting refuses is an error;
/// a setting unknown here is skipped with a warning, because drivers send theirs unasked.
pub fn open_session(database: &Database, request: &StartupRequest) -> Result<(Session, Vec<Notice>)> {
    let mut session = database.session_for(&request.user);
    let mut warnings = Vec::new();
    for (name, value) in &request.settings {
        let name = name.to_lowercase();
        // psql in the C locale asks for SQL_ASCII, which passes bytes through; here they are UTF-8 anyway.
        let value = match name.as_str() {
            "client_encoding" if is_utf8_compatible(value) => "UTF8",
            _ => value,
        };
        match session.start_with(&name, value) {
            Ok(()) => {}
            Err(error) if error.sqlstate() == sqlstate::UNDEFINED_OBJECT => warnings.push(Notice {
                severity: "WARNING",
                sqlstate: sqlstate::UNDEFINED_OBJECT,
                message: format!("startup setting \"{name}\" is unknown and was ignored"),
                hint: None,
            }),
            Err(error) => return Err(error),
        }
    }
    Ok((session, warnings))
}

fn is_utf8_compatible(encoding: &str) -> bool {
    let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    matches!(plain.as_str(), "utf8" | "unicode" | "sqlascii")
}

/// A fresh secret: 4 bytes for protocol 3.0, 32 for 3.2.
pub fn make_secret(minor: u16) -> Vec<u8> {
    let mut rng = rand::rng();
    (0..if minor >= 2 { 32 } else { 4 }).map(|_| rng.random::<u8>()).collect()
}

/// Everything up to, not including, the first ReadyForQuery.
pub fn greet(
    session: &mut Session,
    request: &StartupRequest,
    process_id: i32,
    secret: &[u8],
    warnings: &[Notice],
    out: &mut BytesMut,
) {
    if request.negotiate {
        let version = (3 << 16) | i32::from(request.minor);
        push_message(&NegotiateProtocolVersion::new(version, request.unknown_options.clone()), out);
    }
    push_message(&Authentication::Ok, out);
    for (name, value) in startup_parameters(session, &request.user) {
        push_message(&ParameterStatus::new(name, value), out);
    }
    let key = match <[u8; 4]>::try_from(secret) {
        Ok(bytes) => SecretKey::I32(i32::from_be_bytes(bytes)),
        Err(_) => SecretKey::Bytes(Bytes::copy_from_slice(secret)),
    };
    push_message(&BackendKeyData::new(process_id, key), out);
    for warning in warnings {
        push_message(&notice_response(warning), out);
    }
}

fn startup_parameters(session: &mut Session, user: &str) -> Vec<(String, String)> {
    // What changed so far is reported here as a whole.
    session.take_changed_parameters();
    let fixed = [
        ("server_version", SERVER_VERSION),
        ("server_encoding", "UTF8"),
        ("integer_datetimes", "on"),
        ("is_superuser", "on"),
        ("session_authorization", user),
    ];
    let of_session = [
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("standard_conforming_strings", "on"),
        ("application_name", ""),
        ("default_transaction_read_only", "off"),
        ("in_hot_standby", "off"),
    ];
    let mut parameters: Vec<(String, String)> =
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, default) in of_session {
        let value = session.setting(&name.to_lowercase()).unwrap_or_else(|| default.to_owned());
        parameters.push((name.to_owned(), value));
    }
    parameters
}

/// For messages sent before an outbox exists.
pub async fn send_message(stream: &TcpStream, message: &impl Message) {
    let mut out = BytesMut::new();
    push_message(message, &mut out);
    // The client may be gone; there is nobody else to tell.
    let _ = write_all(stream, &out).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;

    fn packet(major: u16, minor: u16, parameters: &[(&str, &str)]) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u32(0);
        out.put_u16(major);
        out.put_u16(minor);
        for (name, value) in parameters {
            for part in [name, value] {
                out.put_slice(part.as_bytes());
                out.put_u8(0);
            }
        }
        out.put_u8(0);
        let length = out.len() as u32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        out
    }

    #[test]
    fn a_startup_packet_names_user_database_and_settings() {
        let request = decode_startup(packet(
            3,
            0,
            &[("user", "ann"), ("application_name", "psql"), ("options", "-c search_path=a\\ b --work-mem=4MB")],
        ))
        .expect("valid");
        assert_eq!((request.user.as_str(), request.database.as_str()), ("ann", "ann"));
        assert_eq!((request.minor, request.negotiate), (0, false));
        let has = |name: &str, value: &str| request.settings.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("application_name", "psql") && has("search_path", "a b") && has("work_mem", "4MB"));
    }

    #[test]
    fn newer_minors_and_options_are_negotiated() {
        let request = decode_startup(packet(3, 9999, &[("user", "u"), ("_pq_.x", "1")])).expect("valid");
        assert_eq!((request.minor, request.negotiate), (2, true));
        assert_eq!(request.unknown_options, ["_pq_.x"]);
        let request = decode_startup(packet(3, 2, &[("user", "u"), ("database", "d")])).expect("valid");
        assert_eq!((request.minor, request.negotiate, request.database.as_str()), (2, false, "d"));
    }

    #[test]
    fn bad_packets_are_refused() {
        let code = |packet| decode_startup(packet).expect_err("refused").sqlstate().to_owned();
        assert_eq!(code(packet(3, 0, &[("user", "sinew$engine")])), "28000");
        assert_eq!(code(packet(2, 0, &[("user", "u")])), "0A000");
        assert_eq!(code(packet(3, 0, &[("database", "d")])), "28000");
        assert_eq!(code(packet(3, 0, &[("user", "u"), ("replication", "database")])), "0A000");
        assert_eq!(code(packet(3, 0, &[("user", "u"), ("options", "-x")])), "42601");
        let mut cut = packet(3, 0, &[("user", "u")]);
        cut.truncate(cut.len() - 1);
        let length = cut.len() as u32;
        cut[..4].copy_from_slice(&length.to_be_bytes());
        // The pair's own terminator is still there, the list's is not: read as PostgreSQL reads it.
        assert!(decode_startup(cut).is_ok());
        let mut empty = packet(3, 0, &[]);
        empty.truncate(8);
        assert_eq!(code(empty), "08P01");
    }

    #[test]
    fn cancel_requests_carry_short_and_long_secrets() {
        for secret in [&[1u8, 2, 3, 4][..], &[7; 32][..]] {
            let mut out = BytesMut::new();
            out.put_u32(12 + secret.len() as u32);
            out.put_u32(CANCEL_REQUEST);
            out.put_i32(77);
            out.put_slice(secret);
            match decode_cancel(out).expect("valid") {
                Opening::Cancel { process_id, secret: decoded } => {
                    assert_eq!((process_id, &decoded[..]), (77, secret));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn encodings_that_pass_utf8_through_are_accepted() {
        assert!(["UTF8", "utf-8", "'UNICODE'", "SQL_ASCII"].iter().all(|name| is_utf8_compatible(name)));
        assert!(!is_utf8_compatible("LATIN1"));
    }
}
