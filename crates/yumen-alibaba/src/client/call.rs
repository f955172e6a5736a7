//! A call of an RPC or ROA operation, and what its answers look like.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::verdict::Fault;
use crate::Draft;
use crate::product::Product;
use crate::transport::{Answer, Endpoint};

/// Whether a call may be sent again when it is not known what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It reads, or doing it twice is as doing it once.
    Safe,
    /// It carries a `ClientToken`, by which the service knows it again.
    ByToken,
    /// It must not be done twice.
    Never,
}

/// How parameters travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// `POST /` with all parameters in a form, so that none stands in a URL.
    Rpc,
    /// A method and a path, parameters in the query, a body of JSON.
    Roa {
        /// The method.
        method: &'static str,
        /// The path, encoded.
        path: String,
        /// The body; empty for none.
        body: String,
    },
}

/// Names and values of a call.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// Adds a value if there is one.
    #[must_use]
    pub fn with_some(self, name: impl Into<String>, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a list as `Name.1`, `Name.2` and so on.
    #[must_use]
    pub fn with_list(mut self, name: &str, values: impl IntoIterator<Item = impl ToString>) -> Self {
        for (at, value) in (1..).zip(values) {
            self = self.with(format!("{name}.{at}"), value);
        }
        self
    }

    /// Names and values.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Shows names only: values may be secrets.
impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The product.
    pub product: &'static Product,
    /// The operation.
    pub action: String,
    /// Its parameters.
    pub parameters: Parameters,
    /// Whether it may be repeated.
    pub repeat: Repeat,
    /// How it travels.
    pub style: Style,
}

impl Call {
    /// An RPC call that only reads.
    pub fn read(product: &'static Product, action: impl Into<String>, parameters: Parameters) -> Self {
        Self { product, action: action.into(), parameters, repeat: Repeat::Safe, style: Style::Rpc }
    }

    /// An RPC call that changes something.
    pub fn write(product: &'static Product, action: impl Into<String>, parameters: Parameters, repeat: Repeat) -> Self {
        Self { repeat, ..Self::read(product, action, parameters) }
    }

    pub(super) fn parameters(&self, token: Option<&str>) -> Vec<(String, String)> {
        let mut pairs = self.parameters.0.clone();
        pairs.extend(token.map(|token| ("ClientToken".to_owned(), token.to_owned())));
        pairs
    }

    /// The request without its signature; the parameters of an RPC call are not in it yet.
    pub(super) fn draft(&self, endpoint: &Endpoint, token: Option<&str>) -> Draft {
        match &self.style {
            Style::Rpc => Draft::new("POST", endpoint.authority.clone(), "/"),
            Style::Roa { method, path, body } => {
                let mut draft = Draft::new(method, endpoint.authority.clone(), path.clone());
                draft.query = self.parameters(token);
                if !body.is_empty() {
                    draft.body = body.clone().into();
                    draft.headers.set("content-type", "application/json; charset=utf-8");
                }
                draft
            }
        }
    }
}

/// Reads an error in each of the forms of RPC and ROA products.
pub(super) fn fault(answer: &Answer) -> Fault {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let text = |names: &[&str]| {
        let value = names.iter().find_map(|name| body.get(*name)?.as_str());
        value.unwrap_or_default().to_owned()
    };
    let header = answer.headers.value("x-acs-request-id").unwrap_or_default();
    let mut request_id = text(&["RequestId", "requestId", "request_id"]);
    if request_id.is_empty() {
        header.clone_into(&mut request_id);
    }
    let permission = body.get("AccessDeniedDetail").and_then(|detail| detail.get("AuthAction")?.as_str());
    Fault {
        code: text(&["Code", "code"]),
        message: text(&["Message", "message"]),
        request_id,
        permission: permission.map(str::to_owned),
    }
}

/// Whether a body is whole JSON.
pub(super) fn is_json(answer: &Answer) -> Result<(), String> {
    let parsed: Result<IgnoredAny, _> = serde_json::from_slice(&answer.body);
    parsed.map(drop).map_err(|error| format!("no JSON from line {}, column {} on", error.line(), error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Headers;

    fn read(body: &str) -> Fault {
        fault(&Answer { status: 400, headers: Headers::default(), body: body.to_owned().into() })
    }

    #[test]
    fn errors_are_read_in_both_styles() {
        let rpc = read(
            r#"{"RequestId":"R","HostId":"h","Code":"C","Message":"m","AccessDeniedDetail":{"AuthAction":"a:B"}}"#,
        );
        assert_eq!((rpc.code.as_str(), rpc.request_id.as_str(), rpc.permission.as_deref()), ("C", "R", Some("a:B")));
        let roa = read(r#"{"code":"C","message":"m","requestId":"R"}"#);
        assert_eq!(roa, Fault { permission: None, ..rpc });
        assert_eq!(read("<html>"), Fault::default());
    }

    #[test]
    fn lists_are_numbered_from_one_and_values_are_not_shown() {
        let parameters = Parameters::default().with("A", 1).with_list("B", ["x", "hush"]).with_some("C", None::<u8>);
        let names: Vec<&str> = parameters.pairs().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B.1", "B.2"]);
        assert!(!format!("{parameters:?}").contains("hush"));
    }
}
