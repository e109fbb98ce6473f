//! Arguments that are not simply a list: `VARIADIC array`, and names.

use std::sync::Arc;

use parking_lot::Mutex;
use sinew_storage::{DataType, Value};
use sqlparser::ast::{Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArgumentList};
use sqlparser::tokenizer::Span;

use super::super::call_syntax::VARIADIC_MARK;
use super::names::fold;
use super::{Binder, intrinsics};
use crate::algebra::Expr;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, ResolvedFunction};
use crate::types::type_name;

/// Functions whose arguments have names: the names in order, and what stands for the last ones when they are missing.
const NAMED: &[(&str, &[&str], &[&str])] = &[
    (
        "make_interval",
        &["years", "months", "weeks", "days", "hours", "mins", "secs"],
        &["0", "0", "0", "0", "0", "0", "0.0"],
    ),
    ("make_date", &["year", "month", "day"], &[]),
    ("make_time", &["hour", "min", "sec"], &[]),
    ("make_timestamp", &["year", "month", "mday", "hour", "min", "sec"], &[]),
    ("jsonb_set", &["jsonb_in", "path", "replacement", "create_if_missing"], &["true"]),
    ("jsonb_insert", &["jsonb_in", "path", "replacement", "insert_after"], &["false"]),
    ("parse_ident", &["str", "strict"], &["true"]),
];

/// The name and the expression of a named argument.
fn named(arg: &FunctionArg) -> Option<(String, &Ast)> {
    match arg {
        FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
            Some((if name.value == VARIADIC_MARK { name.value.clone() } else { fold(name) }, expr))
        }
        FunctionArg::ExprNamed { name: Ast::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. } => {
            Some((if name.value == VARIADIC_MARK { name.value.clone() } else { fold(name) }, expr))
        }
        _ => None,
    }
}

impl Binder<'_> {
    /// A call whose last argument is `VARIADIC array`: its elements are the arguments from there on.
    pub fn bind_variadic(&mut self, name: &str, list: &FunctionArgumentList, span: Span) -> Result<Option<Expr>> {
        let Some((last, fixed)) = list.args.split_last() else { return Ok(None) };
        let Some((_, array)) = named(last).filter(|(mark, _)| mark == VARIADIC_MARK) else { return Ok(None) };
        let position = self.at(span);
        let mut args = Vec::with_capacity(list.args.len());
        for arg in fixed {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => args.push(self.bind_expr(expr)?),
                _ => return Err(QueryError::syntax("VARIADIC stands before the last argument only", position)),
            }
        }
        let array = self.bind_settled(array)?;
        let DataType::Array(element) = array.ty() else {
            return Err(QueryError::new(sqlstate::DATATYPE_MISMATCH, "VARIADIC argument must be an array").at(position));
        };
        let types: Vec<DataType> = args.iter().map(Expr::ty).collect();
        let with_one: Vec<DataType> = types.iter().cloned().chain([(*element).clone()]).collect();
        let resolved = functions::resolve_function(name, &with_one).map_err(|error| error.at(position))?;
        if !resolved.function.variadic {
            let shown: Vec<String> = types.iter().map(type_name).chain([type_name(&array.ty())]).collect();
            return Err(QueryError::new(
                sqlstate::UNDEFINED_FUNCTION,
                format!("function {name}({}) does not exist", shown.join(", ")),
            )
            .at(position));
        }
        let fixed_count = args.len();
        let mut cast = Vec::with_capacity(fixed_count + 1);
        for (arg, to) in args.into_iter().zip(resolved.args.clone()) {
            cast.push(self.coerce_argument(arg, &to, position)?);
        }
        cast.push(array);
        let call = VariadicCall {
            name: name.to_owned(),
            fixed: resolved.args.iter().take(fixed_count).cloned().collect(),
            element: *element,
            last: Mutex::new(Some((1, Arc::new(resolved.clone())))),
        };
        let volatility = resolved.function.volatility;
        Ok(Some(intrinsics::intrinsic_of(
            resolved.function.name,
            cast,
            resolved.returns.clone(),
            false,
            volatility,
            move |context, values| call.evaluate(context, values),
        )))
    }

    /// The arguments of a call with names, in the function's order; None when none has a name. 42883 for a name that the
    /// function does not have.
    pub fn bind_named(&mut self, name: &str, list: &FunctionArgumentList, span: Span) -> Result<Option<Vec<Expr>>> {
        if !list.args.iter().any(|arg| named(arg).is_some()) {
            return Ok(None);
        }
        let Some((_, names, defaults)) = NAMED.iter().find(|(known, ..)| *known == name) else {
            return Err(self.unsupported(format_args!("named arguments of the function {name}"), span));
        };
        let mut slots: Vec<Option<Expr>> = vec![None; names.len()];
        let unknown =
            |binder: &Self, what: String| QueryError::new(sqlstate::UNDEFINED_FUNCTION, what).at(binder.at(span));
        for (at, arg) in list.args.iter().enumerate() {
            let (slot, expr) = match (named(arg), arg) {
                (Some((given, expr)), _) => {
                    let slot = names.iter().position(|known| *known == given);
                    (slot.ok_or_else(|| unknown(self, format!("function {name} has no argument \"{given}\"")))?, expr)
                }
                (None, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => {
                    if list.args[..at].iter().any(|earlier| named(earlier).is_some()) {
                        let message = "positional argument cannot follow named argument";
                        return Err(QueryError::syntax(message, self.at(span)));
                    }
                    (at, expr)
                }
                _ => return Err(self.unsupported(format_args!("* as an argument of {name}"), span)),
            };
            match slots.get_mut(slot) {
                Some(free @ None) => *free = Some(self.bind_expr(expr)?),
                Some(Some(_)) => {
                    let message = format!("argument name \"{}\" used more than once", names[slot]);
                    return Err(QueryError::syntax(message, self.at(span)));
                }
                None => return Err(unknown(self, format!("function {name} takes {} arguments", names.len()))),
            }
        }
        let first_default = names.len() - defaults.len();
        let mut args = Vec::with_capacity(names.len());
        for (at, slot) in slots.into_iter().enumerate() {
            args.push(match slot {
                Some(expr) => expr,
                None => match at.checked_sub(first_default).and_then(|at| defaults.get(at)) {
                    Some(default) => Expr::Literal(Value::from(*default), DataType::Unknown),
                    None => {
                        return Err(unknown(self, format!("argument \"{}\" of function {name} is missing", names[at])));
                    }
                },
            });
        }
        Ok(Some(args))
    }
}

/// A variadic function over the elements of an array, of which each row may have another number.
struct VariadicCall {
    name: String,
    fixed: Vec<DataType>,
    element: DataType,
    /// The function for the number of elements met last.
    last: Mutex<Option<(usize, Arc<ResolvedFunction>)>>,
}

impl VariadicCall {
    fn evaluate(&self, context: &crate::context::EvalContext<'_>, values: &[Value]) -> Result<Value> {
        let Some((Value::List(items), fixed)) = values.split_last() else { return Ok(Value::Null) };
        let resolved = match self.resolved(items.len()) {
            Ok(resolved) => resolved,
            // Without elements there may be no such function: nothing is joined, nothing is counted.
            Err(_) if items.is_empty() && self.name == "concat" => return Ok(Value::from("")),
            Err(_) if items.is_empty() && matches!(self.name.as_str(), "num_nulls" | "num_nonnulls") => {
                return Ok(Value::Int(0));
            }
            Err(_) if items.is_empty() && self.name == "concat_ws" => {
                return Ok(if fixed.iter().any(Value::is_null) { Value::Null } else { Value::from("") });
            }
            Err(error) => return Err(error),
        };
        let mut args = Vec::with_capacity(values.len() + items.len());
        args.extend_from_slice(fixed);
        for (item, to) in items.iter().zip(resolved.args.iter().skip(fixed.len())) {
            args.push(functions::cast_value(context, item, &self.element, to, false)?);
        }
        if resolved.function.strict && args.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        (resolved.function.eval)(context, &args)
    }

    fn resolved(&self, count: usize) -> Result<Arc<ResolvedFunction>> {
        let mut last = self.last.lock();
        if let Some((known, resolved)) = &*last
            && *known == count
        {
            return Ok(Arc::clone(resolved));
        }
        let types: Vec<DataType> =
            self.fixed.iter().cloned().chain(std::iter::repeat_n(self.element.clone(), count)).collect();
        let resolved = Arc::new(functions::resolve_function(&self.name, &types)?);
        *last = Some((count, Arc::clone(&resolved)));
        Ok(resolved)
    }
}
