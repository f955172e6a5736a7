"""Judges the cloud of this folder with the vendor's own libraries: `python3 tests/cloud/sdk.py`.

The libraries are installed from PyPI into `target/sdk` the first time; without a network to PyPI it says so and exits with 77.
Everything that they refuse or understand otherwise is an error of the cloud.
"""

import json
import os
import subprocess
import sys
import urllib.request

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HERE, "..", "..", "..", "..", "target", "sdk")
PACKAGES = [
    "alibabacloud-credentials==1.0.12",
    "alibabacloud-tea-openapi==0.4.6",
    "alibabacloud-alidns20150109==4.6.1",
    "alibabacloud-alb20200616==1.3.3",
    "alibabacloud-kms20160120==3.3.1",
    "alibabacloud-sts20150401==1.2.0",
    "alibabacloud-oss-v2==1.4.1",
    "aliyun-log-python-sdk==0.9.52",
]


def python():
    """The interpreter of the environment, which is made when it is not there."""
    path = os.path.join(VENV, "bin", "python3")
    mark = os.path.join(VENV, "complete")
    wanted = "\n".join(PACKAGES)
    if os.path.exists(mark) and open(mark).read() == wanted:
        return path
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    install = [path, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "10"]
    if subprocess.run(install + PACKAGES).returncode != 0:
        print("the libraries cannot be installed from PyPI")
        sys.exit(77)
    with open(mark, "w") as file:
        file.write(wanted)
    return path


class Cloud:
    """The cloud as a process."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, HERE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.host = "127.0.0.1:%d" % self.port

    def ask(self, what, value=None):
        data = None if value is None else json.dumps(value).encode()
        with urllib.request.urlopen("http://%s/_cloud/%s" % (self.host, what), data) as answer:
            return json.load(answer)

    def set(self, **values):
        self.ask("set", values)


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def refused(call, code):
    """The call is refused with this code."""
    try:
        call()
    except Exception as error:
        found = getattr(error, "code", "") or ""
        expect(found == code or code in str(error), "%s, but: %s %s" % (code, found, error))
        return
    raise AssertionError("not refused with " + code)


def config(cloud, key="ak", secret="ak-secret", **more):
    from alibabacloud_tea_openapi.models import Config

    return Config(access_key_id=key, access_key_secret=secret, endpoint=cloud.host, protocol="http", region_id="cn-hangzhou", **more)


def dns(cloud):
    from alibabacloud_alidns20150109 import models
    from alibabacloud_alidns20150109.client import Client

    for more in ({}, {"signature_algorithm": "v2"}, {"key": "sts", "secret": "sts-secret", "security_token": "t/+ =*~"}):
        client = Client(config(cloud, **more))
        wish = models.AddDomainRecordRequest(domain_name="example.com", rr="_acme-challenge", type="TXT", value="a +*~/=目", ttl=600)
        added = client.add_domain_record(wish).body.record_id
        refused(lambda: client.add_domain_record(wish), "DomainRecordDuplicate")
        records = client.describe_domain_records(models.DescribeDomainRecordsRequest(domain_name="example.com")).body.domain_records.record
        expect([record.value for record in records] == ["a +*~/=目"], records)
        sub = models.DescribeSubDomainRecordsRequest(sub_domain="_acme-challenge.example.com", type="TXT")
        expect(client.describe_sub_domain_records(sub).body.total_count == 1, "one record")
        client.delete_domain_record(models.DeleteDomainRecordRequest(record_id=added))
        refused(lambda: client.delete_domain_record(models.DeleteDomainRecordRequest(record_id=added)), "DomainRecordNotBelongToUser")
        low = models.AddDomainRecordRequest(domain_name="example.com", rr="x", type="TXT", value="x", ttl=60)
        refused(lambda: client.add_domain_record(low), "QuotaExceeded.TTL")
        zone = client.describe_domain_info(models.DescribeDomainInfoRequest(domain_name="example.com", need_detail_attributes=True)).body
        expect(zone.min_ttl == 600 and zone.dns_servers.dns_server, zone)
        domains = client.describe_domains(models.DescribeDomainsRequest(page_number=1, page_size=100)).body
        expect([domain.puny_code for domain in domains.domains.domain] == ["example.com", "xn--fsqu00a.com"], domains)
    client = Client(config(cloud, secret="wrong"))
    refused(lambda: client.describe_domains(models.DescribeDomainsRequest()), "SignatureDoesNotMatch")
    client = Client(config(cloud, key="nobody"))
    refused(lambda: client.describe_domains(models.DescribeDomainsRequest()), "InvalidAccessKeyId.NotFound")
    client = Client(config(cloud, key="denied"))
    refused(lambda: client.describe_domains(models.DescribeDomainsRequest()), "Forbidden.RAM")
    cloud.set(offset=3600)
    client = Client(config(cloud))
    refused(lambda: client.describe_domains(models.DescribeDomainsRequest()), "InvalidTimeStamp.Expired")
    cloud.set(offset=0)
    cloud.ask("fault", {"kind": "refuse", "action": "DescribeDomains", "code": "Throttling.User"})
    refused(lambda: client.describe_domains(models.DescribeDomainsRequest()), "Throttling.User")


def balancer(cloud):
    from alibabacloud_alb20200616 import models
    from alibabacloud_alb20200616.client import Client

    client = Client(config(cloud))
    server = models.AddServersToServerGroupRequestServers(server_id="10.0.0.1", server_type="Ip", port=80, weight=100)
    add = models.AddServersToServerGroupRequest(server_group_id="sgp-1", servers=[server], client_token="t-1")
    job = client.add_servers_to_server_group(add).body.job_id
    expect(client.add_servers_to_server_group(add).body.job_id == job, "the same token is the same job")
    again = models.AddServersToServerGroupRequest(server_group_id="sgp-1", servers=[server], client_token="t-2")
    refused(lambda: client.add_servers_to_server_group(again), "IncorrectStatus.ServerGroup")
    jobs = models.ListAsynJobsRequest(job_ids=[job])
    states = [client.list_asyn_jobs(jobs).body.jobs[0].status for _ in range(2)]
    expect(states == ["Processing", "Succeeded"], states)
    listed = client.list_server_group_servers(models.ListServerGroupServersRequest(server_group_id="sgp-1")).body.servers
    expect([(found.server_id, found.port, found.status) for found in listed] == [("10.0.0.1", 80, "Available")], listed)
    gone = models.RemoveServersFromServerGroupRequestServers(server_id="10.0.0.2", server_type="Ip", port=80)
    remove = models.RemoveServersFromServerGroupRequest(server_group_id="sgp-1", servers=[gone])
    refused(lambda: client.remove_servers_from_server_group(remove), "ResourceNotFound.BackendServer")


def secret(cloud):
    from alibabacloud_kms20160120 import models
    from alibabacloud_kms20160120.client import Client

    for more in ({}, {"signature_version": "v4"}):
        client = Client(config(cloud, **more))
        found = client.get_secret_value(models.GetSecretValueRequest(secret_name="edge/db")).body
        expect(found.secret_data == "now" and found.version_stages.version_stage == ["ACSCurrent"], found)
        before = client.get_secret_value(models.GetSecretValueRequest(secret_name="edge/db", version_stage="ACSPrevious")).body
        expect(before.secret_data == "before", before)
        refused(lambda: client.get_secret_value(models.GetSecretValueRequest(secret_name="none")), "Forbidden.ResourceNotFound")


def roles(cloud):
    from alibabacloud_sts20150401 import models
    from alibabacloud_sts20150401.client import Client

    client = Client(config(cloud))
    role = "acs:ram::1234567890123456:role/edge"
    granted = client.assume_role(models.AssumeRoleRequest(role_arn=role, role_session_name="s-1")).body.credentials
    temporary = Client(config(cloud, granted.access_key_id, granted.access_key_secret, security_token=granted.security_token))
    caller = temporary.get_caller_identity().body
    expect(caller.identity_type == "AssumedRoleUser" and caller.arn.endswith("/edge/s-1"), caller)
    refused(lambda: Client(config(cloud, granted.access_key_id, granted.access_key_secret)).get_caller_identity(), "MissingSecurityToken")
    token = models.AssumeRoleWithOIDCRequest(
        role_arn=role, role_session_name="s-2", oidctoken="eyJ.good", oidcprovider_arn="acs:ram::1:oidc-provider/p"
    )
    expect(client.assume_role_with_oidc(token).body.credentials.access_key_id.startswith("STS."), "a key for a token")
    token.oidctoken = "eyJ.bad"
    refused(lambda: client.assume_role_with_oidc(token), "AuthenticationFail.OIDCToken.Expired")


def metadata(cloud):
    from alibabacloud_credentials.provider.ecs_ram_role import EcsRamRoleCredentialsProvider

    for role, v2_only in (("edge", True), (None, False)):
        cloud.set(role={"name": "edge"}, is_v2_only=v2_only)
        provider = EcsRamRoleCredentialsProvider(role_name=role)
        provider._EcsRamRoleCredentialsProvider__metadata_service_host = cloud.host
        found = provider.get_credentials()
        expect(found.get_access_key_id().startswith("STS.temporary-"), found)


def objects(cloud):
    import alibabacloud_oss_v2 as oss

    for key, words, token in (("ak", "ak-secret", None), ("sts", "sts-secret", "t/+ =*~")):
        settings = oss.config.load_default()
        settings.credentials_provider = oss.credentials.StaticCredentialsProvider(key, words, token)
        settings.region, settings.endpoint = "cn-hangzhou", "http://" + cloud.host
        settings.retry_max_attempts = 1
        client = oss.Client(settings)
        name = "目录/a b+c*~.txt"
        client.put_object(oss.PutObjectRequest(bucket="edge", key=name, body=b"hello", content_type="text/plain"))
        expect(client.get_object(oss.GetObjectRequest(bucket="edge", key=name)).body.read() == b"hello", "what was put")
        signed = client.presign(oss.GetObjectRequest(bucket="edge", key=name))
        with urllib.request.urlopen(signed.url) as answer:
            expect(answer.read() == b"hello", "what was put, by URL")
        client.delete_object(oss.DeleteObjectRequest(bucket="edge", key=name))
        refused(lambda: client.get_object(oss.GetObjectRequest(bucket="edge", key=name)), "NoSuchKey")


def logs(cloud):
    from aliyun.log import LogClient, LogItem, PutLogsRequest

    for version, key, words, token in (("v4", "ak", "ak-secret", None), ("v1", "ak", "ak-secret", None), ("v1", "sts", "sts-secret", "t/+ =*~")):
        cloud.set(stores={"edge/access": []})
        client = LogClient("127.0.0.1", key, words, token, auth_version=version, region="cn-hangzhou")
        client._endpoint, client._logHost = cloud.host, "cn-hangzhou.log.aliyuncs.com"
        client.http_type = "http://"
        item = LogItem(timestamp=1767323045, contents=[("path", "/目录" * 40)])
        client.put_logs(PutLogsRequest("edge", "access", "topic", "10.0.0.1", [item], compress=version == "v4"))
        groups = cloud.ask("get?stores=")["edge/access"]
        expect(groups[0]["logs"][0]["contents"] == [["path", "/目录" * 40]] and groups[0]["topic"] == "topic", groups)
        refused(lambda: client.put_logs(PutLogsRequest("edge", "none", "", "", [item])), "LogStoreNotExist")


def main():
    cloud = Cloud()
    cloud.set(
        keys={
            "ak": {"secret": "ak-secret"},
            "sts": {"secret": "sts-secret", "token": "t/+ =*~"},
            "denied": {"secret": "ak-secret", "deny": ["alidns:DescribeDomains"]},
        },
        zones={"example.com": {}, "例子.com": {"PunyCode": "xn--fsqu00a.com", "VersionCode": "version_enterprise_advanced"}},
        groups={"sgp-1": {"Servers": []}},
        secrets={"edge/db": {"ACSCurrent": "now", "ACSPrevious": "before"}},
        lists={"roles": ["acs:ram::1234567890123456:role/edge"], "tokens": ["eyJ.good"]},
    )
    for judge in (dns, balancer, secret, roles, metadata, objects, logs):
        judge(cloud)
        print(judge.__name__, "as the vendor's library expects it", flush=True)
    cloud.process.stdin.close()
    cloud.process.wait(10)


if __name__ == "__main__":
    if os.path.realpath(sys.prefix) != os.path.realpath(VENV):
        # For the rest the libraries are needed.
        sys.exit(subprocess.run([python(), os.path.abspath(__file__)]).returncode)
    main()
