"""All that the cloud remembers."""

import threading
import time

from fault import Refused

# The window in which a request must have been signed, and for which its nonce is remembered.
WINDOW = 15 * 60


class Cloud:
    def __init__(self):
        self.lock = threading.RLock()
        self.offset = 0
        self.counter = 0
        self.keys = {}
        self.nonces = {}
        self.faults = []
        self.log = []
        # Seconds that a job takes, in looks at it.
        self.looks = 2
        self.zones = {}
        self.records = {}
        self.groups = {}
        self.jobs = {}
        self.tokens = {}
        self.balancers = {}
        self.vgroups = {}
        # By listener of ALB and NLB: the group and its servers; by balancer of CLB: its servers.
        self.health = {}
        self.tables = {}
        self.certificates = {}
        self.secrets = {}
        self.objects = {}
        self.stores = {}
        self.lists = {}
        self.role = None
        # Items of the metadata service below `meta-data/`.
        self.items = {}
        self.sessions = set()
        self.is_v2_only = False
        self.is_v1_only = False

    def now(self):
        return time.time() + self.offset

    def next_id(self):
        self.counter += 1
        return self.counter

    def request_id(self):
        return "473469C7-AA6F-4DC5-B3DB-%012X" % self.next_id()

    def iso(self, seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

    def take_fault(self, action):
        for fault in self.faults:
            if fault.get("action") in (None, action) and fault.get("times", 1) > 0:
                if fault.get("after", 0) > 0:
                    fault["after"] -= 1
                    continue
                fault["times"] = fault.get("times", 1) - 1
                return fault
        return None

    def note(self, request, action, outcome):
        with self.lock:
            self.log.append({
                "action": action,
                "method": request.method,
                "target": request.path,
                "query": [name for name, _ in request.query],
                "host": request.headers.get("host"),
                "authorization": request.headers.get("authorization", ""),
                "token": dict(request.form()).get("ClientToken") or dict(request.query).get("ClientToken"),
                "outcome": outcome,
            })

    # Keys

    def key(self, key_id):
        key = self.keys.get(key_id)
        if key is None:
            raise Refused(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        return key

    def check_token(self, key, token):
        """A temporary key comes with its token, and ends."""
        if key.get("token") and not token:
            raise Refused(400, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
        if token and token != key.get("token"):
            raise Refused(400, "InvalidSecurityToken.MismatchWithAccessKey", "The token does not fit the key.")
        if key.get("expires") and key["expires"] <= self.now():
            raise Refused(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")

    def check_time(self, seconds, code="InvalidTimeStamp.Expired", status=400):
        if abs(seconds - self.now()) > WINDOW:
            raise Refused(status, code, "Specified time stamp or date value is expired.")

    def check_nonce(self, nonce):
        for old, at in list(self.nonces.items()):
            if at < self.now() - WINDOW:
                del self.nonces[old]
        if nonce in self.nonces:
            raise Refused(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self.nonces[nonce] = self.now()

    def allow(self, key, action):
        if action in key.get("deny", []):
            detail = {"AuthAction": action, "NoPermissionType": "ImplicitDeny", "PolicyType": "AccountLevelIdentityBasedPolicy"}
            raise Refused(403, "Forbidden.RAM", "User not authorized to operate on the specified resource.", detail)

    def temporary_key(self, seconds, owner):
        number = self.next_id()
        key_id = "STS.temporary-%d" % number
        key = {"secret": "secret-%d" % number, "token": "token+/%d==" % number, "expires": self.now() + seconds, "arn": owner}
        self.keys[key_id] = key
        return {
            "AccessKeyId": key_id,
            "AccessKeySecret": key["secret"],
            "SecurityToken": key["token"],
            "Expiration": self.iso(key["expires"]),
        }
