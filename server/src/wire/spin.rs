//! Looking for a client's next message a little longer before the thread sleeps.
//!
//! A client that asks on as soon as it is answered does so within some ten microseconds, and a thread that has gone to
//! sleep meanwhile may take longer than that to wake up. So a working backend looks at its socket again and again for a
//! moment first: while at most half of the cores have a backend at work, so that nobody is kept from one, and as long as it
//! pays for this client.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The longest look.
const LONGEST: Duration = Duration::from_micros(100);
/// Each look in vain halves the next one; below this it is not worth the trouble.
const SHORTEST: Duration = Duration::from_micros(12);
/// Messages that a backend sleeps for before it looks again.
const MESSAGES_ASLEEP: u32 = 256;

static WORKING: AtomicUsize = AtomicUsize::new(0);

/// A backend at work, until it is dropped.
pub struct AtWork(());

impl AtWork {
    pub fn begin() -> AtWork {
        WORKING.fetch_add(1, Ordering::Relaxed);
        AtWork(())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        WORKING.fetch_sub(1, Ordering::Relaxed);
    }
}

fn cores_are_free() -> bool {
    static MOST: OnceLock<usize> = OnceLock::new();
    let most = *MOST.get_or_init(|| std::thread::available_parallelism().map_or(0, |cores| cores.get() / 2));
    WORKING.load(Ordering::Relaxed) <= most
}

/// How it went with one client so far.
#[derive(Debug)]
pub struct Spin {
    limit: Duration,
    asleep: u32,
}

impl Default for Spin {
    fn default() -> Spin {
        Spin { limit: LONGEST, asleep: 0 }
    }
}

impl Spin {
    /// How long to look now; zero for not at all.
    pub fn limit(&mut self) -> Duration {
        if !cores_are_free() { Duration::ZERO } else { self.next_limit() }
    }

    fn next_limit(&mut self) -> Duration {
        if self.asleep > 0 {
            self.asleep -= 1;
            return Duration::ZERO;
        }
        self.limit
    }

    /// Whether something came within the limit.
    pub fn note(&mut self, came: bool) {
        self.limit = if came { LONGEST } else { self.limit / 2 };
        if self.limit < SHORTEST {
            (self.limit, self.asleep) = (LONGEST, MESSAGES_ASLEEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_vain_become_short_and_rare() {
        let mut spin = Spin::default();
        let mut total = Duration::ZERO;
        for _ in 0..10 * MESSAGES_ASLEEP {
            let limit = spin.next_limit();
            total += limit;
            if !limit.is_zero() {
                spin.note(false);
            }
        }
        assert!(total < LONGEST * 22, "{total:?}");
        // A client that has become quick is noticed.
        spin.asleep = 0;
        spin.note(true);
        assert_eq!(spin.next_limit(), LONGEST);
    }
}
