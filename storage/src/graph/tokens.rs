//! Tokens: small numbers for the names of labels, relationship types and property keys.
//!
//! A name gets its token in a commit of its own, before the transaction that needs it goes on, and keeps it for ever:
//! a rolled-back transaction leaves the token behind. So tokens need no versions, and one registry per store serves all
//! snapshots. Numbers are dense from 0.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;

use super::keys::{node_key, relationship_key};
use crate::error::{Result, StorageError};
use crate::ids::{LabelId, NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId};
use crate::store::{Keyspace, KvSnapshot, Transaction};

/// Limit on labels and on relationship types: both index dense arrays of the graph image.
pub(crate) const MAX_LABELS_OR_TYPES: usize = 4_096;
/// Limit on property keys: a client that invents a key per row would otherwise fill memory.
const MAX_PROPERTY_KEYS: usize = 1 << 20;
const MAX_NAME_BYTES: usize = 16_383;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TokenKind {
    Label = 0,
    RelationshipType = 1,
    PropertyKey = 2,
}

impl TokenKind {
    fn limit(self) -> (usize, &'static str) {
        match self {
            TokenKind::Label => (MAX_LABELS_OR_TYPES, "labels"),
            TokenKind::RelationshipType => (MAX_LABELS_OR_TYPES, "relationship types"),
            TokenKind::PropertyKey => (MAX_PROPERTY_KEYS, "property keys"),
        }
    }
}

#[derive(Default)]
struct Names {
    by_name: FxHashMap<Arc<str>, u32>,
    by_id: Vec<Arc<str>>,
}

/// All tokens of a store.
pub(crate) struct TokenRegistry {
    names: RwLock<[Names; 3]>,
    /// Held while a token is allocated, so that two transactions do not give one number to two names.
    allocation: Mutex<()>,
}

fn token_key(kind: TokenKind, id: u32) -> [u8; 5] {
    let mut key = [0; 5];
    key[0] = kind as u8;
    key[1..].copy_from_slice(&id.to_be_bytes());
    key
}

impl TokenRegistry {
    pub fn load(rows: &KvSnapshot) -> Result<TokenRegistry> {
        use std::ops::Bound::Unbounded;
        let mut names: [Names; 3] = Default::default();
        for row in rows.range(Keyspace::TOKENS, Unbounded, Unbounded, false)? {
            let (key, value) = row?;
            let names = key.first().and_then(|kind| names.get_mut(usize::from(*kind)));
            let id = key.get(1..).and_then(|id| <[u8; 4]>::try_from(id).ok()).map(u32::from_be_bytes);
            let name = std::str::from_utf8(&value).ok();
            match (names, id, name) {
                (Some(names), Some(id), Some(name)) if id as usize == names.by_id.len() => names.add(name.into()),
                _ => return Err(StorageError::Corrupted("a token row is malformed or out of order".to_owned())),
            }
        }
        Ok(TokenRegistry { names: RwLock::new(names), allocation: Mutex::new(()) })
    }

    pub fn find(&self, kind: TokenKind, name: &str) -> Option<u32> {
        self.names.read()[kind as usize].by_name.get(name).copied()
    }

    /// An empty name for a number that was never given.
    pub fn name(&self, kind: TokenKind, id: u32) -> Arc<str> {
        self.names.read()[kind as usize].by_id.get(id as usize).cloned().unwrap_or_else(|| "".into())
    }

    pub fn all(&self, kind: TokenKind) -> Vec<Arc<str>> {
        self.names.read()[kind as usize].by_id.clone()
    }

    /// Finds or allocates a token; durable when this returns.
    pub fn ensure(&self, transaction: &Transaction, kind: TokenKind, name: &str) -> Result<u32> {
        if let Some(id) = self.find(kind, name) {
            return Ok(id);
        }
        let (limit, what) = kind.limit();
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(StorageError::InvalidValue(format!(
                "a name in the graph has 1 to {MAX_NAME_BYTES} bytes, this one has {}",
                name.len()
            )));
        }
        let _allocation = self.allocation.lock();
        if let Some(id) = self.find(kind, name) {
            return Ok(id);
        }
        let count = self.names.read()[kind as usize].by_id.len();
        if count >= limit {
            return Err(StorageError::LimitExceeded(format!(
                "the graph has {limit} {what}, which is the limit; \"{name}\" cannot be added"
            )));
        }
        let id = count as u32;
        // Each is a commit to wait for, and one map may bring thousands.
        transaction.cancel_token().check()?;
        transaction.in_own_commit(&mut |own| own.kv_put(Keyspace::TOKENS, &token_key(kind, id), name.as_bytes()))?;
        self.names.write()[kind as usize].add(name.into());
        Ok(id)
    }
}

impl Names {
    fn add(&mut self, name: Arc<str>) {
        self.by_name.insert(Arc::clone(&name), self.by_id.len() as u32);
        self.by_id.push(name);
    }
}

/// Tokens: names of labels, relationship types and property keys. Allocated by their own commit, never rolled back.
impl Transaction {
    fn with_tokens<T>(&self, use_tokens: impl FnOnce(&TokenRegistry) -> T) -> T {
        use_tokens(&self.derived().shared.tokens)
    }

    pub fn label_id(&self, name: &str) -> Option<LabelId> {
        self.find_token(TokenKind::Label, name).map(LabelId)
    }

    fn find_token(&self, kind: TokenKind, name: &str) -> Option<u32> {
        let found = self.with_tokens(|tokens| tokens.find(kind, name));
        if let (None, Some(reads)) = (found, self.reads()) {
            reads.unknown(kind, name);
        }
        found
    }

    pub fn relationship_type_id(&self, name: &str) -> Option<RelationshipTypeId> {
        self.find_token(TokenKind::RelationshipType, name).map(RelationshipTypeId)
    }

    /// None for a name that was never used. Who concludes from it that a node or relationship has no such property tells so
    /// ([`Self::note_node_read`]).
    pub fn property_key_id(&self, name: &str) -> Option<PropertyKeyId> {
        self.with_tokens(|tokens| tokens.find(TokenKind::PropertyKey, name)).map(PropertyKeyId)
    }

    /// Says that something was concluded about a node without reading its row: that it has no property of a name that has
    /// no token. Under SERIALIZABLE that counts as a read of the row, else it is nothing.
    pub fn note_node_read(&self, id: NodeId) {
        if let Some(reads) = self.reads() {
            reads.key(Keyspace::NODES, &node_key(id));
        }
    }

    /// As [`Self::note_node_read`].
    pub fn note_relationship_read(&self, id: RelationshipId) {
        if let Some(reads) = self.reads() {
            reads.key(Keyspace::RELATIONSHIPS, &relationship_key(id));
        }
    }

    /// `LimitExceeded` above 4,096 labels.
    pub fn ensure_label(&self, name: &str) -> Result<LabelId> {
        self.with_tokens(|tokens| tokens.ensure(self, TokenKind::Label, name)).map(LabelId)
    }

    /// `LimitExceeded` above 4,096 types.
    pub fn ensure_relationship_type(&self, name: &str) -> Result<RelationshipTypeId> {
        self.with_tokens(|tokens| tokens.ensure(self, TokenKind::RelationshipType, name)).map(RelationshipTypeId)
    }

    /// `LimitExceeded` above 1,048,576 property keys.
    pub fn ensure_property_key(&self, name: &str) -> Result<PropertyKeyId> {
        self.with_tokens(|tokens| tokens.ensure(self, TokenKind::PropertyKey, name)).map(PropertyKeyId)
    }

    pub fn label_name(&self, id: LabelId) -> Arc<str> {
        self.with_tokens(|tokens| tokens.name(TokenKind::Label, id.0))
    }

    pub fn relationship_type_name(&self, id: RelationshipTypeId) -> Arc<str> {
        self.with_tokens(|tokens| tokens.name(TokenKind::RelationshipType, id.0))
    }

    pub fn property_key_name(&self, id: PropertyKeyId) -> Arc<str> {
        self.with_tokens(|tokens| tokens.name(TokenKind::PropertyKey, id.0))
    }

    /// In token order: the position is the label's id.
    pub fn label_names(&self) -> Vec<Arc<str>> {
        self.with_tokens(|tokens| tokens.all(TokenKind::Label))
    }

    /// In token order.
    pub fn relationship_type_names(&self) -> Vec<Arc<str>> {
        self.with_tokens(|tokens| tokens.all(TokenKind::RelationshipType))
    }

    /// In token order.
    pub fn property_key_names(&self) -> Vec<Arc<str>> {
        self.with_tokens(|tokens| tokens.all(TokenKind::PropertyKey))
    }
}
