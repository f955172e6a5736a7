"""The metadata service of an instance."""

import json

from fault import Refused
from wire import Reply

ITEMS = "/latest/meta-data/"
ROLES = "/latest/meta-data/ram/security-credentials/"


def action(request):
    return "metadata " + request.path


def answer(cloud, request, _action):
    if request.path == "/latest/api/token":
        life = request.headers.get("x-aliyun-ecs-metadata-token-ttl-seconds", "")
        if request.method != "PUT" or not life.isdigit() or not 1 <= int(life) <= 21600:
            raise Refused(400, "bad request")
        if cloud.is_v1_only:
            raise Refused(404, "not found")
        token = "session-%d==" % cloud.next_id()
        cloud.sessions.add(token)
        return Reply(200, token.encode())
    token = request.headers.get("x-aliyun-ecs-metadata-token")
    if (token is None and cloud.is_v2_only) or (token is not None and token not in cloud.sessions):
        raise Refused(403, "forbidden")
    item = request.path.removeprefix(ITEMS)
    if item in cloud.items:
        return Reply(200, cloud.items[item].encode())
    if cloud.role is None or not request.path.startswith(ROLES):
        raise Refused(404, "not found")
    name = request.path.removeprefix(ROLES)
    if name == "":
        return Reply(200, cloud.role["name"].encode())
    if name != cloud.role["name"]:
        raise Refused(404, "not found")
    key = cloud.temporary_key(cloud.role.get("seconds", 3600), "acs:sts::1234567890123456:assumed-role/%s/instance" % name)
    return Reply(200, json.dumps({**key, "LastUpdated": cloud.iso(cloud.now()), "Code": "Success"}).encode())


def refuse(_cloud, refused):
    return Reply(refused.status, refused.code.encode())
