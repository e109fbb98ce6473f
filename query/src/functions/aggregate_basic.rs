//! count, sum, avg, min, max, and, or: result types and overflow as in PostgreSQL.
//!
//! Sums of small integers are kept in 64 bits, of `bigint` in 128, of numerics exactly; averages divide at the end. The
//! columns of integers and floats are added without making values.

use std::cmp::Ordering;

use arrow_array::Array;
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use sinew_storage::{Interval, Numeric, Value};

use super::Accumulator;
use super::args::{boolean, float, int, interval, numeric, vector};
use super::kernel::{check_overflow, to_single};
use super::registry::Table;
use crate::batch::{Column, value_size_bytes};
use crate::error::{QueryError, Result, sqlstate};
use crate::types::vector::same_dimensions;
use crate::types::{IntoValue, compare_sql, float as float_type, interval as interval_type, numeric_math};

#[derive(Default)]
struct Count(i64);

impl Accumulator for Count {
    fn update(&mut self, _: &[Value]) -> Result<()> {
        self.0 += 1;
        Ok(())
    }

    fn update_column(&mut self, column: &Column) -> Result<()> {
        let nulls = match column {
            Column::Bool(a) => a.null_count(),
            Column::Int(a) | Column::Timestamp(a) => a.null_count(),
            Column::Float(a) => a.null_count(),
            Column::Text(a) => a.null_count(),
            Column::Values(values) => values.iter().filter(|value| value.is_null()).count(),
        };
        self.0 += (column.len() - nulls) as i64;
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(Value::Int(self.0))
    }

    fn remove(&mut self, _: &[Value]) -> Result<bool> {
        self.0 -= 1;
        Ok(true)
    }

    fn size_bytes(&self) -> usize {
        8
    }
}

/// A sum as a bigint; 22003 when it is none.
pub(super) fn bigint(sum: i128) -> Result<Value> {
    let out_of_range = |_| QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range");
    i64::try_from(sum).map(Value::Int).map_err(out_of_range)
}

/// What integer sums become.
#[derive(Clone, Copy)]
enum IntResult {
    BigintSum,
    NumericSum,
    Average,
}

struct IntSum {
    sum: i128,
    count: i64,
    result: IntResult,
}

impl IntSum {
    fn boxed(result: IntResult) -> Box<dyn Accumulator> {
        Box::new(IntSum { sum: 0, count: 0, result })
    }
}

impl Accumulator for IntSum {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        self.sum += i128::from(int(&args[0])?);
        self.count += 1;
        Ok(())
    }

    fn update_column(&mut self, column: &Column) -> Result<()> {
        let Column::Int(array) = column else {
            for row in (0..column.len()).filter(|row| !column.is_null(*row)) {
                self.update(&[column.value(row)])?;
            }
            return Ok(());
        };
        if array.null_count() == 0 {
            self.sum += array.values().iter().map(|x| i128::from(*x)).sum::<i128>();
        } else {
            self.sum += array.iter().flatten().map(i128::from).sum::<i128>();
        }
        self.count += (array.len() - array.null_count()) as i64;
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        let sum = || Numeric::Finite(BigDecimal::new(BigInt::from(self.sum), 0));
        match self.result {
            IntResult::BigintSum => bigint(self.sum),
            IntResult::NumericSum => Ok(sum().into_value()),
            IntResult::Average => Ok(numeric_math::average(&sum(), self.count)?.into_value()),
        }
    }

    fn remove(&mut self, args: &[Value]) -> Result<bool> {
        self.sum -= i128::from(int(&args[0])?);
        self.count -= 1;
        Ok(true)
    }

    fn size_bytes(&self) -> usize {
        32
    }
}

struct FloatSum {
    sum: f64,
    count: i64,
    average: bool,
    single: bool,
}

impl FloatSum {
    fn add(&mut self, x: f64) -> Result<()> {
        self.sum = check_overflow(self.sum + x, self.sum, x)?;
        self.count += 1;
        Ok(())
    }
}

impl Accumulator for FloatSum {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        self.add(float(&args[0])?)
    }

    fn update_column(&mut self, column: &Column) -> Result<()> {
        if let Column::Float(array) = column {
            for x in array.iter().flatten() {
                self.add(x)?;
            }
            return Ok(());
        }
        for row in (0..column.len()).filter(|row| !column.is_null(*row)) {
            self.update(&[column.value(row)])?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        let result = if self.average { self.sum / self.count as f64 } else { self.sum };
        Ok(Value::Float(if self.single { to_single(result)? } else { result }))
    }

    fn size_bytes(&self) -> usize {
        24
    }
}

/// Decimals of a finite number.
fn scale_of(value: &Numeric) -> Option<i64> {
    match value {
        Numeric::Finite(decimal) => Some(decimal.as_bigint_and_exponent().1),
        _ => None,
    }
}

/// The most decimals of numbers that come and go: a sum of them has as many.
#[derive(Default)]
pub(super) struct MostDecimals {
    scale: i64,
    /// How many numbers have so many.
    count: i64,
}

impl MostDecimals {
    pub fn add(&mut self, value: &Numeric) {
        if let Some(scale) = scale_of(value) {
            match scale.cmp(&self.scale) {
                Ordering::Less => {}
                Ordering::Equal => self.count += 1,
                Ordering::Greater => (self.scale, self.count) = (scale, 1),
            }
        }
    }

    /// False when it cannot be said any more, as for what is no finite number.
    pub fn remove(&mut self, value: &Numeric) -> bool {
        let Some(scale) = scale_of(value) else { return false };
        if scale == self.scale && scale > 0 {
            self.count -= 1;
            return self.count > 0;
        }
        true
    }
}

struct NumericSum {
    sum: Numeric,
    count: i64,
    average: bool,
    decimals: MostDecimals,
}

impl NumericSum {
    fn boxed(average: bool) -> Box<dyn Accumulator> {
        Box::new(NumericSum { sum: zero(), count: 0, average, decimals: MostDecimals::default() })
    }
}

impl Accumulator for NumericSum {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        let value = numeric(&args[0])?;
        self.sum = numeric_math::add(&self.sum, &value)?;
        self.count += 1;
        self.decimals.add(&value);
        Ok(())
    }

    fn remove(&mut self, args: &[Value]) -> Result<bool> {
        let value = numeric(&args[0])?;
        if !self.decimals.remove(&value) {
            return Ok(false);
        }
        self.sum = numeric_math::subtract(&self.sum, &value)?;
        self.count -= 1;
        Ok(matches!(self.sum, Numeric::Finite(_)))
    }

    fn finish(&mut self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        Ok(if self.average { numeric_math::average(&self.sum, self.count)? } else { self.sum.clone() }.into_value())
    }

    fn size_bytes(&self) -> usize {
        64
    }
}

#[derive(Default)]
struct IntervalSum {
    sum: Interval,
    count: i64,
    average: bool,
}

impl Accumulator for IntervalSum {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        self.sum = interval_type::add(&self.sum, &interval(&args[0])?)?;
        self.count += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        Ok(Value::Interval(if self.average { interval_type::divide(&self.sum, self.count as f64)? } else { self.sum }))
    }

    fn remove(&mut self, args: &[Value]) -> Result<bool> {
        self.sum = interval_type::add(&self.sum, &interval_type::negate(&interval(&args[0])?)?)?;
        self.count -= 1;
        Ok(true)
    }

    fn size_bytes(&self) -> usize {
        32
    }
}

#[derive(Default)]
struct VectorSum {
    sum: Vec<f64>,
    count: i64,
    average: bool,
}

impl Accumulator for VectorSum {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        let v = vector(&args[0])?;
        if self.count == 0 {
            self.sum = v.iter().map(|x| f64::from(*x)).collect();
        } else {
            if v.len() != self.sum.len() {
                let known = vec![0.0; self.sum.len()];
                same_dimensions(&known, v)?;
            }
            for (sum, x) in self.sum.iter_mut().zip(v) {
                *sum += f64::from(*x);
            }
        }
        self.count += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        let divisor = if self.average { self.count as f64 } else { 1.0 };
        let out: Vec<f32> = self.sum.iter().map(|x| (x / divisor) as f32).collect();
        if out.iter().any(|x| x.is_infinite()) {
            return Err(super::cast::float_error("overflow"));
        }
        Ok(Value::Vector(out.into()))
    }

    fn size_bytes(&self) -> usize {
        self.sum.len() * 8 + 16
    }
}

struct Extreme {
    best: Option<Value>,
    greatest: bool,
    size_bytes: usize,
}

impl Extreme {
    fn boxed(greatest: bool) -> Box<dyn Accumulator> {
        Box::new(Extreme { best: None, greatest, size_bytes: 32 })
    }

    fn offer(&mut self, value: Value) {
        let better = match &self.best {
            None => true,
            Some(best) if self.greatest => compare_sql(&value, best).is_gt(),
            Some(best) => compare_sql(&value, best).is_lt(),
        };
        if better {
            self.size_bytes = value_size_bytes(&value);
            self.best = Some(value);
        }
    }
}

impl Accumulator for Extreme {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        self.offer(args[0].clone());
        Ok(())
    }

    fn update_column(&mut self, column: &Column) -> Result<()> {
        let greatest = self.greatest;
        let best = match column {
            Column::Int(array) => {
                let values = array.iter().flatten();
                (if greatest { values.max() } else { values.min() }).map(Value::Int)
            }
            Column::Timestamp(array) => {
                let values = array.iter().flatten();
                (if greatest { values.max() } else { values.min() }).map(Value::Timestamp)
            }
            Column::Float(array) => {
                let values = array.iter().flatten();
                let order = |a: &f64, b: &f64| float_type::compare(*a, *b);
                (if greatest { values.max_by(order) } else { values.min_by(order) }).map(Value::Float)
            }
            Column::Text(array) => {
                let values = array.iter().flatten();
                (if greatest { values.max() } else { values.min() }).map(Value::from)
            }
            column => {
                for row in (0..column.len()).filter(|row| !column.is_null(*row)) {
                    self.offer(column.value(row));
                }
                None
            }
        };
        if let Some(best) = best {
            self.offer(best);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(self.best.take().unwrap_or(Value::Null))
    }

    fn value(&mut self) -> Result<Value> {
        Ok(self.best.clone().unwrap_or(Value::Null))
    }

    fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}

/// The deciding value wins if there is one.
struct Logical {
    count: i64,
    deciding_count: i64,
    deciding: bool,
}

impl Logical {
    fn boxed(deciding: bool) -> Box<dyn Accumulator> {
        Box::new(Logical { count: 0, deciding_count: 0, deciding })
    }
}

impl Accumulator for Logical {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        self.count += 1;
        self.deciding_count += i64::from(boolean(&args[0])? == self.deciding);
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(match self.count {
            0 => Value::Null,
            _ => Value::Bool((self.deciding_count > 0) == self.deciding),
        })
    }

    fn remove(&mut self, args: &[Value]) -> Result<bool> {
        self.count -= 1;
        self.deciding_count -= i64::from(boolean(&args[0])? == self.deciding);
        Ok(true)
    }

    fn size_bytes(&self) -> usize {
        24
    }
}

struct Bits {
    result: Option<i64>,
    apply: fn(i64, i64) -> i64,
}

impl Accumulator for Bits {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        let value = int(&args[0])?;
        self.result = Some(self.result.map_or(value, |known| (self.apply)(known, value)));
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(self.result.map_or(Value::Null, Value::Int))
    }

    fn size_bytes(&self) -> usize {
        16
    }
}

#[derive(Default)]
struct First(Option<Value>);

impl Accumulator for First {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        if self.0.is_none() {
            self.0 = Some(args[0].clone());
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(self.0.take().unwrap_or(Value::Null))
    }

    fn value(&mut self) -> Result<Value> {
        Ok(self.0.clone().unwrap_or(Value::Null))
    }

    fn size_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, value_size_bytes)
    }
}

fn zero() -> Numeric {
    crate::types::numeric::from_int(0)
}

macro_rules! extremes {
    ($t:ident, $($ty:literal),*) => {
        $($t.aggregate(concat!("min(", $ty, ") -> ", $ty), |_| Extreme::boxed(false));
        $t.aggregate(concat!("max(", $ty, ") -> ", $ty), |_| Extreme::boxed(true));)*
    };
}

macro_rules! bits {
    ($t:ident, $($ty:literal),*) => {
        $($t.aggregate(concat!("bit_and(", $ty, ") -> ", $ty), |_| Box::new(Bits { result: None, apply: |a, b| a & b }));
        $t.aggregate(concat!("bit_or(", $ty, ") -> ", $ty), |_| Box::new(Bits { result: None, apply: |a, b| a | b }));
        $t.aggregate(concat!("bit_xor(", $ty, ") -> ", $ty), |_| Box::new(Bits { result: None, apply: |a, b| a ^ b }));)*
    };
}

pub(super) fn register(t: &mut Table) {
    t.aggregate("count() -> int8", |_| Box::<Count>::default()).oid(2803).lax();
    t.aggregate("count(any) -> int8", |_| Box::<Count>::default()).oid(2147);

    t.aggregate("sum(int2) -> int8", |_| IntSum::boxed(IntResult::BigintSum));
    t.aggregate("sum(int4) -> int8", |_| IntSum::boxed(IntResult::BigintSum)).oid(2108);
    t.aggregate("sum(int8) -> numeric", |_| IntSum::boxed(IntResult::NumericSum)).oid(2107);
    t.aggregate("sum(float4) -> float4", |_| Box::new(FloatSum { sum: 0.0, count: 0, average: false, single: true }));
    t.aggregate("sum(float8) -> float8", |_| Box::new(FloatSum { sum: 0.0, count: 0, average: false, single: false }));
    t.aggregate("sum(numeric) -> numeric", |_| NumericSum::boxed(false));
    t.aggregate("sum(interval) -> interval", |_| Box::<IntervalSum>::default());
    t.aggregate("sum(vector) -> vector", |_| Box::<VectorSum>::default());

    t.aggregate("avg(int2) -> numeric", |_| IntSum::boxed(IntResult::Average));
    t.aggregate("avg(int4) -> numeric", |_| IntSum::boxed(IntResult::Average));
    t.aggregate("avg(int8) -> numeric", |_| IntSum::boxed(IntResult::Average));
    t.aggregate("avg(float4) -> float8", |_| Box::new(FloatSum { sum: 0.0, count: 0, average: true, single: false }));
    t.aggregate("avg(float8) -> float8", |_| Box::new(FloatSum { sum: 0.0, count: 0, average: true, single: false }));
    t.aggregate("avg(numeric) -> numeric", |_| NumericSum::boxed(true));
    t.aggregate("avg(interval) -> interval", |_| Box::new(IntervalSum { average: true, ..IntervalSum::default() }));
    t.aggregate("avg(vector) -> vector", |_| Box::new(VectorSum { average: true, ..VectorSum::default() }));
    extremes!(
        t,
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "numeric",
        "text",
        "bpchar",
        "anyenum",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "interval",
        "oid",
        "uuid",
        "anyarray"
    );

    for signature in ["bool_and(bool) -> bool", "every(bool) -> bool"] {
        t.aggregate(signature, |_| Logical::boxed(false));
    }
    t.aggregate("bool_or(bool) -> bool", |_| Logical::boxed(true));
    bits!(t, "int2", "int4", "int8");
    t.aggregate("any_value(anyelement) -> anyelement", |_| Box::<First>::default());
}
