"""A cloud in one process, for tests: `python3 tests/cloud [port]`.

It speaks the protocols of Alibaba Cloud on one port of 127.0.0.1, verifies every signature by itself, keeps state, and fails
when it is told to. It is written from the documentation and from what the vendor's libraries send, shares no line with the
client that it judges, and is itself judged by those libraries (`tests/cloud/sdk.py`). Python's standard library is all it needs.

The first line it prints is its port. What stands below `/_cloud/` scripts it (see `control.py`); it ends with its standard input.
"""

import os
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import control
import metadata
import rpc
import storage
from fault import Refused
from state import Cloud
from wire import Reply, Request


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cloud = None

    def log_message(self, *_):
        pass

    def read_request(self):
        length = int(self.headers.get("content-length") or 0)
        if (self.headers.get("transfer-encoding") or "").lower() == "chunked":
            body = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    break
        else:
            body = self.rfile.read(length)
        headers = {}
        for name, value in self.headers.items():
            headers[name.lower()] = value.strip()
        path, _, query = self.path.partition("?")
        # A plus in a query is a space, as in a form.
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        return Request(self.command, path, pairs, headers, body)

    def serve(self):
        request = self.read_request()
        if request.path.startswith("/_cloud/"):
            self.write(control.answer(self.cloud, request))
            return
        service = self.service(request)
        with self.cloud.lock:
            action = service.action(request)
            script = self.cloud.take_fault(action)
        try:
            if script and not script.get("done"):
                reply = None
            else:
                with self.cloud.lock:
                    reply = service.answer(self.cloud, request, action)
        except Refused as refused:
            reply = service.refuse(self.cloud, refused)
            self.cloud.note(request, action, refused.code)
        else:
            self.cloud.note(request, action, "fault" if script else "")
        if script:
            self.play(service, script, reply)
        else:
            self.write(reply)

    def service(self, request):
        if request.path.startswith("/latest/"):
            return metadata
        authorization = request.headers.get("authorization", "")
        query = dict(request.query)
        if authorization.startswith(("OSS", "LOG ", "SLS4")) or "x-oss-signature-version" in query:
            return storage
        return rpc

    def play(self, service, script, reply):
        """Misbehaves as a script says."""
        kind = script["kind"]
        if kind == "refuse":
            refused = Refused(script.get("status", 400), script["code"], script.get("message", "scripted"))
            reply = service.refuse(self.cloud, refused)
        elif kind == "html":
            reply = Reply(script.get("status", 502), b"<html>bad gateway</html>", {"content-type": "text/html"})
        elif kind == "torn":
            body = (reply or Reply(200, b'{"RequestId":"torn","Domains":{"Dom')).body
            reply = Reply(200, body[: max(1, len(body) // 2)])
        elif kind == "drop":
            self.close_connection = True
            return
        elif kind == "cut":
            body = (reply or Reply(200, b'{"RequestId":"cut"}')).body
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])
            self.close_connection = True
            return
        elif kind == "slow":
            time.sleep(script["seconds"])
            reply = reply or Reply(500, b"")
        reply.headers.update(script.get("headers", {}))
        self.write(reply)

    def write(self, reply):
        self.send_response_only(reply.status)
        self.send_header("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self.cloud.now())))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = serve


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        # A client that went away is no error of the cloud; anything else is, and fails whoever reads this.
        if not isinstance(sys.exc_info()[1], (ConnectionError, BrokenPipeError)):
            super().handle_error(request, client_address)


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    Handler.cloud = Cloud()
    server = Server(("127.0.0.1", port), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Whoever started this holds the other end.
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
