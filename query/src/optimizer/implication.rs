//! Whether the conditions of a query imply those of a partial index, and whether they compute what an index has computed.

use std::cmp::Ordering;

use sinew_storage::Value;

use crate::algebra::Expr;
use crate::functions::ScalarFunction;
use crate::types::compare_sql;

/// Whether rows that satisfy all of `conjuncts` satisfy all of `predicate`.
pub(crate) fn implies(conjuncts: &[Expr], predicate: &[Expr]) -> bool {
    predicate.iter().all(|wanted| conjuncts.iter().any(|known| implies_one(known, wanted)))
}

fn implies_one(known: &Expr, wanted: &Expr) -> bool {
    if same(known, wanted) {
        return true;
    }
    match wanted {
        Expr::And(all) => return all.iter().all(|wanted| implies_one(known, wanted)),
        Expr::Or(any) if any.iter().any(|wanted| implies_one(known, wanted)) => return true,
        _ => {}
    }
    match known {
        Expr::And(all) if all.iter().any(|known| implies_one(known, wanted)) => return true,
        Expr::Or(any) if any.iter().all(|known| implies_one(known, wanted)) => return true,
        _ => {}
    }
    if let Expr::Not(inner) = wanted
        && let Expr::IsNull(subject) = &**inner
    {
        return cannot_be_null(known, subject);
    }
    // `x IN (1, 2)` is as good as either of its comparisons.
    if let Expr::InList { equals, input, items, negated: false } = known
        && !items.is_empty()
    {
        return items.iter().all(|item| comparison_implies(&call(equals, input, item), wanted));
    }
    if let Expr::InList { equals, input, items, negated: false } = wanted {
        return items.iter().any(|item| comparison_implies(known, &call(equals, input, item)));
    }
    comparison_implies(known, wanted)
}

fn call(function: &std::sync::Arc<ScalarFunction>, left: &Expr, right: &Expr) -> Expr {
    Expr::Call {
        function: std::sync::Arc::clone(function),
        args: vec![left.clone(), right.clone()],
        ty: sinew_storage::DataType::Bool,
        position: None,
    }
}

/// `known` is not true of a row for which `subject` is NULL.
fn cannot_be_null(known: &Expr, subject: &Expr) -> bool {
    match known {
        Expr::Call { function, args, .. } => {
            function.strict && args.iter().any(|arg| same(arg, subject) || cannot_be_null(arg, subject))
        }
        Expr::Cast { input, .. } => same(input, subject) || cannot_be_null(input, subject),
        Expr::InList { input, negated: false, .. } => same(input, subject),
        Expr::And(all) => all.iter().any(|known| cannot_be_null(known, subject)),
        _ => same(known, subject),
    }
}

/// `subject op literal`, either way round.
fn comparison(expr: &Expr) -> Option<(&Expr, &'static str, &Value)> {
    let Expr::Call { function, args, .. } = expr else { return None };
    let [left, right] = args.as_slice() else { return None };
    let flipped = match function.name {
        "=" => "=",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        "<>" => "<>",
        _ => return None,
    };
    match (left, right) {
        (subject, Expr::Literal(value, _)) if !value.is_null() => Some((subject, function.name, value)),
        (Expr::Literal(value, _), subject) if !value.is_null() => Some((subject, flipped, value)),
        _ => None,
    }
}

/// `x > 10` implies `x > 5`, `x = 7` implies `x > 5` and `x <> 8`.
fn comparison_implies(known: &Expr, wanted: &Expr) -> bool {
    let (Some((subject, symbol, value)), Some((other, wanted_symbol, bound))) = (comparison(known), comparison(wanted))
    else {
        return false;
    };
    // Values of one kind only: a number and a text have no order that SQL means.
    if !same(subject, other) || std::mem::discriminant(value) != std::mem::discriminant(bound) {
        return false;
    }
    let order = compare_sql(value, bound);
    match (symbol, wanted_symbol) {
        ("=", "=") => order.is_eq(),
        ("=", "<>") => order.is_ne(),
        ("=" | "<" | "<=", "<") => order.is_lt() || (symbol == "<" && order.is_eq()),
        ("=" | "<" | "<=", "<=") => order.is_le(),
        ("=" | ">" | ">=", ">") => order.is_gt() || (symbol == ">" && order.is_eq()),
        ("=" | ">" | ">=", ">=") => order.is_ge(),
        ("<", "<>") => order.is_le(),
        ("<=", "<>") => order.is_lt(),
        (">", "<>") => order.is_ge(),
        (">=", "<>") => order.is_gt(),
        ("<>", "<>") => order.is_eq(),
        _ => false,
    }
}

/// Whether two expressions are the same computation over the same columns. Volatile ones and subqueries never are.
pub(crate) fn same(a: &Expr, b: &Expr) -> bool {
    let all = |a: &[Expr], b: &[Expr]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    let option = |a: &Option<Box<Expr>>, b: &Option<Box<Expr>>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    };
    match (a, b) {
        (Expr::Literal(a, ty), Expr::Literal(b, other)) => {
            ty == other && a.is_null() == b.is_null() && (a.is_null() || compare_sql(a, b) == Ordering::Equal)
        }
        (Expr::Column(a, _), Expr::Column(b, _)) => a == b,
        (Expr::Call { function: f, args: a, .. }, Expr::Call { function: g, args: b, .. }) => {
            same_function(f, g) && all(a, b)
        }
        (Expr::Cast { input: a, to, .. }, Expr::Cast { input: b, to: other, .. }) => to == other && same(a, b),
        (Expr::And(a), Expr::And(b)) | (Expr::Or(a), Expr::Or(b)) => all(a, b),
        (Expr::Not(a), Expr::Not(b)) | (Expr::IsNull(a), Expr::IsNull(b)) => same(a, b),
        (Expr::IsNotDistinct(a, x), Expr::IsNotDistinct(b, y)) => same(a, b) && same(x, y),
        (Expr::Case { branches: a, otherwise: x, .. }, Expr::Case { branches: b, otherwise: y, .. }) => {
            a.len() == b.len() && a.iter().zip(b).all(|((a, x), (b, y))| same(a, b) && same(x, y)) && option(x, y)
        }
        (Expr::Coalesce(a, _), Expr::Coalesce(b, _)) => all(a, b),
        (
            Expr::InList { equals: f, input: a, items: x, negated: n },
            Expr::InList { equals: g, input: b, items: y, negated: m },
        ) => n == m && same_function(f, g) && same(a, b) && all(x, y),
        (
            Expr::Quantified { operator: f, input: a, array: x, all: n },
            Expr::Quantified { operator: g, input: b, array: y, all: m },
        ) => n == m && same_function(f, g) && same(a, b) && same(x, y),
        (Expr::List(a, ty), Expr::List(b, other)) => ty == other && all(a, b),
        _ => false,
    }
}

fn same_function(a: &ScalarFunction, b: &ScalarFunction) -> bool {
    a.volatility != crate::functions::Volatility::Volatile && a.name == b.name && a.oid == b.oid && a.args == b.args
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sinew_storage::DataType;

    use super::*;
    use crate::algebra::VarId;
    use crate::functions::Volatility;

    fn compare(symbol: &'static str, value: i64) -> Expr {
        let function = ScalarFunction {
            name: symbol,
            oid: 1,
            args: vec![DataType::Int8, DataType::Int8],
            variadic: false,
            returns: DataType::Bool,
            strict: true,
            volatility: Volatility::Immutable,
            eval: Arc::new(|_, _| Ok(Value::Null)),
            kernel: None,
        };
        let args = vec![Expr::Column(VarId(1), DataType::Int8), Expr::Literal(Value::Int(value), DataType::Int8)];
        Expr::Call { function: Arc::new(function), args, ty: DataType::Bool, position: None }
    }

    #[test]
    fn comparisons_imply_weaker_ones() {
        // Of every pair, by trying all values of x.
        let symbols = ["=", "<>", "<", "<=", ">", ">="];
        let holds = |symbol: &str, x: i64, value: i64| match symbol {
            "=" => x == value,
            "<>" => x != value,
            "<" => x < value,
            "<=" => x <= value,
            ">" => x > value,
            _ => x >= value,
        };
        for known in symbols {
            for wanted in symbols {
                for (a, b) in [(1, 2), (2, 2), (3, 2)] {
                    let implied = implies(&[compare(known, a)], &[compare(wanted, b)]);
                    let counter = (-10..10).find(|x| holds(known, *x, a) && !holds(wanted, *x, b));
                    assert!(!implied || counter.is_none(), "x {known} {a} => x {wanted} {b}: {counter:?}");
                    // Over the integers some hold that need their density.
                    if (known, a) == (wanted, b) {
                        assert!(implied);
                    }
                }
            }
        }
        assert!(implies(&[compare("=", 7)], &[compare(">", 5), compare("<>", 8)]));
        assert!(!implies(&[compare("<>", 7)], &[compare("=", 7)]));
    }

    #[test]
    fn a_strict_comparison_excludes_null() {
        let subject = || Box::new(Expr::Column(VarId(1), DataType::Int8));
        let not_null = Expr::Not(Box::new(Expr::IsNull(subject())));
        assert!(implies(&[compare("<>", 1)], std::slice::from_ref(&not_null)));
        assert!(!implies(&[Expr::IsNull(subject())], std::slice::from_ref(&not_null)));
        let either = Expr::Or(vec![compare("=", 1), Expr::IsNull(subject())]);
        assert!(!implies(&[either], &[not_null]));
    }
}
