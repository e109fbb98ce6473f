//! What a client does next: a valid change of its own state, so that every statement must succeed.

use super::model::{
    ACCOUNTS, CONVERSATIONS, ClientState, ITEM_KEYS, Item, NODE_KEYS, NODES_PER_CLIENT, Op, TAGS, content,
};
use super::random::Random;
use super::statements::statements;

/// Messages a conversation tends to.
const MESSAGES: usize = 24;
/// Relationships a client tends to.
const LINKS: usize = 40;

const WORDS: &[&str] = &[
    "anchor",
    "barometer",
    "buoy",
    "cable",
    "compass",
    "current",
    "deck",
    "engine",
    "ferry",
    "fog",
    "gale",
    "harbour",
    "hull",
    "island",
    "keel",
    "lantern",
    "mast",
    "mooring",
    "net",
    "oar",
    "pilot",
    "quay",
    "rudder",
    "sail",
    "shoal",
    "signal",
    "storm",
    "tide",
    "tiller",
    "wave",
    "winch",
    "yard",
];

/// How a transaction reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// BEGIN … COMMIT, a message each.
    Block,
    /// All statements in one message: one implicit transaction.
    Message,
    /// One statement.
    Single,
}

/// A transaction to run.
#[derive(Clone, Debug)]
pub struct Planned {
    pub ops: Vec<Op>,
    /// Of a block: done behind a savepoint before the end, and rolled back to it.
    pub undone: Vec<Op>,
    pub form: Form,
    pub begin: &'static str,
    /// Of a block: ends with ROLLBACK.
    pub rolls_back: bool,
    /// Statements go through the extended protocol.
    pub extended: bool,
}

/// The choices of one client. The counter never goes back, so words and values are never used twice.
#[derive(Clone, Debug)]
pub struct Generator {
    client: usize,
    counter: i64,
    random: Random,
}

impl Generator {
    pub fn new(client: usize) -> Generator {
        Generator { client, counter: 0, random: Random::new(&[client as u64]) }
    }

    /// Choices from here on depend on this seed and the states given only.
    pub fn reseed(&mut self, random: Random) {
        self.random = random;
    }

    pub fn next_transaction(&mut self, state: &ClientState) -> Planned {
        let mut scratch = state.clone();
        let count = if self.random.percent(50) { 1 } else { self.random.between(2, 5) };
        let ops: Vec<Op> = (0..count).map(|_| self.next_op(&mut scratch)).collect();
        let statement_count: usize = ops.iter().map(|op| statements(self.client, op).len()).sum();
        let form = match self.random.below(100) {
            0..60 if statement_count == 1 => Form::Single,
            0..30 => Form::Message,
            _ => Form::Block,
        };
        let is_block = form == Form::Block;
        let undone = if is_block && self.random.percent(12) {
            (0..self.random.between(1, 2)).map(|_| self.next_op(&mut scratch)).collect()
        } else {
            Vec::new()
        };
        let begin = match self.random.below(10) {
            0 => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            1 => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            _ => "BEGIN",
        };
        let rolls_back = is_block && self.random.percent(8);
        Planned { ops, undone, form, begin, rolls_back, extended: self.random.percent(40) }
    }

    fn next_op(&mut self, state: &mut ClientState) -> Op {
        let op = match self.random.below(1_000) {
            0..300 => self.item(state),
            300..330 => self.tag(),
            330..450 => self.transfer(),
            450..650 => self.message(state),
            650..800 => self.node(state),
            800..920 => self.link(state),
            920..980 => self.side(state),
            980..984 if self.client == 0 => Op::ExtraIndex { create: !state.extra_index },
            984..988 if self.client == 0 => Op::GraphIndex { create: !state.graph_index },
            996.. => {
                let agent = if self.random.percent(50) { "mute" } else { "clerk" };
                let number = self.fresh();
                Op::Enqueue { key: format!("run-{}-{number}", self.client), agent }
            }
            _ => self.item(state),
        };
        state.apply(&op);
        op
    }

    fn fresh(&mut self) -> i64 {
        self.counter += 1;
        self.counter
    }

    fn item(&mut self, state: &ClientState) -> Op {
        let k = self.random.between(0, i64::from(ITEM_KEYS) - 1) as i32;
        let item = Item {
            v: self.fresh(),
            tag: self.random.between(0, i64::from(TAGS) - 1) as i32,
            revision: self.random.between(0, 3) as i32,
        };
        let Some(held) = state.items.get(&k) else {
            return if self.random.percent(50) { Op::InsertItem { k, item } } else { Op::PutItem { k, item } };
        };
        match self.random.below(100) {
            0..35 => Op::DeleteItem { k },
            35..50 => {
                let free: Vec<i32> = (0..ITEM_KEYS).filter(|k| !state.items.contains_key(k)).collect();
                match self.random.pick(&free) {
                    Some(to) => Op::MoveItem { from: k, to: *to, revision: held.revision },
                    None => Op::DeleteItem { k },
                }
            }
            50..70 => Op::PutItem { k, item },
            _ => Op::UpdateItem { k, item },
        }
    }

    fn tag(&mut self) -> Op {
        let tag = self.random.between(0, i64::from(TAGS) - 1) as i32;
        if self.random.percent(30) {
            Op::DeleteTag { tag }
        } else {
            Op::AddToTag { tag, amount: self.random.between(1, 9) * 1_000 }
        }
    }

    fn transfer(&mut self) -> Op {
        let from = self.random.between(0, i64::from(ACCOUNTS) - 1) as i32;
        let to = (from + self.random.between(1, i64::from(ACCOUNTS) - 1) as i32) % ACCOUNTS;
        Op::Transfer { from, to, amount: self.random.between(1, 50) }
    }

    fn message(&mut self, state: &ClientState) -> Op {
        let conversation = self.random.below(u64::from(CONVERSATIONS)) as u8;
        let held = state.conversations.get(&conversation).map_or(&[][..], Vec::as_slice);
        let words: Vec<&str> = (0..4).filter_map(|_| self.random.pick(WORDS).copied()).collect();
        let client = self.client;
        let word = format!("zq{client}x{}", self.fresh());
        let new = content(&word, &words.join(" "));
        let speaks = self.random.percent(if held.len() < MESSAGES { 75 } else { 25 });
        let Some(old) = self.random.pick(held).filter(|_| !speaks) else {
            return Op::Say { conversation, content: new };
        };
        if self.random.percent(35) {
            Op::Rewrite { conversation, old: old.clone(), new }
        } else {
            Op::Unsay { conversation, content: old.clone() }
        }
    }

    fn node(&mut self, state: &ClientState) -> Op {
        let uid = self.client as i64 * NODES_PER_CLIENT + self.random.between(0, NODE_KEYS - 1);
        let v = self.fresh();
        if !state.nodes.contains_key(&uid) {
            return if self.random.percent(50) { Op::CreateNode { uid, v } } else { Op::PutNode { uid, v } };
        }
        match self.random.below(100) {
            0..35 => Op::DeleteNode { uid },
            35..50 => Op::PutNode { uid, v },
            _ => Op::SetNode { uid, v },
        }
    }

    fn link(&mut self, state: &ClientState) -> Op {
        let nodes: Vec<i64> = state.nodes.keys().copied().collect();
        let links: Vec<(i64, i64)> = state.links.keys().copied().collect();
        let (source, target) = match (self.random.pick(&nodes).copied(), self.random.pick(&nodes).copied()) {
            (Some(source), Some(target)) => (source, target),
            _ => return self.node(state),
        };
        let creates = links.len() < LINKS && !state.links.contains_key(&(source, target));
        let w = self.fresh();
        match self.random.pick(&links).copied() {
            Some((source, target)) if !creates || self.random.percent(30) => {
                if self.random.percent(50) {
                    Op::SetLink { source, target, w }
                } else {
                    Op::Unlink { source, target }
                }
            }
            _ => Op::Link { source, target, w },
        }
    }

    fn side(&mut self, state: &ClientState) -> Op {
        let Some(side) = &state.side else { return Op::CreateSide };
        match self.random.below(100) {
            0..10 => Op::TruncateSide,
            10..18 => Op::DropSide,
            18..30 => Op::SideIndex { create: !side.has_index },
            _ => Op::PutSide { id: self.random.between(0, 30) as i32, n: self.random.between(0, 1_000) as i32 },
        }
    }
}
