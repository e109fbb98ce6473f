//! Literals: numbers take the narrowest type that holds them, strings wait for a type.

use std::sync::Arc;

use sinew_storage::{DataType, Numeric, Value};
use sqlparser::ast::{Value as Literal, ValueWithSpan};

use super::Binder;
use crate::algebra::Expr;
use crate::error::{QueryError, Result};
use crate::types::numeric::parse_decimal;

impl Binder<'_> {
    pub fn bind_literal(&mut self, literal: &ValueWithSpan) -> Result<Expr> {
        let span = literal.span;
        match &literal.value {
            Literal::Number(text, long) => {
                if *long {
                    return Err(QueryError::syntax(
                        format!("trailing junk after numeric literal at or near \"{text}L\""),
                        self.at(span),
                    ));
                }
                number(text)
                    .unwrap_or_else(|| Err(QueryError::syntax(format!("invalid number \"{text}\""), None)))
                    .map_err(|error| error.at(self.at(span)))
            }
            Literal::SingleQuotedString(text)
            | Literal::EscapedStringLiteral(text)
            | Literal::UnicodeStringLiteral(text)
            | Literal::NationalStringLiteral(text) => {
                if text.contains('\0') {
                    return Err(QueryError::new(
                        crate::error::sqlstate::CHARACTER_NOT_IN_REPERTOIRE,
                        "invalid byte sequence for encoding \"UTF8\": 0x00",
                    )
                    .at(self.at(span)));
                }
                Ok(Expr::Literal(Value::text(text.as_str()), DataType::Unknown))
            }
            Literal::DollarQuotedString(quoted) => {
                Ok(Expr::Literal(Value::text(quoted.value.as_str()), DataType::Unknown))
            }
            Literal::Boolean(value) => Ok(Expr::bool(*value)),
            Literal::Null => Ok(Expr::null(DataType::Unknown)),
            Literal::Placeholder(name) => self.bind_placeholder(name, span),
            Literal::HexStringLiteral(_) | Literal::SingleQuotedByteStringLiteral(_) => {
                Err(self.unsupported("a bit string literal", span))
            }
            other => Err(self.unsupported(format_args!("the literal {other}"), span)),
        }
    }
}

/// int4, int8 or numeric; None when it is no number, 22003 beyond what numeric holds.
pub fn number(text: &str) -> Option<Result<Expr>> {
    if let Ok(int) = text.parse::<i64>() {
        let ty = if i32::try_from(int).is_ok() { DataType::Int4 } else { DataType::Int8 };
        return Some(Ok(Expr::Literal(Value::Int(int), ty)));
    }
    Some(
        parse_decimal(text)?
            .map(|decimal| Expr::Literal(Value::Numeric(Arc::new(Numeric::Finite(decimal))), DataType::Numeric(None))),
    )
}

/// The text of a string literal, whatever its quotes.
pub fn string_literal(literal: &Literal) -> Option<&str> {
    match literal {
        Literal::SingleQuotedString(text)
        | Literal::EscapedStringLiteral(text)
        | Literal::UnicodeStringLiteral(text)
        | Literal::NationalStringLiteral(text) => Some(text),
        Literal::DollarQuotedString(quoted) => Some(&quoted.value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use bigdecimal::BigDecimal;

    use super::*;

    fn ty(text: &str) -> DataType {
        number(text).expect("a number").expect("within the limits").ty()
    }

    #[test]
    fn numbers_take_the_narrowest_type() {
        assert_eq!(ty("1"), DataType::Int4);
        assert_eq!(ty("2147483647"), DataType::Int4);
        assert_eq!(ty("2147483648"), DataType::Int8);
        assert_eq!(ty("9223372036854775808"), DataType::Numeric(None));
        assert_eq!(ty("1.0"), DataType::Numeric(None));
        assert_eq!(ty("1e5"), DataType::Numeric(None));
        assert!(number("1x").is_none());
        for text in ["1e200000", "1e131072", &"9".repeat(200_000)] {
            assert_eq!(number(text).expect("a number").expect_err(text).sqlstate(), "22003");
        }
    }

    #[test]
    fn numeric_literals_keep_their_scale() {
        let Some(Ok(Expr::Literal(Value::Numeric(numeric), _))) = number("1.50") else { panic!("numeric") };
        assert_eq!(*numeric, Numeric::Finite(BigDecimal::from_str("1.50").expect("decimal")));
    }
}
