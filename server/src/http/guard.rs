//! Who may ask: Host and Origin.
//!
//! A server on a loopback address is reachable by every page in the user's browser. A page can send requests there
//! (cross-site), or make its own name resolve to 127.0.0.1 (DNS rebinding). So the Host must be a name that the user
//! configured or a loopback one, and an Origin, when a browser sends one, must be this server's own or configured.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::HttpError;

/// Longest target (path and query) looked at.
const TARGET_LIMIT_BYTES: usize = 8 << 10;
/// Names and values of all headers together.
const HEADERS_LIMIT_BYTES: usize = 64 << 10;

/// Names by which this server may be addressed.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    /// Configured names, lower case, without ports.
    pub names: Vec<String>,
    /// Bound to another than a loopback address: any address literal is accepted, since no rebinding can forge one.
    pub any_address: bool,
}

impl AllowedHosts {
    fn allows(&self, host: &str) -> bool {
        let name = without_port(host).to_lowercase();
        if name == "localhost" || self.names.contains(&name) {
            return true;
        }
        match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => self.any_address || address.is_loopback(),
            Err(_) => false,
        }
    }

    /// 400 when the request does not say plainly whom it is for, 403 when that is not us or a page of another site asks.
    /// `authority` is that of a target in absolute form, which goes before the Host header (RFC 9112, section 3.2.2).
    pub fn check(&self, headers: &HeaderMap, authority: Option<&str>) -> Result<(), HttpError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next(), authority) {
            (_, Some(_), _) => return Err(HttpError::bad_request("there is more than one Host header")),
            (_, None, Some(authority)) => authority,
            (Some(host), None, None) => {
                host.to_str().map_err(|_| HttpError::bad_request("the Host header is not text"))?
            }
            (None, None, None) => return Err(HttpError::bad_request("the Host header is missing")),
        };
        let forbidden = |reason: String| HttpError::new(StatusCode::FORBIDDEN, "forbidden", reason);
        if !self.allows(host) {
            return Err(forbidden(format!("host \"{host}\" is not allowed; add it to http_hosts")));
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or("");
            let own = origin.split_once("://").is_some_and(|(scheme, origin_host)| {
                matches!(scheme, "http" | "https")
                    && (origin_host.eq_ignore_ascii_case(host)
                        || self.names.contains(&without_port(origin_host).to_lowercase()))
            });
            if !own {
                return Err(forbidden(format!("origin \"{origin}\" is not allowed")));
            }
        }
        Ok(())
    }
}

/// 414 and 431: what is far from any request that makes sense. hyper itself refuses what is larger still, without a body.
fn check_sizes(request: &Request) -> Result<(), HttpError> {
    let target_size_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target_size_bytes > TARGET_LIMIT_BYTES {
        let message = format!("the target has {target_size_bytes} bytes, at most {TARGET_LIMIT_BYTES} are possible");
        return Err(HttpError::new(StatusCode::URI_TOO_LONG, "uri_too_long", message));
    }
    let headers_size_bytes: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers_size_bytes > HEADERS_LIMIT_BYTES {
        let message =
            format!("the headers have {headers_size_bytes} bytes, at most {HEADERS_LIMIT_BYTES} are possible");
        return Err(HttpError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", message));
    }
    Ok(())
}

fn without_port(host: &str) -> &str {
    if let Some(end) = host.find(']') {
        return &host[..=end];
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Refuses requests, whatever their route, that may not come from here or are too large to look at.
pub async fn check(State(allowed): State<AllowedHosts>, request: Request, next: Next) -> Response {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let outcome = check_sizes(&request).and_then(|()| allowed.check(request.headers(), authority));
    match outcome {
        Err(error) => error.into_response(),
        Ok(()) => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(allowed: &AllowedHosts, host: Option<&str>, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, host.parse().expect("header"));
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("header"));
        }
        allowed.check(&headers, None).is_err()
    }

    #[test]
    fn the_host_is_named_once_and_by_an_absolute_target_first() {
        let allowed = AllowedHosts::default();
        let status = |hosts: &[&str], authority: Option<&str>| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, host.parse().expect("header"));
            }
            allowed.check(&headers, authority).map_or_else(|error| error.status.as_u16(), |()| 200)
        };
        assert_eq!(status(&["localhost:3001"], None), 200);
        assert_eq!(status(&["localhost", "localhost"], None), 400);
        assert_eq!(status(&["localhost", "evil.example"], Some("localhost")), 400);
        assert_eq!(status(&[], None), 400);
        assert_eq!(status(&["evil.example"], None), 403);
        assert_eq!(status(&["localhost"], Some("evil.example")), 403);
        assert_eq!(status(&["localhost"], Some("user@localhost")), 403);
        assert_eq!(status(&["evil.example"], Some("localhost:3001")), 200);
    }

    #[test]
    fn hosts() {
        let allowed = AllowedHosts { names: vec!["sinew.lan".into()], any_address: false };
        for host in
            ["localhost", "localhost:3001", "LOCALHOST:1", "127.0.0.1:3001", "[::1]:3001", "[::1]", "sinew.lan:80"]
        {
            assert!(!refused(&allowed, Some(host), None), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1:3001", "", "[::2]:3001"] {
            assert!(refused(&allowed, Some(host), None), "{host}");
        }
        assert!(refused(&allowed, None, None));
        let open = AllowedHosts { names: vec![], any_address: true };
        assert!(!refused(&open, Some("10.0.0.1:3001"), None));
        assert!(refused(&open, Some("evil.example"), None));
    }

    #[test]
    fn origins() {
        let allowed = AllowedHosts { names: vec!["sinew.lan".into()], any_address: false };
        let host = Some("localhost:3001");
        assert!(!refused(&allowed, host, Some("http://localhost:3001")));
        assert!(!refused(&allowed, host, Some("https://sinew.lan")));
        for origin in
            ["http://localhost:8080", "http://evil.example", "null", "file://", "http://localhost:3001.evil.example"]
        {
            assert!(refused(&allowed, host, Some(origin)), "{origin}");
        }
    }
}
