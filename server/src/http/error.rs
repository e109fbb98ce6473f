//! Errors as `{"error": {"code", "message"}}` with the right status.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sinew::QueryError;

use crate::pool::JobLost;

/// An answer that is no success. `code` is a SQLSTATE when the database said no, a short name otherwise.
#[derive(Debug, Clone)]
pub struct HttpError {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
}

impl HttpError {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> HttpError {
        HttpError { status, code: code.to_owned(), message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> HttpError {
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub fn not_found(message: impl Into<String>) -> HttpError {
        HttpError::new(StatusCode::NOT_FOUND, "not_found", message)
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error": {"code": self.code, "message": self.message}}))).into_response()
    }
}

impl From<QueryError> for HttpError {
    fn from(error: QueryError) -> HttpError {
        let status = status_of(error.sqlstate());
        let mut message = error.to_string();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(code = error.sqlstate(), %message, "HTTP request failed");
        }
        for more in [&error.0.detail, &error.0.hint, &error.0.context].into_iter().flatten() {
            message.push_str("; ");
            message.push_str(more);
        }
        HttpError { status, code: error.sqlstate().to_owned(), message }
    }
}

impl From<JobLost> for HttpError {
    fn from(lost: JobLost) -> HttpError {
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, sinew::sqlstate::INTERNAL_ERROR, lost.to_string())
    }
}

/// One table from SQLSTATE to status: what the caller can do about it.
fn status_of(sqlstate: &str) -> StatusCode {
    match sqlstate {
        "42704" => StatusCode::NOT_FOUND,
        "42501" => StatusCode::FORBIDDEN,
        "42710" | "23505" | "40001" | "40P01" | "55006" => StatusCode::CONFLICT,
        "54000" | "54001" => StatusCode::PAYLOAD_TOO_LARGE,
        "0A000" => StatusCode::NOT_IMPLEMENTED,
        "57014" | "57P01" | "57P03" | "55P03" => StatusCode::SERVICE_UNAVAILABLE,
        code if code.starts_with("53") => StatusCode::SERVICE_UNAVAILABLE,
        code if code.starts_with("22") || code.starts_with("23") => StatusCode::BAD_REQUEST,
        "42601" | "42602" | "42804" => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_become_statuses() {
        let status = |code: &'static str| HttpError::from(QueryError::new(code, "x")).status.as_u16();
        let cases = [("42704", 404), ("22023", 400), ("42501", 403), ("42710", 409), ("53300", 503), ("XX000", 500)];
        for (code, expected) in cases {
            assert_eq!(status(code), expected, "{code}");
        }
    }
}
