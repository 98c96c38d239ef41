use super::*;

fn parsed(annotations: &[(&str, &str)]) -> (Settings, Vec<Finding>) {
    let named = |(name, value): &(&str, &str)| (format!("{PREFIX}/{name}"), (*value).to_owned());
    parse(&annotations.iter().map(named).collect(), PREFIX)
}

/// The families of the contract, written out.
const FAMILIES: &str = "ssl-redirect force-ssl-redirect rewrite-target use-regex proxy-body-size proxy-read-timeout \
    proxy-send-timeout proxy-connect-timeout backend-protocol whitelist-source-range allowlist-source-range enable-cors \
    cors-allow-origin cors-allow-methods cors-allow-headers cors-allow-credentials cors-expose-headers cors-max-age \
    auth-url auth-signin auth-response-headers auth-method auth-snippet auth-type auth-secret auth-secret-type auth-realm \
    affinity affinity-mode affinity-canary-behavior session-cookie-name session-cookie-path session-cookie-domain \
    session-cookie-expires session-cookie-max-age session-cookie-samesite session-cookie-secure \
    session-cookie-change-on-failure session-cookie-conditional-samesite-none canary canary-weight canary-weight-total \
    canary-by-header canary-by-header-value canary-by-header-pattern canary-by-cookie limit-rps limit-rpm \
    limit-connections limit-burst-multiplier limit-allowlist proxy-buffering proxy-request-buffering proxy-buffers-number \
    proxy-buffer-size proxy-next-upstream proxy-next-upstream-tries proxy-next-upstream-timeout permanent-redirect \
    permanent-redirect-code temporal-redirect temporal-redirect-code app-root from-to-www-redirect upstream-vhost \
    server-alias custom-http-errors default-backend configuration-snippet server-snippet custom-headers \
    x-forwarded-prefix auth-tls-secret auth-tls-verify-client auth-tls-verify-depth auth-tls-error-page \
    auth-tls-pass-certificate-to-upstream auth-tls-match-cn";

/// The second tier, and what is to be refused with a report.
const OTHERS: &str = "service-upstream ssl-passthrough upstream-hash-by upstream-hash-by-subset \
    upstream-hash-by-subset-size load-balance proxy-ssl-secret proxy-ssl-ciphers proxy-ssl-name proxy-ssl-protocols \
    proxy-ssl-verify proxy-ssl-verify-depth proxy-ssl-server-name proxy-http-version mirror-target mirror-host \
    mirror-request-body denylist-source-range satisfy proxy-cookie-domain proxy-cookie-path proxy-redirect-from \
    proxy-redirect-to connection-proxy-header client-body-buffer-size limit-rate limit-rate-after ssl-ciphers \
    ssl-prefer-server-ciphers enable-access-log enable-opentelemetry opentelemetry-trust-incoming-span \
    opentelemetry-operation-name enable-global-auth auth-cache-key auth-cache-duration auth-keepalive \
    auth-keepalive-share-vars auth-keepalive-requests auth-keepalive-timeout auth-proxy-set-headers \
    auth-always-set-cookie auth-request-redirect auth-signin-redirect-param disable-proxy-intercept-errors \
    relative-redirects use-port-in-redirects preserve-trailing-slash proxy-max-temp-file-size proxy-busy-buffers-size \
    stream-snippet enable-modsecurity enable-owasp-core-rules modsecurity-snippet modsecurity-transaction-id \
    fastcgi-index fastcgi-params-configmap http2-push-preload enable-rewrite-log";

#[test]
fn no_annotation_of_the_contract_is_missing() {
    for name in FAMILIES.split_ascii_whitespace().chain(OTHERS.split_ascii_whitespace()) {
        assert!(find(name).is_some(), "{name}");
    }
}

#[test]
fn every_name_stands_once_and_says_why() {
    for entry in TABLE {
        assert_eq!(TABLE.iter().filter(|other| other.name == entry.name).count(), 1, "{}", entry.name);
        assert_eq!(entry.verdict.reason().is_empty(), entry.verdict == Verdict::Supported, "{}", entry.name);
        let refused = matches!(entry.verdict, Verdict::Refused(_));
        assert!(refused || entry.protects == Protects::Nothing, "{}", entry.name);
    }
}

#[test]
fn an_annotation_that_is_read_has_no_verdict_of_refusal() {
    let (settings, _) = parsed(&[("service-upstream", "true"), ("upstream-vhost", "internal")]);
    assert!(settings.traffic.service_upstream && settings.rewrite.host.is_some());
    for entry in TABLE.iter().filter(|entry| entry.verdict == Verdict::Supported) {
        let (_, findings) = parsed(&[(entry.name, "\u{1}?")]);
        let told = findings.iter().any(|finding| finding.annotation == entry.name);
        // Any text is a header value to compare with, and what belongs to another annotation is read with that.
        let dependent = ["canary-by-header-value", "session-cookie", "cors-", "-code", "x-forwarded-prefix"];
        assert!(told || dependent.iter().any(|part| entry.name.contains(part)), "{}", entry.name);
    }
}

#[test]
fn a_name_that_is_close_is_suggested() {
    for (name, meant) in [
        ("canary-total", "canary-weight-total"),
        ("rewrite-traget", "rewrite-target"),
        ("white-list-source-range", "whitelist-source-range"),
    ] {
        let (_, findings) = parsed(&[(name, "1")]);
        assert!(findings.iter().any(|f| f.message.contains(&format!("\"{meant}\""))), "{name}: {findings:?}");
    }
    let (_, findings) = parsed(&[("something-else-entirely", "1")]);
    assert!(!findings[0].message.contains("did you mean"), "{findings:?}");
}

#[test]
fn a_bad_value_becomes_the_default_and_is_told_with_what_is_allowed() {
    let defaults = parsed(&[]).0;
    for (name, allowed) in [
        ("ssl-redirect", "\"true\" or \"false\""),
        ("proxy-read-timeout", "without a unit"),
        ("proxy-body-size", "8m"),
        ("load-balance", "\"ewma\""),
        ("rewrite-target", "$1 to $9"),
        ("app-root", "begins with /"),
    ] {
        let (settings, findings) = parsed(&[(name, "no such thing")]);
        assert_eq!(settings, defaults, "{name}");
        assert!(findings.iter().any(|f| f.annotation == name && f.message.contains(allowed)), "{findings:?}");
    }
}

#[test]
fn another_prefix_is_another_set_of_annotations() {
    let annotations = BTreeMap::from([("nginx.org/canary".to_owned(), "true".to_owned())]);
    assert!(parse(&annotations, PREFIX).0.canary.is_none());
    assert!(parse(&annotations, "nginx.org").0.canary.is_some());
}

#[test]
fn annotations_with_the_usual_prefix_are_told_where_another_one_is_configured() {
    let named = |name: &str, value: &str| (format!("{PREFIX}/{name}"), value.to_owned());
    let annotations = BTreeMap::from([named("canary-weight", "100"), named("enable-cors", "false")]);
    let (settings, findings) = parse(&annotations, "nginx.org");
    assert_eq!(settings, parsed(&[]).0);
    let told: Vec<_> = findings.iter().map(|finding| (finding.annotation.as_str(), finding.severity)).collect();
    assert_eq!(
        told,
        [("nginx.ingress.kubernetes.io/canary-weight", Severity::Info)],
        "what is switched off asks for nothing"
    );
    assert!(findings[0].message.contains("nginx.org (--annotation-prefix)"), "{findings:?}");
}

#[test]
fn groups_of_a_rewrite_are_written_with_one_digit() {
    let target = |text: &str| parsed(&[("rewrite-target", text)]).0.rewrite.target.map(|target| target.to_string());
    assert_eq!(target("/a/$1b$2").as_deref(), Some("/a/${1}b${2}"));
    assert_eq!(target("/${1}/x").as_deref(), Some("/${1}/x"));
    assert_eq!(target("/$1}/x").as_deref(), Some("/${1}}/x"));
    assert_eq!(target("/$host"), None);
    assert_eq!(target("https://new.example.com/$1"), None);
}
