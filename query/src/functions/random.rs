//! random() and setseed(): the same numbers for the same seed as PostgreSQL 15's.
//!
//! Numbers are xoroshiro128** (Blackman and Vigna), its state is filled by SplitMix64 (Steele, Lea and Flood). A session has
//! one state; without setseed() it begins anywhere.

use parking_lot::Mutex;
use sinew_storage::Value;

use super::args::float;
use super::registry::Table;
use crate::error::{QueryError, Result, sqlstate};

/// A session's source of random numbers.
#[derive(Default)]
pub struct RandomSource {
    state: Mutex<Option<[u64; 2]>>,
}

impl RandomSource {
    /// At least 0 and less than 1.
    fn next(&self) -> f64 {
        let mut state = self.state.lock();
        let [first, second] = state.get_or_insert_with(|| seeded(rand::random()));
        let mixed = *first ^ *second;
        let value = first.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        *first = first.rotate_left(24) ^ mixed ^ (mixed << 16);
        *second = mixed.rotate_left(37);
        // The highest 52 bits.
        (value >> 12) as f64 / (1u64 << 52) as f64
    }

    fn set_seed(&self, seed: f64) {
        let scaled = (((1u64 << 52) - 1) as f64 * seed) as i64;
        *self.state.lock() = Some(seeded(scaled as u64));
    }
}

fn seeded(seed: u64) -> [u64; 2] {
    let mut seed = seed;
    let mut split = || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    [split(), split()]
}

fn set_seed(source: &RandomSource, seed: f64) -> Result<Value> {
    if !(-1.0..=1.0).contains(&seed) {
        let message = format!("setseed parameter {seed} is out of allowed range [-1,1]");
        return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
    }
    source.set_seed(seed);
    Ok(Value::text(""))
}

pub(super) fn register(t: &mut Table) {
    t.f("random() -> float8", |c, _| Ok(Value::Float(c.exec.session.random.next()))).volatile();
    t.f("setseed(float8) -> void", |c, a| set_seed(&c.exec.session.random, float(&a[0])?)).volatile();
}
