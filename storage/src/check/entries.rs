//! The entries of one ordered index against the rows, nodes or relationships it covers.

use std::fmt::Write as _;
use std::ops::Bound::Unbounded;

use super::{Findings, ObjectId, View};
use crate::catalog::IndexDef;
use crate::error::Result;
use crate::index::{entry_id, index_key};
use crate::store::Keyspace;
use crate::value::Value;

/// Bytes of a key that a message shows.
const SHOWN_KEY_BYTES: usize = 32;

pub(super) struct EntryCheck<'c> {
    pub index: &'c IndexDef,
    object: ObjectId,
    /// "row", "node" or "relationship".
    what: &'static str,
    found_count: u64,
}

impl<'c> EntryCheck<'c> {
    pub fn new(index: &'c IndexDef, what: &'static str, findings: &mut Findings<'_>) -> EntryCheck<'c> {
        let object = findings.object(format!("index {}.{}", index.schema, index.name));
        EntryCheck { index, object, what, found_count: 0 }
    }

    /// The row `id` holds `values` in the index's columns, so it must have this entry.
    pub fn expect(&mut self, view: &View<'_>, findings: &mut Findings<'_>, id: u64, values: &[Value]) -> Result<()> {
        findings.count(self.object);
        let what = self.what;
        let key = index_key(self.index, values);
        let Some(key) = findings.readable(self.object, || format!("{what} {id}"), key)? else { return Ok(()) };
        let (key, value) = key.entry(id);
        match view.rows.get(Keyspace::of_relation(self.index.id), &key)? {
            Some(stored) if stored[..] == value[..] => self.found_count += 1,
            Some(stored) => {
                let holder = entry_id(&key, &stored).map_or_else(|_| "something else".to_owned(), |id| id.to_string());
                let problem = format!("{what} {id} has no entry: under its key {} is {what} {holder}", shown(&key));
                findings.problem(self.object, problem);
            }
            None => findings.problem(self.object, format!("{what} {id} has no entry: key {} is missing", shown(&key))),
        }
        Ok(())
    }

    /// After all rows: names entries that belong to none. `values_of` gives the indexed values of an id, or None when
    /// nothing with that id belongs to the index.
    pub fn finish(
        self,
        view: &View<'_>,
        findings: &mut Findings<'_>,
        values_of: &dyn Fn(u64) -> Result<Option<Vec<Value>>>,
    ) -> Result<()> {
        let keyspace = Keyspace::of_relation(self.index.id);
        if view.rows.exact_key_count(keyspace)? == self.found_count {
            return Ok(());
        }
        let what = self.what;
        for pair in view.rows.range(keyspace, Unbounded, Unbounded, false)? {
            let (key, value) = pair?;
            let place = || format!("entry {}", shown(&key));
            let Some(id) = findings.readable(self.object, place, entry_id(&key, &value))? else { continue };
            let Some(values) = findings.readable(self.object, place, values_of(id))? else { continue };
            let expected = values.and_then(|values| index_key(self.index, &values).ok()).map(|key| key.entry(id));
            if !expected.is_some_and(|expected| expected.0[..] == key[..] && expected.1[..] == value[..]) {
                let problem = format!("entry {} belongs to no {what}: it refers to {what} {id}", shown(&key));
                findings.problem(self.object, problem);
            }
        }
        Ok(())
    }
}

/// A key in hexadecimal, cut when it is long.
pub(super) fn shown(key: &[u8]) -> String {
    let mut text = String::with_capacity(SHOWN_KEY_BYTES * 2 + 3);
    for byte in key.iter().take(SHOWN_KEY_BYTES) {
        let _ = write!(text, "{byte:02x}");
    }
    if key.len() > SHOWN_KEY_BYTES {
        text.push('…');
    }
    text
}
