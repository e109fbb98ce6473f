//! What the database must hold: one state per client, the transactions since the last opening, and which prefixes of
//! them an opening may show.
//!
//! Clients write disjoint keys, so a client's state is a function of its own transactions in order. After a crash the
//! state found must be the one after some prefix of them, whole transactions only:
//!
//! ```text
//! acknowledged ──────────────────────┐ unknown (COMMIT sent, no answer: at most one, the last)
//!   t1   t2   t3   t4   t5   t6   t7 ┆ t8
//!                                    ▲  ▲   synchronous_commit = on: one of these two
//!                       ▲    ▲    ▲  ▲  ▲   off: what was acknowledged in the last moments may be missing, too
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::difference::{Difference, compare, sample};

/// What `synchronous_commit = off` may lose (docs: an fsync at least every 200 ms), with time for that fsync to end.
const ASYNC_WINDOW: Duration = Duration::from_millis(200 + 300);

/// Rows of `items` have this many keys per client at most.
pub const ITEM_KEYS: i32 = 60;
/// Values of `items.tag` per client.
pub const TAGS: i32 = 8;
pub const ACCOUNTS: i32 = 12;
pub const OPENING_BALANCE: i64 = 1_000;
pub const CONVERSATIONS: u8 = 2;
pub const NODE_KEYS: i64 = 40;
/// Node uids of client `c` begin at `c * NODES_PER_CLIENT`.
pub const NODES_PER_CLIENT: i64 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub v: i64,
    pub tag: i32,
    /// Part of the unique code.
    pub revision: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    pub rows: BTreeMap<i32, i32>,
    pub has_index: bool,
}

/// Everything that one client has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientState {
    /// By `k`.
    pub items: BTreeMap<i32, Item>,
    /// Net amount by account.
    pub ledger: BTreeMap<i32, i64>,
    /// Contents in order of `seq`; a conversation stays when its messages are deleted.
    pub conversations: BTreeMap<u8, Vec<String>>,
    /// `v` by `uid`.
    pub nodes: BTreeMap<i64, i64>,
    /// `w` by (source, target).
    pub links: BTreeMap<(i64, i64), i64>,
    pub side: Option<Side>,
    /// Idempotency keys of enqueued agent runs.
    pub runs: BTreeSet<String>,
    /// Index `items_extra`; client 0's business.
    pub extra_index: bool,
    /// Graph index `item_v`; client 0's business.
    pub graph_index: bool,
}

/// One change, as a statement or a few make it.
#[derive(Clone, Debug)]
pub enum Op {
    InsertItem {
        k: i32,
        item: Item,
    },
    /// INSERT … ON CONFLICT DO UPDATE.
    PutItem {
        k: i32,
        item: Item,
    },
    UpdateItem {
        k: i32,
        item: Item,
    },
    MoveItem {
        from: i32,
        to: i32,
        revision: i32,
    },
    DeleteItem {
        k: i32,
    },
    /// Adds to `v` of all rows of a tag.
    AddToTag {
        tag: i32,
        amount: i64,
    },
    DeleteTag {
        tag: i32,
    },
    Transfer {
        from: i32,
        to: i32,
        amount: i64,
    },
    Say {
        conversation: u8,
        content: String,
    },
    Rewrite {
        conversation: u8,
        old: String,
        new: String,
    },
    Unsay {
        conversation: u8,
        content: String,
    },
    CreateNode {
        uid: i64,
        v: i64,
    },
    /// MERGE … SET.
    PutNode {
        uid: i64,
        v: i64,
    },
    SetNode {
        uid: i64,
        v: i64,
    },
    DeleteNode {
        uid: i64,
    },
    Link {
        source: i64,
        target: i64,
        w: i64,
    },
    SetLink {
        source: i64,
        target: i64,
        w: i64,
    },
    Unlink {
        source: i64,
        target: i64,
    },
    CreateSide,
    PutSide {
        id: i32,
        n: i32,
    },
    TruncateSide,
    DropSide,
    SideIndex {
        create: bool,
    },
    ExtraIndex {
        create: bool,
    },
    GraphIndex {
        create: bool,
    },
    Enqueue {
        key: String,
        agent: &'static str,
    },
}

/// The text of a message: a word that all have, one that only this has, and some more.
pub fn content(word: &str, rest: &str) -> String {
    format!("codeword {word} {rest}")
}

/// The word that only this message has.
pub fn word_of(content: &str) -> &str {
    content.split(' ').nth(1).unwrap_or(content)
}

/// The word that only this version of a node has.
pub fn node_word(uid: i64, v: i64) -> String {
    format!("nq{uid}v{v}")
}

impl ClientState {
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::InsertItem { k, item } | Op::PutItem { k, item } | Op::UpdateItem { k, item } => {
                self.items.insert(*k, item.clone());
            }
            Op::MoveItem { from, to, .. } => {
                if let Some(item) = self.items.remove(from) {
                    self.items.insert(*to, item);
                }
            }
            Op::DeleteItem { k } => {
                self.items.remove(k);
            }
            Op::AddToTag { tag, amount } => {
                self.items.values_mut().filter(|item| item.tag == *tag).for_each(|item| item.v += amount);
            }
            Op::DeleteTag { tag } => self.items.retain(|_, item| item.tag != *tag),
            Op::Transfer { from, to, amount } => {
                *self.ledger.entry(*from).or_default() -= amount;
                *self.ledger.entry(*to).or_default() += amount;
            }
            Op::Say { conversation, content } => {
                self.conversations.entry(*conversation).or_default().push(content.clone());
            }
            Op::Rewrite { conversation, old, new } => {
                let messages = self.conversations.entry(*conversation).or_default();
                let held = messages.iter_mut().filter(|content| content.as_str() == old.as_str());
                held.for_each(|content| content.clone_from(new));
            }
            Op::Unsay { conversation, content } => {
                self.conversations.entry(*conversation).or_default().retain(|held| held != content);
            }
            Op::CreateNode { uid, v } | Op::PutNode { uid, v } | Op::SetNode { uid, v } => {
                self.nodes.insert(*uid, *v);
            }
            Op::DeleteNode { uid } => {
                self.nodes.remove(uid);
                self.links.retain(|(source, target), _| source != uid && target != uid);
            }
            Op::Link { source, target, w } | Op::SetLink { source, target, w } => {
                self.links.insert((*source, *target), *w);
            }
            Op::Unlink { source, target } => {
                self.links.remove(&(*source, *target));
            }
            Op::CreateSide => self.side = Some(Side::default()),
            Op::PutSide { id, n } => {
                if let Some(side) = &mut self.side {
                    side.rows.insert(*id, *n);
                }
            }
            Op::TruncateSide => {
                if let Some(side) = &mut self.side {
                    side.rows.clear();
                }
            }
            Op::DropSide => self.side = None,
            Op::SideIndex { create } => {
                if let Some(side) = &mut self.side {
                    side.has_index = *create;
                }
            }
            Op::ExtraIndex { create } => self.extra_index = *create,
            Op::GraphIndex { create } => self.graph_index = *create,
            Op::Enqueue { key, .. } => {
                self.runs.insert(key.clone());
            }
        }
    }

    /// Lines of the parts, so that a difference can name one.
    fn parts(&self) -> [(&'static str, Vec<String>); 8] {
        let side = match &self.side {
            None => vec!["no table".to_owned()],
            Some(side) => {
                let rows = side.rows.iter().map(|(id, n)| format!("{id}|{n}"));
                std::iter::once(format!("table, index {}", side.has_index)).chain(rows).collect()
            }
        };
        let messages = |(number, messages): (&u8, &Vec<String>)| {
            let order = messages.iter().enumerate().map(|(at, text)| format!("{number}|{at}|{text}"));
            std::iter::once(format!("conversation {number}")).chain(order).collect::<Vec<_>>()
        };
        [
            ("items", self.items.iter().map(|(k, i)| format!("{k}|{}|{}|{}", i.v, i.tag, i.revision)).collect()),
            ("ledger", self.ledger.iter().map(|(account, net)| format!("{account}|{net}")).collect()),
            ("messages", self.conversations.iter().flat_map(messages).collect()),
            ("nodes", self.nodes.iter().map(|(uid, v)| format!("{uid}|{v}")).collect()),
            ("relationships", self.links.iter().map(|((a, b), w)| format!("{a}|{b}|{w}")).collect()),
            ("side table", side),
            ("agent runs", self.runs.iter().cloned().collect()),
            ("shared indexes", vec![format!("items_extra {}, item_v {}", self.extra_index, self.graph_index)]),
        ]
    }
}

/// A transaction since the last opening.
#[derive(Debug)]
struct Logged {
    ops: Vec<Op>,
    /// None: its outcome is unknown.
    acknowledged_at: Option<Instant>,
}

/// One client's state at the last opening and what it did since.
#[derive(Debug, Default)]
pub struct History {
    base: ClientState,
    log: Vec<Logged>,
    /// After everything acknowledged.
    current: ClientState,
}

/// What an opening showed of one client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adopted {
    /// Transactions of unknown outcome that turned out to be there.
    pub unknown_present: u64,
    pub unknown_absent: u64,
    /// Acknowledged under `synchronous_commit = off` and lost within the window.
    pub async_lost: u64,
}

impl History {
    pub fn current(&self) -> &ClientState {
        &self.current
    }

    pub fn acknowledge(&mut self, ops: Vec<Op>) {
        ops.iter().for_each(|op| self.current.apply(op));
        self.log.push(Logged { ops, acknowledged_at: Some(Instant::now()) });
    }

    /// The client must not write any more before [`Self::adopt`].
    pub fn unknown(&mut self, ops: Vec<Op>) {
        self.log.push(Logged { ops, acknowledged_at: None });
    }

    /// Decides which prefix of the log `found` is, and goes on from there. `killed_at` is given when the client ran
    /// under `synchronous_commit = off` and the server was killed: only then may acknowledged commits be missing.
    pub fn adopt(
        &mut self,
        client: usize,
        found: &ClientState,
        killed_at: Option<Instant>,
    ) -> Result<Adopted, Difference> {
        let acknowledged = self.log.iter().filter(|logged| logged.acknowledged_at.is_some()).count();
        let must_be_there = match killed_at {
            None => acknowledged,
            Some(killed_at) => {
                let is_old = |at: Instant| killed_at.saturating_duration_since(at) > ASYNC_WINDOW;
                self.log.iter().filter(|logged| logged.acknowledged_at.is_some_and(is_old)).count()
            }
        };
        let mut state = self.base.clone();
        let mut matching = (state == *found).then_some(0);
        for (at, logged) in self.log.iter().enumerate() {
            logged.ops.iter().for_each(|op| state.apply(op));
            // The longest prefix: a transaction that changed nothing cannot be told from one that is missing.
            if state == *found {
                matching = Some(at + 1);
            }
        }
        let unknown = self.log.len() - acknowledged;
        let adopted = match matching {
            Some(prefix) if prefix >= must_be_there => Adopted {
                unknown_present: u64::from(prefix > acknowledged),
                unknown_absent: u64::from(unknown > 0 && prefix <= acknowledged),
                async_lost: acknowledged.saturating_sub(prefix) as u64,
            },
            _ => return Err(self.difference(client, found, matching, must_be_there)),
        };
        self.base = found.clone();
        self.current = found.clone();
        self.log.clear();
        Ok(adopted)
    }

    fn difference(
        &self,
        client: usize,
        found: &ClientState,
        matching: Option<usize>,
        must_be_there: usize,
    ) -> Difference {
        let count = self.log.len();
        if let Some(prefix) = matching {
            let lost: Vec<String> = self.log[prefix..must_be_there].iter().map(|l| format!("{:?}", l.ops)).collect();
            return Difference {
                view: format!("transactions of client {client}"),
                expected: format!("at least the first {must_be_there} of {count}"),
                found: format!("the first {prefix}; lost: {}", sample(&lost)),
                lost: (must_be_there - prefix) as u64,
            };
        }
        let last = self.log.last().filter(|logged| logged.acknowledged_at.is_none());
        let unknown = last.map_or_else(|| "none".to_owned(), |logged| format!("{:?}", logged.ops));
        for ((name, expected), (_, held)) in self.current.parts().into_iter().zip(found.parts()) {
            let view = format!("{name} of client {client} (transaction of unknown outcome: {unknown})");
            if let Err(difference) = compare(&view, expected, held) {
                return difference;
            }
        }
        // The parts agree with what was acknowledged, but that state is no allowed one; cannot happen.
        Difference::new(format!("state of client {client}"), format!("{:?}", self.current), format!("{found:?}"))
    }
}
