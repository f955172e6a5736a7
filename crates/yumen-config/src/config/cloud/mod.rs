//! What the gateway does in the cloud beside traffic: one map by name for each kind of section.

mod accelerator;
mod account;
mod dynamic_dns;
mod log_output;
mod metric_output;
mod registration;
mod certificate;
mod nat;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use accelerator::{Accelerator, Templates};
pub use account::{Account, AssumedRole, CloudKeys, Signature};
pub use certificate::{
    Authority, CertificateKey, Challenge, DnsProvider, DnsProviderKind, ExternalAccount, Obtained, Propagation,
    TsigAlgorithm, TsigKey,
};
pub use dynamic_dns::{AddressSource, DynamicDns, MetadataAddress, Want};
pub use log_output::{SlsOutput, Spill};
pub use metric_output::{MetricLogin, MetricOutput};
pub use nat::{NatGateway, SnatSource, SnatWish};
pub use registration::{RegisteredServer, Registration};

use super::{
    AccountName, AuthorityName, CertificateName, DnsProviderName, DynamicDnsName, ListenerName, LogOutputName,
    MetricOutputName, NatGatewayName, RegistrationName,
};

/// The sections that concern the cloud.
#[derive(Clone, Default, PartialEq)]
pub struct Cloud {
    /// The accounts of Alibaba Cloud by name.
    pub accounts: BTreeMap<AccountName, Arc<Account>>,
    /// Names that are kept at the addresses of this machine.
    pub dynamic_dns: BTreeMap<DynamicDnsName, Arc<DynamicDns>>,
    /// This machine behind load balancers.
    pub registrations: BTreeMap<RegistrationName, Arc<Registration>>,
    /// Where lines of the access log go beside the log's own output.
    pub log_outputs: BTreeMap<LogOutputName, Arc<SlsOutput>>,
    /// Where metrics go beside the page that is scraped.
    pub metric_outputs: BTreeMap<MetricOutputName, Arc<MetricOutput>>,
    /// The CAs by name.
    pub authorities: BTreeMap<AuthorityName, Arc<Authority>>,
    /// Who edits DNS, by name.
    pub dns_providers: BTreeMap<DnsProviderName, Arc<DnsProvider>>,
    /// The certificates that are obtained, by name.
    pub certificates: BTreeMap<CertificateName, Arc<Obtained>>,
    /// The accelerators by name; no listener has the name of one.
    pub accelerators: BTreeMap<ListenerName, Arc<Accelerator>>,
    /// The NAT gateways by name.
    pub nat_gateways: BTreeMap<NatGatewayName, Arc<NatGateway>>,
}

/// Kinds of which there is none are left out.
impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accounts,
            dynamic_dns,
            log_outputs,
            metric_outputs,
            authorities,
            dns_providers,
            certificates,
            accelerators,
            nat_gateways,
            registrations,
        } = self;
        let mut all = f.debug_struct("Cloud");
        macro_rules! there {
            ($($kind:ident)*) => {$(if !$kind.is_empty() {
                all.field(stringify!($kind), $kind);
            })*};
        }
        there!(accounts dynamic_dns log_outputs metric_outputs authorities dns_providers certificates accelerators nat_gateways registrations);
        all.finish()
    }
}
