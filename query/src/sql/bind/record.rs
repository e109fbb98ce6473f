//! Composite values: `ROW(…)`, whole rows of FROM items, and their fields.
//!
//! A record's value is the list of its fields' values; what the fields are called and of what type they are is known to the
//! binder only, from how the expression is made ([`Binder::record_type`]). So what depends on it (output as text, JSON,
//! fields) is bound with it.

use sinew_storage::{DataType, Value};
use sqlparser::ast::{Expr as Ast, ObjectName, Spanned};
use sqlparser::tokenizer::Span;

use super::{Binder, Bound, intrinsics};
use crate::algebra::{Expr, Plan};
use crate::error::{QueryError, Result, sqlstate};

/// Names and types of a record's fields.
pub type Fields = Vec<(String, DataType)>;

/// JSON functions whose record arguments become objects.
const JSON_FUNCTIONS: [&str; 11] = [
    "to_json",
    "to_jsonb",
    "json_agg",
    "jsonb_agg",
    "json_build_object",
    "jsonb_build_object",
    "json_build_array",
    "jsonb_build_array",
    "json_object_agg",
    "jsonb_object_agg",
    "array_to_json",
];

impl Binder<'_> {
    /// The fields of a record, when they are known.
    pub fn record_type(&self, expr: &Expr) -> Option<Fields> {
        match expr {
            Expr::Column(var, DataType::Record) => self.record_fields.get(var).cloned(),
            Expr::Call { args, .. } if expr.ty() == DataType::Record => {
                let (Expr::Literal(Value::List(names), _), fields) = args.split_last()? else { return None };
                let names = names.iter().map(|name| name.as_str().unwrap_or_default().to_owned());
                (names.len() == fields.len()).then(|| names.zip(fields.iter().map(Expr::ty)).collect())
            }
            Expr::Subquery(subquery) if subquery.ty == DataType::Record => {
                self.record_fields.get(&subquery.column?).cloned()
            }
            Expr::Case { branches, ty: DataType::Record, .. } => self.record_type(&branches.first()?.1),
            Expr::Coalesce(items, DataType::Record) => self.record_type(items.first()?),
            _ => None,
        }
    }

    /// `(a, b)`: fields are called f1, f2, …
    pub fn bind_tuple(&mut self, fields: &[Ast]) -> Result<Expr> {
        let fields = fields.iter().map(|field| self.bind_settled(field)).collect::<Result<Vec<_>>>()?;
        Ok(row_of(fields))
    }

    /// The row of a FROM item; NULL when all its columns are. Of a function that returns a set of single values it is the value. None when nothing has that name.
    pub fn whole_row(&mut self, schema: Option<&str>, name: &str, span: Span) -> Option<Expr> {
        for level in (0..self.frames.len()).rev() {
            let relations = &self.frames[level].relations;
            let found = relations.iter().find(|relation| super::scope::relation_matches(relation, schema, name));
            let Some(relation) = found else { continue };
            let columns = relation.columns.clone();
            if let [column] = columns.as_slice()
                && self.scalar_rows.contains(&column.var)
            {
                return Some(self.use_column(level, column, span));
            }
            let names = columns.iter().map(|column| column.name.to_string()).collect();
            let fields = columns.iter().map(|column| self.use_column(level, column, span)).collect();
            return Some(intrinsics::record(fields, names, true));
        }
        None
    }

    /// `t.*` as an argument: the whole row.
    pub fn bind_row_argument(&mut self, name: &ObjectName) -> Result<Expr> {
        let span = name.span();
        let qualified = self.qualified_name(name)?;
        let row = self.whole_row(qualified.schema.as_deref(), &qualified.name, span);
        row.ok_or_else(|| self.missing_from_entry(&qualified.name, span))
    }

    /// `(record).field`. 42703; 0A000 of a record whose fields are not known.
    pub fn bind_field(&mut self, record: Expr, field: &str, position: Option<usize>) -> Result<Expr> {
        if record.ty() != DataType::Record {
            return Err(QueryError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!(
                    "column notation .{field} applied to type {}, which is not a composite type",
                    crate::types::type_name(&record.ty())
                ),
            )
            .at(position));
        }
        let Some(fields) = self.record_type(&record) else {
            return Err(QueryError::unsupported("field selection from a composite value").at(position));
        };
        let Some(at) = fields.iter().position(|(name, _)| name == field) else {
            return Err(QueryError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("could not identify column \"{field}\" in record data type"),
            )
            .at(position));
        };
        Ok(field_of(record, at, &fields[at].1))
    }

    /// All fields of `(record).*`, where `record` was written at `span`.
    pub fn all_fields(&mut self, record: Expr, span: Span) -> Result<Vec<(String, Expr)>> {
        let position = self.at(span);
        if record.ty() != DataType::Record {
            return Err(QueryError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("type {} is not composite", crate::types::type_name(&record.ty())),
            )
            .at(position));
        }
        let Some(fields) = self.record_type(&record) else {
            return Err(QueryError::unsupported("expansion of a composite value with .*").at(position));
        };
        let fields = fields.into_iter().enumerate();
        Ok(fields.map(|(at, (name, ty))| (name, field_of(record.clone(), at, &ty))).collect())
    }

    /// Makes objects of records among the arguments of a JSON function.
    pub fn records_as_json(&mut self, name: &str, args: Vec<Expr>) -> Vec<Expr> {
        if !JSON_FUNCTIONS.contains(&name) {
            return args;
        }
        args.into_iter().map(|arg| self.record_as_json(arg, &DataType::Jsonb)).collect()
    }

    /// A record as a JSON object, with those in it; anything else as it is.
    pub fn record_as_json(&self, mut record: Expr, ty: &DataType) -> Expr {
        if self.record_type(&record).is_none() {
            return record;
        }
        if let Expr::Call { args, .. } = &mut record {
            for field in args {
                let inner = std::mem::replace(field, Expr::null(DataType::Unknown));
                *field = self.record_as_json(inner, &DataType::Jsonb);
            }
        }
        match self.record_type(&record) {
            Some(fields) => intrinsics::record_as_json(record, fields, ty.clone()),
            None => record,
        }
    }

    /// Remembers what a variable's fields are.
    pub fn note_record(&mut self, var: crate::algebra::VarId, expr: &Expr) {
        if expr.ty() == DataType::Record
            && let Some(fields) = self.record_type(expr)
        {
            self.record_fields.insert(var, fields);
        }
    }

    /// Makes the records of a statement's output print by their fields' types.
    pub fn print_records(&mut self, bound: &mut Bound) {
        let is_known = |column: &crate::statement::OutputColumn| {
            column.ty == DataType::Record && self.record_fields.contains_key(&column.var)
        };
        if !bound.output.iter().any(is_known) {
            return;
        }
        let mut items: Vec<(crate::algebra::VarId, Expr)> = Vec::with_capacity(bound.output.len());
        for column in &mut bound.output {
            let source = Expr::Column(column.var, column.ty.clone());
            if column.ty == DataType::Record {
                let printed = match self.record_type(&source) {
                    Some(fields) => intrinsics::record_for_client(source, fields),
                    None => source,
                };
                column.var = self.vars.add(column.name.clone(), DataType::Record);
                items.push((column.var, printed));
            } else if !items.iter().any(|(var, _)| *var == column.var) {
                items.push((column.var, source));
            }
        }
        let input = Box::new(std::mem::take(&mut bound.plan));
        bound.plan = Plan::Project { input, items };
    }

    /// Compares two records field by field, NULLs equal to each other and above everything. None for other operators.
    pub fn compare_records(&self, symbol: &str, left: &Expr, right: &Expr) -> Option<Expr> {
        if left.ty() != DataType::Record || right.ty() != DataType::Record {
            return None;
        }
        intrinsics::record_comparison(symbol, left.clone(), right.clone())
    }

    /// The fields of a row constructor, those of `t.*` in it one by one.
    pub fn row_fields(&mut self, args: &[sqlparser::ast::FunctionArg], span: Span) -> Result<Vec<Expr>> {
        use sqlparser::ast::{FunctionArg, FunctionArgExpr};
        let mut fields = Vec::with_capacity(args.len());
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => fields.push(self.bind_settled(expr)?),
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
                    let row = self.bind_row_argument(name)?;
                    let names = self.record_type(&row).unwrap_or_default();
                    fields.extend(names.iter().enumerate().map(|(at, (_, ty))| field_of(row.clone(), at, ty)));
                }
                _ => return Err(self.unsupported("such a field of ROW", span)),
            }
        }
        Ok(fields)
    }
}

/// A row of fields without names of their own.
pub fn row_of(fields: Vec<Expr>) -> Expr {
    let names = (1..=fields.len()).map(|number| format!("f{number}")).collect();
    intrinsics::record(fields, names, false)
}

/// One field, straight from where it is made if that is to be seen.
fn field_of(record: Expr, at: usize, ty: &DataType) -> Expr {
    match record {
        Expr::Call { args, .. } if args.len() > at + 1 && args[at].ty() == *ty => {
            args.into_iter().nth(at).unwrap_or_else(|| Expr::null(ty.clone()))
        }
        record => intrinsics::record_field(record, at, ty),
    }
}
