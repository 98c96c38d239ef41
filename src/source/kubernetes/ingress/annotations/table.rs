//! Every annotation of ingress-nginx, and what becomes of it here: `weir audit` and docs/migration.md read this table.
//!
//! Names are those of ingress-nginx v1.15 (`docs/user-guide/nginx-configuration/annotations.md`).

/// What becomes of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does what it does in ingress-nginx.
    Supported,
    /// It does part of it, or does it differently.
    Partial(&'static str),
    /// It has no effect, and none is missed.
    Ignored(&'static str),
    /// It has no effect, and that may matter.
    Refused(&'static str),
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Partial(_) => "partial",
            Self::Ignored(_) => "ignored",
            Self::Refused(_) => "refused",
        }
    }

    /// How, or why.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Supported => "",
            Self::Partial(reason) | Self::Ignored(reason) | Self::Refused(reason) => reason,
        }
    }
}

/// Whether an annotation that is refused protects something, so that its paths must not be open without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protects {
    /// Nothing.
    Nothing,
    /// Its paths, whatever its value.
    Always,
    /// Its paths, unless its value switches it off.
    UnlessOff,
    /// Its paths, if it holds directives of access control.
    IfDirectives,
}

/// One annotation.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name without prefix.
    pub name: &'static str,
    /// What becomes of it.
    pub verdict: Verdict,
    /// What is open without it.
    pub protects: Protects,
}

const fn yes(name: &'static str) -> Entry {
    Entry { name, verdict: Verdict::Supported, protects: Protects::Nothing }
}

const fn part(name: &'static str, how: &'static str) -> Entry {
    Entry { name, verdict: Verdict::Partial(how), protects: Protects::Nothing }
}

const fn idle(name: &'static str, why: &'static str) -> Entry {
    Entry { name, verdict: Verdict::Ignored(why), protects: Protects::Nothing }
}

const fn no(name: &'static str, why: &'static str) -> Entry {
    Entry { name, verdict: Verdict::Refused(why), protects: Protects::Nothing }
}

const fn shut(name: &'static str, protects: Protects, why: &'static str) -> Entry {
    Entry { name, verdict: Verdict::Refused(why), protects }
}

const STREAMS: &str = "bodies are streamed in both directions, so there is no buffer to size";
const AUTH: &str = "external authentication is not built in; the paths answer 503 rather than be open";
const AUTH_PART: &str = "has a meaning only beside auth-url or auth-type, which are refused";
const CLIENT_TLS: &str = "client certificates are a listener's setting, not an Ingress's; the paths answer 503";
const CLIENT_TLS_PART: &str = "has a meaning only beside auth-tls-secret, which is refused";
const LIMIT: &str = "rate limits are not built in: requests are not limited";
const MIRROR: &str = "no copy is sent: an HTTPRoute with RequestMirror or a Split with `mirror` copies requests";
const SNIPPET: &str = "nginx configuration cannot be run here; where it controls access, the paths answer 503";
const WAF: &str = "ModSecurity is not built in; the paths answer 503 rather than be unprotected";
const UPSTREAM_TLS: &str =
    "certificates of backends are not verified, as is ingress-nginx's default, and none is presented to them";
const COOKIE_REWRITE: &str = "cookies of backends are passed on as they are";
const LOCATION_REWRITE: &str = "Location of backends is passed on as it is, as is ingress-nginx's default";
const HASH: &str = "consistent hashing by an nginx expression is not built in: endpoints are chosen by load-balance; affinity: cookie keeps clients at an endpoint";
const ERRORS: &str = "answers of backends are passed on as they are, error pages included";
const TRACE: &str = "trace context (traceparent) is always passed on; spans are not exported";
const CIPHERS: &str = "TLS has the suites of rustls, all of them with forward secrecy and authenticated encryption";
const KEEPALIVE: &str = "there is no authentication subrequest whose connection could be kept";

/// All of them, by subject.
pub const TABLE: &[Entry] = &[
    // Canary.
    yes("canary"),
    yes("canary-weight"),
    yes("canary-weight-total"),
    yes("canary-by-header"),
    yes("canary-by-header-value"),
    part(
        "canary-by-header-pattern",
        "expressions are linear-time ones: without look-around and back-references, which count as errors (requests with the header stay on the main version)",
    ),
    yes("canary-by-cookie"),
    // Session affinity.
    yes("affinity"),
    part(
        "affinity-mode",
        "balanced is treated as persistent: a client moves only when its endpoint has gone, and new endpoints get new clients",
    ),
    yes("affinity-canary-behavior"),
    yes("session-cookie-name"),
    yes("session-cookie-path"),
    yes("session-cookie-domain"),
    yes("session-cookie-expires"),
    yes("session-cookie-max-age"),
    yes("session-cookie-samesite"),
    yes("session-cookie-secure"),
    yes("session-cookie-change-on-failure"),
    part(
        "session-cookie-conditional-samesite-none",
        "SameSite=None is sent to every browser: the ones of 2018 that reject it are not looked for",
    ),
    // Redirects and rewrites.
    yes("ssl-redirect"),
    yes("force-ssl-redirect"),
    part("rewrite-target", "groups ($1 to $9) are filled in; other variables of nginx and absolute URLs are not"),
    part(
        "use-regex",
        "expressions are linear-time ones, without look-around and back-references, and are matched with the path in its normal form, whose other escapes stay",
    ),
    yes("app-root"),
    part(
        "permanent-redirect",
        "a URL, perhaps with $request_uri at its end; other variables of nginx are not filled in",
    ),
    yes("permanent-redirect-code"),
    part(
        "temporal-redirect",
        "a URL, perhaps with $request_uri at its end; other variables of nginx are not filled in",
    ),
    yes("temporal-redirect-code"),
    yes("from-to-www-redirect"),
    idle("preserve-trailing-slash", "no path is ever redirected to one with a slash"),
    idle(
        "relative-redirects",
        "redirects of the proxy itself are absolute; those of backends are passed on as they are",
    ),
    idle("use-port-in-redirects", "redirects name a port where it is not the scheme's own"),
    // Sizes, times, retries.
    yes("proxy-body-size"),
    yes("proxy-connect-timeout"),
    part(
        "proxy-read-timeout",
        "also limits the wait for the head of an answer, of each try; between pieces of bodies the longer one of read and send counts, for both directions",
    ),
    part("proxy-send-timeout", "between pieces of bodies the longer one of read and send counts, for both directions"),
    part(
        "proxy-next-upstream",
        "error, timeout, non_idempotent, off, and the statuses from http_403 to http_504; not invalid_header; what was sent goes to endpoints that were not tried, at most for a fifth of the requests, with a body of up to 64 KiB",
    ),
    yes("proxy-next-upstream-tries"),
    yes("proxy-next-upstream-timeout"),
    // Backends.
    part(
        "backend-protocol",
        "HTTP, HTTPS, GRPC, GRPCS; AUTO_HTTP follows the Service's appProtocol; FCGI is refused, and its paths answer 503",
    ),
    yes("service-upstream"),
    part("load-balance", "round_robin and ewma as they are, ewma also by requests in flight"),
    yes("upstream-vhost"),
    yes("x-forwarded-prefix"),
    part(
        "custom-headers",
        "all headers of the ConfigMap are set but those that frame a message: there is no global-allowed-response-headers; a ConfigMap of another namespace needs a ReferenceGrant there",
    ),
    no("upstream-hash-by", HASH),
    no("upstream-hash-by-subset", HASH),
    no("upstream-hash-by-subset-size", HASH),
    part("proxy-http-version", "1.1 is spoken; 1.0 is not"),
    no("connection-proxy-header", "Connection belongs to one connection, and is the proxy's own on each side"),
    no("default-backend", "where no version has an endpoint the answer is 503; no other Service takes its place"),
    no("proxy-ssl-secret", UPSTREAM_TLS),
    no("proxy-ssl-name", UPSTREAM_TLS),
    no("proxy-ssl-server-name", UPSTREAM_TLS),
    shut(
        "proxy-ssl-verify",
        Protects::UnlessOff,
        "certificates of backends cannot be verified for one Ingress; the paths answer 503 rather than trust anyone",
    ),
    no("proxy-ssl-verify-depth", UPSTREAM_TLS),
    idle("proxy-ssl-ciphers", CIPHERS),
    idle("proxy-ssl-protocols", "TLS 1.2 and 1.3 are spoken"),
    no("fastcgi-index", "FastCGI is not spoken"),
    no("fastcgi-params-configmap", "FastCGI is not spoken"),
    // Hosts.
    part("server-alias", "names and wildcards; expressions (~) are not"),
    no("ssl-passthrough", "TLS ends at the proxy: connections are not passed on encrypted"),
    idle("ssl-ciphers", CIPHERS),
    idle("ssl-prefer-server-ciphers", CIPHERS),
    // Cross-origin resource sharing.
    part("enable-cors", "preflights are answered with 204; other OPTIONS requests go to the backend"),
    yes("cors-allow-origin"),
    yes("cors-allow-methods"),
    yes("cors-allow-headers"),
    yes("cors-allow-credentials"),
    yes("cors-expose-headers"),
    yes("cors-max-age"),
    // Access.
    yes("whitelist-source-range"),
    yes("allowlist-source-range"),
    yes("denylist-source-range"),
    idle("satisfy", "has a meaning only beside authentication, which is refused"),
    shut("auth-url", Protects::Always, AUTH),
    shut(
        "auth-type",
        Protects::Always,
        "basic and digest authentication are not built in; the paths answer 503 rather than be open",
    ),
    no("auth-secret", AUTH_PART),
    no("auth-secret-type", AUTH_PART),
    no("auth-realm", AUTH_PART),
    no("auth-signin", AUTH_PART),
    no("auth-signin-redirect-param", AUTH_PART),
    no("auth-method", AUTH_PART),
    no("auth-response-headers", AUTH_PART),
    no("auth-request-redirect", AUTH_PART),
    no("auth-proxy-set-headers", AUTH_PART),
    no("auth-always-set-cookie", AUTH_PART),
    no("auth-cache-key", AUTH_PART),
    no("auth-cache-duration", AUTH_PART),
    idle("auth-keepalive", KEEPALIVE),
    idle("auth-keepalive-share-vars", KEEPALIVE),
    idle("auth-keepalive-requests", KEEPALIVE),
    idle("auth-keepalive-timeout", KEEPALIVE),
    idle("enable-global-auth", "there is no authentication for all Ingresses that could be switched off"),
    shut("auth-tls-secret", Protects::Always, CLIENT_TLS),
    no("auth-tls-verify-client", CLIENT_TLS_PART),
    no("auth-tls-verify-depth", CLIENT_TLS_PART),
    no("auth-tls-error-page", CLIENT_TLS_PART),
    no("auth-tls-pass-certificate-to-upstream", CLIENT_TLS_PART),
    no("auth-tls-match-cn", CLIENT_TLS_PART),
    shut("enable-modsecurity", Protects::UnlessOff, WAF),
    shut("enable-owasp-core-rules", Protects::UnlessOff, WAF),
    shut("modsecurity-snippet", Protects::Always, WAF),
    no("modsecurity-transaction-id", "has a meaning only beside ModSecurity, which is refused"),
    // Limits.
    no("limit-rps", LIMIT),
    no("limit-rpm", LIMIT),
    no("limit-connections", LIMIT),
    no("limit-burst-multiplier", LIMIT),
    no("limit-allowlist", LIMIT),
    no("limit-whitelist", LIMIT),
    no("limit-rate", "the rate of answers is not limited"),
    no("limit-rate-after", "the rate of answers is not limited"),
    // Bodies and answers.
    idle("proxy-buffering", STREAMS),
    idle("proxy-request-buffering", STREAMS),
    idle("proxy-buffers-number", STREAMS),
    idle("proxy-buffer-size", STREAMS),
    idle("proxy-busy-buffers-size", STREAMS),
    idle("proxy-max-temp-file-size", STREAMS),
    idle("client-body-buffer-size", STREAMS),
    no("custom-http-errors", ERRORS),
    idle("disable-proxy-intercept-errors", ERRORS),
    no("proxy-cookie-domain", COOKIE_REWRITE),
    no("proxy-cookie-path", COOKIE_REWRITE),
    no("proxy-redirect-from", LOCATION_REWRITE),
    no("proxy-redirect-to", LOCATION_REWRITE),
    no("http2-push-preload", "browsers have removed HTTP/2 push"),
    no("mirror-target", MIRROR),
    no("mirror-host", MIRROR),
    no("mirror-request-body", MIRROR),
    // Snippets.
    shut("configuration-snippet", Protects::IfDirectives, SNIPPET),
    shut("server-snippet", Protects::IfDirectives, SNIPPET),
    shut("auth-snippet", Protects::IfDirectives, SNIPPET),
    no("stream-snippet", "nginx configuration cannot be run here, and TCP and UDP are not proxied"),
    // Logs and traces.
    idle("enable-access-log", "the access log is a setting of the process (accessLog)"),
    no("enable-rewrite-log", "weir explain tells what a rewrite does"),
    idle("enable-opentelemetry", TRACE),
    idle("opentelemetry-trust-incoming-span", TRACE),
    idle("opentelemetry-operation-name", TRACE),
];

/// The annotation of that name, without prefix.
pub fn find(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == name)
}
