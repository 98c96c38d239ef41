//! Sizes, times, retries, and how backends are spoken to.

use std::time::Duration;

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
    Traffic {
        body_size: Some(size.unwrap_or(BODY_SIZE)).filter(|size| *size > 0),
        timeouts: timeouts(reader),
        retry: retry(reader),
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
    let mut seconds = |name, default| reader.number(name, 1).map_or(default, Duration::from_secs);
    let connect = seconds("proxy-connect-timeout", default.connect);
    let read = seconds("proxy-read-timeout", default.request);
    let send = seconds("proxy-send-timeout", default.idle);
    Timeouts { connect, request: read, idle: read.max(send) }
}

/// `proxy-next-upstream`: ingress-nginx's default is `error timeout`, with 3 tries.
fn retry(reader: &mut Reader<'_>) -> Retry {
    let tries = reader.number("proxy-next-upstream-tries", 0).unwrap_or(3);
    let attempts = match tries {
        // 0: no limit, but that of the endpoints.
        0 => u8::MAX,
        tries => u8::try_from(tries - 1).unwrap_or(u8::MAX),
    };
    if reader.number("proxy-next-upstream-timeout", 0).is_some_and(|limit| limit > 0) {
        let message = "proxy-read-timeout limits all tries together: set that";
        reader.tell("proxy-next-upstream-timeout", Severity::Warning, message);
    }
    let causes = reader.text("proxy-next-upstream").unwrap_or("error timeout");
    let mut on = Vec::new();
    for cause in causes.split_ascii_whitespace() {
        match cause {
            "error" => on.extend([RetryOn::Connect, RetryOn::Refused, RetryOn::Reset]),
            "timeout" if !on.contains(&RetryOn::Connect) => on.push(RetryOn::Connect),
            "timeout" => {}
            "off" => return Retry { attempts: 0, on: Vec::new(), ..Retry::default() },
            other => {
                let message = format!("\"{other}\" is not a cause for another try: error, timeout and off are");
                reader.tell("proxy-next-upstream", Severity::Warning, message);
            }
        }
    }
    Retry { attempts, on, ..Retry::default() }
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
