"""The products of the OpenAPI: signature, policy, operation."""

import balancer
import dns
import inventory
import signature
from fault import Refused
from wire import json_reply

# Versions of products, with their name in policies and their operations.
PRODUCTS = {
    "2015-01-09": ("alidns", dns.OPERATIONS),
    "2014-05-26": ("ecs", inventory.ECS),
    "2014-05-15": ("slb", balancer.SLB),
    "2020-06-16": ("alb", balancer.ALB),
    "2022-04-30": ("nlb", balancer.NLB),
    "2016-04-28": ("vpc", inventory.VPC),
    "2019-11-20": ("ga", inventory.GA),
    "2020-04-07": ("yundun-cert", inventory.CAS),
    "2016-01-20": ("kms", inventory.KMS),
    "2015-04-01": ("sts", inventory.STS),
    "2015-12-15": ("cs", inventory.CS),
}

COMMON = {
    "Action", "Version", "Format", "AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce", "SignatureType",
    "Timestamp", "SecurityToken", "Signature",
}


def parameters(request):
    return {**dict(request.query), **dict(request.form())}


def action(request):
    return request.headers.get("x-acs-action") or parameters(request).get("Action", "")


def answer(cloud, request, action):
    given = parameters(request)
    authorization = request.headers.get("authorization", "")
    if authorization.startswith(("ACS3-HMAC-SHA256 ", "ACS4-HMAC-SHA256 ")):
        key = signature.acs3(cloud, request)
    elif authorization.startswith("acs "):
        key = signature.roa1(cloud, request)
    elif "Signature" in given:
        key = signature.rpc1(cloud, request, given)
    elif action == "AssumeRoleWithOIDC":
        key = {}
    else:
        raise Refused(400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action.")
    version = request.headers.get("x-acs-version") or given.get("Version")
    if version not in PRODUCTS:
        raise Refused(404, "InvalidVersion", "Specified parameter Version is not valid.")
    product, operations = PRODUCTS[version]
    if action not in operations:
        raise Refused(404, "InvalidAction.NotFound", "Specified api is not found: " + action)
    cloud.allow(key, "%s:%s" % (product, action))
    own = {name: value for name, value in given.items() if name not in COMMON}
    # The same token is the same request, and has the same answer.
    token = own.get("ClientToken")
    known = cloud.tokens.get((action, token)) if token else None
    if known is None:
        known = operations[action](cloud, own, key)
        if token:
            cloud.tokens[(action, token)] = known
    return json_reply(200, {"RequestId": cloud.request_id(), **known})


def refuse(cloud, refused):
    body = {
        "RequestId": cloud.request_id(),
        "HostId": "cloud.test",
        "Code": refused.code,
        "Message": refused.message,
        "Recommend": "https://api.aliyun.com/troubleshoot?q=" + refused.code,
    }
    if refused.detail:
        body["AccessDeniedDetail"] = refused.detail
    return json_reply(refused.status, body)
