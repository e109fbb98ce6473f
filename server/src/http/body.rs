//! What requests carry: path segments, and bodies that are JSON only, bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as JsonValue};

use super::error::HttpError;

/// Largest body accepted, in bytes.
pub const BODY_LIMIT_BYTES: usize = 1 << 20;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body of shape `T`. 415 for another content type, 413 when too large, 408 when too slow, 400 when no JSON or of
/// another shape.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, _: &S) -> Result<JsonBody<T>, HttpError> {
        parse(&read(request).await?).map(JsonBody)
    }
}

/// A body that nothing is read from: none, or a JSON object. Errors as [`JsonBody`].
pub struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = HttpError;

    async fn from_request(request: Request, _: &S) -> Result<NoBody, HttpError> {
        let bytes = read(request).await?;
        if !bytes.trim_ascii().is_empty() {
            parse::<Map<String, JsonValue>>(&bytes)?;
        }
        Ok(NoBody)
    }
}

/// The one parameter of a path. 400 when it is not UTF-8.
pub struct PathText(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<PathText, HttpError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(PathText(text)),
            Err(_) => Err(HttpError::bad_request("the path is not valid UTF-8")),
        }
    }
}

/// First as what it is, so that errors speak of JSON and not of the program's types.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HttpError> {
    let body: JsonValue = serde_json::from_slice(bytes)
        .map_err(|error| HttpError::bad_request(format!("the body is not valid JSON: {error}")))?;
    if !body.is_object() {
        return Err(HttpError::bad_request("the body must be a JSON object"));
    }
    serde_json::from_value(body)
        .map_err(|error| HttpError::bad_request(format!("the body has an unexpected shape: {error}")))
}

fn require_json(headers: &HeaderMap) -> Result<(), HttpError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let found = if media.is_empty() { "none".to_owned() } else { format!("\"{media}\"") };
    Err(HttpError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("content type must be application/json, found {found}"),
    ))
}

async fn read(request: Request) -> Result<Vec<u8>, HttpError> {
    require_json(request.headers())?;
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > BODY_LIMIT_BYTES as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIMEOUT, collect(request.into_body())).await {
        Ok(bytes) => bytes,
        Err(_) => Err(HttpError::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs()),
        )),
    }
}

async fn collect(body: Body) -> Result<Vec<u8>, HttpError> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| HttpError::bad_request(format!("the body cannot be read: {error}")))?;
        if bytes.len() + chunk.len() > BODY_LIMIT_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large() -> HttpError {
    HttpError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        format!("the body is larger than {BODY_LIMIT_BYTES} bytes"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[allow(dead_code)] // Only its shape matters.
    struct Input {
        input: String,
    }

    async fn status(content_type: Option<&str>, body: Vec<u8>) -> u16 {
        let mut request = Request::builder().method("POST").uri("/");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request.body(Body::from(body)).expect("request");
        match JsonBody::<Input>::from_request(request, &()).await {
            Ok(_) => 200,
            Err(error) => error.status.as_u16(),
        }
    }

    #[tokio::test]
    async fn a_body_of_no_matter_is_an_object_or_nothing() {
        let status = async |body: &str| {
            let request = Request::builder().method("POST").uri("/").header(header::CONTENT_TYPE, "application/json");
            let request = request.body(Body::from(body.to_owned())).expect("request");
            NoBody::from_request(request, &()).await.map_or_else(|error| error.status.as_u16(), |NoBody| 200)
        };
        for (body, expected) in [("", 200), (" \n", 200), ("{}", 200), ("{\"a\": 1}", 200), ("{", 400), ("[]", 400)] {
            assert_eq!(status(body).await, expected, "{body:?}");
        }
    }

    #[tokio::test]
    async fn bodies_are_checked() {
        let json = Some("application/json");
        assert_eq!(status(Some("application/json; charset=utf-8"), br#"{"input":"x"}"#.to_vec()).await, 200);
        assert_eq!(status(None, br#"{"input":"x"}"#.to_vec()).await, 415);
        assert_eq!(status(Some("text/plain"), br#"{"input":"x"}"#.to_vec()).await, 415);
        assert_eq!(status(json, b"{".to_vec()).await, 400);
        assert_eq!(status(json, br#"{"input":5}"#.to_vec()).await, 400);
        assert_eq!(status(json, br#"[]"#.to_vec()).await, 400);
        assert_eq!(status(json, br#"["x"]"#.to_vec()).await, 400);
        assert_eq!(status(json, vec![b' '; BODY_LIMIT_BYTES + 1]).await, 413);
    }
}
