//! Literals: numbers take the narrowest type that holds them, strings wait for a type.

use std::str::FromStr;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use sinew_storage::{DataType, Numeric, Value};
use sqlparser::ast::{Value as Literal, ValueWithSpan};

use super::Binder;
use crate::algebra::Expr;
use crate::error::{QueryError, Result};

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
                number(text).ok_or_else(|| QueryError::syntax(format!("invalid number \"{text}\""), self.at(span)))
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

/// int4, int8 or numeric.
pub fn number(text: &str) -> Option<Expr> {
    let text = text.replace('_', "");
    if let Ok(int) = text.parse::<i64>() {
        let ty = if i32::try_from(int).is_ok() { DataType::Int4 } else { DataType::Int8 };
        return Some(Expr::Literal(Value::Int(int), ty));
    }
    let decimal = BigDecimal::from_str(&text).ok()?;
    // 1e5 is the integer 100000, without trailing scale.
    let decimal = if decimal.fractional_digit_count() < 0 { decimal.with_scale(0) } else { decimal };
    Some(Expr::Literal(Value::Numeric(Arc::new(Numeric::Finite(decimal))), DataType::Numeric(None)))
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
    use super::*;

    fn ty(text: &str) -> DataType {
        number(text).expect("a number").ty()
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
    }

    #[test]
    fn numeric_literals_keep_their_scale() {
        let Some(Expr::Literal(Value::Numeric(numeric), _)) = number("1.50") else { panic!("numeric") };
        assert_eq!(*numeric, Numeric::Finite(BigDecimal::from_str("1.50").expect("decimal")));
    }
}
