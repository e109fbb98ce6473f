//! Covariance, correlation and linear regression of pairs (Y, X), by Youngs and Cramer's updating as PostgreSQL does.

use sinew_storage::Value;

use super::Accumulator;
use super::args::float;
use super::kernel::check_overflow;
use super::registry::Table;
use crate::error::Result;

/// Sums over the pairs so far.
#[derive(Clone, Copy, Default)]
struct Sums {
    count: f64,
    x: f64,
    y: f64,
    /// Sums of squared deviations and of their products.
    xx: f64,
    yy: f64,
    xy: f64,
}

struct Regression {
    sums: Sums,
    /// What becomes of the sums; None is NULL.
    result: fn(&Sums) -> Option<Value>,
}

impl Accumulator for Regression {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        let (y, x) = (float(&args[0])?, float(&args[1])?);
        let sums = &mut self.sums;
        sums.count += 1.0;
        sums.x = check_overflow(sums.x + x, sums.x, x)?;
        sums.y = check_overflow(sums.y + y, sums.y, y)?;
        if sums.count > 1.0 {
            let (dx, dy) = (x * sums.count - sums.x, y * sums.count - sums.y);
            let scale = 1.0 / (sums.count * (sums.count - 1.0));
            sums.xx = check_overflow(sums.xx + dx * dx * scale, x, sums.x)?;
            sums.yy = check_overflow(sums.yy + dy * dy * scale, y, sums.y)?;
            sums.xy += dx * dy * scale;
        }
        // Without a finite value there is no deviation from it.
        if !x.is_finite() {
            (sums.xx, sums.xy) = (f64::NAN, f64::NAN);
        }
        if !y.is_finite() {
            (sums.yy, sums.xy) = (f64::NAN, f64::NAN);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok((self.result)(&self.sums).unwrap_or(Value::Null))
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// A float when there were at least so many pairs.
fn of(sums: &Sums, least: f64, value: f64) -> Option<Value> {
    (sums.count >= least).then_some(Value::Float(value))
}

macro_rules! regressions {
    ($t:ident, $($signature:literal $result:expr;)*) => {
        $($t.aggregate($signature, |_| Box::new(Regression { sums: Sums::default(), result: $result }));)*
    };
}

pub(super) fn register(t: &mut Table) {
    regressions! { t,
        "corr(float8, float8) -> float8" |s| {
            of(s, 1.0, s.xy / (s.xx * s.yy).sqrt()).filter(|_| s.xx != 0.0 && s.yy != 0.0)
        };
        "covar_pop(float8, float8) -> float8" |s| of(s, 1.0, s.xy / s.count);
        "covar_samp(float8, float8) -> float8" |s| of(s, 2.0, s.xy / (s.count - 1.0));
        "regr_avgx(float8, float8) -> float8" |s| of(s, 1.0, s.x / s.count);
        "regr_avgy(float8, float8) -> float8" |s| of(s, 1.0, s.y / s.count);
        "regr_count(float8, float8) -> int8" |s| Some(Value::Int(s.count as i64));
        "regr_intercept(float8, float8) -> float8" |s| {
            of(s, 1.0, (s.y - s.x * s.xy / s.xx) / s.count).filter(|_| s.xx != 0.0)
        };
        "regr_r2(float8, float8) -> float8" |s| {
            let fit = if s.yy == 0.0 { 1.0 } else { (s.xy * s.xy) / (s.xx * s.yy) };
            of(s, 1.0, fit).filter(|_| s.xx != 0.0)
        };
        "regr_slope(float8, float8) -> float8" |s| of(s, 1.0, s.xy / s.xx).filter(|_| s.xx != 0.0);
        "regr_sxx(float8, float8) -> float8" |s| of(s, 1.0, s.xx);
        "regr_sxy(float8, float8) -> float8" |s| of(s, 1.0, s.xy);
        "regr_syy(float8, float8) -> float8" |s| of(s, 1.0, s.yy);
    }
}
