//! Arithmetic of `numeric` with PostgreSQL's result scales.
//!
//! Sums keep the larger scale, products add scales; quotients, roots and transcendental functions choose a scale that
//! gives at least 16 significant digits (`select_div_scale` and its kin in PostgreSQL's numeric.c). Transcendental
//! functions run in fixed point on big integers with guard digits.

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{BigDecimal, One, RoundingMode, Signed, ToPrimitive, Zero};
use sinew_storage::Numeric;

use super::numeric::{checked, decimal, decimal_to_f64, overflow, round};
use crate::error::{QueryError, Result, sqlstate};

const MIN_SIGNIFICANT_DIGITS: i64 = 16;
const MAX_DISPLAY_SCALE: i64 = 1_000;

pub(crate) fn division_by_zero() -> QueryError {
    QueryError::new(sqlstate::DIVISION_BY_ZERO, "division by zero")
}

fn is_negative(value: &Numeric) -> bool {
    match value {
        Numeric::Finite(value) => value.sign() == Sign::Minus,
        Numeric::NegativeInfinity => true,
        _ => false,
    }
}

fn is_zero(value: &Numeric) -> bool {
    matches!(value, Numeric::Finite(value) if value.is_zero())
}

pub(crate) fn negate(value: &Numeric) -> Numeric {
    match value {
        Numeric::Finite(value) => Numeric::Finite(-value),
        Numeric::Infinity => Numeric::NegativeInfinity,
        Numeric::NegativeInfinity => Numeric::Infinity,
        Numeric::NaN => Numeric::NaN,
    }
}

pub(crate) fn add(a: &Numeric, b: &Numeric) -> Result<Numeric> {
    use Numeric::*;
    Ok(match (a, b) {
        (Finite(a), Finite(b)) => return checked(a + b),
        (NaN, _) | (_, NaN) | (Infinity, NegativeInfinity) | (NegativeInfinity, Infinity) => NaN,
        (Infinity, _) | (_, Infinity) => Infinity,
        (NegativeInfinity, _) | (_, NegativeInfinity) => NegativeInfinity,
    })
}

pub(crate) fn subtract(a: &Numeric, b: &Numeric) -> Result<Numeric> {
    match (a, b) {
        (Numeric::Finite(a), Numeric::Finite(b)) => checked(a - b),
        _ => add(a, &negate(b)),
    }
}

pub(crate) fn multiply(a: &Numeric, b: &Numeric) -> Result<Numeric> {
    if let (Numeric::Finite(a), Numeric::Finite(b)) = (a, b) {
        // The library's own product of a number and one has the other's scale.
        let ((x, x_scale), (y, y_scale)) = (a.as_bigint_and_scale(), b.as_bigint_and_scale());
        return checked(BigDecimal::new(&*x * &*y, x_scale + y_scale));
    }
    if matches!(a, Numeric::NaN) || matches!(b, Numeric::NaN) || is_zero(a) || is_zero(b) {
        return Ok(Numeric::NaN);
    }
    Ok(if is_negative(a) == is_negative(b) { Numeric::Infinity } else { Numeric::NegativeInfinity })
}

/// Weight and value of the first base-10000 digit.
fn leading_digit(value: &BigDecimal) -> (i64, i64) {
    if value.is_zero() {
        return (0, 0);
    }
    let (digits, scale) = value.as_bigint_and_scale();
    let text = digits.magnitude().to_str_radix(10);
    let exponent = text.len() as i64 - 1 - scale;
    let weight = exponent.div_euclid(4);
    let take = (exponent - weight * 4 + 1) as usize;
    let first: i64 =
        text.bytes().take(take).chain(std::iter::repeat(b'0')).take(take).fold(0, |n, b| n * 10 + i64::from(b - b'0'));
    (weight, first)
}

/// Display scale of a quotient.
fn division_scale(a: &BigDecimal, b: &BigDecimal) -> i64 {
    let (weight_a, first_a) = leading_digit(a);
    let (weight_b, first_b) = leading_digit(b);
    let mut quotient_weight = weight_a - weight_b;
    if first_a <= first_b {
        quotient_weight -= 1;
    }
    (MIN_SIGNIFICANT_DIGITS - quotient_weight * 4)
        .max(a.fractional_digit_count())
        .max(b.fractional_digit_count())
        .clamp(0, MAX_DISPLAY_SCALE)
}

/// `a / b` rounded half away from zero at `scale`.
pub(crate) fn divide_at(a: &BigDecimal, b: &BigDecimal, scale: i64) -> BigDecimal {
    let (a_digits, a_scale) = a.as_bigint_and_scale();
    let (b_digits, b_scale) = b.as_bigint_and_scale();
    let shift = scale - a_scale + b_scale;
    let ten = BigInt::from(10);
    let (numerator, denominator) = if shift >= 0 {
        (a_digits.into_owned() * ten.pow(shift as u32), b_digits.into_owned())
    } else {
        (a_digits.into_owned(), b_digits.into_owned() * ten.pow((-shift) as u32))
    };
    BigDecimal::new(divide_rounded(&numerator, &denominator), scale)
}

/// Quotient rounded half away from zero.
fn divide_rounded(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let negative = (numerator.sign() == Sign::Minus) != (denominator.sign() == Sign::Minus);
    let (numerator, denominator) = (numerator.abs(), denominator.abs());
    let quotient = (numerator * 2u8 + &denominator) / (denominator * 2u8);
    if negative { -quotient } else { quotient }
}

pub(crate) fn divide(a: &Numeric, b: &Numeric) -> Result<Numeric> {
    use Numeric::*;
    match (a, b) {
        (NaN, _) | (_, NaN) => Ok(NaN),
        (_, Finite(b)) if b.is_zero() => Err(division_by_zero()),
        (Finite(a), Finite(b)) => checked(divide_at(a, b, division_scale(a, b))),
        (Finite(_), _) => Ok(Finite(decimal(0))),
        (_, Finite(_)) => Ok(if is_negative(a) == is_negative(b) { Infinity } else { NegativeInfinity }),
        _ => Ok(NaN),
    }
}

/// `div(a, b)`: the quotient cut to an integer.
pub(crate) fn divide_truncated(a: &Numeric, b: &Numeric) -> Result<Numeric> {
    if let (Numeric::Finite(x), Numeric::Finite(y)) = (a, b) {
        if y.is_zero() {
            return Err(division_by_zero());
        }
        let (x_digits, y_digits) = aligned(x, y);
        return checked(BigDecimal::new(x_digits / y_digits, 0));
    }
    divide(a, b)
}

fn aligned(a: &BigDecimal, b: &BigDecimal) -> (BigInt, BigInt) {
    let scale = a.fractional_digit_count().max(b.fractional_digit_count());
    (a.with_scale(scale).into_bigint_and_scale().0, b.with_scale(scale).into_bigint_and_scale().0)
}

/// Remainder with the sign of the dividend.
pub(crate) fn remainder(a: &Numeric, b: &Numeric) -> Result<Numeric> {
    use Numeric::*;
    match (a, b) {
        (NaN, _) | (_, NaN) => Ok(NaN),
        (_, Finite(b)) if b.is_zero() => Err(division_by_zero()),
        (Finite(a), Finite(b)) => {
            let scale = a.fractional_digit_count().max(b.fractional_digit_count());
            let (x, y) = aligned(a, b);
            checked(BigDecimal::new(x % y, scale))
        }
        (Finite(a), _) => Ok(Finite(a.clone())),
        _ => Ok(NaN),
    }
}

fn invalid(message: &str, sqlstate: &'static str) -> QueryError {
    QueryError::new(sqlstate, message)
}

pub(crate) fn sqrt(value: &Numeric) -> Result<Numeric> {
    match value {
        Numeric::NaN => Ok(Numeric::NaN),
        Numeric::Infinity => Ok(Numeric::Infinity),
        Numeric::NegativeInfinity => Err(invalid("cannot take square root of a negative number", "2201F")),
        Numeric::Finite(value) => {
            if value.sign() == Sign::Minus {
                return Err(invalid("cannot take square root of a negative number", "2201F"));
            }
            let (weight, _) = leading_digit(value);
            // Weight of the root in decimal digits, as numeric_sqrt estimates it.
            let root_weight = (weight + 1) * 2 - 1;
            let scale =
                (MIN_SIGNIFICANT_DIGITS - root_weight).max(value.fractional_digit_count()).clamp(0, MAX_DISPLAY_SCALE);
            let wide = value.with_scale((scale + 1) * 2).into_bigint_and_scale().0;
            Ok(Numeric::Finite(round(&BigDecimal::new(wide.sqrt(), scale + 1), scale)))
        }
    }
}

/// Fixed-point number: `digits / 10^precision`.
struct Fixed {
    precision: u32,
    one: BigInt,
}

impl Fixed {
    fn new(precision: i64) -> Fixed {
        let precision = precision.clamp(1, 20_000) as u32;
        Fixed { precision, one: BigInt::from(10).pow(precision) }
    }

    fn from(&self, value: &BigDecimal) -> BigInt {
        value.with_scale_round(i64::from(self.precision), RoundingMode::HalfUp).into_bigint_and_scale().0
    }

    fn decimal(&self, value: BigInt) -> BigDecimal {
        BigDecimal::new(value, i64::from(self.precision))
    }

    fn mul(&self, a: &BigInt, b: &BigInt) -> BigInt {
        a * b / &self.one
    }

    fn div(&self, a: &BigInt, b: &BigInt) -> BigInt {
        a * &self.one / b
    }

    /// Taylor series after halving the argument until it is small.
    fn exp(&self, value: &BigInt) -> BigInt {
        let mut halvings = 0u32;
        let mut x = value.clone();
        let limit = &self.one / 100;
        while x.abs() > limit {
            x /= 2;
            halvings += 1;
        }
        let mut sum = &self.one + &x;
        let mut term = x.clone();
        let mut n = 2u32;
        loop {
            term = self.mul(&term, &x) / n;
            if term.is_zero() {
                break;
            }
            sum += &term;
            n += 1;
        }
        for _ in 0..halvings {
            sum = self.mul(&sum, &sum);
        }
        sum
    }

    /// Roots until near one, then the series of the inverse hyperbolic tangent.
    fn ln(&self, value: &BigInt) -> BigInt {
        let mut doublings = 0u32;
        let mut x = value.clone();
        let limit = &self.one / 100;
        while (&x - &self.one).abs() > limit {
            x = (&x * &self.one).sqrt();
            doublings += 1;
        }
        let z = self.div(&(&x - &self.one), &(&x + &self.one));
        let z2 = self.mul(&z, &z);
        let mut sum = z.clone();
        let mut power = z;
        let mut n = 3u32;
        loop {
            power = self.mul(&power, &z2);
            let term = &power / n;
            if term.is_zero() {
                break;
            }
            sum += term;
            n += 2;
        }
        sum * 2u8 * BigInt::from(2).pow(doublings)
    }
}

/// Decimal exponent of the leading digit.
fn magnitude(value: &BigDecimal) -> i64 {
    value.digits() as i64 - 1 - value.fractional_digit_count()
}

pub(crate) fn exp(value: &Numeric) -> Result<Numeric> {
    match value {
        Numeric::NaN => Ok(Numeric::NaN),
        Numeric::Infinity => Ok(Numeric::Infinity),
        Numeric::NegativeInfinity => Ok(Numeric::Finite(decimal(0))),
        Numeric::Finite(value) => {
            let estimate = decimal_to_f64(value) * std::f64::consts::LOG10_E;
            if decimal_to_f64(value) >= MAX_EXPONENT {
                return Err(overflow());
            }
            if estimate < -(MAX_DISPLAY_SCALE as f64) - 20.0 {
                return Ok(Numeric::Finite(BigDecimal::new(BigInt::zero(), MAX_DISPLAY_SCALE)));
            }
            let digits = estimate as i64;
            let scale =
                (MIN_SIGNIFICANT_DIGITS - digits).max(value.fractional_digit_count()).clamp(0, MAX_DISPLAY_SCALE);
            checked(round(&exp_decimal(value, scale), scale))
        }
    }
}

/// Exponents of e from here on overflow, as in numeric.c.
const MAX_EXPONENT: f64 = 6_000.0;

fn exp_decimal(value: &BigDecimal, scale: i64) -> BigDecimal {
    let whole = (decimal_to_f64(value).abs() * std::f64::consts::LOG10_E) as i64;
    let fixed = Fixed::new(scale + whole + 20 + whole.max(1).ilog2() as i64);
    fixed.decimal(fixed.exp(&fixed.from(value)))
}

/// 2201E below or at zero.
fn check_logarithm(value: &Numeric) -> Result<()> {
    if is_zero(value) {
        return Err(invalid("cannot take logarithm of zero", "2201E"));
    }
    if is_negative(value) {
        return Err(invalid("cannot take logarithm of a negative number", "2201E"));
    }
    Ok(())
}

/// `ln(v * 10^m) = ln(v) + m * ln(10)` with `1 <= v < 10`, so that the work depends on the digits wanted only.
fn ln_decimal(value: &BigDecimal, scale: i64) -> BigDecimal {
    let exponent = magnitude(value);
    let fixed = Fixed::new(scale + 30);
    let (digits, own_scale) = value.as_bigint_and_scale();
    let mantissa = BigDecimal::new(digits.into_owned(), own_scale + exponent);
    let mut sum = fixed.ln(&fixed.from(&mantissa));
    if exponent != 0 {
        sum += fixed.ln(&fixed.from(&decimal(10))) * exponent;
    }
    fixed.decimal(sum)
}

/// Decimal weight of a natural logarithm, as `estimate_ln_dweight` guesses it.
fn logarithm_weight(value: &BigDecimal) -> i64 {
    let near = decimal_to_f64(value);
    if (0.9..=1.1).contains(&near) {
        // ln(1 + x) is about x.
        let difference = value - decimal(1);
        if difference.is_zero() {
            return 0;
        }
        let (weight, first) = leading_digit(&difference);
        return weight * 4 + (first as f64).log10() as i64;
    }
    let logarithm = ln_estimate(value).abs();
    if logarithm > 0.0 { logarithm.log10() as i64 } else { 0 }
}

pub(crate) fn ln(value: &Numeric) -> Result<Numeric> {
    check_logarithm(value)?;
    match value {
        Numeric::Finite(value) => {
            let digits = logarithm_weight(value);
            let scale =
                (MIN_SIGNIFICANT_DIGITS - digits).max(value.fractional_digit_count()).clamp(0, MAX_DISPLAY_SCALE);
            checked(round(&ln_decimal(value, scale), scale))
        }
        other => Ok(other.clone()),
    }
}

/// Logarithm to a base.
pub(crate) fn log(base: &Numeric, value: &Numeric) -> Result<Numeric> {
    check_logarithm(base)?;
    check_logarithm(value)?;
    match (base, value) {
        (Numeric::Finite(base), Numeric::Finite(value)) => {
            if base.is_one() {
                return Err(division_by_zero());
            }
            let digits = logarithm_weight(value) - logarithm_weight(base);
            let scale = (MIN_SIGNIFICANT_DIGITS - digits)
                .max(base.fractional_digit_count())
                .max(value.fractional_digit_count())
                .clamp(0, MAX_DISPLAY_SCALE);
            let working = scale + 10;
            checked(divide_at(&ln_decimal(value, working), &ln_decimal(base, working), scale))
        }
        (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
        (Numeric::Finite(_), Numeric::Infinity) => Ok(Numeric::Infinity),
        (Numeric::Infinity, Numeric::Finite(_)) => Ok(Numeric::Finite(decimal(0))),
        _ => Ok(Numeric::NaN),
    }
}

pub(crate) fn power(base: &Numeric, exponent: &Numeric) -> Result<Numeric> {
    let (Numeric::Finite(b), Numeric::Finite(e)) = (base, exponent) else {
        let result = super::numeric::to_f64(base).powf(super::numeric::to_f64(exponent));
        return Ok(super::numeric::from_float(result, 15));
    };
    let whole = e.is_integer();
    if b.is_zero() && e.sign() == Sign::Minus {
        return Err(invalid("zero raised to a negative power is undefined", "2201F"));
    }
    if b.sign() == Sign::Minus && !whole {
        return Err(invalid("a negative number raised to a non-integer power yields a complex result", "2201F"));
    }
    if e.is_zero() {
        let scale = MIN_SIGNIFICANT_DIGITS.max(b.fractional_digit_count());
        return checked(decimal(1).with_scale(scale));
    }
    if b.is_zero() {
        let scale = MIN_SIGNIFICANT_DIGITS.max(b.fractional_digit_count());
        return checked(decimal(0).with_scale(scale));
    }
    // Decimal digits of the result before the point.
    let estimate = decimal_to_f64(e) * ln_estimate(&b.abs()) * std::f64::consts::LOG10_E;
    if whole && let Some(n) = e.to_i64().filter(|n| i32::try_from(*n).is_ok()) {
        let scale = MIN_SIGNIFICANT_DIGITS.max(b.fractional_digit_count()).min(MAX_DISPLAY_SCALE);
        if estimate > 131_072.0 {
            return Err(overflow());
        }
        if estimate + 1.0 < -(scale as f64) {
            return checked(BigDecimal::new(BigInt::zero(), scale));
        }
        return checked(integer_power(b, n, scale, estimate));
    }
    let natural = estimate / std::f64::consts::LOG10_E;
    if natural >= MAX_EXPONENT {
        return Err(overflow());
    }
    let scale = (MIN_SIGNIFICANT_DIGITS - estimate as i64)
        .max(b.fractional_digit_count())
        .max(e.fractional_digit_count())
        .clamp(0, MAX_DISPLAY_SCALE);
    if natural <= -MAX_EXPONENT {
        return checked(BigDecimal::new(BigInt::zero(), scale));
    }
    let negative = b.sign() == Sign::Minus && whole && !(e % decimal(2)).is_zero();
    let working = scale + estimate.abs() as i64 + 20;
    let logarithm = ln_decimal(&b.abs(), working + magnitude(e).max(0));
    let result = exp_decimal(&(logarithm * e).with_scale(working), scale);
    checked(round(&if negative { -result } else { result }, scale))
}

/// Repeated squaring on as many digits as the result needs, with guard digits for each multiplication.
fn integer_power(base: &BigDecimal, exponent: i64, scale: i64, estimate: f64) -> BigDecimal {
    let guard = 10 + exponent.unsigned_abs().max(1).ilog10() as i64;
    let digits = (estimate.abs() as i64 + scale + guard).max(20) as u64;
    let shorten = |value: BigDecimal| {
        let excess = value.digits().saturating_sub(digits);
        if excess == 0 {
            return value;
        }
        let kept = value.fractional_digit_count() - excess as i64;
        value.with_scale_round(kept, RoundingMode::HalfUp)
    };
    let mut result = decimal(1);
    let mut square = base.clone();
    let mut left = exponent.unsigned_abs();
    loop {
        if left & 1 == 1 {
            result = shorten(result * &square);
        }
        left >>= 1;
        if left == 0 {
            break;
        }
        square = shorten(&square * &square);
    }
    if exponent < 0 { divide_at(&decimal(1), &result, scale) } else { round(&result, scale) }
}

fn ln_estimate(value: &BigDecimal) -> f64 {
    let (digits, scale) = value.as_bigint_and_scale();
    let text = digits.magnitude().to_str_radix(10);
    let head: f64 = format!("0.{}", &text[..text.len().min(17)]).parse().unwrap_or(1.0);
    head.ln() + (text.len() as i64 - scale) as f64 * std::f64::consts::LN_10
}

/// `n!`; 22003 when negative or beyond the format.
pub(crate) fn factorial(n: i64) -> Result<Numeric> {
    if n < 0 {
        return Err(invalid("factorial of a negative number is undefined", sqlstate::NUMERIC_VALUE_OUT_OF_RANGE));
    }
    if n > 32_177 {
        return Err(overflow());
    }
    let mut product = BigInt::one();
    for factor in 2..=n {
        product *= factor;
    }
    checked(BigDecimal::new(product, 0))
}

/// Display scale clamp that averages use: the scale of `sum / count`.
pub(crate) fn average(sum: &Numeric, count: i64) -> Result<Numeric> {
    divide(sum, &super::numeric::from_int(count))
}
