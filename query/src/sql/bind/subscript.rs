//! Subscripts and slices: read, and assigned to.

use sinew_storage::catalog::ColumnDef;
use sinew_storage::{DataType, Value};
use sqlparser::ast::{
    Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, ObjectNamePart, Spanned,
};
use sqlparser::tokenizer::Span;

use super::returning::is_default;
use super::{Binder, intrinsics};
use crate::algebra::Expr;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, CastContext};
use crate::sql::subscript_tokens::{SLICE_MARK, SUBSCRIPTS_MARK};
use crate::types::type_name;

/// Subscripts of one assignment.
const PATH_LIMIT: usize = 256;

/// A part of a column that a value is assigned to.
#[derive(Clone)]
pub struct ColumnPart {
    place: PartPlace,
    /// Of the value.
    pub ty: DataType,
}

#[derive(Clone)]
enum PartPlace {
    Element(Expr),
    Slice {
        bounds: [Expr; 2],
        open: (bool, bool),
    },
    /// In a jsonb value. What is NULL becomes an array when the first step is a number.
    Path {
        steps: Vec<Expr>,
        begins_array: bool,
    },
}

impl ColumnPart {
    /// The column's value with the part replaced.
    pub fn assigned(self, column: &ColumnDef, old: Expr, value: Expr) -> Expr {
        let ty = column.ty.clone();
        match self.place {
            PartPlace::Element(index) => intrinsics::array_assign(old, index, value, ty),
            PartPlace::Slice { bounds, open } => intrinsics::array_assign_slice(old, bounds, open, value, ty),
            PartPlace::Path { steps, begins_array } => intrinsics::jsonb_assign(old, steps, begins_array, value),
        }
    }
}

/// The subscripts behind the column's name, if there are any, and the name without them.
pub fn split_subscripts(name: &ObjectName) -> (&[ObjectNamePart], Option<&[FunctionArg]>) {
    match name.0.as_slice() {
        [names @ .., ObjectNamePart::Function(function)] if function.name.value == SUBSCRIPTS_MARK => {
            (names, Some(&function.args))
        }
        names => (names, None),
    }
}

/// A subscript as it is written: an index, or bounds.
enum Written<'a> {
    Index(&'a Ast),
    Slice([Option<&'a Ast>; 2]),
}

fn written(argument: &FunctionArg) -> Option<Written<'_>> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { return None };
    let Ast::Function(function) = expr else { return Some(Written::Index(expr)) };
    let is_slice =
        matches!(function.name.0.as_slice(), [part] if part.as_ident().is_some_and(|i| i.value == SLICE_MARK));
    if !is_slice {
        return Some(Written::Index(expr));
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    let [FunctionArg::Unnamed(lower), FunctionArg::Unnamed(upper)] = list.args.as_slice() else { return None };
    Some(Written::Slice([bound(lower), bound(upper)]))
}

fn bound(argument: &FunctionArgExpr) -> Option<&Ast> {
    match argument {
        FunctionArgExpr::Expr(expr) => Some(expr),
        _ => None,
    }
}

impl Binder<'_> {
    /// What `column[…]` stands for where it is assigned to.
    pub fn bind_part(&mut self, column: &ColumnDef, arguments: &[FunctionArg], span: Span) -> Result<ColumnPart> {
        let mut subscripts = Vec::with_capacity(arguments.len());
        for argument in arguments {
            subscripts.push(
                written(argument).ok_or_else(|| QueryError::syntax("a subscript is an expression", self.at(span)))?,
            );
        }
        match &column.ty {
            DataType::Jsonb => {
                if subscripts.len() > PATH_LIMIT {
                    let message = format!("a path in jsonb can have at most {PATH_LIMIT} steps");
                    return Err(QueryError::new(sqlstate::STATEMENT_TOO_COMPLEX, message).at(self.at(span)));
                }
                let mut steps = Vec::with_capacity(subscripts.len());
                let mut begins_array = false;
                for subscript in subscripts {
                    let Written::Index(index) = subscript else {
                        return Err(self.no_json_slice(span));
                    };
                    let (step, is_number) = self.json_step(index)?;
                    begins_array |= is_number && steps.is_empty();
                    steps.push(step);
                }
                Ok(ColumnPart { place: PartPlace::Path { steps, begins_array }, ty: DataType::Jsonb })
            }
            DataType::Array(element) => {
                let place = match subscripts.as_slice() {
                    [Written::Index(index)] => PartPlace::Element(self.array_index(index)?),
                    [Written::Slice(bounds)] => {
                        let open = (bounds[0].is_none(), bounds[1].is_none());
                        PartPlace::Slice { bounds: self.slice_bounds(*bounds)?, open }
                    }
                    _ => return Err(self.unsupported("an array of more than one dimension", span)),
                };
                let is_element = matches!(place, PartPlace::Element(_));
                let ty = if is_element { (**element).clone() } else { column.ty.clone() };
                Ok(ColumnPart { place, ty })
            }
            ty => Err(self.no_subscript(ty, span)),
        }
    }

    /// A value for a part of a column, with its assignment cast.
    pub fn part_value(&mut self, column: &ColumnDef, part: &ColumnPart, ast: &Ast) -> Result<Expr> {
        let place = self.at(ast.span());
        if is_default(ast) {
            return Err(QueryError::unsupported_as("cannot set an array element to DEFAULT").at(place));
        }
        let value = self.bind_expr(ast)?;
        self.assign_part(column, part, value, place)
    }

    /// 42804 when the value does not fit.
    pub fn assign_part(
        &mut self,
        column: &ColumnDef,
        part: &ColumnPart,
        value: Expr,
        position: Option<usize>,
    ) -> Result<Expr> {
        let from = value.ty();
        let fits = from == DataType::Unknown
            || from == part.ty
            || functions::can_cast(&from, &part.ty, CastContext::Assignment);
        if !fits {
            return Err(QueryError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!(
                    "subscripted assignment to \"{}\" requires type {} but expression is of type {}",
                    column.name,
                    type_name(&part.ty),
                    type_name(&from)
                ),
            )
            .hint("You will need to rewrite or cast the expression.")
            .at(position));
        }
        self.convert(value, &part.ty, CastContext::Assignment, position)
    }

    /// The number of an array's element.
    pub(super) fn array_index(&mut self, index: &Ast) -> Result<Expr> {
        let position = self.at(index.span());
        let index = self.bind_expr(index)?;
        let index = match index.ty() {
            DataType::Int2 | DataType::Int4 | DataType::Int8 => index,
            DataType::Unknown => self.coerce(index, &DataType::Int4, position)?,
            ty if functions::can_cast(&ty, &DataType::Int4, CastContext::Assignment) => {
                self.convert(index, &DataType::Int4, CastContext::Assignment, position)?
            }
            _ => {
                return Err(
                    QueryError::new(sqlstate::DATATYPE_MISMATCH, "array subscript must have type integer").at(position)
                );
            }
        };
        self.coerce(index, &DataType::Int8, position)
    }

    /// Bounds of a slice; NULL for one that is not given.
    pub(super) fn slice_bounds(&mut self, bounds: [Option<&Ast>; 2]) -> Result<[Expr; 2]> {
        let mut bind = |bound: Option<&Ast>| match bound {
            Some(ast) => {
                let value = self.bind_expr(ast)?;
                let position = self.at(ast.span());
                self.coerce(value, &DataType::Int4, position)
            }
            None => Ok(Expr::null(DataType::Int4)),
        };
        Ok([bind(bounds[0])?, bind(bounds[1])?])
    }

    /// A step in a jsonb value as text; true for one that is a number.
    pub(super) fn json_step(&mut self, step: &Ast) -> Result<(Expr, bool)> {
        let position = self.at(step.span());
        let step = self.bind_expr(step)?;
        let is_number = matches!(step.ty(), DataType::Int2 | DataType::Int4);
        let is_text = matches!(
            step.ty(),
            DataType::Unknown | DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name
        );
        if !is_number && !is_text {
            let message = format!("subscript type {} is not supported", type_name(&step.ty()));
            return Err(QueryError::new(sqlstate::DATATYPE_MISMATCH, message)
                .hint("jsonb subscript must be coercible to either integer or text.")
                .at(position));
        }
        let context = if is_number { CastContext::Assignment } else { CastContext::Implicit };
        Ok((self.convert(step, &DataType::Text, context, position)?, is_number))
    }

    pub(super) fn no_json_slice(&self, span: Span) -> QueryError {
        QueryError::new(sqlstate::DATATYPE_MISMATCH, "jsonb subscript does not support slices").at(self.at(span))
    }

    pub(super) fn no_subscript(&self, ty: &DataType, span: Span) -> QueryError {
        QueryError::new(
            sqlstate::DATATYPE_MISMATCH,
            format!("cannot subscript type {} because it does not support subscripting", type_name(ty)),
        )
        .at(self.at(span))
    }

    /// `value[index]`
    pub(super) fn bind_subscript(&mut self, expr: Expr, index: &Ast) -> Result<Expr> {
        let span = index.span();
        let position = self.at(span);
        let vector = expr.ty().vector_as_array();
        let counts_from_zero = vector.is_some();
        let expr = match vector {
            Some(array) => self.coerce(expr, &array, position)?,
            None => expr,
        };
        match expr.ty() {
            DataType::Array(element) => {
                let mut index = self.array_index(index)?;
                if counts_from_zero {
                    index = self.binary("+", index, Expr::Literal(Value::Int(1), DataType::Int8), position)?;
                }
                Ok(intrinsics::array_element(expr, index, &element))
            }
            DataType::Jsonb => {
                let (step, _) = self.json_step(index)?;
                Ok(intrinsics::jsonb_element(expr, step))
            }
            // An array of characters that counts from 0.
            DataType::Name => {
                let index = self.bind_expr(index)?;
                let index = self.coerce(index, &DataType::Int4, position)?;
                let one = Expr::Literal(Value::Int(1), DataType::Int4);
                let start = self.binary("+", index, one.clone(), position)?;
                let text = self.coerce(expr, &DataType::Text, position)?;
                let character = self.call_named("substr", vec![text, start, one], span)?;
                self.convert(character, &DataType::Char, CastContext::Explicit, position)
            }
            ty => Err(self.no_subscript(&ty, span)),
        }
    }
}
