//! Regions whose endpoints do not follow the pattern, as the vendor's libraries know them.
//!
//! Each entry is a host and the regions that it serves, parted by spaces.

/// A host and its regions.
pub(super) type Exceptions = &'static [(&'static str, &'static str)];

pub(super) const ALIDNS: Exceptions = &[("alidns.aliyuncs.com", "cn-hangzhou public")];

pub(super) const ECS: Exceptions = &[
    (
        "ecs-cn-hangzhou.aliyuncs.com",
        "cn-beijing-nu16-b01 cn-fujian cn-haidian-cm12-c01 cn-hangzhou cn-hangzhou-bj-b01 \
         cn-hangzhou-internal-prod-1 cn-hangzhou-internal-test-1 cn-hangzhou-internal-test-2 \
         cn-hangzhou-internal-test-3 cn-hangzhou-test-306 cn-shanghai-et15-b01 cn-shanghai-et2-b01 \
         cn-shanghai-finance-1 cn-shanghai-internal-test-1 cn-shenzhen-finance-1 cn-shenzhen-st4-d01 \
         cn-shenzhen-su18-b01 cn-zhangbei-na61-b01",
    ),
    (
        "ecs.aliyuncs.com",
        "ap-northeast-2-pop cn-beijing-finance-pop cn-beijing-gov-1 cn-hangzhou-finance \
         cn-hongkong-finance-pop cn-north-2-gov-1 cn-shanghai-inner cn-shenzhen-inner cn-wuhan cn-yushanfang \
         cn-zhangbei rus-west-1-pop",
    ),
    ("ecs.cn-qingdao-nebula.aliyuncs.com", "cn-edge-1 cn-huhehaote-nebula-1 cn-zhengzhou-nebula-1"),
    ("ecs.cn-shenzhen-cloudstone.aliyuncs.com", "eu-west-1-oxs"),
    ("ecs.cn-zhangjiakou.aliyuncs.com", "cn-zhangjiakou-na62-a01"),
];

pub(super) const SLB: Exceptions = &[
    ("slb-api.cn-qingdao-nebula.aliyuncs.com", "cn-huhehaote-nebula-1"),
    (
        "slb.aliyuncs.com",
        "ap-northeast-2-pop ap-southeast-1 cn-beijing cn-beijing-finance-pop cn-beijing-gov-1 \
         cn-beijing-nu16-b01 cn-edge-1 cn-fujian cn-haidian-cm12-c01 cn-hangzhou cn-hangzhou-bj-b01 \
         cn-hangzhou-finance cn-hangzhou-internal-prod-1 cn-hangzhou-internal-test-1 \
         cn-hangzhou-internal-test-2 cn-hangzhou-internal-test-3 cn-hangzhou-test-306 cn-hongkong \
         cn-hongkong-finance-pop cn-north-2-gov-1 cn-qingdao cn-shanghai cn-shanghai-et15-b01 \
         cn-shanghai-et2-b01 cn-shanghai-finance-1 cn-shanghai-inner cn-shanghai-internal-test-1 cn-shenzhen \
         cn-shenzhen-finance-1 cn-shenzhen-inner cn-shenzhen-st4-d01 cn-shenzhen-su18-b01 cn-wuhan \
         cn-yushanfang cn-zhangbei cn-zhangbei-na61-b01 cn-zhangjiakou-na62-a01 cn-zhengzhou-nebula-1 \
         eu-west-1-oxs rus-west-1-pop us-east-1 us-west-1",
    ),
];

pub(super) const ALB: Exceptions = &[("alb.cn-hangzhou.aliyuncs.com", "cn-hangzhou-finance")];

pub(super) const VPC: Exceptions = &[
    ("vpc-inner-pre.cn-hangzhou.aliyuncs.com", "cn-hangzhou-internal-test-2"),
    (
        "vpc-nebula.cn-qingdao-nebula.aliyuncs.com",
        "cn-edge-1 cn-huhehaote-nebula-1 cn-qingdao-nebula cn-zhengzhou-nebula-1",
    ),
    ("vpc-nebula.cn-shenzhen-cloudstone.aliyuncs.com", "eu-west-1-oxs"),
    (
        "vpc-pre.cn-hangzhou.aliyuncs.com",
        "cn-hangzhou-internal-test-1 cn-hangzhou-internal-test-3 cn-hangzhou-test-306 cn-shanghai-et15-b01 \
         cn-shanghai-internal-test-1",
    ),
    (
        "vpc.aliyuncs.com",
        "ap-northeast-2-pop cn-beijing-finance-pop cn-beijing-gov-1 cn-beijing-nu16-b01 cn-fujian \
         cn-haidian-cm12-c01 cn-hangzhou cn-hangzhou-bj-b01 cn-hangzhou-finance cn-hangzhou-internal-prod-1 \
         cn-hongkong-finance-pop cn-north-2-gov-1 cn-shanghai-et2-b01 cn-shanghai-finance-1 cn-shanghai-inner \
         cn-shenzhen-finance-1 cn-shenzhen-inner cn-shenzhen-st4-d01 cn-shenzhen-su18-b01 cn-wuhan \
         cn-yushanfang cn-zhangbei cn-zhangbei-na61-b01 rus-west-1-pop",
    ),
    ("vpc.cn-zhangjiakou.aliyuncs.com", "cn-zhangjiakou-na62-a01"),
];

pub(super) const CAS: Exceptions = &[(
    "cas.aliyuncs.com",
    "ap-northeast-2-pop ap-southeast-3 ap-southeast-5 cn-beijing cn-beijing-finance-1 \
         cn-beijing-finance-pop cn-beijing-gov-1 cn-beijing-nu16-b01 cn-chengdu cn-edge-1 cn-fujian \
         cn-haidian-cm12-c01 cn-hangzhou cn-hangzhou-bj-b01 cn-hangzhou-finance cn-hangzhou-internal-prod-1 \
         cn-hangzhou-internal-test-1 cn-hangzhou-internal-test-2 cn-hangzhou-internal-test-3 \
         cn-hangzhou-test-306 cn-hongkong cn-hongkong-finance-pop cn-huhehaote cn-huhehaote-nebula-1 \
         cn-north-2-gov-1 cn-qingdao cn-qingdao-nebula cn-shanghai cn-shanghai-et15-b01 cn-shanghai-et2-b01 \
         cn-shanghai-finance-1 cn-shanghai-inner cn-shanghai-internal-test-1 cn-shenzhen \
         cn-shenzhen-finance-1 cn-shenzhen-inner cn-shenzhen-st4-d01 cn-shenzhen-su18-b01 cn-wuhan \
         cn-wulanchabu cn-yushanfang cn-zhangbei cn-zhangbei-na61-b01 cn-zhangjiakou cn-zhangjiakou-na62-a01 \
         cn-zhengzhou-nebula-1 eu-west-1 eu-west-1-oxs rus-west-1-pop us-east-1 us-west-1",
)];

pub(super) const STS: Exceptions = &[(
    "sts.aliyuncs.com",
    "ap-northeast-2-pop ap-south-1 ap-southeast-2 cn-beijing-finance-pop cn-beijing-gov-1 \
         cn-beijing-nu16-b01 cn-edge-1 cn-fujian cn-haidian-cm12-c01 cn-hangzhou-bj-b01 \
         cn-hangzhou-internal-prod-1 cn-hangzhou-internal-test-1 cn-hangzhou-internal-test-2 \
         cn-hangzhou-internal-test-3 cn-hangzhou-test-306 cn-hongkong-finance-pop cn-huhehaote-nebula-1 \
         cn-shanghai-et15-b01 cn-shanghai-et2-b01 cn-shanghai-inner cn-shanghai-internal-test-1 \
         cn-shenzhen-inner cn-shenzhen-st4-d01 cn-shenzhen-su18-b01 cn-wuhan cn-yushanfang cn-zhangbei \
         cn-zhangbei-na61-b01 cn-zhangjiakou-na62-a01 cn-zhengzhou-nebula-1 eu-west-1-oxs rus-west-1-pop",
)];

pub(super) const TAG: Exceptions = &[
    (
        "tag.aliyuncs.com",
        "ap-northeast-2-pop cn-beijing-finance-pop cn-beijing-gov-1 cn-edge-1 cn-hangzhou-bj-b01 \
         cn-hangzhou-internal-prod-1 cn-hangzhou-internal-test-1 cn-hongkong-finance-pop cn-shanghai-et2-b01 \
         cn-shanghai-finance-1 cn-shanghai-inner cn-shanghai-internal-test-1 cn-shenzhen-inner \
         cn-shenzhen-su18-b01 cn-wuhan cn-yushanfang cn-zhangbei cn-zhangjiakou-na62-a01 rus-west-1-pop",
    ),
    (
        "tag.cn-hangzhou.aliyuncs.com",
        "cn-beijing-nu16-b01 cn-fujian cn-hangzhou-finance cn-hangzhou-internal-test-2 \
         cn-hangzhou-internal-test-3 cn-hangzhou-test-306 cn-shanghai-et15-b01 cn-shenzhen-st4-d01 \
         cn-zhangbei-na61-b01",
    ),
    ("tag.cn-north-2-gov-1.aliyuncs.com", "cn-haidian-cm12-c01"),
    ("tag.cn-qingdao-nebula.aliyuncs.com", "cn-huhehaote-nebula-1 cn-zhengzhou-nebula-1"),
    ("tag.cn-shenzhen-cloudstone.aliyuncs.com", "eu-west-1-oxs"),
    ("tag.us-east-1.aliyuncs.com", "us-west-1"),
];

pub(super) const CS: Exceptions = &[(
    "cs.aliyuncs.com",
    "ap-northeast-2-pop cn-beijing-finance-pop cn-beijing-gov-1 cn-beijing-nu16-b01 cn-edge-1 cn-fujian \
         cn-haidian-cm12-c01 cn-hangzhou-bj-b01 cn-hangzhou-internal-prod-1 cn-hangzhou-internal-test-1 \
         cn-hangzhou-internal-test-2 cn-hangzhou-internal-test-3 cn-hangzhou-test-306 cn-hongkong-finance-pop \
         cn-qingdao-nebula cn-shanghai-et15-b01 cn-shanghai-et2-b01 cn-shanghai-inner \
         cn-shanghai-internal-test-1 cn-shenzhen-inner cn-shenzhen-st4-d01 cn-shenzhen-su18-b01 cn-wuhan \
         cn-yushanfang cn-zhangbei cn-zhangbei-na61-b01 cn-zhangjiakou-na62-a01 cn-zhengzhou-nebula-1 \
         eu-west-1-oxs rus-west-1-pop",
)];
