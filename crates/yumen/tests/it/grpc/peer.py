"""A server and a client of gRPC on Debian's python3-grpcio, with messages of plain bytes: no stubs are needed.

peer.py server PORT [CERT KEY]      serves until its input ends; says its port
peer.py client TARGET CA NAME CASE...
    runs cases, each CASE or CASE:ARGUMENT, against a target; CA is a file, or - for clear text, and NAME that of the
    target's certificate
"""

import sys
import threading
import time
from concurrent import futures

import grpc

PATIENCE = 20


class Server(grpc.GenericRpcHandler):
    """What the cases of the client ask for."""

    def __init__(self):
        self.health = {"": 1, "t.Test": 1}
        self.cancelled = threading.Event()

    def service(self, details):
        kinds = {
            "/t.Test/Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "/t.Test/Down": grpc.unary_stream_rpc_method_handler(self.down),
            "/t.Test/Up": grpc.stream_unary_rpc_method_handler(self.up),
            "/t.Test/Both": grpc.stream_stream_rpc_method_handler(self.both),
            "/t.Test/Hang": grpc.unary_stream_rpc_method_handler(self.hang),
            "/t.Test/Seen": grpc.unary_unary_rpc_method_handler(self.seen),
            "/t.Test/Left": grpc.unary_unary_rpc_method_handler(self.left),
            "/t.Test/SetHealth": grpc.unary_unary_rpc_method_handler(self.set_health),
            "/grpc.health.v1.Health/Check": grpc.unary_unary_rpc_method_handler(self.check),
        }
        return kinds.get(details.method)

    def unary(self, request, context):
        given = dict(context.invocation_metadata())
        if "x-initial" in given:
            context.send_initial_metadata([("x-initial", given["x-initial"])])
        if "x-trailing-bin" in given:
            context.set_trailing_metadata([("x-trailing-bin", given["x-trailing-bin"])])
        word, _, rest = request.partition(b":")
        if word == b"status":
            number, _, text = rest.partition(b":")
            code = next(c for c in grpc.StatusCode if c.value[0] == int(number))
            context.abort(code, text.decode())
        if word == b"bytes":
            return b"x" * int(rest)
        return request

    def down(self, request, context):
        count, size = (int(part) for part in request.split(b":"))
        for n in range(count):
            yield bytes([n % 256]) * size

    def up(self, requests, context):
        return str(sum(len(r) for r in requests)).encode()

    def both(self, requests, context):
        for request in requests:
            word, _, rest = request.partition(b":")
            if word == b"status":
                context.abort(next(c for c in grpc.StatusCode if c.value[0] == int(rest)), "told so")
            yield b"x" * int(rest) if word == b"bytes" else request

    def hang(self, request, context):
        context.add_callback(self.cancelled.set)
        if request:
            yield request
        while context.is_active():
            time.sleep(0.02)

    def seen(self, request, context):
        """Whether a call of Hang ended."""
        return b"yes" if self.cancelled.wait(PATIENCE) else b"no"

    def left(self, request, context):
        left = context.time_remaining()
        return b"none" if left is None or left > 1e6 else str(left).encode()

    def set_health(self, request, context):
        service, _, status = request.decode().rpartition("=")
        self.health[service] = int(status)
        return b""

    def check(self, request, context):
        name = request[2:].decode() if request else ""
        if name not in self.health:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return bytes([8, self.health[name]])


def serve(port, cert=None, key=None):
    server = grpc.server(
        futures.ThreadPoolExecutor(32),
        options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    server.add_generic_rpc_handlers((Server(),))
    at = f"127.0.0.1:{port}"
    if cert is None:
        port = server.add_insecure_port(at)
    else:
        pair = (open(key, "rb").read(), open(cert, "rb").read())
        port = server.add_secure_port(at, grpc.ssl_server_credentials([pair]))
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0)


def failure(call):
    """The error of a call that has to fail."""
    try:
        got = call()
        if not isinstance(got, bytes):
            got = list(got)
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"no error but {got!r:.100}")


def expect(error, code, text=None):
    assert error.code() == code, f"{error.code()} ({error.details()}) instead of {code}"
    if text is not None:
        assert error.details() == text, f"{error.details()!r} instead of {text!r}"


class Cases:
    """Each is one case of the client; they follow the list of the interoperability tests of the gRPC project."""

    def __init__(self, channel):
        self.unary = channel.unary_unary("/t.Test/Unary")
        self.down = channel.unary_stream("/t.Test/Down")
        self.up = channel.stream_unary("/t.Test/Up")
        self.both = channel.stream_stream("/t.Test/Both")
        self.hang = channel.unary_stream("/t.Test/Hang")
        self.seen = channel.unary_unary("/t.Test/Seen")
        self.left = channel.unary_unary("/t.Test/Left")
        self.channel = channel

    def empty_unary(self):
        assert self.unary(b"", timeout=PATIENCE) == b""

    def large_unary(self):
        assert self.unary(b"bytes:314159" + b"", timeout=PATIENCE) == b"x" * 314159
        big = bytes(range(256)) * 1062
        assert self.unary(big, timeout=PATIENCE) == big

    def huge_unary(self):
        big = b"0123456789abcdef" * (1 << 20)
        assert self.unary(big, timeout=60) == big

    def client_streaming(self):
        sizes = [27182, 8, 1828, 45904]
        assert self.up(iter([b"x" * s for s in sizes]), timeout=PATIENCE) == b"74922"

    def server_streaming(self):
        assert [len(m) for m in self.down(b"4:31415", timeout=PATIENCE)] == [31415] * 4
        assert [len(m) for m in self.down(b"2000:10", timeout=PATIENCE)] == [10] * 2000
        assert list(self.down(b"0:0", timeout=PATIENCE)) == []

    def ping_pong(self):
        """Each message is sent only after the answer to the one before: nothing may wait in between."""
        turn = threading.Semaphore(1)

        def messages():
            for size in [31415, 9, 2653, 58979]:
                turn.acquire()
                yield b"bytes:%d" % size

        got = []
        for answer in self.both(messages(), timeout=PATIENCE):
            got.append(len(answer))
            turn.release()
        assert got == [31415, 9, 2653, 58979], got

    def empty_stream(self):
        assert list(self.both(iter([]), timeout=PATIENCE)) == []

    def cancel_after_begin(self):
        hold = threading.Event()

        def nothing():
            hold.wait(PATIENCE)
            return
            yield

        call = self.up.future(nothing(), timeout=PATIENCE)
        call.cancel()
        hold.set()
        assert call.code() == grpc.StatusCode.CANCELLED

    def cancel_after_first_response(self):
        call = self.hang(b"first", timeout=PATIENCE)
        assert next(call) == b"first"
        call.cancel()
        expect(failure(lambda: call), grpc.StatusCode.CANCELLED)
        assert self.seen(b"", timeout=PATIENCE) == b"yes", "the server never heard of it"

    def timeout_on_sleeping_server(self):
        begun = time.monotonic()
        expect(failure(lambda: self.hang(b"first", timeout=0.3)), grpc.StatusCode.DEADLINE_EXCEEDED)
        assert time.monotonic() - begun < 10

    def deadline_is_forwarded(self):
        left = float(self.left(b"", timeout=PATIENCE))
        assert 5 < left < PATIENCE + 1, left

    def status_code_and_message(self):
        code = grpc.StatusCode.UNKNOWN
        expect(failure(lambda: self.unary(b"status:2:test status message", timeout=PATIENCE)), code, "test status message")
        expect(failure(lambda: self.both(iter([b"status:2"]), timeout=PATIENCE)), code, "told so")
        for code in grpc.StatusCode:
            if code != grpc.StatusCode.OK:
                ask = b"status:%d:x" % code.value[0]
                expect(failure(lambda: self.unary(ask, timeout=PATIENCE)), code, "x")

    def special_status_message(self):
        text = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
        error = failure(lambda: self.unary(b"status:2:" + text.encode(), timeout=PATIENCE))
        expect(error, grpc.StatusCode.UNKNOWN, text)

    def custom_metadata(self):
        value = b"\xab\xab\xab\x00\xff"
        metadata = [("x-initial", "test_initial_metadata_value"), ("x-trailing-bin", value)]
        got, call = self.unary.with_call(b"m", timeout=PATIENCE, metadata=metadata)
        assert got == b"m"
        assert dict(call.initial_metadata())["x-initial"] == "test_initial_metadata_value"
        assert dict(call.trailing_metadata())["x-trailing-bin"] == value

    def unimplemented_method(self):
        call = self.channel.unary_unary("/t.Test/Nothing")
        expect(failure(lambda: call(b"", timeout=PATIENCE)), grpc.StatusCode.UNIMPLEMENTED)

    def unimplemented_service(self):
        call = self.channel.unary_unary("/t.Nobody/Nothing")
        expect(failure(lambda: call(b"", timeout=PATIENCE)), grpc.StatusCode.UNIMPLEMENTED)

    def compressed(self):
        big = b"compressible" * 20000
        assert self.unary(big, timeout=PATIENCE, compression=grpc.Compression.Gzip) == big
        got = self.both(iter([big, b"", big]), timeout=PATIENCE, compression=grpc.Compression.Gzip)
        assert list(got) == [big, b"", big]

    def concurrent(self):
        calls = [self.unary.future(b"%d" % n, timeout=PATIENCE) for n in range(300)]
        assert [call.result() for call in calls] == [b"%d" % n for n in range(300)]

    def soak(self):
        for n in range(500):
            assert self.unary(b"%d" % n, timeout=PATIENCE) == b"%d" % n

    # Cases that a test asks for by name.

    def held(self):
        """A stream that is kept open while something happens outside: until a line comes in."""
        turn, more = threading.Semaphore(1), threading.Event()

        def messages():
            for n in range(10):
                turn.acquire()
                if n == 5:
                    print("held", flush=True)
                    sys.stdin.readline()
                yield b"%d" % n

        got = []
        for answer in self.both(messages(), timeout=60):
            got.append(answer)
            turn.release()
        assert got == [b"%d" % n for n in range(10)], got

    def silent(self):
        """As held, and neither side says anything meanwhile."""
        call = self.hang(b"first", timeout=60)
        assert next(call) == b"first"
        print("held", flush=True)
        sys.stdin.readline()
        assert call.is_active(), call.code()
        call.cancel()

    def busy(self):
        """Calls of three kinds again and again, until a line comes in; tells of each round."""
        over = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
        while not over.is_set():
            for n in range(20):
                assert self.unary(b"%d" % n, timeout=60) == b"%d" % n
            assert len(list(self.down(b"20:1000", timeout=60))) == 20
            sent = [b"%d" % n for n in range(20)]
            assert list(self.both(iter(sent), timeout=60)) == sent
            print("done", flush=True)

    def fails(self):
        """Tells how a unary call fails."""
        error = failure(lambda: self.unary(b"x", timeout=PATIENCE))
        print(f"{error.code().name} {error.details()}", flush=True)

    def breaks(self):
        """Tells how a stream from the server fails after its first message."""
        call = self.hang(b"first", timeout=PATIENCE)
        assert next(call) == b"first"
        print("held", flush=True)
        error = failure(lambda: call)
        print(f"{error.code().name} {error.details()}", flush=True)

    def endless(self):
        """As breaks, without a deadline of its own."""
        call = self.hang(b"first")
        assert next(call) == b"first"
        error = failure(lambda: call)
        print(f"{error.code().name} {error.details()}", flush=True)

    def server_heard(self):
        """Whether the server heard that a call of Hang ended."""
        print(self.seen(b"", timeout=PATIENCE).decode(), flush=True)

    def set_health(self, service_and_status):
        self.channel.unary_unary("/t.Test/SetHealth")(service_and_status.encode(), timeout=PATIENCE)

    def time_left(self):
        print(self.left(b"", timeout=PATIENCE).decode(), self.left(b"").decode(), flush=True)


INTEROP = [
    "empty_unary", "large_unary", "huge_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
    "cancel_after_begin", "cancel_after_first_response", "timeout_on_sleeping_server", "deadline_is_forwarded",
    "status_code_and_message", "special_status_message", "custom_metadata", "unimplemented_method",
    "unimplemented_service", "compressed", "concurrent", "soak",
]


def run(target, ca, host, names):
    options = [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    if ca == "-":
        channel = grpc.insecure_channel(target, options)
    else:
        credentials = grpc.ssl_channel_credentials(open(ca, "rb").read())
        options.append(("grpc.ssl_target_name_override", host))
        channel = grpc.secure_channel(target, credentials, options)
    cases = Cases(channel)
    for name in INTEROP if names == ["interop"] else names:
        case, _, argument = name.partition(":")
        try:
            getattr(cases, case)(*([argument] if argument else []))
        except Exception as error:
            sys.exit(f"{name}: {type(error).__name__}: {error}")
        if names == ["interop"]:
            print(name, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "server":
        serve(*sys.argv[2:])
    else:
        run(*sys.argv[2:5], sys.argv[5:])
