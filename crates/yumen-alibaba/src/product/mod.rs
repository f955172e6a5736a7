//! The products of the OpenAPI that this crate knows, and where each listens.

mod exception;

use exception::Exceptions;

use crate::transport::Endpoint;

/// A product of the OpenAPI.
#[derive(Debug)]
pub struct Product {
    /// Its short name: that of endpoint overrides and of errors.
    pub name: &'static str,
    /// The version of its API.
    pub version: &'static str,
    /// Its name in RAM policies: `yundun-cert` for CAS.
    pub ram: &'static str,
    /// The first label of its hosts.
    prefix: &'static str,
    rule: Rule,
    /// Codes that say that something else is being changed just now, and that nothing was done.
    pub(crate) busy: &'static [&'static str],
}

#[derive(Debug)]
enum Rule {
    /// `<prefix>[-<network>].<region>.aliyuncs.com`, but for these.
    Regional(Exceptions),
    /// One host for all regions.
    Central(&'static str),
}

impl PartialEq for Product {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Product {
    /// Where the product listens for a region; `network` is `vpc` for the private network of a region.
    #[must_use]
    pub fn endpoint(&self, region: &str, network: Option<&str>) -> Endpoint {
        let host = match &self.rule {
            Central(host) => (*host).to_owned(),
            Regional(exceptions) => {
                let serves = |(_, regions): &&(&str, &str)| regions.split(' ').any(|other| other == region);
                match exceptions.iter().find(serves) {
                    Some((host, _)) => (*host).to_owned(),
                    None => {
                        let network = network.map(|network| format!("-{network}")).unwrap_or_default();
                        format!("{}{network}.{region}.aliyuncs.com", self.prefix)
                    }
                }
            }
        };
        Endpoint::https(host)
    }

    /// All products.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        ALL.iter().copied()
    }

    /// Finds a product by its short name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|product| product.name == name)
    }
}

macro_rules! product {
    ($id:ident, $name:literal, $version:literal, $ram:literal, $prefix:literal, $rule:expr, $busy:expr, $about:literal) => {
        #[doc = $about]
        pub static $id: Product =
            Product { name: $name, version: $version, ram: $ram, prefix: $prefix, rule: $rule, busy: $busy };
    };
}

use Rule::{Central, Regional};

product!(
    ALIDNS,
    "alidns",
    "2015-01-09",
    "alidns",
    "alidns",
    Regional(exception::ALIDNS),
    &["LastOperationNotFinished"],
    "AliDNS: zones and their records."
);
product!(ECS, "ecs", "2014-05-26", "ecs", "ecs", Regional(exception::ECS), &[], "Elastic compute: instances.");
product!(
    SLB,
    "slb",
    "2014-05-15",
    "slb",
    "slb",
    Regional(exception::SLB),
    &[
        "BackendServer.configuring",
        "ServiceIsConfiguring",
        "ServiceIsStopping",
        "VServerGroupProcessing",
        "SystemBusy",
        "OperationBusy",
        "ObtainIpFail",
        "RspoolVipExist"
    ],
    "Classic load balancers (CLB)."
);
product!(
    ALB,
    "alb",
    "2020-06-16",
    "alb",
    "alb",
    Regional(exception::ALB),
    &["IncorrectStatus.ServerGroup", "SystemBusy", "IdempotenceProcessing"],
    "Application load balancers."
);
product!(
    NLB,
    "nlb",
    "2022-04-30",
    "nlb",
    "nlb",
    Regional(&[]),
    &["IncorrectStatus.serverGroup", "Conflict.Lock", "OperationFailed.ResourceIsConfiguring", "SystemBusy"],
    "Network load balancers."
);
product!(
    VPC,
    "vpc",
    "2016-04-28",
    "vpc",
    "vpc",
    Regional(exception::VPC),
    &[
        "OperationConflict",
        "IncorrectStatus.NATGW",
        "IncorretSnatEntryStatus",
        "EIP_NOT_IN_GATEWAY",
        "OperationUnsupported.EipInBinding",
        "OperationUnsupported.EipNatBWPCheck",
        "OperationUnsupported.EipNatGWCheck"
    ],
    "Networks: NAT gateways, SNAT entries, EIPs."
);
product!(
    GA,
    "ga",
    "2019-11-20",
    "ga",
    "ga",
    Central("ga.cn-hangzhou.aliyuncs.com"),
    &["StateError.Accelerator", "NotActive.Listener"],
    "Global Accelerator; one host for the whole world."
);
product!(CAS, "cas", "2020-04-07", "yundun-cert", "cas", Regional(exception::CAS), &[], "Certificates.");
product!(KMS, "kms", "2016-01-20", "kms", "kms", Regional(&[]), &[], "Keys and secrets.");
product!(STS, "sts", "2015-04-01", "sts", "sts", Regional(exception::STS), &[], "Temporary keys, and who one is.");
product!(TAG, "tag", "2018-08-28", "tag", "tag", Regional(exception::TAG), &[], "Tags of all products.");
product!(CMS, "cms", "2019-01-01", "cms", "metrics", Regional(&[]), &[], "CloudMonitor.");
product!(
    CS,
    "cs",
    "2015-12-15",
    "cs",
    "cs",
    Regional(exception::CS),
    &[],
    "Container service (ACK), in the ROA style."
);
// The two below have protocols of their own; only their names and hosts are of use here.
product!(OSS, "oss", "", "oss", "oss", Regional(&[]), &[], "The object store; see `api::oss`.");
product!(SLS, "sls", "", "log", "sls", Regional(&[]), &[], "The log service; see `api::sls`.");

static ALL: &[&Product] = &[&ALIDNS, &ECS, &SLB, &ALB, &NLB, &VPC, &GA, &CAS, &KMS, &STS, &TAG, &CMS, &CS, &OSS, &SLS];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_follows_the_pattern_unless_its_region_is_an_exception() {
        let host = |product: &Product, region: &str, network| product.endpoint(region, network).authority;
        assert_eq!(host(&ECS, "cn-shanghai", None), "ecs.cn-shanghai.aliyuncs.com");
        assert_eq!(host(&ECS, "cn-shanghai", Some("vpc")), "ecs-vpc.cn-shanghai.aliyuncs.com");
        assert_eq!(host(&ECS, "cn-hangzhou", None), "ecs-cn-hangzhou.aliyuncs.com");
        assert_eq!(host(&ALIDNS, "cn-hangzhou", None), "alidns.aliyuncs.com");
        assert_eq!(host(&GA, "eu-central-1", None), "ga.cn-hangzhou.aliyuncs.com");
        assert_eq!(host(&CMS, "cn-beijing", None), "metrics.cn-beijing.aliyuncs.com");
        assert_eq!(Product::find("alb"), Some(&ALB));
        assert_eq!(Product::find("none"), None);
    }
}
