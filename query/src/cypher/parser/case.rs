//! CASE.

use super::expr::{ADDITION, COMPARISON};
use super::*;

impl Parser<'_> {
    pub(super) fn case(&mut self) -> Result<ExprKind> {
        self.advance();
        self.case_depth += 1;
        let operand = if self.is_keyword("WHEN") { None } else { Some(Box::new(self.expr()?)) };
        let mut branches = Vec::new();
        while self.take_keyword("WHEN") {
            let condition = if operand.is_some() { self.when_tests()? } else { self.expr()? };
            self.expect_keyword("THEN")?;
            branches.push((condition, self.expr()?));
        }
        if branches.is_empty() {
            return Err(self.expected("WHEN"));
        }
        let otherwise = if self.take_keyword("ELSE") { Some(Box::new(self.expr()?)) } else { None };
        self.expect_keyword("END")?;
        self.case_depth -= 1;
        Ok(ExprKind::Case { operand, branches, otherwise })
    }

    /// `WHEN 1, 2`, `WHEN > 5`, `WHEN IS NULL` behind CASE with an operand, as conditions on the operand.
    fn when_tests(&mut self) -> Result<Expr> {
        let start = self.span();
        let mut tests = Vec::new();
        loop {
            let test_start = self.span();
            let operand = Expr { kind: ExprKind::CaseOperand, span: test_start };
            let is_test = self.operator_ahead(COMPARISON).is_some_and(|(level, _)| level < ADDITION);
            tests.push(if is_test {
                let depth = self.depth;
                let test = self.operators_behind(operand, test_start, COMPARISON)?;
                self.depth = depth;
                test
            } else {
                let value = self.expr()?;
                let kind = ExprKind::Comparison(Box::new(operand), vec![(CompareOp::Equal, value)]);
                Expr { kind, span: self.span_from(test_start) }
            });
            if !self.take_symbol(",") {
                break;
            }
        }
        Ok(match tests.len() {
            1 => tests.remove(0),
            _ => Expr { kind: ExprKind::Or(tests), span: self.span_from(start) },
        })
    }
}
