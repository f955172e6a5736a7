"""AliDNS: zones and records."""

from fault import Refused
from page import numbered

# The TTL floors of editions.
FLOORS = {"mianfei": 600, "version_personal": 600, "version_enterprise_basic": 60, "version_enterprise_advanced": 1}


def zone(cloud, given):
    name = given.get("DomainName", "")
    if not name or name.startswith("_") or "." not in name:
        raise Refused(400, "InvalidDomainName.Format", "Invalid domain name.")
    for known, zone in cloud.zones.items():
        if name.lower() in (known.lower(), zone.get("PunyCode", known).lower()):
            return known, zone
    raise Refused(400, "InvalidDomainName.NoExist", "The specified domain name does not exist. Refresh the page and try again.")


def floor(zone):
    return zone.get("MinTtl", FLOORS.get(zone.get("VersionCode", "mianfei"), 600))


def describe(name, zone):
    return {
        "DomainId": "zone-" + name,
        "DomainName": name,
        "PunyCode": zone.get("PunyCode", name),
        "AliDomain": True,
        "VersionCode": zone.get("VersionCode", "mianfei"),
        "DnsServers": {"DnsServer": zone.get("DnsServers", ["dns7.hichina.com", "dns8.hichina.com"])},
    }


def describe_domains(cloud, given, _key):
    items = [
        {**describe(name, zone), "RecordCount": sum(1 for record in cloud.records.values() if record["DomainName"] == name)}
        for name, zone in sorted(cloud.zones.items())
    ]
    found, rest = numbered(items, given, 20, 100)
    return {**rest, "Domains": {"Domain": found}}


def describe_domain_info(cloud, given, _key):
    name, found = zone(cloud, given)
    answer = describe(name, found)
    if given.get("NeedDetailAttributes", "").lower() == "true":
        answer["MinTtl"] = floor(found)
        answer["AvailableTtls"] = {"AvailableTtl": [str(floor(found)), "86400"]}
    return answer


def records_of(cloud, name):
    return [record for _, record in sorted(cloud.records.items()) if record["DomainName"] == name]


def describe_domain_records(cloud, given, _key):
    name, _ = zone(cloud, given)
    items = records_of(cloud, name)
    exact = given.get("SearchMode") in ("COMBINATION", "EXACT")
    for parameter, field in (("RRKeyWord", "RR"), ("ValueKeyWord", "Value"), ("TypeKeyWord", "Type")):
        wanted = given.get(parameter)
        if wanted:
            # Without that mode a part of it is enough.
            items = [record for record in items if record[field] == wanted or (not exact and wanted in record[field])]
    if given.get("Type"):
        items = [record for record in items if record["Type"] == given["Type"].upper()]
    found, rest = numbered(items, given, 20, 500)
    return {**rest, "DomainRecords": {"Record": found}}


def describe_sub_domain_records(cloud, given, _key):
    full = given.get("SubDomain", "").lower()
    items = []
    for record in cloud.records.values():
        puny = cloud.zones[record["DomainName"]].get("PunyCode", record["DomainName"])
        for name in (record["DomainName"], puny):
            own = name if record["RR"] == "@" else record["RR"] + "." + name
            if own.lower() == full and given.get("Type", record["Type"]).upper() == record["Type"] and record not in items:
                items.append(record)
    found, rest = numbered(items, given, 20, 100)
    return {**rest, "DomainRecords": {"Record": found}}


def wished(given):
    rr, kind, value = given.get("RR"), given.get("Type", "").upper(), given.get("Value")
    for name, text in (("RR", rr), ("Type", kind), ("Value", value)):
        if not text:
            raise Refused(400, "Missing" + name, "%s is mandatory for this action." % name)
    if kind not in ("A", "AAAA", "TXT", "CNAME", "MX", "NS", "CAA", "SRV"):
        raise Refused(400, "DomainRecordTypeInvalid", "The type is not valid.")
    return rr, kind, value, int(given.get("TTL", "600")), given.get("Line", "default")


def check(cloud, name, found, wish, own_id):
    rr, kind, value, ttl, line = wish
    if not floor(found) <= ttl <= 86400:
        raise Refused(400, "QuotaExceeded.TTL", "The specified TTL is invalid.")
    for record in records_of(cloud, name):
        if record["RR"] != rr or record["Line"] != line:
            continue
        if record["Type"] == kind and record["Value"] == value and (record["RecordId"] != own_id or record["TTL"] == ttl):
            raise Refused(400, "DomainRecordDuplicate", "The DNS record already exists.")
        if record["RecordId"] != own_id and "CNAME" in (kind, record["Type"]):
            raise Refused(400, "DomainRecordConflict", "The DNS record conflicts with other records.")


def add(cloud, given, _key):
    name, found = zone(cloud, given)
    wish = wished(given)
    check(cloud, name, found, wish, None)
    record_id = "8938770102456668%02d" % cloud.next_id()
    rr, kind, value, ttl, line = wish
    cloud.records[record_id] = {
        "RecordId": record_id, "DomainName": name, "RR": rr, "Type": kind, "Value": value, "TTL": ttl, "Line": line,
        "Status": "ENABLE", "Locked": False, "Weight": 1,
    }
    return {"RecordId": record_id}


def own(cloud, given):
    record = cloud.records.get(given.get("RecordId"))
    if record is None:
        raise Refused(400, "DomainRecordNotBelongToUser", "The domain record does not belong to this user.")
    if record["Locked"]:
        raise Refused(400, "DomainRecordLocked", "The DNS record is locked.")
    return record


def update(cloud, given, _key):
    record = own(cloud, given)
    wish = wished(given)
    check(cloud, record["DomainName"], cloud.zones[record["DomainName"]], wish, record["RecordId"])
    record["RR"], record["Type"], record["Value"], record["TTL"], record["Line"] = wish
    return {"RecordId": record["RecordId"]}


def delete(cloud, given, _key):
    record = own(cloud, given)
    del cloud.records[record["RecordId"]]
    return {"RecordId": record["RecordId"]}


OPERATIONS = {
    "DescribeDomains": describe_domains,
    "DescribeDomainInfo": describe_domain_info,
    "DescribeDomainRecords": describe_domain_records,
    "DescribeSubDomainRecords": describe_sub_domain_records,
    "AddDomainRecord": add,
    "UpdateDomainRecord": update,
    "DeleteDomainRecord": delete,
}
