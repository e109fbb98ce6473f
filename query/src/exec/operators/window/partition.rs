//! The current row, its peers and its frame.

use std::ops::Range;

use smallvec::SmallVec;

use super::bounds::Offsets;
use super::rows::{Reader, Rows};
use super::{PhysBound, WindowPlan};
use crate::algebra::{FrameExclusion, FrameUnits};
use crate::error::{QueryError, Result};
use crate::exec::run::Cx;

/// Rows between two looks at the cancel token.
pub(super) const POLL_ROWS: usize = 1024;

/// Ranges of rows in order, with gaps between them.
pub(super) type RowRanges = SmallVec<[Range<usize>; 3]>;

/// The current partition, seen from one row after the other. Nothing is found out before it is asked for, as that may
/// take reading far ahead; what is found moves only forward within the partition.
pub(super) struct Partition {
    start: usize,
    row: usize,
    /// The group of the row's peers: its number from 0, and where it begins and ends.
    group: usize,
    peers_start: usize,
    peers_end: Option<usize>,
    /// As its bounds say. Its end may be before its start.
    frame: Range<usize>,
    /// The frame's rows without those excluded.
    frame_rows: RowRanges,
    offsets: Offsets,
    /// The groups at the frame's bounds, when it counts them.
    start_group: GroupCursor,
    end_group: GroupCursor,
    /// At the frame's bounds, when it measures them.
    start_reader: Reader,
    end_reader: Reader,
}

/// A group of peers that is only moved forward.
#[derive(Clone, Copy)]
struct GroupCursor {
    number: usize,
    start: usize,
}

impl GroupCursor {
    /// The start of a group that is not before the cursor; the partition's end when there are not so many.
    fn start_of(&mut self, number: usize, rows: &mut Rows) -> Result<usize> {
        while self.number < number {
            self.start = rows.next_group(self.start + 1)?;
            self.number = if rows.is_partition_end(self.start) { usize::MAX } else { self.number + 1 };
        }
        Ok(self.start)
    }
}

impl Partition {
    pub fn new(offsets: Offsets) -> Partition {
        Partition {
            start: 0,
            row: 0,
            group: 0,
            peers_start: 0,
            peers_end: None,
            frame: 0..0,
            frame_rows: SmallVec::new(),
            offsets,
            start_group: GroupCursor { number: 0, start: 0 },
            end_group: GroupCursor { number: 0, start: 0 },
            start_reader: Reader::default(),
            end_reader: Reader::default(),
        }
    }

    pub fn start(&self) -> usize {
        self.start
    }

    pub fn row(&self) -> usize {
        self.row
    }

    /// The number of the row's group of peers, from 0.
    pub fn group(&self) -> usize {
        self.group
    }

    pub fn peers_start(&self) -> usize {
        self.peers_start
    }

    /// As the plan's bounds say, without exclusions.
    pub fn frame(&self) -> &Range<usize> {
        &self.frame
    }

    pub fn frame_rows(&self) -> &RowRanges {
        &self.frame_rows
    }

    fn peers_end(&mut self, rows: &mut Rows) -> Result<usize> {
        match self.peers_end {
            Some(end) => Ok(end),
            None => {
                let end = rows.next_group(self.row + 1)?;
                Ok(*self.peers_end.insert(end))
            }
        }
    }

    /// The row's peers, itself among them.
    pub fn peers(&mut self, rows: &mut Rows) -> Result<Range<usize>> {
        Ok(self.peers_start..self.peers_end(rows)?)
    }

    /// Begins with the partition's first row.
    pub fn restart(&mut self, start: usize) {
        self.start = start;
        self.group = 0;
        self.peers_start = start;
        self.peers_end = None;
        self.frame = start..start;
        let first = GroupCursor { number: 0, start };
        (self.start_group, self.end_group) = (first, first);
    }

    /// Makes `row`, the next one or the first, which `current` is at, the current one.
    pub fn move_to(&mut self, row: usize, plan: &WindowPlan, rows: &mut Rows, current: &Reader, cx: &Cx) -> Result<()> {
        self.row = row;
        if row > self.start && current.begins_group(row) {
            self.group += 1;
            self.peers_start = row;
            self.peers_end = None;
        }
        if plan.uses_frame {
            self.frame.start = self.bound(&plan.frame.start, true, plan, rows, current, cx)?;
            self.frame.end = self.bound(&plan.frame.end, false, plan, rows, current, cx)?;
            self.frame_rows = self.without_excluded(plan.frame.exclusion, rows)?;
        }
        Ok(())
    }

    /// Where the frame begins (`is_start`), or ends.
    fn bound(
        &mut self,
        bound: &PhysBound,
        is_start: bool,
        plan: &WindowPlan,
        rows: &mut Rows,
        current: &Reader,
        cx: &Cx,
    ) -> Result<usize> {
        let offset = if is_start { &self.offsets.start } else { &self.offsets.end };
        // Counted offsets that are larger than any partition reach its end.
        let count = || offset.as_int().and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
        let is_preceding = matches!(bound, PhysBound::Preceding(_));
        match (bound, plan.frame.units) {
            (PhysBound::UnboundedPreceding, _) => Ok(self.start),
            (PhysBound::UnboundedFollowing, _) => rows.partition_end(),
            (PhysBound::CurrentRow, FrameUnits::Rows) => Ok(self.row + usize::from(!is_start)),
            (PhysBound::CurrentRow, _) if is_start => Ok(self.peers_start),
            (PhysBound::CurrentRow, _) => self.peers_end(rows),
            (_, FrameUnits::Rows) => {
                // The end is behind the last row.
                let row = self.row + usize::from(!is_start);
                if is_preceding {
                    Ok(row.saturating_sub(count()).max(self.start))
                } else {
                    rows.at_most(row.saturating_add(count()))
                }
            }
            (_, FrameUnits::Groups) => {
                let group = if is_preceding {
                    self.group.checked_sub(count())
                } else {
                    Some(self.group.saturating_add(count()))
                };
                match (group, is_start) {
                    (Some(group), true) => self.start_group.start_of(group, rows),
                    (Some(group), false) => self.end_group.start_of(group.saturating_add(1), rows),
                    (None, _) => Ok(self.start),
                }
            }
            (_, FrameUnits::Range) => self.range_bound(is_preceding, is_start, plan, rows, current, cx),
        }
    }

    /// Goes on from the last row's bound until the first row that is in range, or the first behind those that are.
    fn range_bound(
        &mut self,
        is_preceding: bool,
        is_start: bool,
        plan: &WindowPlan,
        rows: &mut Rows,
        current: &Reader,
        cx: &Cx,
    ) -> Result<usize> {
        let (Some(kind), Some((_, descending, nulls_first)), [place]) =
            (&self.offsets.range, &plan.first_key, plan.order.as_slice())
        else {
            return Err(QueryError::internal("a frame in RANGE mode has no measure"));
        };
        let (offset, reader, mut at) = if is_start {
            (&self.offsets.start, &mut self.start_reader, self.frame.start)
        } else {
            (&self.offsets.end, &mut self.end_reader, self.frame.end)
        };
        let base = current.value(*place, self.row);
        let mut left = POLL_ROWS;
        while rows.at_most(at + 1)? > at {
            rows.seek(reader, at)?;
            let value = reader.value(*place, at);
            let stops = match (value.is_null(), base.is_null()) {
                (false, false) => {
                    let subtract = is_preceding != *descending;
                    let less = is_start == *descending;
                    kind.in_range(&value, &base, offset, subtract, less)? == is_start
                }
                // NULLs are in range of NULLs only, and stand at one end.
                (true, true) => is_start,
                (true, false) => !*nulls_first,
                (false, true) => *nulls_first,
            };
            if stops {
                break;
            }
            at += 1;
            left -= 1;
            if left == 0 {
                cx.check_cancel()?;
                left = POLL_ROWS;
            }
        }
        Ok(at)
    }

    fn without_excluded(&mut self, exclusion: FrameExclusion, rows: &mut Rows) -> Result<RowRanges> {
        let Range { start, end } = self.frame;
        let end = end.max(start);
        let excluded = match exclusion {
            FrameExclusion::NoOthers => return Ok((start < end).then_some(start..end).into_iter().collect()),
            FrameExclusion::CurrentRow => self.row..self.row + 1,
            FrameExclusion::Group | FrameExclusion::Ties => self.peers(rows)?,
        };
        let current =
            (exclusion == FrameExclusion::Ties && (start..end).contains(&self.row)).then_some(self.row..self.row + 1);
        let before = start..end.min(excluded.start);
        let behind = start.max(excluded.end)..end;
        let ranges = [Some(before), current, Some(behind)].into_iter().flatten();
        Ok(ranges.filter(|rows| rows.start < rows.end).collect())
    }

    /// The first row that later bounds may be found from, or a later one.
    pub fn needed_from(&self, plan: &WindowPlan) -> usize {
        match (plan.uses_frame, &plan.frame.start) {
            (false, _) => usize::MAX,
            (true, PhysBound::UnboundedPreceding) => self.frame.end,
            (true, _) => self.frame.start.min(self.frame.end),
        }
    }
}
