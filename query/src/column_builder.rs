//! Columns from stored values, without making a value of each.

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use sinew_storage::encoding::value::StoredValue;
use sinew_storage::{DataType, Value};

use crate::batch::{Column, LONG_TEXT_BYTES};
use crate::exec::expr::size::held_bytes;

/// Collects one column in the form of its type (see [`Column`]); the first value that does not fit turns it into values.
pub(crate) struct ColumnBuilder {
    form: Form,
    /// Heap bytes of what has no fixed size.
    held_bytes: usize,
}

enum Form {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Timestamp(Int64Builder),
    Values(Vec<Value>),
}

impl ColumnBuilder {
    /// `capacity`: rows expected.
    pub fn new(ty: &DataType, capacity: usize) -> ColumnBuilder {
        let form = match ty {
            DataType::Modified(plain, _) => return ColumnBuilder::new(&plain.plain(), capacity),
            DataType::Bool => Form::Bool(BooleanBuilder::with_capacity(capacity)),
            DataType::Int2
            | DataType::Int4
            | DataType::Int8
            | DataType::Oid
            | DataType::Time
            | DataType::Timetz
            | DataType::Enum(_) => Form::Int(Int64Builder::with_capacity(capacity)),
            DataType::Float4 | DataType::Float8 => Form::Float(Float64Builder::with_capacity(capacity)),
            DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name => {
                Form::Text(StringBuilder::new())
            }
            DataType::Timestamptz | DataType::Timestamp => Form::Timestamp(Int64Builder::with_capacity(capacity)),
            _ => Form::Values(Vec::new()),
        };
        ColumnBuilder { form, held_bytes: 0 }
    }

    #[inline]
    pub fn push(&mut self, value: StoredValue<'_>) -> sinew_storage::Result<()> {
        match (&mut self.form, value) {
            (Form::Int(ints), StoredValue::Int(i)) => ints.append_value(i),
            (Form::Float(floats), StoredValue::Float(f)) => floats.append_value(f),
            (Form::Text(texts), StoredValue::Text(text)) if text.len() <= LONG_TEXT_BYTES => {
                self.held_bytes += text.len();
                texts.append_value(text);
            }
            (Form::Timestamp(times), StoredValue::Timestamp(micros)) => times.append_value(micros),
            (Form::Bool(bools), StoredValue::Bool(b)) => bools.append_value(b),
            (Form::Int(ints) | Form::Timestamp(ints), StoredValue::Null) => ints.append_null(),
            (Form::Float(floats), StoredValue::Null) => floats.append_null(),
            (Form::Text(texts), StoredValue::Null) => texts.append_null(),
            (Form::Bool(bools), StoredValue::Null) => bools.append_null(),
            (_, value) => self.push_value(value.to_value()?),
        }
        Ok(())
    }

    /// As [`Self::push`], for whoever has a value already.
    pub fn push_value(&mut self, value: Value) {
        match (&mut self.form, &value) {
            (Form::Int(ints), Value::Int(i)) => return ints.append_value(*i),
            (Form::Float(floats), Value::Float(f)) => return floats.append_value(*f),
            (Form::Timestamp(times), Value::Timestamp(micros)) => return times.append_value(*micros),
            (Form::Bool(bools), Value::Bool(b)) => return bools.append_value(*b),
            (Form::Int(ints) | Form::Timestamp(ints), Value::Null) => return ints.append_null(),
            (Form::Float(floats), Value::Null) => return floats.append_null(),
            (Form::Text(texts), Value::Null) => return texts.append_null(),
            (Form::Bool(bools), Value::Null) => return bools.append_null(),
            (Form::Text(texts), Value::Text(text)) if text.len() <= LONG_TEXT_BYTES => {
                self.held_bytes += text.len();
                return texts.append_value(text);
            }
            _ => {}
        }
        self.held_bytes += held_bytes(&value);
        self.values().push(value);
    }

    /// What was collected so far as values.
    fn values(&mut self) -> &mut Vec<Value> {
        if !matches!(self.form, Form::Values(_)) {
            let column = self.take();
            self.form = Form::Values((0..column.len()).map(|row| column.value(row)).collect());
        }
        match &mut self.form {
            Form::Values(values) => values,
            _ => unreachable!("the form was just made values"),
        }
    }

    /// Heap bytes of what has no fixed size.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn take(&mut self) -> Column {
        match &mut self.form {
            Form::Bool(bools) => Column::Bool(bools.finish()),
            Form::Int(ints) => Column::Int(ints.finish()),
            Form::Float(floats) => Column::Float(floats.finish()),
            Form::Text(texts) => Column::Text(texts.finish()),
            Form::Timestamp(times) => Column::Timestamp(times.finish()),
            Form::Values(values) => Column::Values(std::mem::take(values).into()),
        }
    }

    pub fn finish(mut self) -> Column {
        self.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(ty: &DataType, values: &[Value]) -> Column {
        let mut builder = ColumnBuilder::new(ty, 0);
        for value in values {
            builder.push(StoredValue::Value(value)).expect("a value is pushed");
        }
        builder.finish()
    }

    #[test]
    fn columns_have_the_form_of_their_type() {
        let long = Value::from("x".repeat(LONG_TEXT_BYTES + 1));
        for (ty, values) in [
            (DataType::Int4, vec![Value::Int(1), Value::Null, Value::Int(-7)]),
            (DataType::Text, vec![Value::from("a"), Value::Null, Value::from("")]),
            (DataType::Text, vec![Value::from("a"), Value::Null, long]),
            (DataType::Float8, vec![Value::Null, Value::Float(0.5)]),
            (DataType::Bool, vec![Value::Bool(true), Value::Null]),
            (DataType::Date, vec![Value::Date(3), Value::Null]),
        ] {
            let (built, made) = (column(&ty, &values), Column::from_values(&ty, values.clone()));
            assert_eq!(std::mem::discriminant(&built), std::mem::discriminant(&made));
            assert_eq!((0..values.len()).map(|row| built.value(row)).collect::<Vec<_>>(), values);
        }
    }
}
