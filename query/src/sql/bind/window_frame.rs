//! Frames of windows: which there may be, and of what type their offsets are.

use sinew_storage::DataType;
use sqlparser::ast::{Expr as Ast, Ident, Spanned, WindowFrame as FrameAst, WindowFrameBound, WindowFrameUnits};

use super::Binder;
use super::names::fold;
use super::scope::Clause;
use crate::algebra::*;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, CastContext};
use crate::sql::window_tokens::EXCLUSION_MARK;
use crate::types::type_name;

/// A frame whose offsets are still to be bound.
pub struct FrameShape<'a> {
    pub frame: WindowFrame,
    pub start_offset: Option<&'a Ast>,
    pub end_offset: Option<&'a Ast>,
}

/// What a window's name says: the exclusion that was written into it for the parser, and the window it refers to.
pub fn exclusion_of(name: &Ident) -> (Option<FrameExclusion>, Option<String>) {
    let Some(rest) = name.value.strip_prefix(EXCLUSION_MARK) else { return (None, Some(fold(name))) };
    let (words, refers_to) = match rest.split_once('\0') {
        Some((words, refers_to)) => (words, Some(refers_to.to_owned())),
        None => (rest, None),
    };
    let exclusion = match words {
        "CURRENT ROW" => FrameExclusion::CurrentRow,
        "GROUP" => FrameExclusion::Group,
        "TIES" => FrameExclusion::Ties,
        _ => FrameExclusion::NoOthers,
    };
    (Some(exclusion), refers_to)
}

/// The bounds of a frame. When there can be no such frame, PostgreSQL's message, and whether it is about the end.
pub fn frame_shape(ast: &FrameAst) -> Result<FrameShape<'_>, (&'static str, bool)> {
    let units = match ast.units {
        WindowFrameUnits::Rows => FrameUnits::Rows,
        WindowFrameUnits::Range => FrameUnits::Range,
        WindowFrameUnits::Groups => FrameUnits::Groups,
    };
    let end_bound = ast.end_bound.as_ref().unwrap_or(&WindowFrameBound::CurrentRow);
    let (start, end) = (&ast.start_bound, end_bound);
    use WindowFrameBound::{CurrentRow, Following, Preceding};
    match (start, end) {
        (Following(None), _) => return Err(("frame start cannot be UNBOUNDED FOLLOWING", false)),
        (_, Preceding(None)) => return Err(("frame end cannot be UNBOUNDED PRECEDING", true)),
        (CurrentRow, Preceding(Some(_))) => {
            return Err(("frame starting from current row cannot have preceding rows", true));
        }
        (Following(Some(_)), CurrentRow) if ast.end_bound.is_none() => {
            return Err(("frame starting from following row cannot end with current row", false));
        }
        (Following(Some(_)), Preceding(Some(_)) | CurrentRow) => {
            return Err(("frame starting from following row cannot have preceding rows", true));
        }
        _ => {}
    }
    fn bound(ast: &WindowFrameBound) -> (FrameBound, Option<&Ast>) {
        let open = || Expr::null(DataType::Unknown);
        match ast {
            CurrentRow => (FrameBound::CurrentRow, None),
            Preceding(None) => (FrameBound::UnboundedPreceding, None),
            Following(None) => (FrameBound::UnboundedFollowing, None),
            Preceding(Some(offset)) => (FrameBound::Preceding(open()), Some(offset)),
            Following(Some(offset)) => (FrameBound::Following(open()), Some(offset)),
        }
    }
    let ((start, start_offset), (end, end_offset)) = (bound(start), bound(end));
    let frame = WindowFrame { units, start, end, exclusion: FrameExclusion::default() };
    Ok(FrameShape { frame, start_offset, end_offset })
}

impl Binder<'_> {
    /// An offset of a frame, as `bigint` or what goes with the column that RANGE measures.
    pub fn frame_offset(&mut self, ast: &Ast, units: FrameUnits, order_by: &[SortKey]) -> Result<Expr> {
        let (clause, what) = match units {
            FrameUnits::Rows => (Clause::WindowRows, "ROWS"),
            FrameUnits::Range => (Clause::WindowRange, "RANGE"),
            FrameUnits::Groups => (Clause::WindowGroups, "GROUPS"),
        };
        let position = self.at(ast.span());
        let references = self.frame().references.len();
        let offset = self.in_clause(clause, |binder| binder.bind_expr(ast))?;
        if let Some((_, span)) = self.frame().references.get(references) {
            let span = *span;
            return Err(QueryError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                format!("argument of {what} must not contain variables"),
            )
            .at(self.at(span)));
        }
        if units != FrameUnits::Range {
            let from = offset.ty();
            if from != DataType::Unknown && !functions::can_cast(&from, &DataType::Int8, CastContext::Assignment) {
                return Err(QueryError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!("argument of {what} must be type bigint, not type {}", type_name(&from)),
                )
                .at(position));
            }
            return self.convert(offset, &DataType::Int8, CastContext::Assignment, position);
        }
        let Some(key) = order_by.first() else { return Ok(offset) };
        let to = range_offset_type(&key.expr.ty(), &offset.ty()).map_err(|error| error.at(position))?;
        self.coerce(offset, &to, position)
    }
}

/// The type of offsets from a column; 0A000 when there is none, or not this one.
fn range_offset_type(column: &DataType, offset: &DataType) -> Result<DataType> {
    const WHAT: &str = "RANGE with offset PRECEDING/FOLLOWING";
    let candidates: &[DataType] = match column {
        DataType::Int2 | DataType::Int4 => &[DataType::Int2, DataType::Int4, DataType::Int8],
        DataType::Int8 => &[DataType::Int8],
        DataType::Float4 | DataType::Float8 => &[DataType::Float8],
        DataType::Numeric(_) => &[DataType::Numeric(None)],
        DataType::Date
        | DataType::Time
        | DataType::Timetz
        | DataType::Timestamp
        | DataType::Timestamptz
        | DataType::Interval => &[DataType::Interval],
        _ => {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("{WHAT} is not supported for column type {}", type_name(column)),
            ));
        }
    };
    let wanted = if *offset == DataType::Unknown { column } else { offset };
    let fitting: Vec<&DataType> = candidates
        .iter()
        .filter(|to| *offset == DataType::Unknown || functions::can_cast(offset, to, CastContext::Implicit))
        .collect();
    if let Some(same) = fitting.iter().find(|to| to.same_base(wanted)) {
        return Ok((**same).clone());
    }
    match fitting.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(QueryError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!(
                "{WHAT} is not supported for column type {} and offset type {}",
                type_name(column),
                type_name(offset)
            ),
        )
        .hint("Cast the offset value to an appropriate type.")),
        _ => Err(QueryError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!(
                "{WHAT} has multiple interpretations for column type {} and offset type {}",
                type_name(column),
                type_name(offset)
            ),
        )
        .hint("Cast the offset value to the exact intended type.")),
    }
}
