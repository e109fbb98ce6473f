//! Offsets of frames: one value each for a whole run.

use sinew_storage::Value;

use super::range::RangeKind;
use super::{PhysBound, WindowPlan};
use crate::algebra::FrameUnits;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::run::Cx;

/// The offsets of a frame's bounds that have one.
#[derive(Clone)]
pub(super) struct Offsets {
    pub start: Value,
    pub end: Value,
    pub range: Option<RangeKind>,
}

impl Offsets {
    /// 22004 of NULL, 22013 of less than zero.
    pub fn of(plan: &WindowPlan, cx: &Cx) -> Result<Offsets> {
        let frame = &plan.frame;
        let offset = |bound: &PhysBound, what: &str| {
            let (PhysBound::Preceding(offset) | PhysBound::Following(offset)) = bound else { return Ok(Value::Null) };
            match offset.eval_const(cx)? {
                Value::Null => Err(QueryError::new(
                    sqlstate::NULL_VALUE_NOT_ALLOWED,
                    format!("frame {what} offset must not be null"),
                )),
                Value::Int(count) if count < 0 && frame.units != FrameUnits::Range => Err(QueryError::new(
                    sqlstate::INVALID_PRECEDING_OR_FOLLOWING_SIZE,
                    format!("frame {what} offset must not be negative"),
                )),
                value => Ok(value),
            }
        };
        let (start, end) = (offset(&frame.start, "starting")?, offset(&frame.end, "ending")?);
        let range = match (&plan.first_key, frame.units) {
            (Some((ty, ..)), FrameUnits::Range) => RangeKind::of(ty, cx),
            _ => None,
        };
        Ok(Offsets { start, end, range })
    }
}
