//! The memory budget: how much the process may use by default, and how it is shared out.

const MIB: usize = 1 << 20;
/// The default budget takes no more than this of a large machine.
const MAX_DEFAULT_BYTES: usize = 2 << 30;
/// Without it nothing works well.
pub const MIN_BUDGET_BYTES: usize = 64 * MIB;
/// Where the machine does not tell its memory.
const UNKNOWN_MACHINE_BYTES: usize = 2 << 30;

/// Parts of the budget with a size of their own. What they leave is for the graph image, vectors and full text, which are as
/// large as the data makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// redb's pages: a quarter.
    pub cache_bytes: usize,
    /// Commits in memory before they are applied, of which there may be five: a thirty-second.
    pub memory_table_bytes: usize,
    /// One statement: a quarter.
    pub statement_bytes: usize,
}

impl Shares {
    pub fn of(budget_bytes: usize) -> Shares {
        Shares {
            cache_bytes: (budget_bytes / 4).max(MIB),
            memory_table_bytes: (budget_bytes / 32).clamp(2 * MIB, 64 * MIB),
            statement_bytes: (budget_bytes / 4).max(MIB),
        }
    }
}

/// A quarter of what the process can have, at most 2 GiB.
pub fn default_budget_bytes() -> usize {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok();
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = limits.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    budget_of(meminfo.as_deref().and_then(total_memory), limits.filter_map(|text| text.trim().parse().ok()))
}

fn budget_of(machine_bytes: Option<usize>, limits_bytes: impl Iterator<Item = usize>) -> usize {
    let bytes = limits_bytes.fold(machine_bytes.unwrap_or(UNKNOWN_MACHINE_BYTES), usize::min);
    (bytes / 4).clamp(MIN_BUDGET_BYTES, MAX_DEFAULT_BYTES)
}

/// `MemTotal` of Linux's meminfo, in bytes.
fn total_memory(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_what_there_is_up_to_a_limit() {
        const GIB: usize = 1 << 30;
        assert_eq!(total_memory("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 * MIB));
        assert_eq!(total_memory("MemFree: 1 kB"), None);
        let check = |machine, limits: &[usize], expected| {
            assert_eq!(budget_of(machine, limits.iter().copied()), expected);
        };
        check(Some(4 * GIB), &[], GIB);
        check(Some(64 * GIB), &[], 2 * GIB);
        check(Some(64 * GIB), &[2 * GIB, 4 * GIB], GIB / 2);
        check(Some(128 * MIB), &[], MIN_BUDGET_BYTES);
        check(None, &[], GIB / 2);
        assert!((MIN_BUDGET_BYTES..=MAX_DEFAULT_BYTES).contains(&default_budget_bytes()));
    }

    #[test]
    fn shares_leave_room_for_the_rest() {
        for budget_mib in [64, 256, 2_048, 16_384] {
            let shares = Shares::of(budget_mib * MIB);
            let taken = shares.cache_bytes + 5 * shares.memory_table_bytes + shares.statement_bytes;
            assert!(taken <= budget_mib * MIB * 7 / 10, "{budget_mib} MiB: {shares:?}");
        }
    }
}
