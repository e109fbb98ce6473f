//! CancelRequest: a second connection names a process id and its secret.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sinew::CancelToken;

/// The running statement of one connection, if any.
#[derive(Default)]
pub struct CancelHandle {
    running: Mutex<Option<Running>>,
}

struct Running {
    token: CancelToken,
    outlives_client: bool,
}

impl CancelHandle {
    /// A statement begins; requests reach it until [`Self::clear`]. An agent's run `outlives_client`: a lost connection
    /// does not end it, a cancel request does.
    pub fn set(&self, token: CancelToken, outlives_client: bool) {
        *self.running.lock() = Some(Running { token, outlives_client });
    }

    pub fn clear(&self) {
        *self.running.lock() = None;
    }

    /// Cancels the running statement; between statements it does nothing, as in PostgreSQL.
    pub fn cancel(&self) {
        if let Some(running) = &*self.running.lock() {
            running.token.cancel();
        }
    }

    /// The client is gone: ends what nobody waits for any more.
    pub fn client_lost(&self) {
        if let Some(running) = &*self.running.lock()
            && !running.outlives_client
        {
            running.token.cancel();
        }
    }
}

/// Connections by process id.
#[derive(Default)]
pub struct CancelRegistry {
    connections: Mutex<HashMap<i32, (Vec<u8>, Arc<CancelHandle>)>>,
}

impl CancelRegistry {
    pub fn register(&self, process_id: i32, secret: Vec<u8>, handle: Arc<CancelHandle>) {
        self.connections.lock().insert(process_id, (secret, handle));
    }

    /// Forgets the connection, unless its process id is another's by now.
    pub fn unregister(&self, process_id: i32, handle: &Arc<CancelHandle>) {
        let mut connections = self.connections.lock();
        if connections.get(&process_id).is_some_and(|(_, known)| Arc::ptr_eq(known, handle)) {
            connections.remove(&process_id);
        }
    }

    /// A wrong process id or secret is ignored: the protocol gives no answer either way.
    pub fn cancel(&self, process_id: i32, secret: &[u8]) -> bool {
        let handle = match self.connections.lock().get(&process_id) {
            Some((expected, handle)) if same_secret(expected, secret) => handle.clone(),
            _ => return false,
        };
        handle.cancel();
        true
    }
}

/// Compares every byte whatever the first difference, so that timing tells nothing.
fn same_secret(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_secret_cancels_the_running_statement() {
        let registry = CancelRegistry::default();
        let handle = Arc::new(CancelHandle::default());
        registry.register(7, vec![1, 2, 3, 4], handle.clone());
        assert!(registry.cancel(7, &[1, 2, 3, 4]), "no statement runs: accepted, no effect");
        let token = CancelToken::default();
        handle.set(token.clone(), true);
        assert!(!registry.cancel(7, &[1, 2, 3, 5]));
        assert!(!registry.cancel(7, &[1, 2, 3]));
        assert!(!registry.cancel(8, &[1, 2, 3, 4]));
        handle.client_lost();
        assert!(!token.is_cancelled());
        assert!(registry.cancel(7, &[1, 2, 3, 4]));
        assert!(token.is_cancelled());
        let other = Arc::new(CancelHandle::default());
        registry.unregister(7, &other);
        assert!(registry.cancel(7, &[1, 2, 3, 4]));
        registry.unregister(7, &handle);
        assert!(!registry.cancel(7, &[1, 2, 3, 4]));
    }
}
