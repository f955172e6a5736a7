//! Names of the things a configuration declares; cheap to clone, one type per kind of thing.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared text of the name, without a copy.
            pub fn arc(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl From<Arc<str>> for $name {
            fn from(text: Arc<str>) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// The name of a listener.
    ListenerName
);
name!(
    /// The name of a route.
    RouteName
);
name!(
    /// The name of a middleware; an inline one is named `route/kind`.
    MiddlewareName
);
name!(
    /// The name of an upstream.
    UpstreamName
);
name!(
    /// The name of a CA.
    AuthorityName
);
name!(
    /// The name of a certificate that is obtained.
    CertificateName
);
name!(
    /// The name of a DNS provider.
    DnsProviderName
);
name!(
    /// The name of an account of Alibaba Cloud.
    AccountName
);
name!(
    /// The name of a section of `dynamic_dns`.
    DynamicDnsName
);
name!(
    /// The name of an output of the access log.
    LogOutputName
);
name!(
    /// The name of an output of metrics.
    MetricOutputName
);
name!(
    /// The name of a NAT gateway.
    NatGatewayName
);
name!(
    /// The name of a registration behind a load balancer.
    RegistrationName
);
