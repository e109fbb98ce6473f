//! Grafting a Cypher plan into a SQL one.

use std::sync::Arc;

use super::Binder;
use super::walk::{walk_ctes, walk_expr, walk_plan_exprs, walk_vars};
use crate::algebra::*;

/// A variable of a grafted plan in its new table.
pub fn shifted(var: VarId, offset: u32) -> VarId {
    VarId(var.0 + offset)
}

impl Binder<'_> {
    /// Takes a plan bound with variables of its own into this statement: variables and CTEs are renumbered, named
    /// parameters replaced by `values`. Gives the offset of its variables.
    pub fn graft(&mut self, plan: &mut Plan, vars: &VarTable, names: &[Arc<str>], values: &[(Arc<str>, Expr)]) -> u32 {
        let offset = self.vars.len() as u32;
        for index in 0..vars.len() {
            let info = vars.info(VarId(index as u32));
            self.vars.add(info.name.clone(), info.ty.clone());
        }
        walk_vars(plan, &mut |var, _| *var = shifted(*var, offset));
        let first_cte = self.next_cte;
        let mut next_cte = first_cte;
        walk_ctes(plan, &mut |cte| {
            cte.0 += first_cte;
            next_cte = next_cte.max(cte.0 + 1);
        });
        self.next_cte = next_cte;
        walk_plan_exprs(plan, &mut |expr| {
            walk_expr(expr, &mut |expr| {
                if let Expr::Parameter(index, _) = expr
                    && let Some(name) = names.get(*index)
                    && let Some((_, value)) = values.iter().find(|(known, _)| known == name)
                {
                    *expr = value.clone();
                    return false;
                }
                true
            });
        });
        offset
    }
}

/// Names of the `$name` parameters in a Cypher text, each once; `$1` is positional and not among them.
pub fn parameter_names(text: &str) -> Vec<Arc<str>> {
    all_parameters(text).into_iter().filter(|name| !name.chars().all(|c| c.is_ascii_digit())).collect()
}

/// Positions (from 0) of the `$1` parameters in a Cypher text.
pub fn parameter_positions(text: &str) -> Vec<usize> {
    let numbers = all_parameters(text).into_iter().filter_map(|name| name.parse::<usize>().ok());
    numbers.filter_map(|number| number.checked_sub(1)).collect()
}

fn all_parameters(text: &str) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        match c {
            '\'' | '"' | '`' => {
                while let Some((_, inner)) = chars.next() {
                    if inner == '\\' && c != '`' {
                        chars.next();
                    } else if inner == c {
                        break;
                    }
                }
            }
            '/' if text[start..].starts_with("//") => {
                for (_, inner) in chars.by_ref() {
                    if inner == '\n' {
                        break;
                    }
                }
            }
            '/' if text[start..].starts_with("/*") => {
                let end = text[start + 2..].find("*/").map_or(text.len(), |found| start + 2 + found + 2);
                while chars.peek().is_some_and(|(at, _)| *at < end) {
                    chars.next();
                }
            }
            '$' => {
                let rest = &text[start + 1..];
                let name: String = match rest.strip_prefix('`') {
                    Some(quoted) => quoted.chars().take_while(|c| *c != '`').collect(),
                    None => rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect(),
                };
                if !name.is_empty() && !names.iter().any(|known| **known == *name) {
                    names.push(name.into());
                }
                if rest.starts_with('`') {
                    chars.next();
                    for (_, inner) in chars.by_ref() {
                        if inner == '`' {
                            break;
                        }
                    }
                }
            }
            _ => {}
        }
    }
    names
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cypher_parameter_names_are_found_outside_strings_and_comments() {
        let text =
            "MATCH (a {n: $name}) // $no\nWHERE a.x = '$not' AND a.`$nor` = $`odd name` /* $never */ RETURN $name, $1";
        let names = parameter_names(text);
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        assert_eq!(names, ["name", "odd name"]);
        assert_eq!(parameter_positions(text), [0]);
    }
}
