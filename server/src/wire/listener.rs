//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::connection::{WireContext, serve};

/// Connections beyond `max_connections` that may exist at once: being refused, cancelling, or still silent.
const EXTRA_SOCKETS: usize = 128;

/// Binds with keep-alive on, so that a client whose machine vanished is noticed in the end.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// Accepts until the server is told to stop, then waits for every connection to end.
pub async fn accept(context: Arc<WireContext>, listener: TcpListener) {
    let mut shutdown = context.shutdown.clone();
    let sockets = Arc::new(Semaphore::new(context.max_connections + EXTRA_SOCKETS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let Ok(permit) = sockets.clone().try_acquire_owned() else { continue };
                    let context = context.clone();
                    connections.spawn(async move {
                        serve(context, stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, mostly: those in use must come back first.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection task failed");
                }
            }
            changed = shutdown.changed() => {
                if changed.is_err() || *shutdown.borrow() {
                    break;
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
