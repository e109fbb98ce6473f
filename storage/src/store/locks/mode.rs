//! Lock modes and which of them conflict.

use crate::ddl::RelationLock;

/// PostgreSQL's row lock modes, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowLock {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

/// What to do about a lock that is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// Wait, up to `lock_timeout`.
    Block,
    /// Fail with `LockNotAvailable`.
    NoWait,
    /// Go on without it.
    SkipLocked,
}

/// How a request for a lock ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockOutcome {
    /// Held, and was free at once or held already.
    Granted,
    /// Held, after others had it: what they committed meanwhile is not in the statement's snapshot.
    Waited,
    /// Not held: it was not free, and the request was not to wait.
    Skipped,
}

/// Bit set of modes of one kind of target.
pub(crate) type ModeSet = u8;

/// A mode of any kind of target. Modes of different kinds never meet on one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockMode {
    Relation(RelationLock),
    Row(RowLock),
    /// Of advisory locks.
    Shared,
    /// Of unique keys and advisory locks.
    Exclusive,
}

const RELATION_MODES: [LockMode; 8] = [
    LockMode::Relation(RelationLock::AccessShare),
    LockMode::Relation(RelationLock::RowShare),
    LockMode::Relation(RelationLock::RowExclusive),
    LockMode::Relation(RelationLock::ShareUpdateExclusive),
    LockMode::Relation(RelationLock::Share),
    LockMode::Relation(RelationLock::ShareRowExclusive),
    LockMode::Relation(RelationLock::Exclusive),
    LockMode::Relation(RelationLock::AccessExclusive),
];
const ROW_MODES: [LockMode; 4] = [
    LockMode::Row(RowLock::KeyShare),
    LockMode::Row(RowLock::Share),
    LockMode::Row(RowLock::NoKeyUpdate),
    LockMode::Row(RowLock::Update),
];
const PLAIN_MODES: [LockMode; 2] = [LockMode::Shared, LockMode::Exclusive];

/// PostgreSQL's table 13.2, one row a mode, the bit of the weakest mode last.
const RELATION_CONFLICTS: [ModeSet; 8] = [
    0b1000_0000, // ACCESS SHARE
    0b1100_0000, // ROW SHARE
    0b1111_0000, // ROW EXCLUSIVE
    0b1111_1000, // SHARE UPDATE EXCLUSIVE
    0b1110_1100, // SHARE
    0b1111_1100, // SHARE ROW EXCLUSIVE
    0b1111_1110, // EXCLUSIVE
    0b1111_1111, // ACCESS EXCLUSIVE
];
/// PostgreSQL's table 13.3, likewise.
const ROW_CONFLICTS: [ModeSet; 4] = [
    0b1000, // FOR KEY SHARE
    0b1100, // FOR SHARE
    0b1110, // FOR NO KEY UPDATE
    0b1111, // FOR UPDATE
];
const PLAIN_CONFLICTS: [ModeSet; 2] = [0b10, 0b11];

const RELATION_COVERING: [ModeSet; 8] = covering(RELATION_CONFLICTS);
const ROW_COVERING: [ModeSet; 4] = covering(ROW_CONFLICTS);
const PLAIN_COVERING: [ModeSet; 2] = covering(PLAIN_CONFLICTS);

/// Per mode, the modes that conflict with everything it conflicts with.
const fn covering<const N: usize>(conflicts: [ModeSet; N]) -> [ModeSet; N] {
    let mut covering = [0; N];
    let mut mode = 0;
    while mode < N {
        let mut stronger = 0;
        while stronger < N {
            if conflicts[stronger] & conflicts[mode] == conflicts[mode] {
                covering[mode] |= 1 << stronger;
            }
            stronger += 1;
        }
        mode += 1;
    }
    covering
}

impl LockMode {
    pub fn advisory(is_shared: bool) -> LockMode {
        if is_shared { LockMode::Shared } else { LockMode::Exclusive }
    }

    fn index(self) -> usize {
        match self {
            LockMode::Relation(mode) => mode as usize,
            LockMode::Row(mode) => mode as usize,
            LockMode::Shared => 0,
            LockMode::Exclusive => 1,
        }
    }

    pub fn bit(self) -> ModeSet {
        1 << self.index()
    }

    /// Modes that others may not hold at the same time. The relation is symmetric.
    pub fn conflicts(self) -> ModeSet {
        match self {
            LockMode::Relation(_) => RELATION_CONFLICTS[self.index()],
            LockMode::Row(_) => ROW_CONFLICTS[self.index()],
            LockMode::Shared | LockMode::Exclusive => PLAIN_CONFLICTS[self.index()],
        }
    }

    /// True when holding these modes already gives what this one gives.
    pub fn is_covered_by(self, held: ModeSet) -> bool {
        let covering = match self {
            LockMode::Relation(_) => RELATION_COVERING[self.index()],
            LockMode::Row(_) => ROW_COVERING[self.index()],
            LockMode::Shared | LockMode::Exclusive => PLAIN_COVERING[self.index()],
        };
        held & covering != 0
    }

    /// Every mode of the same kind of target, weakest first.
    pub fn kin(self) -> &'static [LockMode] {
        match self {
            LockMode::Relation(_) => &RELATION_MODES,
            LockMode::Row(_) => &ROW_MODES,
            LockMode::Shared | LockMode::Exclusive => &PLAIN_MODES,
        }
    }

    /// All bits of [`Self::kin`].
    pub fn kin_bits(self) -> ModeSet {
        match self {
            LockMode::Relation(_) => 0b1111_1111,
            LockMode::Row(_) => 0b1111,
            LockMode::Shared | LockMode::Exclusive => 0b11,
        }
    }

    /// As `pg_locks.mode` names it; row modes by the modes that PostgreSQL uses for its tuple locks.
    pub fn name(self) -> &'static str {
        match self {
            LockMode::Relation(RelationLock::AccessShare) | LockMode::Row(RowLock::KeyShare) => "AccessShareLock",
            LockMode::Relation(RelationLock::RowShare) | LockMode::Row(RowLock::Share) => "RowShareLock",
            LockMode::Relation(RelationLock::RowExclusive) => "RowExclusiveLock",
            LockMode::Relation(RelationLock::ShareUpdateExclusive) => "ShareUpdateExclusiveLock",
            LockMode::Relation(RelationLock::Share) | LockMode::Shared => "ShareLock",
            LockMode::Relation(RelationLock::ShareRowExclusive) => "ShareRowExclusiveLock",
            LockMode::Relation(RelationLock::Exclusive) | LockMode::Row(RowLock::NoKeyUpdate) | LockMode::Exclusive => {
                "ExclusiveLock"
            }
            LockMode::Relation(RelationLock::AccessExclusive) | LockMode::Row(RowLock::Update) => "AccessExclusiveLock",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters of the modes that conflict, a matrix row a line.
    fn matrix(modes: &[LockMode]) -> String {
        let row = |a: &LockMode| -> String {
            modes.iter().map(|b| if a.conflicts() & b.bit() != 0 { 'x' } else { '.' }).collect()
        };
        modes.iter().map(row).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_matrices_are_postgresqls() {
        assert_eq!(matrix(&RELATION_MODES), ".......x ......xx ....xxxx ...xxxxx ..xx.xxx ..xxxxxx .xxxxxxx xxxxxxxx");
        assert_eq!(matrix(&ROW_MODES), "...x ..xx .xxx xxxx");
        assert_eq!(matrix(&PLAIN_MODES), ".x xx");
    }

    #[test]
    fn the_matrices_are_symmetric() {
        for modes in [&RELATION_MODES[..], &ROW_MODES, &PLAIN_MODES] {
            for a in modes {
                for b in modes {
                    assert_eq!(a.conflicts() & b.bit() != 0, b.conflicts() & a.bit() != 0, "{a:?} {b:?}");
                }
                assert_eq!(a.kin(), modes);
                assert_eq!(a.kin_bits().count_ones() as usize, modes.len());
            }
        }
    }

    #[test]
    fn stronger_modes_cover_weaker_ones() {
        let covers = |held: LockMode, wanted: LockMode| wanted.is_covered_by(held.bit());
        for (at, held) in ROW_MODES.iter().enumerate() {
            for (other, wanted) in ROW_MODES.iter().enumerate() {
                assert_eq!(covers(*held, *wanted), other <= at, "{held:?} {wanted:?}");
            }
        }
        assert!(covers(LockMode::Exclusive, LockMode::Shared));
        assert!(!covers(LockMode::Shared, LockMode::Exclusive));
        assert!(covers(RELATION_MODES[7], RELATION_MODES[0]));
        // SHARE does not exclude other holders of SHARE, ROW EXCLUSIVE admits its own kind: neither covers the other.
        assert!(!covers(LockMode::Relation(RelationLock::Share), LockMode::Relation(RelationLock::RowExclusive)));
        assert!(!covers(LockMode::Relation(RelationLock::RowExclusive), LockMode::Relation(RelationLock::Share)));
    }
}
