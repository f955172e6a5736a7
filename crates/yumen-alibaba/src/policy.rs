//! The least RAM policies for what this crate does.
//!
//! Attach them to a role that is used through an ECS role or an identity provider, rather than to the key of a user. Where
//! a product authorises an operation as a whole, or the form of its resources is not confirmed, the resource is `*`.

use serde_json::{Value, json};

/// Something that a program wants to do in the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need<'a> {
    /// Prove to a certificate authority that zones are one's own.
    Acme {
        /// The zones.
        zones: &'a [&'a str],
    },
    /// Keep records of zones at addresses.
    DynamicDns {
        /// The zones.
        zones: &'a [&'a str],
    },
    /// Find instances by tag, VPC or zone.
    Instances {
        /// Their region.
        region: &'a str,
    },
    /// Read the server groups of application load balancers, or also change them.
    Alb {
        /// The region.
        region: &'a str,
        /// The ids of the groups.
        groups: &'a [&'a str],
        /// Whether servers are added and removed.
        change: bool,
    },
    /// The same of network load balancers.
    Nlb {
        /// The region.
        region: &'a str,
        /// The ids of the groups.
        groups: &'a [&'a str],
        /// Whether servers are added and removed.
        change: bool,
    },
    /// The same of classic load balancers, in their default groups and vserver groups.
    Clb {
        /// The region.
        region: &'a str,
        /// The ids of the balancers.
        balancers: &'a [&'a str],
        /// Whether servers are added and removed.
        change: bool,
    },
    /// Read how listeners of balancers find their servers: `alb` or `nlb`. Reading a classic balancer is part of its own.
    BalancerHealth {
        /// The product.
        product: &'a str,
    },
    /// Read NAT gateways, SNAT entries and EIPs, or also create entries.
    Nat {
        /// The region.
        region: &'a str,
        /// Whether entries are created.
        change: bool,
    },
    /// Delete SNAT entries.
    SnatDeletion {
        /// The region.
        region: &'a str,
    },
    /// Follow an accelerator.
    Accelerator,
    /// Upload certificates, or also delete old ones.
    Certificates {
        /// Whether old ones are deleted.
        delete: bool,
    },
    /// Read secrets whose names match.
    Secrets {
        /// The region.
        region: &'a str,
        /// Names, or prefixes that end in `*`.
        names: &'a [&'a str],
    },
    /// Take on a role.
    Role {
        /// Its name as a resource: `acs:ram::<account>:role/<name>`.
        arn: &'a str,
    },
    /// Put and get objects below a prefix of a bucket.
    Objects {
        /// The bucket.
        bucket: &'a str,
        /// The prefix; empty for the whole bucket.
        prefix: &'a str,
    },
    /// Put objects below a prefix of a bucket, and no more.
    NewObjects {
        /// The bucket.
        bucket: &'a str,
        /// The prefix; empty for the whole bucket.
        prefix: &'a str,
    },
    /// Put logs.
    Logs {
        /// The region.
        region: &'a str,
        /// The project.
        project: &'a str,
        /// The store.
        store: &'a str,
    },
}

/// A policy that allows what is needed in an account and no more, in the form that the RAM console takes.
#[must_use]
pub fn least(account: &str, needs: &[Need<'_>]) -> Value {
    let mut statements: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for (actions, resources) in needs.iter().flat_map(|need| need.statements(account)) {
        if !statements.iter().any(|(old, places)| *old == actions && *places == resources) {
            statements.push((actions, resources));
        }
    }
    let statements: Vec<Value> = statements
        .into_iter()
        .map(|(actions, resources)| json!({"Effect": "Allow", "Action": actions, "Resource": resources}))
        .collect();
    json!({"Version": "1", "Statement": statements})
}

type Statements = Vec<(Vec<&'static str>, Vec<String>)>;

impl Need<'_> {
    fn statements(&self, account: &str) -> Statements {
        let all = || vec!["*".to_owned()];
        match self {
            Self::Acme { zones } => dns(account, zones, &["alidns:DeleteDomainRecord"]),
            Self::DynamicDns { zones } => {
                dns(account, zones, &["alidns:UpdateDomainRecord", "alidns:DeleteDomainRecord"])
            }
            Self::Instances { region } => {
                vec![(vec!["ecs:DescribeInstances"], vec![format!("acs:ecs:{region}:{account}:instance/*")])]
            }
            Self::Alb { region, groups, change } => alb(account, region, groups, *change),
            Self::Nlb { region, groups, change } => nlb(account, region, groups, *change),
            Self::Clb { region, balancers, change } => clb(account, region, balancers, *change),
            Self::BalancerHealth { product } => {
                let action =
                    if *product == "nlb" { "nlb:GetListenerHealthStatus" } else { "alb:GetListenerHealthStatus" };
                vec![(vec![action], all())]
            }
            Self::Nat { region, change } => {
                let reads = vec!["vpc:DescribeNatGateways", "vpc:DescribeSnatTableEntries", "vpc:DescribeEipAddresses"];
                let mut list = vec![(reads, all())];
                if *change {
                    let place = format!("acs:vpc:{region}:{account}:snattable/*");
                    list.push((vec!["vpc:CreateSnatEntry"], vec![place]));
                }
                list
            }
            Self::SnatDeletion { region } => {
                vec![(vec!["vpc:DeleteSnatEntry"], vec![format!("acs:vpc:{region}:{account}:snattable/*")])]
            }
            Self::Accelerator => {
                vec![(vec!["ga:ListAccelerators", "ga:ListListeners", "ga:ListEndpointGroups"], all())]
            }
            Self::Certificates { delete } => {
                let mut actions = vec!["yundun-cert:UploadUserCertificate", "yundun-cert:ListUserCertificateOrder"];
                actions.extend(delete.then_some("yundun-cert:DeleteUserCertificate"));
                vec![(actions, all())]
            }
            Self::Secrets { region, names } => {
                let places = names.iter().map(|name| format!("acs:kms:{region}:{account}:secret/{name}")).collect();
                vec![(vec!["kms:GetSecretValue"], places)]
            }
            Self::Role { arn } => vec![(vec!["sts:AssumeRole"], vec![(*arn).to_owned()])],
            Self::Objects { bucket, prefix } => {
                let actions = vec!["oss:GetObject", "oss:PutObject", "oss:DeleteObject"];
                vec![(actions, vec![format!("acs:oss:*:*:{bucket}/{prefix}*")])]
            }
            Self::NewObjects { bucket, prefix } => {
                vec![(vec!["oss:PutObject"], vec![format!("acs:oss:*:*:{bucket}/{prefix}*")])]
            }
            Self::Logs { region, project, store } => {
                let place = format!("acs:log:{region}:{account}:project/{project}/logstore/{store}");
                vec![(vec!["log:PostLogStoreLogs"], vec![place])]
            }
        }
    }
}

/// RAM cannot confine a key to one name of a zone: a delegated zone of its own can.
fn dns(account: &str, zones: &[&str], more: &[&'static str]) -> Statements {
    let mut actions = vec![
        "alidns:AddDomainRecord",
        "alidns:DescribeSubDomainRecords",
        "alidns:DescribeDomainRecords",
        "alidns:DescribeDomainInfo",
    ];
    actions.extend(more);
    let places = zones.iter().map(|zone| format!("acs:alidns:*:{account}:domain/{zone}")).collect();
    vec![(vec!["alidns:DescribeDomains"], vec![format!("acs:alidns:*:{account}:domain/*")]), (actions, places)]
}

fn alb(account: &str, region: &str, groups: &[&str], change: bool) -> Statements {
    let groups: Vec<String> = groups.iter().map(|id| format!("acs:alb:{region}:{account}:servergroup/{id}")).collect();
    let mut list = vec![(vec!["alb:ListServerGroupServers"], groups.clone())];
    if change {
        let actions = vec![
            "alb:AddServersToServerGroup",
            "alb:RemoveServersFromServerGroup",
            "alb:UpdateServerGroupServersAttribute",
        ];
        let servers = ["ecs", "eni"].map(|kind| format!("acs:alb:{region}:{account}:{kind}/*"));
        list.push((actions, groups.into_iter().chain(servers).collect()));
        list.push((vec!["alb:ListAsynJobs"], vec!["*".to_owned()]));
    }
    list
}

fn nlb(account: &str, region: &str, groups: &[&str], change: bool) -> Statements {
    let groups: Vec<String> = groups.iter().map(|id| format!("acs:nlb:{region}:{account}:servergroup/{id}")).collect();
    let mut list = vec![(vec!["nlb:ListServerGroupServers"], groups.clone())];
    if change {
        let actions = vec![
            "nlb:AddServersToServerGroup",
            "nlb:RemoveServersFromServerGroup",
            "nlb:UpdateServerGroupServersAttribute",
        ];
        list.push((actions, groups));
        list.push((vec!["nlb:GetJobStatus"], vec!["*".to_owned()]));
    }
    list
}

fn clb(account: &str, region: &str, balancers: &[&str], change: bool) -> Statements {
    let mut places: Vec<String> =
        balancers.iter().map(|id| format!("acs:slb:{region}:{account}:loadbalancer/{id}")).collect();
    places.push(format!("acs:slb:{region}:{account}:vservergroup/*"));
    let reads =
        vec!["slb:DescribeLoadBalancerAttribute", "slb:DescribeHealthStatus", "slb:DescribeVServerGroupAttribute"];
    let mut list = vec![(reads, places.clone())];
    if change {
        let actions = vec![
            "slb:AddBackendServers",
            "slb:RemoveBackendServers",
            "slb:SetBackendServers",
            "slb:AddVServerGroupBackendServers",
            "slb:RemoveVServerGroupBackendServers",
            "slb:SetVServerGroupAttribute",
        ];
        list.push((actions, places));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_zones_and_what_is_done_to_them() {
        let policy = least("1", &[Need::Acme { zones: &["example.com"] }, Need::Acme { zones: &["example.com"] }]);
        let expected = json!({"Version": "1", "Statement": [
            {"Effect": "Allow", "Action": ["alidns:DescribeDomains"], "Resource": ["acs:alidns:*:1:domain/*"]},
            {"Effect": "Allow", "Action": ["alidns:AddDomainRecord", "alidns:DescribeSubDomainRecords",
                "alidns:DescribeDomainRecords", "alidns:DescribeDomainInfo", "alidns:DeleteDomainRecord"],
                "Resource": ["acs:alidns:*:1:domain/example.com"]},
        ]});
        assert_eq!(policy, expected);
    }

    #[test]
    fn who_only_reads_may_not_write() {
        let text = |change| {
            let needs = [
                Need::Alb { region: "r", groups: &["g"], change },
                Need::Nlb { region: "r", groups: &["g"], change },
                Need::Clb { region: "r", balancers: &["l"], change },
                Need::Nat { region: "r", change },
            ];
            least("1", &needs).to_string()
        };
        for verb in ["Add", "Remove", "Set", "Update", "Create"] {
            assert!(!text(false).contains(&format!(":{verb}")), "{verb}");
            assert!(text(true).contains(&format!(":{verb}")), "{verb}");
        }
        assert!(!text(true).contains(":Delete"), "no entry of a NAT gateway is ever deleted");
    }
}
