//! Sizes, times, retries, and how backends are spoken to.

use std::time::Duration;

use http::StatusCode;

use super::reader::Reader;
use super::{Protocol, Severity, Traffic};
use crate::model::{Balance, Retry, RetryOn, Timeouts};

/// `proxy-body-size` unless another is given.
const BODY_SIZE: u64 = 1 << 20;

/// How requests are treated.
pub fn traffic(reader: &mut Reader<'_>) -> Traffic {
    let balance = [("round_robin", Balance::RoundRobin), ("ewma", Balance::Ewma)];
    let size = reader.parsed("proxy-body-size", "a size like 8m, or 0 for no limit", size);
    if reader.text("proxy-http-version") == Some("1.0") {
        reader.tell("proxy-http-version", Severity::Warning, "HTTP/1.0 is not spoken to backends: they get HTTP/1.1");
    }
    let timeouts = timeouts(reader);
    Traffic {
        body_size: Some(size.unwrap_or(BODY_SIZE)).filter(|size| *size > 0),
        retry: retry(reader, timeouts.request),
        timeouts,
        balance: reader.word("load-balance", &balance).unwrap_or_default(),
        protocol: protocol(reader),
        service_upstream: reader.flag("service-upstream", false),
    }
}

/// A size of nginx: bytes, or with one of the units k, m, g.
fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, factor) = match lower.char_indices().last()? {
        (at, 'k') => (&lower[..at], 1 << 10),
        (at, 'm') => (&lower[..at], 1 << 20),
        (at, 'g') => (&lower[..at], 1 << 30),
        _ => (&*lower, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// nginx's limits are between two operations of reading or writing.
fn timeouts(reader: &mut Reader<'_>) -> Timeouts {
    let default = Timeouts::default();
    let mut seconds = |name, default| reader.seconds(name, 1).unwrap_or(default);
    let connect = seconds("proxy-connect-timeout", default.connect);
    let read = seconds("proxy-read-timeout", default.request);
    let send = seconds("proxy-send-timeout", default.idle);
    Timeouts { connect, request: read, idle: read.max(send) }
}

/// `proxy-next-upstream`: ingress-nginx's default is `error timeout`, with 3 tries. As in nginx each of them may take as long as `read`,
/// and the limit of `proxy-next-upstream-timeout` is on when the last one begins.
fn retry(reader: &mut Reader<'_>, read: Duration) -> Retry {
    let tries = reader.number("proxy-next-upstream-tries", 0).unwrap_or(3);
    let attempts = match tries {
        // 0: no limit, but that of the endpoints.
        0 => u8::MAX,
        tries => u8::try_from(tries - 1).unwrap_or(u8::MAX),
    };
    let within = reader.seconds("proxy-next-upstream-timeout", 0).filter(|limit| !limit.is_zero());
    match causes(reader) {
        Some((on, non_idempotent)) => {
            let per_try = on.contains(&RetryOn::Timeout).then_some(read);
            Retry { attempts, on, per_try, anew: true, within, non_idempotent, ..Retry::default() }
        }
        None => Retry { attempts: 0, on: Vec::new(), ..Retry::default() },
    }
}

/// The causes of `proxy-next-upstream`, and whether what is not idempotent is sent once more, too: as in nginx it goes to another
/// endpoint otherwise only if none has begun with it. None if it is off.
fn causes(reader: &mut Reader<'_>) -> Option<(Vec<RetryOn>, bool)> {
    const NAME: &str = "proxy-next-upstream";
    let causes = reader.text(NAME).unwrap_or("error timeout");
    let (mut on, mut non_idempotent) = (Vec::new(), false);
    for cause in causes.split_ascii_whitespace() {
        match cause {
            "error" => on.extend([RetryOn::Connect, RetryOn::Refused, RetryOn::Reset]),
            "timeout" => on.extend([RetryOn::Connect, RetryOn::Timeout]),
            "off" => return None,
            "non_idempotent" => non_idempotent = true,
            "invalid_header" => {
                let message = "invalid_header is no cause for another try: such an answer becomes 502";
                reader.tell(NAME, Severity::Warning, message);
            }
            other => match status(other) {
                Some(status) => on.push(RetryOn::Status(status)),
                None => {
                    let message =
                        format!("\"{other}\" is not a cause for another try: error, timeout, http_503 and off are");
                    reader.tell(NAME, Severity::Warning, message);
                }
            },
        }
    }
    let mut once = Vec::new();
    on.into_iter().for_each(|cause| {
        if !once.contains(&cause) {
            once.push(cause)
        }
    });
    Some((once, non_idempotent))
}

/// The statuses that nginx knows as causes (`ngx_http_proxy_next_upstream_masks`).
fn status(cause: &str) -> Option<StatusCode> {
    let number = cause.strip_prefix("http_")?.parse().ok()?;
    let known = matches!(number, 403 | 404 | 429 | 500 | 502 | 503 | 504);
    StatusCode::from_u16(number).ok().filter(|_| known)
}

fn protocol(reader: &mut Reader<'_>) -> Option<Protocol> {
    let text = reader.text("backend-protocol")?;
    match text.to_ascii_uppercase().as_str() {
        "HTTP" => Some(Protocol::Http),
        "HTTPS" => Some(Protocol::Https),
        "GRPC" => Some(Protocol::Grpc),
        "GRPCS" => Some(Protocol::Grpcs),
        "AUTO_HTTP" => {
            let message = "follows the Service's appProtocol, not the client's scheme: name HTTP or HTTPS to be sure";
            reader.tell("backend-protocol", Severity::Info, message);
            None
        }
        // What becomes of its paths is said in `access`.
        "FCGI" => None,
        _ => {
            reader.invalid("backend-protocol", "HTTP, HTTPS, GRPC, GRPCS or AUTO_HTTP");
            Some(Protocol::Http)
        }
    }
}
