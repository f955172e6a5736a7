"""Products that mostly list what `lists` holds, and those with a little state of their own."""

import json
import zlib

from fault import Refused
from page import chained, listed, numbered


# ECS

def instances(cloud, given, _key):
    items = cloud.lists.get("instances", [])
    if given.get("InstanceIds"):
        wanted = json.loads(given["InstanceIds"])
        items = [item for item in items if item["InstanceId"] in wanted]
    for tag in listed(given, "Tag"):
        has = lambda item: any(
            own["TagKey"] == tag["Key"] and tag.get("Value") in (None, own["TagValue"])
            for own in item.get("Tags", {}).get("Tag", [])
        )
        items = [item for item in items if has(item)]
    for name in ("Status", "ZoneId"):
        if given.get(name):
            items = [item for item in items if item.get(name) == given[name]]
    if given.get("VpcId"):
        items = [item for item in items if item.get("VpcAttributes", {}).get("VpcId") == given["VpcId"]]
    if given.get("SecurityGroupId"):
        in_group = lambda item: given["SecurityGroupId"] in item.get("SecurityGroupIds", {}).get("SecurityGroupId", [])
        items = [item for item in items if in_group(item)]
    if "MaxResults" in given and int(given["MaxResults"]) < 10:
        raise Refused(400, "InvalidParameter.MaxResults", "Specified parameter MaxResults is not valid.")
    found, rest = chained(items, given, 10, 100)
    # In this mode the count means nothing.
    return {**rest, "TotalCount": 0, "Instances": {"Instance": found}}


ECS = {"DescribeInstances": instances}


# VPC

def nat_gateways(cloud, given, _key):
    items = [item for item in cloud.lists.get("nat", []) if given.get("VpcId") in (None, item.get("VpcId"))]
    found, rest = numbered(items, given, 10, 50)
    return {**rest, "NatGateways": {"NatGateway": found}}


def snat_entries(cloud, given, _key):
    if not given.get("SnatTableId") and not given.get("NatGatewayId"):
        raise Refused(400, "MissingParameter", "SnatTableId or NatGatewayId is mandatory for this action.")
    items = []
    for table, entries in cloud.tables.items():
        owner = next((nat for nat in cloud.lists.get("nat", []) if table in nat["SnatTableIds"]["SnatTableId"]), {})
        if given.get("SnatTableId", table) == table and given.get("NatGatewayId") in (None, owner.get("NatGatewayId")):
            items += entries
    items = [item for item in items if given.get("SnatEntryId") in (None, item["SnatEntryId"])]
    for item in items:
        item["looks"] = item.get("looks", 0) + 1
        if item["Status"] == "Pending" and item["looks"] >= cloud.looks:
            item["Status"] = "Available"
    found, rest = numbered([{k: v for k, v in item.items() if k != "looks"} for item in items], given, 10, 50)
    return {**rest, "SnatTableEntries": {"SnatTableEntry": found}}


def create_snat(cloud, given, _key):
    entries = cloud.tables.get(given.get("SnatTableId"))
    if entries is None:
        raise Refused(404, "InvalidSnatTableId.NotFound", "The specified SNAT table does not exist.")
    if any(entry["Status"] == "Pending" for entry in entries):
        raise Refused(400, "OperationConflict", "Another entry is being created.")
    owner = next((nat for nat in cloud.lists.get("nat", []) if given["SnatTableId"] in nat["SnatTableIds"]["SnatTableId"]), None)
    if owner is not None:
        if owner.get("Status", "Available") != "Available":
            raise Refused(400, "IncorrectStatus.NATGW", "The status of the NAT gateway does not allow this.")
        bound = [eip["IpAddress"] for eip in cloud.lists.get("eips", []) if eip.get("InstanceId") == owner["NatGatewayId"]]
        if any(address not in bound for address in given["SnatIp"].split(",")):
            raise Refused(400, "EIP_NOT_IN_GATEWAY", "The EIP is not bound to the NAT gateway.")
    switch = given.get("SourceVSwitchId")
    if switch and any(entry["SourceVSwitchId"] == switch for entry in entries):
        raise Refused(400, "OperationUnsupported.VSwitchInEntry", "The switch is in an entry already.")
    entry_id = "snat-%d" % cloud.next_id()
    entries.append({
        "SnatEntryId": entry_id, "SnatTableId": given["SnatTableId"], "SnatIp": given["SnatIp"], "Status": "Pending",
        "SourceCIDR": given.get("SourceCIDR", ""), "SourceVSwitchId": given.get("SourceVSwitchId", ""),
        "SnatEntryName": given.get("SnatEntryName", ""),
    })
    return {"SnatEntryId": entry_id}


def delete_snat(cloud, given, _key):
    entries = cloud.tables.get(given.get("SnatTableId"))
    if entries is None:
        raise Refused(404, "InvalidSnatTableId.NotFound", "The specified SNAT table does not exist.")
    entry = next((entry for entry in entries if entry["SnatEntryId"] == given.get("SnatEntryId")), None)
    if entry is None:
        raise Refused(404, "InvalidSnatEntryId.NotFound", "The specified SNAT entry does not exist.")
    entries.remove(entry)
    return {}


def eips(cloud, given, _key):
    items = [item for item in cloud.lists.get("eips", []) if given.get("AssociatedInstanceId") in (None, item.get("InstanceId"))]
    found, rest = numbered(items, given, 10, 100)
    return {**rest, "EipAddresses": {"EipAddress": found}}


VPC = {
    "DescribeNatGateways": nat_gateways,
    "DescribeSnatTableEntries": snat_entries,
    "CreateSnatEntry": create_snat,
    "DeleteSnatEntry": delete_snat,
    "DescribeEipAddresses": eips,
}


# GA

def accelerated(kind):
    def run(cloud, given, _key):
        if given.get("RegionId") != "cn-hangzhou":
            raise Refused(400, "InvalidParameter.RegionId", "This product is called in cn-hangzhou.")
        items = cloud.lists.get(kind.lower(), [])
        if kind != "Accelerators":
            known = [item["AcceleratorId"] for item in cloud.lists.get("accelerators", [])]
            if given.get("AcceleratorId") not in known:
                raise Refused(400, "NotExist.Accelerator", "The accelerator does not exist.")
            items = [item for item in items if item["AcceleratorId"] == given["AcceleratorId"]]
        found, rest = numbered(items, given, 10, 50)
        return {**rest, kind: found}
    return run


GA = {
    "ListAccelerators": accelerated("Accelerators"),
    "ListListeners": accelerated("Listeners"),
    "ListEndpointGroups": accelerated("EndpointGroups"),
}


# CAS

def upload(cloud, given, _key):
    name = given.get("Name", "")
    if not 1 <= len(name) <= 63 or "BEGIN CERTIFICATE" not in given.get("Cert", "") or "PRIVATE KEY" not in given.get("Key", ""):
        raise Refused(400, "InvalidParameter", "The certificate is not valid.")
    if any(item["Name"] == name for item in cloud.certificates.values()):
        raise Refused(400, "NameRepeat", "The name of the certificate is taken.")
    number = 8000000 + cloud.next_id()
    cloud.certificates[str(number)] = {"CertificateId": number, "Name": name, "Upload": True, "Expired": False}
    return {"CertId": number, "ResourceId": "cas-%d" % number}


def uploaded(cloud, given, _key):
    found, rest = numbered(list(cloud.certificates.values()), given, 20, 100, ("CurrentPage", "ShowSize"))
    return {**rest, "CertificateOrderList": found}


def delete_certificate(cloud, given, _key):
    if cloud.certificates.pop(given.get("CertId", ""), None) is None:
        raise Refused(404, "NotFound", "The certificate does not exist.")
    return {}


CAS = {"DeleteUserCertificate": delete_certificate, "UploadUserCertificate": upload, "ListUserCertificateOrder": uploaded}


# KMS

def secret_value(cloud, given, _key):
    versions = cloud.secrets.get(given.get("SecretName"), {})
    stage = given.get("VersionStage", "ACSCurrent")
    if stage not in versions:
        raise Refused(404, "Forbidden.ResourceNotFound", "Resource not found.")
    # The version goes with the content: a rotation moves both to the stage before.
    version = "v-%08x" % zlib.crc32(versions[stage].encode())
    return {
        "SecretName": given["SecretName"], "SecretData": versions[stage], "SecretDataType": "text", "SecretType": "Generic",
        "VersionId": version, "VersionStages": {"VersionStage": [stage]}, "AutomaticRotation": "Disabled",
    }


KMS = {"GetSecretValue": secret_value}


# STS

def granted(cloud, given):
    seconds = int(given.get("DurationSeconds", "3600"))
    if not 900 <= seconds <= 3600:
        raise Refused(400, "InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr.")
    role = given.get("RoleArn", "")
    if role not in cloud.lists.get("roles", []):
        raise Refused(404, "EntityNotExist.Role", "The role not exists: " + role)
    session = given.get("RoleSessionName", "")
    arn = role.replace("acs:ram:", "acs:sts:").replace(":role/", ":assumed-role/") + "/" + session
    return {
        "AssumedRoleUser": {"Arn": arn, "AssumedRoleId": "34458433936495:" + session},
        "Credentials": cloud.temporary_key(seconds, arn),
    }


def assume_role(cloud, given, _key):
    return granted(cloud, given)


def assume_role_with_oidc(cloud, given, _key):
    if given.get("OIDCToken") not in cloud.lists.get("tokens", []):
        raise Refused(400, "AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired.")
    return granted(cloud, given)


def caller(_cloud, _given, key):
    arn = key.get("arn", "acs:ram::1234567890123456:user/edge")
    kind = "AssumedRoleUser" if ":assumed-role/" in arn else "RAMUser"
    return {"IdentityType": kind, "AccountId": "1234567890123456", "PrincipalId": "34458433936495", "Arn": arn}


STS = {"AssumeRole": assume_role, "AssumeRoleWithOIDC": assume_role_with_oidc, "GetCallerIdentity": caller}


# CS, in the ROA style

def clusters(cloud, _given, _key):
    return {"clusters": cloud.lists.get("clusters", []), "page_info": {"page_number": 1, "page_size": 50, "total_count": 0}}


CS = {"DescribeClustersV1": clusters}
