//! Variance and standard deviation. Integers and numerics are exact (PostgreSQL's `numeric_stddev_internal`); floats use
//! Youngs and Cramer's updating, as PostgreSQL does.

use sinew_storage::{Numeric, Value};

use super::Accumulator;
use super::aggregate_basic::MostDecimals;
use super::args::{float, numeric};
use super::registry::Table;
use crate::error::Result;
use crate::types::numeric::from_int;
use crate::types::{IntoValue, numeric as numeric_type, numeric_math};

#[derive(Clone, Copy)]
struct Kind {
    sample: bool,
    root: bool,
}

struct Exact {
    count: i64,
    sum: Numeric,
    squares: Numeric,
    decimals: MostDecimals,
    kind: Kind,
}

impl Exact {
    fn boxed(sample: bool, root: bool) -> Box<dyn Accumulator> {
        let (sum, squares) = (from_int(0), from_int(0));
        Box::new(Exact { count: 0, sum, squares, decimals: MostDecimals::default(), kind: Kind { sample, root } })
    }
}

impl Accumulator for Exact {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        let value = numeric(&args[0])?;
        self.count += 1;
        self.sum = numeric_math::add(&self.sum, &value)?;
        self.squares = numeric_math::add(&self.squares, &numeric_math::multiply(&value, &value)?)?;
        self.decimals.add(&value);
        Ok(())
    }

    fn remove(&mut self, args: &[Value]) -> Result<bool> {
        let value = numeric(&args[0])?;
        if !self.decimals.remove(&value) {
            return Ok(false);
        }
        self.count -= 1;
        self.sum = numeric_math::subtract(&self.sum, &value)?;
        self.squares = numeric_math::subtract(&self.squares, &numeric_math::multiply(&value, &value)?)?;
        Ok(matches!(self.squares, Numeric::Finite(_)))
    }

    fn finish(&mut self) -> Result<Value> {
        let least = if self.kind.sample { 2 } else { 1 };
        if self.count < least {
            return Ok(Value::Null);
        }
        let count = from_int(self.count);
        let spread = numeric_math::subtract(
            &numeric_math::multiply(&count, &self.squares)?,
            &numeric_math::multiply(&self.sum, &self.sum)?,
        )?;
        if numeric_type::compare(&spread, &from_int(0)).is_le() {
            return Ok(from_int(0).into_value());
        }
        let divisor = if self.kind.sample {
            numeric_math::multiply(&count, &from_int(self.count - 1))?
        } else {
            numeric_math::multiply(&count, &count)?
        };
        let variance = numeric_math::divide(&spread, &divisor)?;
        Ok(if self.kind.root { numeric_math::sqrt(&variance)? } else { variance }.into_value())
    }

    fn size_bytes(&self) -> usize {
        128
    }
}

struct Floating {
    count: f64,
    sum: f64,
    /// Sum of squared deviations.
    deviations: f64,
    kind: Kind,
}

impl Floating {
    fn boxed(sample: bool, root: bool) -> Box<dyn Accumulator> {
        Box::new(Floating { count: 0.0, sum: 0.0, deviations: 0.0, kind: Kind { sample, root } })
    }
}

impl Accumulator for Floating {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        let x = float(&args[0])?;
        self.count += 1.0;
        self.sum += x;
        if self.count > 1.0 {
            let difference = x * self.count - self.sum;
            self.deviations += difference * difference / (self.count * (self.count - 1.0));
        } else if !x.is_finite() {
            self.deviations = f64::NAN;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        let least = if self.kind.sample { 2.0 } else { 1.0 };
        if self.count < least {
            return Ok(Value::Null);
        }
        let variance = self.deviations / if self.kind.sample { self.count - 1.0 } else { self.count };
        Ok(Value::Float(if self.kind.root { variance.sqrt() } else { variance }))
    }

    fn size_bytes(&self) -> usize {
        32
    }
}

macro_rules! statistics {
    ($t:ident, $($name:literal $sample:literal $root:literal;)*) => {
        $(for signature in [
            concat!($name, "(int2) -> numeric"),
            concat!($name, "(int4) -> numeric"),
            concat!($name, "(int8) -> numeric"),
            concat!($name, "(numeric) -> numeric"),
        ] {
            $t.aggregate(signature, |_| Exact::boxed($sample, $root));
        }
        for signature in [concat!($name, "(float4) -> float8"), concat!($name, "(float8) -> float8")] {
            $t.aggregate(signature, |_| Floating::boxed($sample, $root));
        })*
    };
}

pub(super) fn register(t: &mut Table) {
    statistics! { t,
        "stddev" true true;
        "stddev_samp" true true;
        "stddev_pop" false true;
        "variance" true false;
        "var_samp" true false;
        "var_pop" false false;
    }
}
