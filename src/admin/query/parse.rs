//! The part of PromQL (prometheus.io, "Querying basics", "Operators", "Functions") that rollout controllers send.

use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::lex::{Token, words};

/// Brackets within brackets; no query that a person writes has more.
const DEEPEST: usize = 32;
/// Bytes that a compiled expression of a selector may take.
const LARGEST_REGEX: usize = 1 << 18;
/// Longest query, bytes.
const LONGEST: usize = 8 * 1024;

/// A query.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// `vector(x)`.
    Vector(Box<Expr>),
    /// `rate(selector[range])`, or `increase(...)`, which is not divided by the seconds.
    Increase {
        /// Which series.
        selector: Selector,
        /// Over how long.
        range: Duration,
        /// Whether it is divided.
        per_second: bool,
    },
    /// `sum(x)`, or `sum(x) by (labels)`.
    Sum {
        /// Of what.
        of: Box<Expr>,
        /// Labels that stay.
        by: Vec<String>,
    },
    /// `histogram_quantile(q, x)`.
    Quantile {
        /// Which share.
        q: Box<Expr>,
        /// Buckets.
        of: Box<Expr>,
    },
    /// Arithmetic.
    Binary(Box<Expr>, Operator, Box<Expr>),
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

/// Which series of a metric.
#[derive(Clone, Debug)]
pub struct Selector {
    /// Name.
    pub metric: String,
    /// Conditions, all of which must hold.
    pub matchers: Vec<Matcher>,
}

/// A condition on a label; one that a series lacks counts as empty.
#[derive(Clone, Debug)]
pub struct Matcher {
    label: String,
    condition: Condition,
    wanted: bool,
}

#[derive(Clone, Debug)]
enum Condition {
    Equal(String),
    Like(Regex),
}

impl Matcher {
    /// Whether a series fits.
    pub fn fits(&self, labels: &[(&'static str, String)]) -> bool {
        let value = labels.iter().find(|(name, _)| *name == self.label).map_or("", |(_, value)| value);
        let holds = match &self.condition {
            Condition::Equal(text) => value == text,
            Condition::Like(regex) => regex.is_match(value),
        };
        holds == self.wanted
    }
}

/// Reads a query.
///
/// # Errors
///
/// Says where it leaves what is understood.
pub fn parse(query: &str) -> Result<Expr, String> {
    if query.len() > LONGEST {
        return Err(format!("the query is longer than {LONGEST} bytes"));
    }
    let tokens = words(query)?;
    let mut parser = Parser { tokens: &tokens, depth: 0 };
    let expr = parser.sums()?;
    match parser.tokens.first() {
        None => Ok(expr),
        Some(_) => Err(parser.expected("the end")),
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    depth: usize,
}

impl Parser<'_> {
    /// `a + b - c`
    fn sums(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("brackets are nested more than {DEEPEST} deep"));
        }
        let mut left = self.products()?;
        while let Some(operator) = self.operator(&[("+", Operator::Add), ("-", Operator::Subtract)]) {
            left = Expr::Binary(left.into(), operator, self.products()?.into());
        }
        self.depth -= 1;
        Ok(left)
    }

    /// `a * b / c`
    fn products(&mut self) -> Result<Expr, String> {
        let mut left = self.signed()?;
        while let Some(operator) = self.operator(&[("*", Operator::Multiply), ("/", Operator::Divide)]) {
            left = Expr::Binary(left.into(), operator, self.signed()?.into());
        }
        Ok(left)
    }

    /// `-a`; any number of signs make one.
    fn signed(&mut self) -> Result<Expr, String> {
        let mut negative = false;
        while let Some(operator) = self.operator(&[("+", Operator::Add), ("-", Operator::Subtract)]) {
            negative ^= operator == Operator::Subtract;
        }
        let operand = self.operand()?;
        Ok(match negative {
            true => Expr::Binary(Expr::Number(-1.0).into(), Operator::Multiply, operand.into()),
            false => operand,
        })
    }

    fn operand(&mut self) -> Result<Expr, String> {
        if self.take("(") {
            let inner = self.sums()?;
            self.must(")")?;
            return Ok(inner);
        }
        match self.tokens.first() {
            Some(Token::Number(number)) => {
                self.tokens = &self.tokens[1..];
                Ok(Expr::Number(*number))
            }
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.tokens = &self.tokens[1..];
                self.function(&name)
            }
            _ => Err(self.expected("a number, a function or (")),
        }
    }

    fn function(&mut self, name: &str) -> Result<Expr, String> {
        if name == "sum" {
            return self.sum();
        }
        if !["vector", "rate", "increase", "histogram_quantile"].contains(&name) {
            return Err(format!("{name:?} is no function that is understood"));
        }
        self.must("(")?;
        let function = match name {
            "vector" => Expr::Vector(self.sums()?.into()),
            "histogram_quantile" => {
                let q = self.sums()?.into();
                self.must(",")?;
                Expr::Quantile { q, of: self.sums()?.into() }
            }
            _ => {
                let selector = self.selector()?;
                let Some(Token::Range(range)) = self.tokens.first() else {
                    return Err(self.expected("a range like [1m]"));
                };
                self.tokens = &self.tokens[1..];
                Expr::Increase { selector, range: *range, per_second: name == "rate" }
            }
        };
        self.must(")")?;
        Ok(function)
    }

    /// `sum(x)`, `sum(x) by (a, b)`, `sum by (a, b) (x)`.
    fn sum(&mut self) -> Result<Expr, String> {
        let before = self.by()?;
        self.must("(")?;
        let of = self.sums()?.into();
        self.must(")")?;
        let by = match before {
            Some(by) => by,
            None => self.by()?.unwrap_or_default(),
        };
        Ok(Expr::Sum { of, by })
    }

    fn by(&mut self) -> Result<Option<Vec<String>>, String> {
        if self.tokens.first() != Some(&Token::Name("by".to_owned())) {
            return Ok(None);
        }
        self.tokens = &self.tokens[1..];
        self.must("(")?;
        let mut labels = Vec::new();
        while !self.take(")") {
            labels.push(self.name("the name of a label")?);
            if !self.take(",") {
                self.must(")")?;
                break;
            }
        }
        Ok(Some(labels))
    }

    fn selector(&mut self) -> Result<Selector, String> {
        let metric = self.name("the name of a metric")?;
        let mut matchers = Vec::new();
        if self.take("{") {
            while !self.take("}") {
                matchers.push(self.matcher()?);
                if !self.take(",") {
                    self.must("}")?;
                    break;
                }
            }
        }
        Ok(Selector { metric, matchers })
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        let label = self.name("the name of a label")?;
        let kinds = [("=", (false, true)), ("!=", (false, false)), ("=~", (true, true)), ("!~", (true, false))];
        let (like, wanted) = self.operator(&kinds).ok_or_else(|| self.expected("=, !=, =~ or !~"))?;
        let Some(Token::Text(text)) = self.tokens.first() else { return Err(self.expected("a quoted text")) };
        self.tokens = &self.tokens[1..];
        // Prometheus' expressions are about the whole value.
        let regex = || RegexBuilder::new(&format!("^(?s:{text})$")).size_limit(LARGEST_REGEX).build();
        let condition = match like {
            true => Condition::Like(regex().map_err(|error| format!("{text:?} cannot be searched for: {error}"))?),
            false => Condition::Equal(text.clone()),
        };
        Ok(Matcher { label, condition, wanted })
    }

    fn name(&mut self, what: &str) -> Result<String, String> {
        let Some(Token::Name(name)) = self.tokens.first() else { return Err(self.expected(what)) };
        self.tokens = &self.tokens[1..];
        Ok(name.clone())
    }

    /// Takes one of these signs, if one comes next.
    fn operator<T: Copy>(&mut self, signs: &[(&str, T)]) -> Option<T> {
        signs.iter().find(|(sign, _)| self.take(sign)).map(|(_, meaning)| *meaning)
    }

    fn take(&mut self, sign: &str) -> bool {
        let next = matches!(self.tokens.first(), Some(Token::Sign(next)) if *next == sign);
        if next {
            self.tokens = &self.tokens[1..];
        }
        next
    }

    fn must(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(self.expected(sign)) }
    }

    fn expected(&self, what: &str) -> String {
        let found = match self.tokens.first() {
            None => "the end".to_owned(),
            Some(Token::Name(name)) => name.clone(),
            Some(Token::Number(number)) => number.to_string(),
            Some(Token::Text(text)) => format!("{text:?}"),
            Some(Token::Range(range)) => format!("[{range:?}]"),
            Some(Token::Sign(sign)) => (*sign).to_owned(),
        };
        format!("expected {what}, found {found}")
    }
}
