//! Function calls.

use super::temporal::TypedCall;
use super::types::{common_nullable, type_name};
use super::*;
use ast::ExprKind;

impl Binder<'_> {
    pub(super) fn misplaced_aggregate(&self, name: &str, span: Span) -> QueryError {
        let detail = match self.aggregation {
            Aggregation::Forbidden(detail) => detail,
            Aggregation::Computed => "InvalidAggregation",
        };
        let message = if detail == "NestedAggregation" {
            format!("aggregate {name} cannot be used inside another aggregate")
        } else {
            format!("aggregate {name} is not allowed here")
        };
        let error = self.syntax(detail, message, span);
        if detail == "NestedAggregation" {
            return error;
        }
        error.hint("Aggregates stand in WITH and RETURN: WITH n, count(*) AS c WHERE c > 1.")
    }

    pub(super) fn call(&mut self, name: &Arc<str>, distinct: bool, args: &[ast::Expr], span: Span) -> Result<Expr> {
        if functions::aggregate(name).is_some() {
            if self.aggregation == Aggregation::Computed {
                // Something undefined in the argument is the better message.
                for arg in args {
                    self.expr(arg)?;
                }
            }
            return Err(self.misplaced_aggregate(&format!("{name}()"), span));
        }
        if distinct {
            let message = format!("DISTINCT is only allowed in aggregates, not in {name}()");
            return Err(self.syntax("UnexpectedSyntax", message, span));
        }
        match name.to_lowercase().as_str() {
            "coalesce" => {
                self.check_count("coalesce", args.len(), 1, usize::MAX, span)?;
                let mut bound: Vec<Expr> = Vec::with_capacity(args.len());
                for arg in args {
                    let value = self.alternative(&bound, arg)?;
                    bound.push(value);
                }
                let ty = common_nullable(&bound);
                return Ok(Expr::Coalesce(bound, ty));
            }
            "exists" => {
                self.check_count("exists", args.len(), 1, 1, span)?;
                return match &args[0].kind {
                    ExprKind::Pattern(pattern) => self.pattern_expr(pattern, true, span),
                    ExprKind::Property(..) | ExprKind::Index(..) => {
                        Ok(Expr::Not(Box::new(Expr::IsNull(Box::new(self.expr(&args[0])?)))))
                    }
                    _ => {
                        let message = "exists() expected a pattern or a property";
                        Err(self.syntax("InvalidArgumentType", message, args[0].span))
                    }
                };
            }
            _ => {}
        }
        let Some(function) = functions::function(name) else { return Err(self.unknown_function(name, span)) };
        self.check_count(function.display, args.len(), function.min_args, function.max_args, span)?;
        let hints = match function.display {
            "toInteger" | "toFloat" | "toBoolean" | "toString" => DataType::Text,
            "range" => DataType::Int8,
            "abs" | "ceil" | "floor" | "round" | "sqrt" | "sign" | "exp" | "log" | "log10" => DataType::Float8,
            "toUpper" | "toLower" | "trim" | "btrim" | "lTrim" | "rTrim" | "normalize" | "split" | "replace"
            | "left" | "right" | "substring" => DataType::Text,
            "date" | "localtime" | "time" | "localdatetime" | "datetime" | "duration" => DataType::Text,
            "datetime.fromEpoch" | "datetime.fromEpochMillis" => DataType::Int8,
            display if display.contains('.') && !display.starts_with("duration.") => DataType::Text,
            _ => DataType::Any,
        };
        let mut bound = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let hint = match function.display {
                "round" if index > 1 => DataType::Text,
                "left" | "right" | "substring" | "round" if index > 0 => DataType::Int8,
                display if index > 0 && display.ends_with(".truncate") => DataType::Any,
                _ => hints.clone(),
            };
            bound.push(self.with_hint(hint, arg)?);
        }
        if let Some(first) = bound.first()
            && let ty = self.static_type(first)
            && (function.refuses)(&ty)
        {
            let message = format!("{}() does not take a {}", function.display, type_name(&ty));
            return Err(self.syntax("InvalidArgumentType", message, args[0].span));
        }
        if let Some(TypedCall::Value(value)) = temporal::typed_call(&function.display.to_lowercase(), &bound) {
            return Ok(value);
        }
        let types: Vec<DataType> = bound.iter().map(Expr::ty).collect();
        let ty =
            types::result_type(function.display, &bound, &types).unwrap_or_else(|| function.function.returns.clone());
        let position = self.position(span);
        Ok(Expr::Call { function: function.function.clone(), args: bound, ty, position })
    }

    pub(super) fn check_count(&self, name: &str, found: usize, min: usize, max: usize, span: Span) -> Result<()> {
        if (min..=max).contains(&found) {
            return Ok(());
        }
        let expected = match (min, max) {
            (min, usize::MAX) => format!("at least {min}"),
            (min, max) if min == max => min.to_string(),
            (min, max) => format!("{min} to {max}"),
        };
        let noun = if expected == "1" { "argument" } else { "arguments" };
        let message = format!("function {name}() takes {expected} {noun}, got {found}");
        Err(self.syntax("InvalidNumberOfArguments", message, span))
    }

    fn unknown_function(&self, name: &str, span: Span) -> QueryError {
        let lower = name.to_lowercase();
        if lower.split('.').next() == Some("point") {
            return self.at(QueryError::unsupported(format!("spatial function \"{name}\"")), span);
        }
        let error = errors::syntax("UnknownFunction", format!("function {name}() does not exist"));
        let names = functions::function_names();
        let hint = match FUNCTION_HABITS.iter().find(|(habit, _)| *habit == lower) {
            Some((_, hint)) => Some((*hint).to_owned()),
            None if lower.starts_with("apoc.") => {
                Some("APOC is a library of Neo4j's and not part of Sinew.".to_owned())
            }
            None if lower.starts_with("gds.") => {
                Some("The Graph Data Science library is Neo4j's and not part of Sinew.".to_owned())
            }
            None => errors::near_miss(name, names).map(|near| format!("Perhaps you meant {near}().")),
        };
        self.at(if let Some(hint) = hint { error.hint(hint) } else { error }, span)
    }
}

/// Functions of SQL, of older versions and of libraries, in lower case, and what there is in their place.
const FUNCTION_HABITS: &[(&str, &str)] = &[
    ("apoc.coll.avg", "Use UNWIND and avg()."),
    ("apoc.coll.max", "Use UNWIND and max()."),
    ("apoc.coll.min", "Use UNWIND and min()."),
    ("apoc.coll.sort", "Use COLLECT { UNWIND list AS x RETURN x ORDER BY x }."),
    ("apoc.coll.sum", "Use reduce(sum = 0, x IN list | sum + x)."),
    ("apoc.coll.toset", "Use COLLECT { UNWIND list AS x RETURN DISTINCT x }."),
    ("apoc.create.uuid", "Use randomUUID()."),
    ("apoc.date.currenttimestamp", "Use timestamp()."),
    ("apoc.map.merge", "Use a map projection: map {.*, key: value}."),
    ("apoc.meta.cypher.type", "Use valueType()."),
    ("apoc.text.join", "Use reduce(text = '', x IN list | text + x)."),
    ("apoc.util.md5", "In SQL there is md5()."),
    ("array_agg", "Use collect()."),
    ("concat", "Strings are put together with +."),
    ("current_date", "Use date()."),
    ("current_timestamp", "Use datetime()."),
    ("day", "Use the component: d.day."),
    ("extract", "Use components: d.year, d.month, d.hour."),
    ("filter", "Use [x IN list WHERE …]."),
    ("group_concat", "Use collect()."),
    ("ifnull", "Use coalesce()."),
    ("isnull", "Write x IS NULL."),
    ("lcase", "Use toLower()."),
    ("len", "Use size()."),
    ("mod", "Use the operator %."),
    ("month", "Use the component: d.month."),
    ("now", "Use datetime()."),
    ("nvl", "Use coalesce()."),
    ("pow", "Use the operator ^."),
    ("power", "Use the operator ^."),
    ("random", "Use rand()."),
    ("strlen", "Use size()."),
    ("string_agg", "Use collect()."),
    ("substr", "Use substring(), which counts from 0."),
    ("toint", "Use toInteger()."),
    ("to_char", "Use toString()."),
    ("ucase", "Use toUpper()."),
    ("year", "Use the component: d.year."),
];
