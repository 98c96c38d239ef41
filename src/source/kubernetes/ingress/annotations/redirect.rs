//! Redirects, rewrites and names of hosts.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::reader::Reader;
use super::{Redirects, Rewrite, Severity};
use crate::model::{HostPattern, RedirectTo};

/// What the proxy answers by itself. A temporal redirect beats a permanent one, as in ingress-nginx.
pub fn redirects(reader: &mut Reader<'_>) -> Redirects {
    let temporal = everything(reader, "temporal-redirect", StatusCode::FOUND);
    let permanent = everything(reader, "permanent-redirect", StatusCode::MOVED_PERMANENTLY);
    Redirects {
        to_https: reader.flag("ssl-redirect", true),
        force_https: reader.flag("force-ssl-redirect", false),
        everything: temporal.or(permanent),
        app_root: reader.parsed("app-root", "a path that begins with /", |text| {
            (text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.into())
        }),
        www: reader.flag("from-to-www-redirect", false),
    }
}

fn everything(reader: &mut Reader<'_>, name: &str, default: StatusCode) -> Option<RedirectTo> {
    let allowed = "a URL or path, perhaps with $request_uri at its end";
    let (url, with_target) = reader.parsed(name, allowed, |text| {
        let (url, with_target) = match text.strip_suffix("$request_uri") {
            Some(url) => (url, true),
            None => (text, false),
        };
        let valid =
            (url.contains("://") || url.starts_with('/')) && url.bytes().all(|b| b.is_ascii_graphic() && b != b'$');
        valid.then(|| (Arc::from(url), with_target))
    })?;
    let code = format!("{name}-code");
    let status = reader.parsed(&code, "300 to 308", |text| {
        let number = text.parse::<u16>().ok().filter(|number| (300..=308).contains(number))?;
        StatusCode::from_u16(number).ok()
    });
    Some(RedirectTo { url, with_target, status: status.unwrap_or(default) })
}

/// What the backend is asked for.
pub fn rewrite(reader: &mut Reader<'_>) -> Rewrite {
    let target = reader.parsed("rewrite-target", "a path, with $1 to $9 for groups of the Ingress's path", template);
    let value = |text: &str| HeaderValue::from_str(text).ok().filter(|_| !text.contains('$'));
    let forwarded_prefix = reader.parsed("x-forwarded-prefix", "a path", value);
    if forwarded_prefix.is_some() && target.is_none() {
        let message = "has no effect without rewrite-target, as in ingress-nginx";
        reader.tell("x-forwarded-prefix", Severity::Warning, message);
    }
    Rewrite {
        target,
        use_regex: reader.flag("use-regex", false),
        forwarded_prefix,
        host: reader.parsed("upstream-vhost", "a host name without variables", value),
    }
}

/// nginx's `$1` is a group of one digit; the regex crate wants braces around it, and `$$` for a dollar.
fn template(text: &str) -> Option<Arc<str>> {
    if !text.starts_with(['/', '$']) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let mut template = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        template.push_str(before);
        let (digit, after) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}')?,
            None => after.split_at_checked(1)?,
        };
        if digit.len() != 1 || !digit.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        template.push_str(&format!("${{{digit}}}"));
        rest = after;
    }
    template.push_str(rest);
    Some(template.into())
}

/// The names in a `server-alias`, as they are written.
pub fn alias_names(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty())
}

/// `server-alias`: names and wildcards.
pub fn aliases(reader: &mut Reader<'_>) -> Vec<HostPattern> {
    let Some(text) = reader.text("server-alias") else { return Vec::new() };
    let mut aliases = Vec::new();
    for name in alias_names(text) {
        match HostPattern::parse(name) {
            Ok(host) => aliases.push(host),
            Err(error) => reader.tell("server-alias", Severity::Error, format!("{error}; the other names are served")),
        }
    }
    aliases
}
