//! Which requests a split takes, and what is changed on their way.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::units::Time;

/// Conditions on a request; every one must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// Path condition. Default: prefix "/".
    pub path: Option<PathMatch>,
    /// Method. Default: all.
    pub method: Option<String>,
    /// Header conditions.
    #[serde(default)]
    pub headers: Vec<ValueMatch>,
    /// Query parameter conditions.
    #[serde(default)]
    pub query: Vec<ValueMatch>,
}

/// How a path is compared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct PathMatch {
    /// The whole path.
    pub exact: Option<String>,
    /// Path elements from the start.
    pub prefix: Option<String>,
    /// A regular expression over the whole path.
    pub regex: Option<String>,
}

/// How a header or query parameter is compared: by exactly one of exact, regex and present.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValueMatch {
    /// Name of the header or parameter.
    pub name: String,
    /// The whole value.
    pub exact: Option<String>,
    /// A regular expression over the whole value.
    pub regex: Option<String>,
    /// Any value.
    #[schemars(extend("enum" = [true]))]
    pub present: Option<bool>,
}

/// A change to a request or response.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Filter {
    /// Replaces request headers.
    pub set_request_header: Option<BTreeMap<String, String>>,
    /// Adds request headers.
    pub add_request_header: Option<BTreeMap<String, String>>,
    /// Removes request headers.
    pub remove_request_header: Option<Vec<String>>,
    /// Replaces response headers.
    pub set_response_header: Option<BTreeMap<String, String>>,
    /// Adds response headers.
    pub add_response_header: Option<BTreeMap<String, String>>,
    /// Removes response headers.
    pub remove_response_header: Option<Vec<String>>,
    /// Answers with a redirect.
    pub redirect: Option<Redirect>,
    /// Replaces the whole path.
    pub rewrite_path: Option<String>,
    /// Replaces the prefix that matched.
    pub rewrite_prefix: Option<String>,
    /// Replaces the host.
    pub rewrite_host: Option<String>,
    /// Cross-origin resource sharing.
    pub cors: Option<Cors>,
}

/// Where a redirect points; what is absent stays as in the request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redirect {
    /// http or https.
    pub scheme: Option<Scheme>,
    /// Host name.
    pub host: Option<String>,
    /// Port. Default: that of scheme if it is given, else the listener's.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The whole path; not with prefix.
    pub path: Option<String>,
    /// Replaces the prefix that matched; not with path.
    pub prefix: Option<String>,
    /// Status. Default: 302.
    #[schemars(extend("enum" = [301, 302, 303, 307, 308]))]
    pub status: Option<u16>,
}

/// A scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Scheme {
    Http,
    Https,
}

/// Cross-origin resource sharing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cors {
    /// Origins: `https://app.example.com`, `https://*.example.com` or `*`.
    #[schemars(length(min = 1))]
    pub allow_origins: Vec<String>,
    /// Methods. Default: the method asked for.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// Request headers. Default: those asked for.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// Response headers that scripts may read. Default: none.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// Whether cookies go along. Default: false.
    pub allow_credentials: Option<bool>,
    /// How long a preflight answer may be kept.
    pub max_age: Option<Time>,
}
