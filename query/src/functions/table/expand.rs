//! Arrays, JSON and strings as rows.

use std::sync::Arc;

use sinew_storage::{DataType, Json, Value};

use super::{IteratorStream, dynamic_type, no_such_function, one_column};
use crate::context::ExecContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::functions::args::{json as json_arg, list, text};
use crate::functions::pattern::{self, Flags};
use crate::functions::string::{optional_text, split_string};
use crate::functions::{CastContext, Param, ResolvedTableFunction, TableFunction, can_cast};
use crate::types::json;

/// `unnest(array)`: a row per element.
#[derive(Debug)]
struct Unnest {
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

impl TableFunction for Unnest {
    fn name(&self) -> &str {
        "unnest"
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn resolve(&self, args: &[DataType]) -> Result<ResolvedTableFunction> {
        match args {
            [array @ DataType::Array(element)] => Ok(one_column("unnest", vec![array.clone()], (**element).clone())),
            [DataType::Vector(_)] => {
                Ok(one_column("unnest", vec![DataType::array_of(DataType::Float4)], DataType::Float4))
            }
            [DataType::Any] => Ok(one_column("unnest", vec![DataType::Any], DataType::Any)),
            [_, _, ..] => Err(QueryError::unsupported("unnest() of several arrays")
                .hint("Join several unnest() WITH ORDINALITY instead.")),
            _ => Err(no_such_function("unnest", args)),
        }
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let items = if args[0].is_null() { Vec::new() } else { list(&args[0])?.to_vec() };
        let ty = dynamic_type(&items);
        Ok(IteratorStream::boxed(items.into_iter().map(|item| Ok(vec![item])), vec![ty], &context.cancel))
    }

    fn estimated_rows(&self) -> f64 {
        10.0
    }
}

/// How a JSON value is taken apart.
#[derive(Clone, Copy, Debug)]
enum Part {
    Elements,
    ElementsText,
    Each,
    EachText,
    Keys,
}

#[derive(Debug)]
struct JsonExpand {
    name: &'static str,
    part: Part,
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

impl JsonExpand {
    fn boxed(name: &'static str, part: Part) -> Arc<dyn TableFunction> {
        let ty = if name.starts_with("jsonb") { DataType::Jsonb } else { DataType::Json };
        let column = |name: &str, ty: &DataType| (name.to_owned(), ty.clone());
        let columns = match part {
            Part::Elements => vec![column("value", &ty)],
            Part::ElementsText => vec![column("value", &DataType::Text)],
            Part::Each => vec![column("key", &DataType::Text), column("value", &ty)],
            Part::EachText => vec![column("key", &DataType::Text), column("value", &DataType::Text)],
            Part::Keys => vec![column(name, &DataType::Text)],
        };
        let params = vec![Param { name: "from_json", ty, default: None }];
        Arc::new(JsonExpand { name, part, params, columns })
    }
}

impl TableFunction for JsonExpand {
    fn name(&self) -> &str {
        self.name
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn resolve(&self, args: &[DataType]) -> Result<ResolvedTableFunction> {
        match args {
            [arg]
                if can_cast(arg, &self.params[0].ty, CastContext::Implicit)
                    || matches!(arg, DataType::Json | DataType::Jsonb) =>
            {
                Ok(ResolvedTableFunction { args: vec![self.params[0].ty.clone()], columns: self.columns.clone() })
            }
            _ => Err(no_such_function(self.name, args)),
        }
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let invalid = |message: String| QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message);
        let whole = |value: &Json| Value::json(value.clone());
        let plain = |value: &Json| json::as_text(value).map_or(Value::Null, Value::from);
        let mut rows: Vec<Vec<Value>> = Vec::new();
        if !args[0].is_null() {
            let value = json_arg(&args[0])?;
            match (self.part, value) {
                (Part::Elements, Json::Array(items)) => rows.extend(items.iter().map(|item| vec![whole(item)])),
                (Part::ElementsText, Json::Array(items)) => rows.extend(items.iter().map(|item| vec![plain(item)])),
                (Part::Elements | Part::ElementsText, Json::Object(_)) => {
                    return Err(invalid("cannot extract elements from an object".to_owned()));
                }
                (Part::Elements | Part::ElementsText, _) => {
                    return Err(invalid("cannot extract elements from a scalar".to_owned()));
                }
                (Part::Each, Json::Object(members)) => {
                    rows.extend(members.iter().map(|(key, value)| vec![Value::Text(Arc::clone(key)), whole(value)]));
                }
                (Part::EachText, Json::Object(members)) => {
                    rows.extend(members.iter().map(|(key, value)| vec![Value::Text(Arc::clone(key)), plain(value)]));
                }
                (Part::Keys, Json::Object(members)) => {
                    rows.extend(members.iter().map(|(key, _)| vec![Value::Text(Arc::clone(key))]));
                }
                (Part::Each | Part::EachText, _) => {
                    return Err(invalid(format!("cannot call {} on a non-object", self.name)));
                }
                (Part::Keys, Json::Array(_)) => {
                    return Err(invalid(format!("cannot call {} on an array", self.name)));
                }
                (Part::Keys, _) => return Err(invalid(format!("cannot call {} on a scalar", self.name))),
            }
        }
        let types = self.columns.iter().map(|(_, ty)| ty.clone()).collect();
        Ok(IteratorStream::boxed(rows.into_iter().map(Ok), types, &context.cancel))
    }

    fn estimated_rows(&self) -> f64 {
        10.0
    }
}

/// Strings split into rows.
#[derive(Clone, Copy, Debug)]
enum Split {
    Regexp,
    Delimiter,
    Matches,
}

#[derive(Debug)]
struct SplitRows {
    name: &'static str,
    split: Split,
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

impl SplitRows {
    fn boxed(name: &'static str, split: Split, third: &'static str) -> Arc<dyn TableFunction> {
        let second = if matches!(split, Split::Delimiter) { "delimiter" } else { "pattern" };
        let ty = if matches!(split, Split::Matches) { DataType::array_of(DataType::Text) } else { DataType::Text };
        let param = |name, default| Param { name, ty: DataType::Text, default };
        let params = vec![param("string", None), param(second, None), param(third, Some(Value::Null))];
        Arc::new(SplitRows { name, split, params, columns: vec![(name.to_owned(), ty)] })
    }
}

impl TableFunction for SplitRows {
    fn name(&self) -> &str {
        self.name
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn resolve(&self, args: &[DataType]) -> Result<ResolvedTableFunction> {
        let fits =
            matches!(args.len(), 2 | 3) && args.iter().all(|arg| can_cast(arg, &DataType::Text, CastContext::Implicit));
        if !fits {
            return Err(no_such_function(self.name, args));
        }
        Ok(ResolvedTableFunction { args: vec![DataType::Text; 3], columns: self.columns.clone() })
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let types = vec![self.columns[0].1.clone()];
        let flags = || optional_text(args, 2)?.map_or(Ok(Flags::default()), Flags::parse);
        let rows: Vec<Value> = match self.split {
            _ if args[0].is_null() => Vec::new(),
            Split::Delimiter => split_string(text(&args[0])?, optional_text(args, 1)?, optional_text(args, 2)?),
            _ if args[1].is_null() => Vec::new(),
            Split::Regexp => {
                pattern::split(text(&args[0])?, text(&args[1])?, flags()?)?.into_iter().map(Value::from).collect()
            }
            Split::Matches => pattern::regexp_matches(text(&args[0])?, text(&args[1])?, flags()?)?,
        };
        Ok(IteratorStream::boxed(rows.into_iter().map(|row| Ok(vec![row])), types, &context.cancel))
    }

    fn estimated_rows(&self) -> f64 {
        10.0
    }
}

pub(super) fn functions() -> Vec<Arc<dyn TableFunction>> {
    vec![
        Arc::new(Unnest {
            params: vec![Param { name: "array", ty: DataType::Any, default: None }],
            columns: vec![("unnest".to_owned(), DataType::Any)],
        }),
        JsonExpand::boxed("jsonb_array_elements", Part::Elements),
        JsonExpand::boxed("json_array_elements", Part::Elements),
        JsonExpand::boxed("jsonb_array_elements_text", Part::ElementsText),
        JsonExpand::boxed("json_array_elements_text", Part::ElementsText),
        JsonExpand::boxed("jsonb_each", Part::Each),
        JsonExpand::boxed("json_each", Part::Each),
        JsonExpand::boxed("jsonb_each_text", Part::EachText),
        JsonExpand::boxed("json_each_text", Part::EachText),
        JsonExpand::boxed("jsonb_object_keys", Part::Keys),
        JsonExpand::boxed("json_object_keys", Part::Keys),
        SplitRows::boxed("regexp_split_to_table", Split::Regexp, "flags"),
        SplitRows::boxed("string_to_table", Split::Delimiter, "null_string"),
        SplitRows::boxed("regexp_matches", Split::Matches, "flags"),
    ]
}
