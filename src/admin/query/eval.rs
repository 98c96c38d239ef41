//! What a query comes to, as Prometheus would have it: nothing where no series fits, NaN for 0/0.

use std::collections::BTreeMap;
use std::time::Duration;

use super::parse::{Expr, Operator, Selector};

/// Labels of a series that is the result of something.
pub type Labels = BTreeMap<String, String>;
/// A series with its number.
pub type Series = (Labels, f64);

/// A result.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// Series.
    Vector(Vec<Series>),
}

/// Where series come from.
pub trait Source {
    /// By how much the series that fit grew within `range`, and how many seconds that is about.
    ///
    /// # Errors
    ///
    /// There is no such metric.
    fn increases(&self, selector: &Selector, range: Duration) -> Result<(Vec<Series>, f64), String>;
}

/// Evaluates a query.
///
/// # Errors
///
/// Says what does not go together, or is not there.
pub fn evaluate(expr: &Expr, source: &impl Source) -> Result<Value, String> {
    match expr {
        Expr::Number(number) => Ok(Value::Scalar(*number)),
        Expr::Vector(of) => Ok(Value::Vector(vec![(Labels::new(), scalar("vector", evaluate(of, source)?)?)])),
        Expr::Increase { selector, range, per_second } => {
            let (mut series, seconds) = source.increases(selector, *range)?;
            if *per_second {
                series.iter_mut().for_each(|(_, value)| *value /= seconds);
            }
            Ok(Value::Vector(series))
        }
        Expr::Sum { of, by } => sum(vector("sum", evaluate(of, source)?)?, by),
        Expr::Quantile { q, of } => {
            let q = scalar("histogram_quantile", evaluate(q, source)?)?;
            quantiles(q, vector("histogram_quantile", evaluate(of, source)?)?)
        }
        Expr::Binary(left, operator, right) => {
            Ok(arithmetic(evaluate(left, source)?, *operator, evaluate(right, source)?))
        }
    }
}

fn scalar(function: &str, value: Value) -> Result<f64, String> {
    match value {
        Value::Scalar(number) => Ok(number),
        Value::Vector(_) => Err(format!("{function} takes a number there, not series")),
    }
}

fn vector(function: &str, value: Value) -> Result<Vec<Series>, String> {
    match value {
        Value::Vector(series) => Ok(series),
        Value::Scalar(_) => Err(format!("{function} takes series there, not a number")),
    }
}

fn sum(series: Vec<Series>, by: &[String]) -> Result<Value, String> {
    let mut sums: BTreeMap<Labels, f64> = BTreeMap::new();
    for (mut labels, value) in series {
        labels.retain(|name, _| by.contains(name));
        *sums.entry(labels).or_default() += value;
    }
    Ok(Value::Vector(sums.into_iter().collect()))
}

/// Series meet those with the same labels; one without a counterpart is left out.
fn arithmetic(left: Value, operator: Operator, right: Value) -> Value {
    let apply = |a: f64, b: f64| match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
    };
    match (left, right) {
        (Value::Scalar(a), Value::Scalar(b)) => Value::Scalar(apply(a, b)),
        (Value::Vector(series), Value::Scalar(b)) => each(series, |a| apply(a, b)),
        (Value::Scalar(a), Value::Vector(series)) => each(series, |b| apply(a, b)),
        (Value::Vector(left), Value::Vector(right)) => {
            let right: BTreeMap<Labels, f64> = right.into_iter().collect();
            let meet = |(labels, a): Series| right.get(&labels).map(|b| (labels.clone(), apply(a, *b)));
            Value::Vector(left.into_iter().filter_map(meet).collect())
        }
    }
}

fn each(mut series: Vec<Series>, apply: impl Fn(f64) -> f64) -> Value {
    series.iter_mut().for_each(|(_, value)| *value = apply(*value));
    Value::Vector(series)
}

fn quantiles(q: f64, series: Vec<Series>) -> Result<Value, String> {
    let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (mut labels, count) in series {
        // Series without a bound are no buckets, and are passed over.
        let bound = labels.remove("le").and_then(|le| le.parse().ok());
        if let Some(bound) = bound {
            histograms.entry(labels).or_default().push((bound, count));
        }
    }
    Ok(Value::Vector(histograms.into_iter().map(|(labels, buckets)| (labels, quantile(q, buckets))).collect()))
}

/// `histogram_quantile` over cumulative buckets (prometheus, `promql/quantile.go`, `bucketQuantile`): linear within a
/// bucket, and never beyond the last finite bound.
fn quantile(q: f64, mut buckets: Vec<(f64, f64)>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let [finite @ .., (f64::INFINITY, all)] = &buckets[..] else { return f64::NAN };
    if finite.is_empty() || *all <= 0.0 {
        return f64::NAN;
    }
    let rank = q * all;
    let place = finite.partition_point(|(_, count)| *count < rank);
    let (lower, below) = place.checked_sub(1).map_or((0.0, 0.0), |before| finite[before]);
    match finite.get(place) {
        Some((upper, count)) => lower + (upper - lower) * (rank - below) / (count - below),
        None => lower,
    }
}
