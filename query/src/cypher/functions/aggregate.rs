//! Aggregates. All skip nulls; a group without values gives 0 for count and sum, an empty list for collect, else null.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sinew_storage::{DataType, TemporalKind, Value};

use super::compare::as_float;
use super::{Aggregate, arithmetic, compare_orderability, wrong_type};
use crate::batch::value_size_bytes;
use crate::cypher::errors;
use crate::error::Result;
use crate::exec::expr::size::check_element_count;
use crate::functions::{Accumulator, AggregateFunction};

type MakeAccumulator = fn(&[DataType]) -> Box<dyn Accumulator>;

pub(super) fn table() -> FxHashMap<String, Aggregate> {
    let entries: [(&'static str, usize, DataType, MakeAccumulator); 12] = [
        ("count", 1, DataType::Int8, |_| Box::new(Count(0))),
        ("sum", 1, DataType::Any, |_| Box::new(Sum(None))),
        ("avg", 1, DataType::Any, |_| Box::new(Average::default())),
        ("min", 1, DataType::Any, |_| Box::new(Extreme { best: None, maximum: false, size_bytes: 0 })),
        ("max", 1, DataType::Any, |_| Box::new(Extreme { best: None, maximum: true, size_bytes: 0 })),
        ("collect", 1, DataType::array_of(DataType::Any), |_| Box::new(Collect::default())),
        ("stDev", 1, DataType::Float8, |_| Box::new(Deviation::new(true))),
        ("stDevP", 1, DataType::Float8, |_| Box::new(Deviation::new(false))),
        ("stdevSamp", 1, DataType::Float8, |_| Box::new(Deviation::new(true))),
        ("stdevPop", 1, DataType::Float8, |_| Box::new(Deviation::new(false))),
        ("percentileCont", 2, DataType::Float8, |_| Box::new(Percentile::new(true))),
        ("percentileDisc", 2, DataType::Any, |_| Box::new(Percentile::new(false))),
    ];
    entries
        .into_iter()
        .map(|(display, args, returns, accumulator)| {
            let function = AggregateFunction {
                name: display,
                oid: 0,
                args: vec![DataType::Any; args],
                returns,
                strict: true,
                accumulator,
            };
            (display.to_lowercase(), Aggregate { display, args, function: Arc::new(function) })
        })
        .collect()
}

struct Count(i64);

impl Accumulator for Count {
    fn update(&mut self, _: &[Value]) -> Result<()> {
        self.0 += 1;
        Ok(())
    }
    fn finish(&mut self) -> Result<Value> {
        Ok(Value::Int(self.0))
    }
    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// Of numbers or of durations; None before the first one.
struct Sum(Option<Value>);

impl Accumulator for Sum {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        let may_be_added = match &args[0] {
            Value::Int(_) | Value::Float(_) | Value::Numeric(_) => true,
            Value::Temporal(value) => value.kind() == TemporalKind::Duration,
            _ => false,
        };
        if !may_be_added {
            return Err(wrong_type("sum()", "numbers or durations", &args[0]));
        }
        self.0 = Some(match &self.0 {
            None => args[0].clone(),
            Some(sum) => arithmetic::add(sum, &args[0])?,
        });
        Ok(())
    }
    fn finish(&mut self) -> Result<Value> {
        Ok(self.0.clone().unwrap_or(Value::Int(0)))
    }
    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// Of numbers, by Kahan's compensated summation, or of durations.
#[derive(Default)]
struct Average {
    sum: f64,
    compensation: f64,
    count: i64,
    /// Exact; None when there are none.
    duration: Option<Value>,
}

impl Accumulator for Average {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        let value = &args[0];
        match value {
            Value::Int(_) | Value::Float(_) | Value::Numeric(_) if self.duration.is_none() => {
                let corrected = as_float(value) - self.compensation;
                let next = self.sum + corrected;
                self.compensation = if next.is_finite() { (next - self.sum) - corrected } else { 0.0 };
                self.sum = next;
            }
            Value::Temporal(duration) if duration.kind() == TemporalKind::Duration => match &self.duration {
                Some(sum) => self.duration = Some(arithmetic::add(sum, value)?),
                None if self.count == 0 => self.duration = Some(value.clone()),
                None => return Err(wrong_type("avg() of numbers", "a number", value)),
            },
            _ if self.duration.is_some() => return Err(wrong_type("avg() of durations", "a duration", value)),
            _ => return Err(wrong_type("avg()", "numbers or durations", value)),
        }
        self.count += 1;
        Ok(())
    }
    fn finish(&mut self) -> Result<Value> {
        match self.duration.take() {
            _ if self.count == 0 => Ok(Value::Null),
            Some(sum) => arithmetic::divide(&sum, &Value::Int(self.count)),
            None => Ok(Value::Float(self.sum / self.count as f64)),
        }
    }
    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// min and max by orderability.
struct Extreme {
    best: Option<Value>,
    maximum: bool,
    size_bytes: usize,
}

impl Accumulator for Extreme {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        let better = self.best.as_ref().is_none_or(|best| {
            let ordering = compare_orderability(&args[0], best);
            if self.maximum { ordering.is_gt() } else { ordering.is_lt() }
        });
        if better {
            self.size_bytes = value_size_bytes(&args[0]);
            self.best = Some(args[0].clone());
        }
        Ok(())
    }
    fn finish(&mut self) -> Result<Value> {
        Ok(self.best.take().unwrap_or_default())
    }
    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.size_bytes
    }
}

#[derive(Default)]
struct Collect {
    items: Vec<Value>,
    size_bytes: usize,
}

impl Accumulator for Collect {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        check_element_count(self.items.len() + 1)?;
        self.size_bytes += value_size_bytes(&args[0]);
        self.items.push(args[0].clone());
        Ok(())
    }
    fn finish(&mut self) -> Result<Value> {
        Ok(Value::list(std::mem::take(&mut self.items)))
    }
    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.size_bytes
    }
}

/// Welford's method.
struct Deviation {
    sample: bool,
    count: u64,
    mean: f64,
    squares: f64,
}

impl Deviation {
    fn new(sample: bool) -> Deviation {
        Deviation { sample, count: 0, mean: 0.0, squares: 0.0 }
    }
}

impl Accumulator for Deviation {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        if !matches!(args[0], Value::Int(_) | Value::Float(_) | Value::Numeric(_)) {
            return Err(wrong_type("stDev()", "numbers", &args[0]));
        }
        let value = as_float(&args[0]);
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
        Ok(())
    }
    fn finish(&mut self) -> Result<Value> {
        let divisor = if self.sample { self.count.saturating_sub(1) } else { self.count };
        Ok(Value::Float(if divisor == 0 { 0.0 } else { (self.squares / divisor as f64).sqrt() }))
    }
    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

struct Percentile {
    continuous: bool,
    fraction: f64,
    values: Vec<Value>,
}

impl Percentile {
    fn new(continuous: bool) -> Percentile {
        Percentile { continuous, fraction: 0.0, values: Vec::new() }
    }

    fn name(&self) -> &'static str {
        if self.continuous { "percentileCont()" } else { "percentileDisc()" }
    }
}

impl Accumulator for Percentile {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        for arg in args {
            if !matches!(arg, Value::Int(_) | Value::Float(_) | Value::Numeric(_)) {
                return Err(wrong_type(self.name(), "numbers", arg));
            }
        }
        self.fraction = as_float(&args[1]);
        if !(0.0..=1.0).contains(&self.fraction) {
            let message = format!("{} expected a percentile from 0.0 to 1.0, got {}", self.name(), self.fraction);
            return Err(errors::runtime("ArgumentError", "NumberOutOfRange", message));
        }
        self.values.push(args[0].clone());
        Ok(())
    }
    fn finish(&mut self) -> Result<Value> {
        self.values.sort_unstable_by(compare_orderability);
        let Some(last) = self.values.len().checked_sub(1) else { return Ok(Value::Null) };
        if self.continuous {
            let position = self.fraction * last as f64;
            let below = position.floor();
            let low = as_float(&self.values[below as usize]);
            let high = as_float(&self.values[position.ceil() as usize]);
            return Ok(Value::Float(low + (high - low) * (position - below)));
        }
        let rank = (self.fraction * self.values.len() as f64).ceil() as usize;
        Ok(self.values[rank.saturating_sub(1).min(last)].clone())
    }
    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.values.capacity() * size_of::<Value>()
    }
}
