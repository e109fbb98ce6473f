//! The parser's PostgreSQL dialect with PostgreSQL's own operator precedence.
//!
//! Where the parser's differs: every operator that is not arithmetic or a comparison, `~` and `~~` among them, binds
//! tighter than a comparison and looser than `+`, as prefix too (`~ 1 + 2` is `~ (1 + 2)`); a sign binds tighter than `^`;
//! comparisons do not chain.

use sqlparser::ast::{BinaryOperator, Expr, Ident, ObjectNamePart, UnaryOperator};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::subscript_tokens::SUBSCRIPTS_MARK;

/// Of a sign: above COLLATE, below `::` and subscripts. [`PostgreSqlDialect`] has nothing there.
const SIGN_PRECEDENCE: u8 = 125;

#[derive(Debug)]
pub(super) struct SinewDialect;

const BASE: PostgreSqlDialect = PostgreSqlDialect {};

/// Answers that are the base's.
macro_rules! as_in_base {
    ($($name:ident)*) => { $(fn $name(&self) -> bool { BASE.$name() })* };
}

impl Dialect for SinewDialect {
    /// The parser asks for the type where it does not ask for a feature.
    fn dialect(&self) -> std::any::TypeId {
        BASE.dialect()
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let (op, precedence) = match &parser.peek_token_ref().token {
            Token::Minus => (UnaryOperator::Minus, SIGN_PRECEDENCE),
            Token::Plus => (UnaryOperator::Plus, SIGN_PRECEDENCE),
            Token::Tilde => (UnaryOperator::BitwiseNot, self.other_operator()),
            Token::AtSign => (UnaryOperator::PGAbs, self.other_operator()),
            Token::PGSquareRoot => (UnaryOperator::PGSquareRoot, self.other_operator()),
            Token::PGCubeRoot => (UnaryOperator::PGCubeRoot, self.other_operator()),
            _ => return None,
        };
        parser.next_token();
        Some(parser.parse_subexpr(precedence).map(|expr| Expr::UnaryOp { op, expr: Box::new(expr) }))
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, left: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        if let Some(negated) = symmetric_between(parser) {
            return Some(self.parse_symmetric(parser, left, negated));
        }
        let Expr::BinaryOp { op, .. } = left else { return None };
        if !is_comparison(op) {
            return None;
        }
        match &parser.peek_token_ref().token {
            Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => {
                let next = parser.peek_token();
                Some(parser.expected("end of the comparison", next))
            }
            _ => None,
        }
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match &parser.peek_token_ref().token {
            Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk
            | Token::Spaceship => Some(Ok(self.other_operator())),
            Token::Word(word) if word.keyword == Keyword::OPERATOR => Some(Ok(self.other_operator())),
            _ => BASE.get_next_precedence(parser),
        }
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        BASE.prec_value(precedence)
    }

    fn is_identifier_generating_function_name(&self, ident: &Ident, _: &[ObjectNamePart]) -> bool {
        ident.value == SUBSCRIPTS_MARK
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        BASE.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        BASE.is_delimited_identifier_start(c)
    }

    fn is_identifier_start(&self, c: char) -> bool {
        BASE.is_identifier_start(c)
    }

    fn is_identifier_part(&self, c: char) -> bool {
        BASE.is_identifier_part(c)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        BASE.is_reserved_for_identifier(keyword)
    }

    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        BASE.is_table_alias(keyword, parser)
    }

    fn is_custom_operator_part(&self, c: char) -> bool {
        BASE.is_custom_operator_part(c)
    }

    as_in_base! {
        allow_extract_custom allow_extract_single_quotes supports_aliased_function_args supports_alter_column_type_using
        supports_alter_user_as_alter_role supports_array_typedef_with_brackets supports_bitwise_shift_operators
        supports_comma_separated_trim supports_comment_on supports_comment_optimizer_hint
        supports_create_index_with_clause supports_create_table_like_parenthesized supports_empty_projections
        supports_exclude_constraint supports_explain_with_utility_options supports_factorial_operator
        supports_filter_during_aggregation supports_geometric_types supports_group_by_expr supports_insert_table_alias
        supports_interval_options supports_left_associative_joins_without_parens supports_listen_notify
        supports_load_extension supports_named_fn_args_with_colon_operator supports_named_fn_args_with_expr_name
        supports_nested_comments supports_notnull_operator supports_numeric_literal_underscores
        supports_order_by_using_operator supports_select_wildcard_with_alias supports_set_names
        supports_string_escape_constant supports_unicode_string_literal supports_xml_expressions
    }
}

impl SinewDialect {
    /// `x BETWEEN SYMMETRIC a AND b` as `(x BETWEEN a AND b OR x BETWEEN b AND a)`, which is how PostgreSQL reads it.
    fn parse_symmetric(&self, parser: &mut Parser<'_>, left: &Expr, negated: bool) -> Result<Expr, ParserError> {
        if negated {
            parser.next_token();
        }
        parser.next_token();
        parser.next_token();
        let precedence = self.prec_value(Precedence::Between);
        let low = parser.parse_subexpr(precedence)?;
        parser.expect_keyword(Keyword::AND)?;
        let high = parser.parse_subexpr(precedence)?;
        let between = |low: &Expr, high: &Expr| Expr::Between {
            expr: Box::new(left.clone()),
            negated,
            low: Box::new(low.clone()),
            high: Box::new(high.clone()),
        };
        let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
        let both = Expr::BinaryOp { left: Box::new(between(&low, &high)), op, right: Box::new(between(&high, &low)) };
        Ok(Expr::Nested(Box::new(both)))
    }

    /// Of the operators that PostgreSQL's grammar calls Op.
    fn other_operator(&self) -> u8 {
        self.prec_value(Precedence::Pipe)
    }
}

/// Whether `[NOT] BETWEEN SYMMETRIC` comes next, and with NOT.
fn symmetric_between(parser: &Parser<'_>) -> Option<bool> {
    let keyword = |ahead: usize| match &parser.peek_nth_token_ref(ahead).token {
        Token::Word(word) => Some(word.keyword),
        _ => None,
    };
    let negated = keyword(0) == Some(Keyword::NOT);
    let at = usize::from(negated);
    let is_word = matches!(&parser.peek_nth_token_ref(at + 1).token,
        Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("symmetric"));
    (keyword(at) == Some(Keyword::BETWEEN) && is_word).then_some(negated)
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse_expression;
    use super::Expr;

    fn check(text: &str, expected: &str) {
        assert_eq!(shape(&parse_expression(text).expect(text)), expected);
    }

    fn shape(expr: &Expr) -> String {
        match expr {
            Expr::Nested(inner) => shape(inner),
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", shape(left), shape(right)),
            Expr::UnaryOp { op, expr } => format!("({op} {})", shape(expr)),
            other => other.to_string(),
        }
    }

    #[test]
    fn precedence_is_postgresqls() {
        check("- a ^ b", "((- a) ^ b)");
        check("a ^ - b", "(a ^ (- b))");
        check("- a * b", "((- a) * b)");
        check("~ a + b", "(~ (a + b))");
        check("|/ a + b = c", "((|/ (a + b)) = c)");
        check("~ a & b", "((~ a) & b)");
        check("a ~ b || c", "((a ~ b) || c)");
        check("a || b ~ c = d", "(((a || b) ~ c) = d)");
        check("a <=> b < c", "((a <=> b) < c)");
        check("a + b OPERATOR(pg_catalog.~) c = d", "(((a + b) OPERATOR(pg_catalog.~) c) = d)");
    }

    #[test]
    fn symmetric_ranges_are_read() {
        check("a BETWEEN SYMMETRIC 1 + 1 AND 0 AND b", "((a BETWEEN 1 + 1 AND 0 OR a BETWEEN 0 AND 1 + 1) AND b)");
        check("a NOT BETWEEN SYMMETRIC 2 AND 0", "(a NOT BETWEEN 2 AND 0 AND a NOT BETWEEN 0 AND 2)");
    }

    #[test]
    fn comparisons_do_not_chain() {
        for text in ["1 < 2 < 3", "a = b = c", "a <> b >= c"] {
            assert_eq!(parse_expression(text).expect_err(text).sqlstate(), "42601");
        }
        for text in ["(1 < 2) = true", "1 < 2 IS TRUE", "a = b AND c = d", "a = b BETWEEN c AND d"] {
            assert!(parse_expression(text).is_ok(), "{text}");
        }
    }
}
