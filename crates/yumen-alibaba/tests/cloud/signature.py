"""Verifies signatures, each from the request as it came."""

import base64
import calendar
import email.utils
import hashlib
import hmac
import time

from fault import Refused
from wire import encode


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def hmac_sha256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def hmac_sha1(key, text):
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()).decode()


def same(ours, theirs, to_sign):
    if not hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "replace")):
        # As the real one: what was signed is told, with all that is in it.
        raise Refused(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation. server string to sign is:" + to_sign)


def iso_time(text):
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        raise Refused(400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")


def compact_time(text):
    try:
        return calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Refused(403, "AccessDenied", "The date is not well formatted.")


def http_time(text):
    parsed = email.utils.parsedate_to_datetime(text) if text else None
    if parsed is None:
        raise Refused(400, "InvalidTimeStamp.Format", "There is no date.")
    return parsed.timestamp()


def fields(text, separator):
    return dict(part.strip().split("=", 1) for part in text.split(separator) if "=" in part)


def v4_key(secret, day, region, product):
    key = ("aliyun_v4" + secret).encode()
    for part in (day, region, product, "aliyun_v4_request"):
        key = hmac_sha256(key, part)
    return key


def canonical(request, signed, payload):
    query = "&".join("%s=%s" % (encode(name), encode(value)) for name, value in sorted(request.query))
    lines = "".join("%s:%s\n" % (name, request.headers.get(name, "")) for name in signed)
    return "\n".join([request.method, request.path or "/", query, lines, ";".join(signed), payload])


def acs3(cloud, request):
    """ACS3 and ACS4."""
    algorithm, _, rest = request.headers["authorization"].partition(" ")
    parts = fields(rest, ",")
    signed = parts.get("SignedHeaders", "").split(";")
    for name in ("host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"):
        if name not in request.headers:
            raise Refused(400, "Missing" + name, "%s is mandatory for this action." % name)
    for name in request.headers:
        if (name in ("host", "content-type") or name.startswith("x-acs-")) and name not in signed:
            raise Refused(400, "IncompleteSignature", "The header %s is not signed." % name)
    if signed != sorted(signed):
        raise Refused(400, "IncompleteSignature", "The signed headers are not sorted.")
    if request.headers["x-acs-content-sha256"] != sha256(request.body):
        raise Refused(400, "InvalidContentSha256", "The hash is not that of the body.")
    credential = parts.get("Credential", "").split("/")
    key = cloud.key(credential[0])
    cloud.check_time(iso_time(request.headers["x-acs-date"]))
    token = request.headers.get("x-acs-security-token")
    if token and request.headers.get("x-acs-accesskey-id") not in (None, credential[0]):
        raise Refused(400, "InvalidAccessKeyId.Mismatch", "Two keys are named.")
    cloud.check_token(key, token)
    to_sign = algorithm + "\n" + sha256(canonical(request, signed, sha256(request.body)).encode())
    secret = key["secret"].encode()
    if algorithm == "ACS4-HMAC-SHA256":
        _, day, region, product, _ = credential
        secret = v4_key(key["secret"], day, region, product)
    same(hmac_sha256(secret, to_sign).hex(), parts.get("Signature", ""), to_sign + "\n" + canonical(request, signed, ""))
    cloud.check_nonce(request.headers["x-acs-signature-nonce"])
    return key


def rpc1(cloud, request, parameters):
    """RPC, version 1: query and form together."""
    for name in ("AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp", "Signature"):
        if not parameters.get(name):
            raise Refused(400, "Missing" + name, "%s is mandatory for this action." % name)
    key = cloud.key(parameters["AccessKeyId"])
    cloud.check_time(iso_time(parameters["Timestamp"]))
    cloud.check_token(key, parameters.get("SecurityToken"))
    joined = "&".join("%s=%s" % (encode(name), encode(value)) for name, value in sorted(parameters.items()) if name != "Signature")
    to_sign = "%s&%%2F&%s" % (request.method, encode(joined))
    same(hmac_sha1(key["secret"] + "&", to_sign), parameters["Signature"], to_sign)
    cloud.check_nonce(parameters["SignatureNonce"])
    return key


def resource(request, bare):
    pairs = [name if bare and not value else "%s=%s" % (name, value) for name, value in sorted(request.query)]
    return request.path + ("?" + "&".join(pairs) if pairs else "")


def roa1(cloud, request):
    key_id, _, signature = request.headers["authorization"].removeprefix("acs ").partition(":")
    key = cloud.key(key_id)
    cloud.check_time(http_time(request.headers.get("date")))
    cloud.check_token(key, request.headers.get("x-acs-security-token"))
    head = [request.method] + [request.headers.get(name, "") for name in ("accept", "content-md5", "content-type", "date")]
    lines = ["%s:%s" % (name, request.headers[name]) for name in sorted(request.headers) if name.startswith("x-acs-")]
    to_sign = "\n".join(head + lines) + "\n" + resource(request, True)
    same(hmac_sha1(key["secret"], to_sign), signature, to_sign)
    cloud.check_nonce(request.headers.get("x-acs-signature-nonce"))
    return key


def oss4(cloud, request, bucket, object_key):
    """OSS, version 4, in headers or in the query."""
    query = dict(request.query)
    if "x-oss-signature-version" in query:
        credential, signature, additional = query["x-oss-credential"], query["x-oss-signature"], query.get("x-oss-additional-headers", "")
        date, token = query["x-oss-date"], query.get("x-oss-security-token")
        life = int(query["x-oss-expires"])
        if not 0 < life <= 7 * 86400 or cloud.now() > compact_time(date) + life:
            raise Refused(403, "AccessDenied", "Request has expired.")
    else:
        parts = fields(request.headers["authorization"].partition(" ")[2], ",")
        credential, signature, additional = parts["Credential"], parts["Signature"], parts.get("AdditionalHeaders")
        if additional == "":
            raise Refused(400, "InvalidArgument", "AdditionalHeaders is empty.")
        additional = additional or ""
        date, token = request.headers.get("x-oss-date", ""), request.headers.get("x-oss-security-token")
        cloud.check_time(compact_time(date), "RequestTimeTooSkewed", 403)
        if request.headers.get("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
            raise Refused(400, "InvalidArgument", "x-oss-content-sha256 has to be UNSIGNED-PAYLOAD.")
    key_id, day, region, product, _ = credential.split("/")
    key = cloud.keys.get(key_id)
    if key is None:
        raise Refused(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
    if key.get("expires") and key["expires"] <= cloud.now():
        raise Refused(403, "SecurityTokenExpired", "The security token you provided has expired.")
    cloud.check_token(key, token)
    if product != "oss" or day != date[:8]:
        raise Refused(403, "SignatureDoesNotMatch", "The scope is wrong.")
    pairs = sorted((encode(name), encode(value)) for name, value in request.query if name != "x-oss-signature")
    joined = "&".join(name if not value else name + "=" + value for name, value in pairs)
    extra = additional.split(";") if additional else []
    signed = sorted(name for name in request.headers if name.startswith("x-oss-") or name in ("content-type", "content-md5") or name in extra)
    lines = "".join("%s:%s\n" % (name, request.headers[name]) for name in signed)
    path = "/%s/%s" % (bucket, "/".join(encode(part) for part in object_key.split("/")))
    form = "\n".join([request.method, path, joined, lines, additional, "UNSIGNED-PAYLOAD"])
    to_sign = "OSS4-HMAC-SHA256\n%s\n%s/%s/oss/aliyun_v4_request\n%s" % (date, day, region, sha256(form.encode()))
    if not hmac.compare_digest(hmac_sha256(v4_key(key["secret"], day, region, "oss"), to_sign).hex(), signature):
        raise Refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match. StringToSign: " + form)
    return key


def sls(cloud, request):
    """The log service, versions 4 and 1."""
    authorization = request.headers["authorization"]
    token = request.headers.get("x-acs-security-token")
    if authorization.startswith("LOG "):
        key_id, _, signature = authorization.removeprefix("LOG ").partition(":")
        key = sls_key(cloud, key_id, token)
        cloud.check_time(http_time(request.headers.get("date")), "RequestTimeExpired")
        if request.body and request.headers.get("content-md5") != hashlib.md5(request.body).hexdigest().upper():
            raise Refused(400, "InvalidContentMD5", "The digest is not that of the body.")
        # One library adds this after it signed.
        names = [name for name in sorted(request.headers) if name.startswith(("x-log-", "x-acs-")) and name != "x-log-date"]
        head = [request.method] + [request.headers.get(name, "") for name in ("content-md5", "content-type", "date")]
        to_sign = "\n".join(head + ["%s:%s" % (name, request.headers[name]) for name in names]) + "\n" + resource(request, False)
        if not hmac.compare_digest(hmac_sha1(key["secret"], to_sign), signature):
            raise Refused(401, "SignatureNotMatch", "signature does not match: " + to_sign)
        return key
    parts = fields(authorization.partition(" ")[2], ",")
    key_id, day, region, product, _ = parts["Credential"].split("/")
    key = sls_key(cloud, key_id, token)
    date = request.headers.get("x-log-date", "")
    cloud.check_time(compact_time(date), "RequestTimeExpired")
    if request.headers.get("x-log-content-sha256") != sha256(request.body):
        raise Refused(400, "InvalidContentSha256", "The hash is not that of the body.")
    signed = sorted(name for name in request.headers if name in ("content-type", "host") or name.startswith(("x-log-", "x-acs-")))
    form = canonical(request, signed, sha256(request.body))
    to_sign = "SLS4-HMAC-SHA256\n%s\n%s/%s/sls/aliyun_v4_request\n%s" % (date, day, region, sha256(form.encode()))
    if product != "sls" or not hmac.compare_digest(hmac_sha256(v4_key(key["secret"], day, region, "sls"), to_sign).hex(), parts["Signature"]):
        raise Refused(401, "SignatureNotMatch", "signature does not match: " + form)
    return key


def sls_key(cloud, key_id, token):
    key = cloud.keys.get(key_id)
    if key is None:
        raise Refused(401, "Unauthorized", "AccessKeyId not found: " + key_id)
    cloud.check_token(key, token)
    return key
