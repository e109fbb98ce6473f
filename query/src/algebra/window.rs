//! Windows: what `OVER (…)` computes beside each row.

use std::sync::Arc;

use sinew_storage::DataType;

use super::{Expr, Plan, SortKey, VarId};
use crate::functions::{AggregateFunction, WindowFunction};

/// Adds a column per call to the input's rows. The input is ordered by the partition's expressions, then by `order_by`.
#[derive(Clone, Debug)]
pub struct Window {
    pub input: Plan,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortKey>,
    pub frame: WindowFrame,
    pub calls: Vec<(VarId, WindowCall)>,
}

/// One call with OVER.
#[derive(Clone, Debug)]
pub struct WindowCall {
    pub function: WindowCallee,
    /// Already cast.
    pub args: Vec<Expr>,
    /// Of aggregates only.
    pub filter: Option<Expr>,
    pub ty: DataType,
}

#[derive(Clone, Debug)]
pub enum WindowCallee {
    Aggregate(Arc<AggregateFunction>),
    Function(Arc<WindowFunction>),
}

/// The rows of the partition that a call looks at from the current row.
#[derive(Clone, Debug)]
pub struct WindowFrame {
    pub units: FrameUnits,
    pub start: FrameBound,
    pub end: FrameBound,
    pub exclusion: FrameExclusion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameUnits {
    Rows,
    Range,
    Groups,
}

/// Offsets read no column of the query itself: they are the same for all rows.
#[derive(Clone, Debug)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameExclusion {
    #[default]
    NoOthers,
    CurrentRow,
    /// The current row and its peers.
    Group,
    /// The current row's peers.
    Ties,
}

impl Default for WindowFrame {
    fn default() -> Self {
        WindowFrame {
            units: FrameUnits::Range,
            start: FrameBound::UnboundedPreceding,
            end: FrameBound::CurrentRow,
            exclusion: FrameExclusion::NoOthers,
        }
    }
}

impl FrameBound {
    pub fn offset(&self) -> Option<&Expr> {
        match self {
            FrameBound::Preceding(offset) | FrameBound::Following(offset) => Some(offset),
            _ => None,
        }
    }

    pub fn offset_mut(&mut self) -> Option<&mut Expr> {
        match self {
            FrameBound::Preceding(offset) | FrameBound::Following(offset) => Some(offset),
            _ => None,
        }
    }
}

impl Window {
    /// Its own expressions.
    pub fn exprs(&self) -> Vec<&Expr> {
        let mut out: Vec<&Expr> = self.partition_by.iter().collect();
        out.extend(self.order_by.iter().map(|key| &key.expr));
        out.extend(self.frame.start.offset().into_iter().chain(self.frame.end.offset()));
        for (_, call) in &self.calls {
            out.extend(&call.args);
            out.extend(&call.filter);
        }
        out
    }

    /// As [`Self::exprs`], to change them.
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        let mut out: Vec<&mut Expr> = self.partition_by.iter_mut().collect();
        out.extend(self.order_by.iter_mut().map(|key| &mut key.expr));
        out.extend(self.frame.start.offset_mut().into_iter().chain(self.frame.end.offset_mut()));
        for (_, call) in &mut self.calls {
            out.extend(&mut call.args);
            out.extend(&mut call.filter);
        }
        out
    }
}
