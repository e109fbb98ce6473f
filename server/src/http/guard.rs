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

    /// The reason for refusing, if there is one.
    pub fn refusal(&self, headers: &HeaderMap, authority: Option<&str>) -> Option<String> {
        let host = match (headers.get(header::HOST).map(|value| value.to_str()), authority) {
            (Some(Ok(host)), _) => host,
            (Some(Err(_)), _) => return Some("the Host header is not text".to_owned()),
            (None, Some(authority)) => authority,
            (None, None) => return Some("the Host header is missing".to_owned()),
        };
        if !self.allows(host) {
            return Some(format!("host \"{host}\" is not allowed; add it to http_hosts"));
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or("");
            let own = origin.split_once("://").is_some_and(|(scheme, origin_host)| {
                matches!(scheme, "http" | "https")
                    && (origin_host.eq_ignore_ascii_case(host)
                        || self.names.contains(&without_port(origin_host).to_lowercase()))
            });
            if !own {
                return Some(format!("origin \"{origin}\" is not allowed"));
            }
        }
        None
    }
}

fn without_port(host: &str) -> &str {
    if let Some(end) = host.find(']') {
        return &host[..=end];
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// 403 for every route unless the request may come from here.
pub async fn check(State(allowed): State<AllowedHosts>, request: Request, next: Next) -> Response {
    match allowed.refusal(request.headers(), request.uri().authority().map(|authority| authority.as_str())) {
        Some(reason) => HttpError::new(StatusCode::FORBIDDEN, "forbidden", reason).into_response(),
        None => next.run(request).await,
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
        allowed.refusal(&headers, None).is_some()
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
