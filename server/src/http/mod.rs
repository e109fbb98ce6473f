//! The HTTP side: health, metrics and agents. Thin: all it does is session calls.

mod agents;
mod body;
mod error;
pub mod guard;
mod runs;
mod sql;
mod stream;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use sinew::Database;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use self::error::HttpError;
use self::guard::AllowedHosts;
use crate::metrics::Metrics;
use crate::pool::QueryPool;
use crate::readiness::{Readiness, Starting};

/// Requests that may hold a query thread at once; more wait their turn.
pub const REQUEST_LIMIT: usize = 64;

#[derive(Clone)]
pub struct HttpState {
    pub readiness: Arc<Readiness>,
    pub pool: QueryPool,
    pub metrics: Arc<Metrics>,
    pub requests: Arc<Semaphore>,
}

impl HttpState {
    pub fn new(readiness: Arc<Readiness>, pool: QueryPool, metrics: Arc<Metrics>) -> HttpState {
        HttpState { readiness, pool, metrics, requests: Arc::new(Semaphore::new(REQUEST_LIMIT)) }
    }

    /// 503 while it is being opened.
    pub fn database(&self) -> Result<Database, HttpError> {
        Ok(self.readiness.database()?)
    }
}

/// All routes behind the checks.
pub fn router(state: HttpState, allowed: AllowedHosts) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/agents", get(agents::list))
        .route("/agents/create", post(agents::create))
        .route("/agents/{agent}", get(agents::get))
        .route("/agents/{agent}/execute", post(agents::execute))
        .route("/runs/{run}", get(runs::get))
        .route("/runs/{run}/cancel", post(runs::cancel))
        .fallback(|| async { HttpError::not_found("no such resource") })
        .method_not_allowed_fallback(|| async {
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "method not allowed here")
        })
        .with_state(state.clone())
        .layer(middleware::from_fn_with_state(allowed, guard::check))
        .layer(middleware::from_fn_with_state(state, observe))
}

/// Serves until the server is told to stop; requests in progress end first.
pub async fn serve(listener: TcpListener, router: Router, mut shutdown: watch::Receiver<bool>) {
    let stop = async move {
        // An error means that the sender is gone: stop as well.
        let _ = shutdown.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
        tracing::error!(%error, "the HTTP listener failed");
    }
}

/// 200 when statements of all kinds are served; 503 while the database is opened, and when it takes no commits.
async fn health(State(state): State<HttpState>) -> Response {
    let answer = |status: StatusCode, body: serde_json::Value| {
        (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
    };
    let Ok(database) = state.readiness.database() else {
        let Starting { stage, progress } = state.readiness.starting();
        let body = serde_json::json!({"status": "starting", "stage": stage, "progress": progress});
        return answer(StatusCode::SERVICE_UNAVAILABLE, body);
    };
    let Ok(stats) = state.pool.run(move || database.stats()).await else {
        return HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the database does not answer")
            .into_response();
    };
    let mut body = serde_json::json!({
        "status": if stats.failed.is_some() { "degraded" } else { "ok" },
        "version": env!("CARGO_PKG_VERSION"),
        "lsn": stats.lsn.0,
        "durableLsn": stats.durable_lsn.0,
    });
    match stats.failed {
        Some(reason) => {
            body["reason"] = reason.into();
            answer(StatusCode::SERVICE_UNAVAILABLE, body)
        }
        None => answer(StatusCode::OK, body),
    }
}

async fn metrics(State(state): State<HttpState>) -> Result<Response, HttpError> {
    state.metrics.query_threads.set(state.pool.thread_count() as i64);
    let (database, metrics) = (state.database()?, state.metrics.clone());
    let text = state.pool.run(move || metrics.render(&database.stats())).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

async fn observe(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().as_str().to_owned();
    let route = route_label(request.uri().path());
    let response = next.run(request).await;
    state.metrics.observe_http(known_method(&method), route, response.status().as_u16(), started.elapsed());
    response
}

/// Labels are few whatever clients send.
fn route_label(path: &str) -> &'static str {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["health"] => "/health",
        ["metrics"] => "/metrics",
        ["agents"] => "/agents",
        ["agents", "create"] => "/agents/create",
        ["agents", _] => "/agents/{agent}",
        ["agents", _, "execute"] => "/agents/{agent}/execute",
        ["runs", _] => "/runs/{run}",
        ["runs", _, "cancel"] => "/runs/{run}/cancel",
        _ => "other",
    }
}

fn known_method(method: &str) -> &'static str {
    ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_few() {
        assert_eq!(route_label("/agents/7/execute"), "/agents/{agent}/execute");
        assert_eq!(route_label("/agents/create"), "/agents/create");
        assert_eq!(route_label("/runs/x"), "/runs/{run}");
        assert_eq!(route_label("/../etc/passwd"), "other");
        assert_eq!(known_method("BREW"), "other");
    }
}
