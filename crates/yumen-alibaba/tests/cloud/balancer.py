"""Server groups of ALB and NLB, whose changes are jobs, and of CLB, whose changes are done at once."""

import json

from fault import Refused
from page import chained, listed

ID_FIELDS = ("ServerId", "Port")


def group(cloud, given, product):
    found = cloud.groups.get(given.get("ServerGroupId"))
    if found is None:
        code = "ResourceNotFound.ServerGroup" if product == "alb" else "ResourceNotFound.serverGroup"
        raise Refused(404, code, "The specified resource of server group is not found.")
    return found


def begin(cloud, given, product, change):
    """Accepts a change; it is done when its job was looked at often enough."""
    if given.get("DryRun", "").lower() == "true":
        raise Refused(400, "DryRunOperation", "The request passed the validation.")
    if any(not job["done"] and job["group"] == given["ServerGroupId"] for job in cloud.jobs.values()):
        code = "IncorrectStatus.ServerGroup" if product == "alb" else "IncorrectStatus.serverGroup"
        raise Refused(400, code, "The status of server group is incorrect.")
    job_id = "job-%d" % cloud.next_id()
    cloud.jobs[job_id] = {"left": cloud.looks, "done": False, "group": given["ServerGroupId"], "change": change}
    if product == "alb":
        return {"JobId": job_id}
    return {"JobId": job_id, "ServerGroupId": given["ServerGroupId"]}


def look(cloud, job_id):
    job = cloud.jobs.get(job_id)
    if job is None:
        return None
    job["left"] -= 1
    if job["left"] <= 0 and not job["done"]:
        job["done"] = True
        if job["change"]:
            kind, servers = job["change"]
            finish(cloud.groups[job["group"]], kind, servers)
    return job


def finish(found, kind, servers):
    names = [(server["ServerId"], int(server["Port"])) for server in servers]
    for server in found["Servers"]:
        if (server["ServerId"], server["Port"]) in names:
            server["Status"] = "Available"
    if kind == "remove":
        found["Servers"] = [server for server in found["Servers"] if (server["ServerId"], server["Port"]) not in names]


def servers_of(given):
    servers = listed(given, "Servers")
    if not servers or len(servers) > 200:
        raise Refused(400, "InvalidParameter.Servers", "Specified parameter Servers is not valid.")
    for server in servers:
        if not server.get("ServerId") or server.get("ServerType") not in ("Ecs", "Eni", "Eci", "Ip", "Fc"):
            raise Refused(400, "InvalidParameter.Servers", "Specified parameter Servers is not valid.")
        if not 0 <= int(server.get("Weight", 100)) <= 100:
            raise Refused(400, "InvalidParameter.Weight", "Specified parameter Weight is not valid.")
    return servers


def find(found, server):
    for known in found["Servers"]:
        if known["ServerId"] == server["ServerId"] and known["Port"] == int(server["Port"]):
            return known
    return None


def add(product):
    def run(cloud, given, _key):
        found, servers = group(cloud, given, product), servers_of(given)
        answer = begin(cloud, given, product, ("add", servers))
        for server in servers:
            known = find(found, server) or {}
            if not known:
                found["Servers"].append(known)
            known.update({
                "ServerId": server["ServerId"], "ServerType": server["ServerType"],
                "ServerIp": server.get("ServerIp") or server["ServerId"], "Port": int(server["Port"]),
                "Weight": int(server.get("Weight", 100)), "Description": server.get("Description", ""),
                "Status": "Adding", "ServerGroupId": given["ServerGroupId"],
            })
        return answer
    return run


def update(product):
    def run(cloud, given, _key):
        found, servers = group(cloud, given, product), servers_of(given)
        for server in servers:
            if find(found, server) is None:
                raise Refused(404, "ResourceNotFound.BackendServer", "The specified backend server is not found.")
        answer = begin(cloud, given, product, ("update", servers))
        for server in servers:
            known = find(found, server)
            known["Weight"], known["Status"] = int(server.get("Weight", known["Weight"])), "Configuring"
        return answer
    return run


def remove(product):
    def run(cloud, given, _key):
        found, servers = group(cloud, given, product), servers_of(given)
        if given.get("DryRun", "").lower() != "true":
            for server in servers:
                if find(found, server) is None:
                    raise Refused(404, "ResourceNotFound.BackendServer", "The specified backend server is not found.")
        answer = begin(cloud, given, product, ("remove", servers))
        for server in servers:
            find(found, server)["Status"] = "Removing"
        return answer
    return run


def servers(product):
    def run(cloud, given, _key):
        found = group(cloud, given, product)
        items, rest = chained(found["Servers"], given, 20, 100)
        return {**rest, "Servers": items}
    return run


def alb_jobs(cloud, given, _key):
    jobs = []
    for job_id in listed(given, "JobIds"):
        job = look(cloud, job_id)
        if job:
            status = job.get("fails") or ("Succeeded" if job["done"] else "Processing")
            jobs.append({"Id": job_id, "Status": status, "ErrorCode": "", "ErrorMessage": "", "ResourceId": job["group"]})
    return {"Jobs": jobs, "TotalCount": len(jobs), "MaxResults": 20}


def nlb_job(cloud, given, _key):
    job = look(cloud, given.get("JobId"))
    if job is None:
        raise Refused(404, "ResourceNotFound.Job", "The specified resource of job is not found.")
    return {"Status": "Succeeded" if job["done"] else "processing"}


def health(product):
    def run(cloud, given, _key):
        known = cloud.health.get(given.get("ListenerId"))
        if known is None:
            raise Refused(404, "ResourceNotFound.Listener", "The specified resource of listener is not found.")
        # Servers that are normal are not listed.
        bad = [server for server in known["servers"] if server["Status"] != "Normal"]
        info = {"ServerGroupId": known["group"], "NonNormalServers": bad}
        if product == "alb":
            info.update({"HealthCheckEnabled": "on", "ServerCount": len(known["servers"]), "ActionType": "ForwardGroup"})
        else:
            info["HeathCheckEnabled"] = True
        status = {"ListenerId": given["ListenerId"], "ListenerPort": 443, "ServerGroupInfos": [info]}
        return {"ListenerHealthStatus": [status], "RuleHealthStatus": []} if product == "alb" else {"ListenerHealthStatus": [status]}
    return run


def operations(product):
    return {
        "ListServerGroupServers": servers(product),
        "AddServersToServerGroup": add(product),
        "RemoveServersFromServerGroup": remove(product),
        "UpdateServerGroupServersAttribute": update(product),
        "GetListenerHealthStatus": health(product),
    }


ALB = {**operations("alb"), "ListAsynJobs": alb_jobs}
NLB = {**operations("nlb"), "GetJobStatus": nlb_job}


# CLB

def place(cloud, given, is_group):
    if is_group:
        found = cloud.vgroups.get(given.get("VServerGroupId"))
        if found is None:
            raise Refused(400, "InvalidParameter", "The specified VServerGroupId does not exist.")
    else:
        found = cloud.balancers.get(given.get("LoadBalancerId"))
        if found is None:
            raise Refused(404, "InvalidLoadBalancerId.NotFound", "The specified LoadBalancerId does not exist.")
    return found


def slb(kind, is_group):
    fields = ("ServerId", "Port") if is_group else ("ServerId",)

    def run(cloud, given, _key):
        found = place(cloud, given, is_group)
        wished = json.loads(given.get("BackendServers", "[]"))
        if not wished or len(wished) > 20:
            raise Refused(400, "InvalidParameter", "Specified parameter BackendServers is not valid.")
        for server in wished:
            name = [server.get(field) for field in fields]
            known = next((old for old in found if [old.get(field) for field in fields] == name), None)
            if kind == "add" and known is None:
                found.append(dict(server))
            elif kind == "remove" and known is not None:
                found.remove(known)
            elif known is not None:
                known["Weight"] = server.get("Weight", known["Weight"])
            elif kind == "set":
                raise Refused(400, "InvalidBackendServers.MissMatch", "The server is not there.")
        # Weights are texts in some answers.
        shown = [{**server, "Weight": str(server.get("Weight", 100))} for server in found] if kind != "remove" else found
        return {"BackendServers": {"BackendServer": shown}}
    return run


def slb_show(is_group):
    def run(cloud, given, _key):
        found = place(cloud, given, is_group)
        return {"BackendServers": {"BackendServer": [{**server, "Weight": int(server.get("Weight", 100))} for server in found]}}
    return run


def slb_health(cloud, given, _key):
    found = place(cloud, given, False)
    known = cloud.health.get(given["LoadBalancerId"])
    if known is not None:
        return {"BackendServers": {"BackendServer": known}}
    health = [{"ServerId": server["ServerId"], "Port": 8080, "ListenerPort": 80, "ServerHealthStatus": "normal"} for server in found]
    return {"BackendServers": {"BackendServer": health}}


SLB = {
    "AddBackendServers": slb("add", False),
    "SetBackendServers": slb("set", False),
    "RemoveBackendServers": slb("remove", False),
    "DescribeLoadBalancerAttribute": slb_show(False),
    "DescribeHealthStatus": slb_health,
    "AddVServerGroupBackendServers": slb("add", True),
    "SetVServerGroupAttribute": slb("set", True),
    "RemoveVServerGroupBackendServers": slb("remove", True),
    "DescribeVServerGroupAttribute": slb_show(True),
}
