//! Errors and notices as ErrorResponse and NoticeResponse.

use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use sinew::{Notice, QueryError};

/// SQLSTATE codes that only the connection itself raises.
pub mod code {
    pub const TOO_MANY_CONNECTIONS: &str = "53300";
    pub const INVALID_AUTHORIZATION: &str = "28000";
    pub const DUPLICATE_PREPARED_STATEMENT: &str = "42P05";
    pub const DUPLICATE_CURSOR: &str = "42P03";
    pub const IDLE_TIMEOUT: &str = "57P05";
    pub const IDLE_IN_TRANSACTION_TIMEOUT: &str = "25P03";
}

/// How bad it is: after FATAL the connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Fatal,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }
}

/// 08P01: the client broke the protocol.
pub fn protocol_violation(message: impl Into<String>) -> QueryError {
    QueryError::new(sinew::sqlstate::PROTOCOL_VIOLATION, message)
}

/// 22021, naming the first bytes that are no UTF-8.
pub fn invalid_utf8(bytes: &[u8], error: &std::str::Utf8Error) -> QueryError {
    let from = error.valid_up_to();
    let to = (from + error.error_len().unwrap_or(4).max(1)).min(bytes.len());
    let shown: Vec<String> = bytes[from..to].iter().map(|byte| format!("0x{byte:02x}")).collect();
    QueryError::new(
        sinew::sqlstate::CHARACTER_NOT_IN_REPERTOIRE,
        format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
    )
}

/// A field is a C string on the wire: a NUL inside would cut the message and derail the client.
fn field(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

/// `offset_chars`: characters before the statement in the client's message, added to the position.
pub fn error_response(error: &QueryError, severity: Severity, offset_chars: usize) -> ErrorResponse {
    let info = &error.0;
    let mut fields = vec![
        (b'S', severity.name().to_owned()),
        (b'V', severity.name().to_owned()),
        (b'C', info.sqlstate.to_owned()),
        (b'M', field(&info.message)),
    ];
    let mut add = |key: u8, value: &Option<String>| {
        if let Some(value) = value {
            fields.push((key, field(value)));
        }
    };
    add(b'D', &info.detail);
    add(b'H', &info.hint);
    add(b'P', &info.position.map(|position| (position + offset_chars).to_string()));
    add(b'W', &info.context);
    add(b's', &info.schema);
    add(b't', &info.table);
    add(b'c', &info.column);
    add(b'n', &info.constraint);
    match (info.routine, info.cypher) {
        (Some(routine), _) => fields.push((b'R', routine.to_owned())),
        // The field that says where in a server's code the error was raised: a program finds openCypher's class there, and a
        // reader is not told what the message says already.
        (None, Some(class)) => fields.push((b'R', format!("{} at {}: {}", class.ty, class.phase, class.detail))),
        (None, None) => {}
    }
    ErrorResponse::new(fields)
}

pub fn notice_response(notice: &Notice) -> NoticeResponse {
    let mut fields = vec![
        (b'S', notice.severity.to_owned()),
        (b'V', notice.severity.to_owned()),
        (b'C', notice.sqlstate.to_owned()),
        (b'M', field(&notice.message)),
    ];
    if let Some(hint) = &notice.hint {
        fields.push((b'H', field(hint)));
    }
    NoticeResponse::new(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(response: &ErrorResponse, key: u8) -> Option<&str> {
        response.fields.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str())
    }

    #[test]
    fn every_field_is_sent() {
        let mut error = QueryError::new("23505", "duplicate\0key").detail("d").hint("h").at(Some(3));
        error.0.schema = Some("public".into());
        error.0.table = Some("t".into());
        error.0.column = Some("c".into());
        error.0.constraint = Some("t_pkey".into());
        error.0.context = Some("COPY t, line 3".into());
        let response = error_response(&error, Severity::Error, 10);
        let expected = [
            (b'S', "ERROR"),
            (b'V', "ERROR"),
            (b'C', "23505"),
            (b'M', "duplicate\u{fffd}key"),
            (b'D', "d"),
            (b'H', "h"),
            (b'P', "13"),
            (b'W', "COPY t, line 3"),
            (b's', "public"),
            (b't', "t"),
            (b'c', "c"),
            (b'n', "t_pkey"),
        ];
        for (key, value) in expected {
            assert_eq!(get(&response, key), Some(value));
        }
    }

    #[test]
    fn opencypher_classes_are_sent() {
        let error = QueryError::new("42703", "x").cypher("SyntaxError", "compile time", "UndefinedVariable");
        let response = error_response(&error, Severity::Error, 0);
        assert_eq!(get(&response, b'R'), Some("SyntaxError at compile time: UndefinedVariable"));
    }

    #[test]
    fn no_position_no_field() {
        let response = error_response(&QueryError::new("XX000", "x"), Severity::Fatal, 5);
        assert_eq!(get(&response, b'P'), None);
        assert_eq!(get(&response, b'S'), Some("FATAL"));
    }

    #[test]
    fn utf8_errors_name_the_bytes() {
        let bytes = [b'a', b'b', 0xff, 0xfe].to_vec();
        let error = std::str::from_utf8(&bytes).expect_err("invalid");
        let error = invalid_utf8(&bytes, &error);
        assert_eq!(error.sqlstate(), "22021");
        assert!(error.0.message.ends_with("0xff"), "{}", error.0.message);
    }
}
