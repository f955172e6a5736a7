//! Which of several chains to take.

use instant_acme::Order;

use super::Acme;
use crate::certificate::Facts;
use crate::error::Error;

impl Acme {
    /// The chain of a valid order: the one that leads to the wanted authority, or the one that the CA prefers when none
    /// does.
    pub(super) async fn chain(&self, order: &mut Order) -> Result<String, Error> {
        let first = self.fetch(order).await?;
        let url = order.state().certificate.clone().unwrap_or_default();
        let alternates = self.wire.take_alternates(&url);
        let Some(wanted) = &self.authority.chain else { return Ok(first) };
        if leads_to(&first, wanted) {
            return Ok(first);
        }
        for alternate in &alternates {
            self.wire.detour(&url, Some(alternate));
            let fetched = self.fetch_again(order).await;
            self.wire.detour(&url, None);
            let other = fetched?;
            if leads_to(&other, wanted) {
                return Ok(other);
            }
        }
        tracing::warn!("{} offers no chain that leads to `{wanted}`; taking its own choice", self.authority.directory);
        Ok(first)
    }

    async fn fetch_again(&self, order: &mut Order) -> Result<String, Error> {
        self.refresh(order).await?;
        self.fetch(order).await
    }

    async fn fetch(&self, order: &mut Order) -> Result<String, Error> {
        let mut tries = self.tries("the certificate");
        loop {
            match order.certificate().await {
                Ok(Some(chain)) => return Ok(chain),
                Ok(None) => return Err(self.broken("the certificate", "it is not ready after all")),
                Err(error) => tries.again(error).await?,
            }
        }
    }
}

/// Whether the uppermost certificate was signed by this authority.
fn leads_to(chain: &str, authority: &str) -> bool {
    Facts::of_chain(chain).is_ok_and(|facts| facts.issuers.last().is_some_and(|issuer| issuer == authority))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::tests::self_signed;

    #[test]
    fn a_chain_leads_to_whoever_signed_its_last_certificate() {
        let certificate = self_signed(&["a.test"], 1);
        assert!(leads_to(certificate.chain(), "self"));
        assert!(!leads_to(certificate.chain(), "other") && !leads_to("", "self"));
    }
}
