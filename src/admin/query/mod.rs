//! `/api/v1/query` as Prometheus has it (prometheus.io, "HTTP API", instant queries), for the few shapes of query that rollout
//! controllers send: they can ask the proxy itself where there is no Prometheus.

mod eval;
mod lex;
mod parse;

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value as Json, json};

use self::eval::{Labels, Series, Source, Value, evaluate};
use self::parse::{Selector, parse};
use super::reply::{Reply, reply};
use super::view;
use crate::control::{Control, KEPT};
use crate::record::dialect;

/// How far from now `time` may be: what was is not kept by moment.
const NOW: Duration = Duration::from_secs(60);

/// What is understood, for who asks for something else.
const UNDERSTOOD: &str = "understood are vector(1), numbers, + - * /, rate(metric{label=\"value\"}[1m]) and increase(...) with \
                          =, !=, =~ and !~, sum(...), sum(...) by (le) and histogram_quantile(0.99, ...)";

/// A query that is not answered.
struct Refused {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Refused {
    fn bad_data(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", message: format!("{message}; {UNDERSTOOD}") }
    }
}

/// Answers a query, given as a query string or a form: `query=...`, and `time=...` if it is about now.
pub fn answer(control: &Control, parameters: &str) -> Reply {
    let (status, json) = match result(&Live(control), parameters, jiff::Timestamp::now()) {
        Ok(data) => (StatusCode::OK, json!({ "status": "success", "data": data })),
        Err(Refused { status, kind, message }) => {
            (status, json!({ "status": "error", "errorType": kind, "error": message }))
        }
    };
    reply(status, "application/json", json.to_string())
}

fn result(source: &impl Source, parameters: &str, now: jiff::Timestamp) -> Result<Json, Refused> {
    // A plus is a space in forms (WHATWG URL, section 5).
    let parameters = parameters.replace('+', "%20");
    let parameters = view::parameters(&parameters);
    let parameter = |wanted: &str| parameters.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
    let query = parameter("query").ok_or_else(|| Refused::bad_data("the parameter query is missing".to_owned()))?;
    if let Some(time) = parameter("time") {
        about_now(time, now)?;
    }
    let expr = parse(query).map_err(Refused::bad_data)?;
    let value = evaluate(&expr, source).map_err(|message| Refused {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        kind: "execution",
        message: format!("{message}; {UNDERSTOOD}"),
    })?;
    Ok(shown(&value, now))
}

/// Refuses questions about another time than now.
fn about_now(time: &str, now: jiff::Timestamp) -> Result<(), Refused> {
    let seconds = time.parse::<f64>().ok().or_else(|| Some(time.parse::<jiff::Timestamp>().ok()?.as_second() as f64));
    match seconds {
        Some(seconds) if (seconds - now.as_second() as f64).abs() <= NOW.as_secs_f64() => Ok(()),
        _ => Err(Refused::bad_data(format!("time={time} is not now, and there are no answers about another time"))),
    }
}

/// A result as JSON: numbers are texts, since JSON has no NaN.
fn shown(value: &Value, now: jiff::Timestamp) -> Json {
    let time = now.as_millisecond() as f64 / 1000.0;
    let number = |value: f64| match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        // The sign of what is no number says nothing.
        value if value.is_nan() => "NaN".to_owned(),
        value => value.to_string(),
    };
    match value {
        Value::Scalar(value) => json!({ "resultType": "scalar", "result": [time, number(*value)] }),
        Value::Vector(series) => {
            let series =
                series.iter().map(|(labels, value)| json!({ "metric": labels, "value": [time, number(*value)] }));
            json!({ "resultType": "vector", "result": series.collect::<Vec<_>>() })
        }
    }
}

/// The last minutes of the running proxy.
struct Live<'c>(&'c Control);

impl Source for Live<'_> {
    fn increases(&self, selector: &Selector, range: Duration) -> Result<(Vec<Series>, f64), String> {
        let seconds = usize::try_from(range.as_secs()).unwrap_or(KEPT).clamp(1, KEPT);
        let (subjects, covered) = self.0.increases(seconds);
        series_of(selector, &subjects).map(|series| (series, covered.max(1) as f64))
    }
}

/// The series of a selector.
fn series_of(selector: &Selector, subjects: &[dialect::Subject]) -> Result<Vec<Series>, String> {
    let samples = dialect::samples(&selector.metric, subjects).ok_or_else(|| {
        let known: Vec<String> = dialect::names().collect();
        format!("there is no metric {:?}; there are: {}", selector.metric, known.join(", "))
    })?;
    let fits = |sample: &dialect::Sample| selector.matchers.iter().all(|matcher| matcher.fits(&sample.labels));
    let owned = |sample: dialect::Sample| {
        let labels: Labels = sample.labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        (labels, sample.value)
    };
    Ok(samples.into_iter().filter(fits).map(owned).collect())
}

#[cfg(test)]
mod tests;
