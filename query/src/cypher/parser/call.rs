//! Calls of functions.

use super::*;

impl Parser<'_> {
    /// `name(` or `namespace.name(`: the name, not consumed.
    pub(super) fn function_name_ahead(&self) -> Option<Arc<str>> {
        let mut name = String::new();
        let mut ahead = 0;
        loop {
            let TokenKind::Ident(part, _) = self.peek_at(ahead) else { return None };
            name.push_str(part);
            if self.is_symbol_at(ahead + 1, "(") {
                return Some(name.into());
            }
            if !self.is_symbol_at(ahead + 1, ".") {
                return None;
            }
            name.push('.');
            ahead += 2;
        }
    }

    pub(super) fn call(&mut self, name: Arc<str>) -> Result<ExprKind> {
        while !self.take_symbol("(") {
            self.advance();
        }
        let distinct = self.take_keyword("DISTINCT");
        let is_trim = name.eq_ignore_ascii_case("trim");
        let side = if is_trim { self.trim_side() } else { None };
        let mut args = Vec::new();
        if !(self.is_symbol(")") || is_trim && self.is_keyword("FROM")) {
            args.push(self.expr()?);
        }
        if is_trim && self.take_keyword("FROM") {
            // `trim([BOTH] [characters] FROM text)`
            args.insert(0, self.expr()?);
            self.expect_symbol(")")?;
            return Ok(ExprKind::Call { name: side.unwrap_or("btrim").into(), distinct, args });
        }
        if side.is_some() {
            return Err(self.expected("FROM"));
        }
        while self.take_symbol(",") {
            match self.normal_form_at(0) {
                // A bare word, as normalize() takes it.
                Some(form) if name.eq_ignore_ascii_case("normalize") => {
                    args.push(Expr { kind: ExprKind::String(form.into()), span: self.span() });
                    self.advance();
                }
                _ => args.push(self.expr()?),
            }
        }
        self.expect_symbol(")")?;
        Ok(ExprKind::Call { name, distinct, args })
    }

    /// LEADING, TRAILING or BOTH behind `trim(`: the function that does this.
    fn trim_side(&mut self) -> Option<&'static str> {
        // A variable may have such a name.
        if [")", ".", ",", "[", "+"].iter().any(|symbol| self.is_symbol_at(1, symbol)) {
            return None;
        }
        let sides = [("LEADING", "lTrim"), ("TRAILING", "rTrim"), ("BOTH", "btrim")];
        sides.into_iter().find(|(word, _)| self.take_keyword(word)).map(|(_, name)| name)
    }
}
