"""The object store and the log service."""

import base64
import hashlib
import json
import struct
import urllib.parse
from xml.sax.saxutils import escape

import signature
from fault import Refused
from wire import Reply


def is_log(request):
    return request.headers.get("authorization", "").startswith(("LOG ", "SLS4"))


def action(request):
    if is_log(request):
        return "PutLogs"
    return {"PUT": "PutObject", "GET": "GetObject", "DELETE": "DeleteObject", "HEAD": "HeadObject"}.get(request.method, "")


def answer(cloud, request, action):
    return put_logs(cloud, request) if is_log(request) else object_store(cloud, request, action)


# OSS

def object_store(cloud, request, action):
    # The bucket is the first part of the path, or of the host.
    path = urllib.parse.unquote(request.path.removeprefix("/"))
    host = request.headers.get("host", "")
    if host.split(":")[0] in ("127.0.0.1", "localhost"):
        bucket, _, key = path.partition("/")
    else:
        bucket, key = host.split(".")[0], path
    user = signature.oss4(cloud, request, bucket, key)
    if ("oss:" + action) in user.get("deny", []):
        raise Refused(403, "AccessDenied", "You have no right to access this object because of bucket acl.")
    name = bucket + "/" + key
    if action == "PutObject":
        digest = hashlib.md5(request.body).digest()
        if request.headers.get("content-md5", base64.b64encode(digest).decode()) != base64.b64encode(digest).decode():
            raise Refused(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
        cloud.objects[name] = base64.b64encode(request.body).decode()
        return Reply(200, b"", {"ETag": '"%s"' % digest.hex().upper(), "x-oss-request-id": cloud.request_id()})
    if action == "DeleteObject":
        cloud.objects.pop(name, None)
        return Reply(204, b"", {"x-oss-request-id": cloud.request_id()})
    if name not in cloud.objects:
        raise Refused(404, "NoSuchKey", "The specified key does not exist.")
    return Reply(200, base64.b64decode(cloud.objects[name]), {"x-oss-request-id": cloud.request_id()})


# SLS

def put_logs(cloud, request):
    user = signature.sls(cloud, request)
    if "log:PostLogStoreLogs" in user.get("deny", []):
        raise Refused(401, "Unauthorized", "denied by sts or ram, action: log:PostLogStoreLogs")
    parts = request.path.split("/")
    if len(parts) != 5 or parts[1] != "logstores" or parts[3:] != ["shards", "lb"] or request.method != "POST":
        raise Refused(404, "InvalidPath", request.path)
    project = request.headers["host"].split(".")[0]
    store = cloud.stores.get(project + "/" + urllib.parse.unquote(parts[2]))
    if store is None:
        raise Refused(404, "LogStoreNotExist", "logstore %s does not exist" % parts[2])
    if request.headers.get("x-log-apiversion") != "0.6.0":
        raise Refused(400, "InvalidAPIVersion", "")
    size = int(request.headers.get("x-log-bodyrawsize", "-1"))
    try:
        raw = lz4_block(request.body) if request.headers.get("x-log-compresstype") == "lz4" else request.body
        group = log_group(raw)
    except (ValueError, IndexError, struct.error):
        raise Refused(400, "PostBodyInvalid", "Protobuffer content cannot be parsed.")
    if size != len(raw):
        raise Refused(400, "PostBodyInvalid", "The size is not that of the body.")
    if len(raw) > 5 << 20:
        raise Refused(400, "PostBodyTooLarge", "")
    store.append(group)
    return Reply(200, b"", {"x-log-requestid": "5B1C4E9A%016X" % cloud.next_id(), "Server": "AliyunSLS"})


def lz4_block(data):
    """A raw block: literals and matches, without a frame."""
    out, at = bytearray(), 0

    def length(first, at):
        if first == 15:
            while True:
                first += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        return first, at

    while at < len(data):
        token = data[at]
        count, at = length(token >> 4, at + 1)
        if at + count > len(data):
            raise ValueError("literals end too early")
        out += data[at : at + count]
        at += count
        if at == len(data):
            return bytes(out)
        distance = data[at] | data[at + 1] << 8
        count, at = length(token & 15, at + 2)
        if not 0 < distance <= len(out):
            raise ValueError("a match points before the start")
        for _ in range(count + 4):
            out.append(out[-distance])
    raise ValueError("there is nothing")


def messages(data):
    """Fields of a protobuf message: number and value."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while at < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
        elif kind == 2:
            count = varint()
            if at + count > len(data):
                raise ValueError("a field ends too late")
            yield tag >> 3, data[at : at + count]
            at += count
        elif kind == 5:
            yield tag >> 3, struct.unpack_from("<I", data, at)[0]
            at += 4
        else:
            raise ValueError("a wire type that is not used")


def pair(data):
    found = {number: value.decode() for number, value in messages(data)}
    return [found[1], found[2]]


def log_group(data):
    group = {"logs": [], "tags": [], "topic": "", "source": ""}
    for number, value in messages(data):
        if number == 1:
            log = {"contents": []}
            for inner, content in messages(value):
                if inner == 1:
                    log["time"] = content
                elif inner == 2:
                    log["contents"].append(pair(content))
                elif inner == 4:
                    log["time_ns"] = content
            if "time" not in log:
                raise ValueError("a log without its time")
            group["logs"].append(log)
        elif number == 3:
            group["topic"] = value.decode()
        elif number == 4:
            group["source"] = value.decode()
        elif number == 6:
            group["tags"].append(pair(value))
    return group


def refuse(cloud, refused):
    # Which of the two it is can be told from the code alone as little as by the real ones: by the form they answer in.
    if refused.code in LOG_CODES:
        body = json.dumps({"errorCode": refused.code, "errorMessage": refused.message}).encode()
        return Reply(refused.status, body, {"x-log-requestid": "5B1C4E9A%016X" % cloud.next_id(), "content-type": "application/json"})
    xml = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId><HostId>cloud.test</HostId></Error>'
    body = xml % (escape(refused.code), escape(refused.message), cloud.request_id())
    return Reply(refused.status, body.encode(), {"content-type": "application/xml"})


LOG_CODES = {
    "Unauthorized", "SignatureNotMatch", "RequestTimeExpired", "InvalidContentMD5", "InvalidContentSha256", "InvalidPath",
    "LogStoreNotExist", "InvalidAPIVersion", "PostBodyInvalid", "PostBodyTooLarge", "WriteQuotaExceed", "ShardWriteQuotaExceed",
}
