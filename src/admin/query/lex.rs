//! The words of a query.

use std::time::Duration;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name: of a metric, a label, a function.
    Name(String),
    /// A number.
    Number(f64),
    /// A quoted text.
    Text(String),
    /// A range, as between `[` and `]`.
    Range(Duration),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// Longer ones first, so that `=~` is not read as `=`.
const SIGNS: [&str; 13] = ["!=", "=~", "!~", "(", ")", "{", "}", ",", "=", "+", "-", "*", "/"];

/// Splits a query into words.
///
/// # Errors
///
/// Says what cannot be read.
pub fn words(query: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            'a'..='z' | 'A'..='Z' | '_' => name(rest),
            '0'..='9' | '.' => number(rest)?,
            '"' | '\'' | '`' => text(rest, first)?,
            '[' => range(rest)?,
            _ => sign(rest)?,
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// Where a run of such characters ends.
fn run(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn name(text: &str) -> (Token, &str) {
    let (name, rest) = run(text, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    (Token::Name(name.to_owned()), rest)
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let (number, rest) = run(text, |c| c.is_ascii_alphanumeric() || c == '.');
    let value = number.parse().map_err(|_| format!("{number:?} is no number"))?;
    Ok((Token::Number(value), rest))
}

fn text(text: &str, quote: char) -> Result<(Token, &str), String> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Ok((Token::Text(content), &text[at + c.len_utf8()..])),
            '\\' if quote != '`' => match chars.next() {
                Some((_, 'n')) => content.push('\n'),
                Some((_, 't')) => content.push('\t'),
                Some((_, c @ ('\\' | '"' | '\''))) => content.push(c),
                other => return Err(format!("a text has the unknown escape \\{}", other.map_or(' ', |(_, c)| c))),
            },
            _ => content.push(c),
        }
    }
    Err(format!("a text that begins with {quote} does not end"))
}

fn range(text: &str) -> Result<(Token, &str), String> {
    let (inside, rest) = text[1..].split_once(']').ok_or("a range that begins with [ does not end")?;
    let range = duration(inside.trim()).ok_or_else(|| format!("[{inside}] is no range: write [30s] or [1m]"))?;
    Ok((Token::Range(range), rest))
}

/// A duration such as `1m30s`, of at least a second.
fn duration(text: &str) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = run(rest, |c| c.is_ascii_digit());
        let (unit, after) = run(after, |c| c.is_ascii_alphabetic());
        let millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(Duration::from_millis(digits.parse::<u64>().ok()?.checked_mul(millis)?))?;
        rest = after;
    }
    (sum >= Duration::from_secs(1)).then_some(sum)
}

fn sign(text: &str) -> Result<(Token, &str), String> {
    let sign = SIGNS.into_iter().find(|sign| text.starts_with(sign));
    let sign = sign.ok_or_else(|| format!("{:?} belongs to nothing that is understood", &text[..char_end(text)]))?;
    Ok((Token::Sign(sign), &text[sign.len()..]))
}

fn char_end(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}
