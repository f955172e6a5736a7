//! HTTP-01: texts at a well-known path on port 80.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Doing, Hiding, Kind, Proof, Responder};
use crate::store::Label;

/// What every path of a challenge starts with.
const FOLDER: &str = "/.well-known/acme-challenge/";

/// The texts that are wanted at the moment. Clones share the table: one is for the engine, one for the server, which reads
/// it without a lock.
#[derive(Clone, Default)]
pub struct Http01 {
    table: Arc<ArcSwap<HashMap<String, Shown>>>,
}

#[derive(Clone)]
struct Shown {
    certificate: Label,
    text: String,
}

impl Http01 {
    /// What to answer to a request for `path`, which is taken as it stands in the request, without the query: the body,
    /// to be sent as `application/octet-stream` with status 200. `None` when no order under way wants that path, so the
    /// request is one like any other.
    #[must_use]
    pub fn answer(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(FOLDER)?;
        self.table.load().get(token).map(|shown| shown.text.clone())
    }
}

impl Responder for Http01 {
    fn kind(&self) -> Kind {
        Kind::Http01
    }

    fn show<'a>(&'a self, certificate: &'a Label, proofs: &'a [Proof]) -> Doing<'a, ()> {
        self.table.rcu(|table| {
            let mut table = HashMap::clone(table);
            table.extend(proofs.iter().map(|proof| {
                let shown = Shown { certificate: certificate.clone(), text: proof.authorization.clone() };
                (proof.token.clone(), shown)
            }));
            table
        });
        Box::pin(std::future::ready(Ok(())))
    }

    fn hide<'a>(&'a self, certificate: &'a Label) -> Hiding<'a> {
        self.table.rcu(|table| {
            let mut table = HashMap::clone(table);
            // All of the certificate's, also those of an order that was given up half way.
            table.retain(|_, shown| shown.certificate != *certificate);
            table
        });
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_token_is_answered_while_it_is_wanted() {
        let (table, label, other) = (Http01::default(), Label::parse("www").unwrap(), Label::parse("other").unwrap());
        let server = table.clone();
        let proof = |token: &str| Proof {
            name: "a.test".into(),
            token: token.into(),
            authorization: format!("{token}.thumb"),
            digest: [0; 32],
            text: String::new(),
        };
        let proofs = [proof("one"), proof("two")];
        table.show(&label, &proofs[..1]).await.unwrap();
        table.show(&other, &proofs[1..]).await.unwrap();
        assert_eq!(server.answer("/.well-known/acme-challenge/one").as_deref(), Some("one.thumb"));
        for other in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/three", "/one", "one", ""] {
            assert_eq!(server.answer(other), None, "{other}");
        }
        table.hide(&label).await;
        assert_eq!(server.answer("/.well-known/acme-challenge/one"), None);
        assert!(server.answer("/.well-known/acme-challenge/two").is_some());
    }
}
