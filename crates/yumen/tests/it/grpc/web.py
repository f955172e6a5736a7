"""A client of gRPC-Web on Python's own HTTP/1.1, and what it expects of `peer.py` behind the gateway.

web.py HOST:PORT KIND    KIND is web or web-text
"""

import base64
import http.client
import re
import struct
import sys

ADDR, KIND = sys.argv[1:]
TEXT = KIND == "web-text"
TYPE = f"application/grpc-{KIND}+proto"


def frame(message):
    return struct.pack(">BI", 0, len(message)) + message


class Answer:
    """The frames of an answer, as they come."""

    def __init__(self, answer):
        self.answer, self.text, self.content = answer, b"", b""
        assert answer.status == 200, answer.status
        assert answer.getheader("content-type").startswith(f"application/grpc-{KIND}"), answer.getheader("content-type")

    def more(self):
        """Takes what is there; base64 may be padded anywhere."""
        part = self.answer.read1(65536)
        if not part:
            return False
        if TEXT:
            self.text += part
            whole = len(self.text) // 4 * 4
            for padded in re.findall(b"[^=]+={0,2}", self.text[:whole]):
                self.content += base64.b64decode(padded, validate=True)
            self.text = self.text[whole:]
        else:
            self.content += part
        return True

    def frame(self):
        """The next frame; None after the last."""
        while True:
            if len(self.content) >= 5:
                flags, length = struct.unpack(">BI", self.content[:5])
                if len(self.content) >= 5 + length:
                    message = self.content[5 : 5 + length]
                    self.content = self.content[5 + length :]
                    return flags, message
            if not self.more():
                assert not self.content and not self.text, "the answer is cut"
                return None

    def whole(self):
        """The messages and the trailers."""
        messages, trailers = [], None
        while (got := self.frame()) is not None:
            flags, content = got
            assert trailers is None, "a frame after the trailers"
            if flags & 0x80:
                lines = content.decode().split("\r\n")
                assert lines.pop() == "", content
                trailers = dict(line.split(": ", 1) for line in lines)
            else:
                messages.append(content)
        return messages, trailers


def call(method, *messages, headers=(), cut=None):
    """Begins a call; `cut` sends the content in chunks of that size."""
    connection = http.client.HTTPConnection(ADDR, timeout=20)
    content = b"".join(frame(m) for m in messages)
    if TEXT:
        content = base64.b64encode(content)
    fields = {"Content-Type": TYPE, "Accept": TYPE, "X-Grpc-Web": "1", **dict(headers)}
    if cut:
        parts = (content[at : at + cut] for at in range(0, len(content), cut))
        connection.request("POST", f"/t.Test/{method}", parts, fields, encode_chunked=True)
    else:
        connection.request("POST", f"/t.Test/{method}", content, fields)
    return Answer(connection.getresponse())


def main():
    messages, trailers = call("Unary", b"hello").whole()
    assert messages == [b"hello"] and trailers["grpc-status"] == "0", (messages, trailers)

    big = bytes(range(256)) * 5000
    for cut in (None, 1000, 65537):
        messages, trailers = call("Unary", big, cut=cut).whole()
        assert messages == [big] and trailers["grpc-status"] == "0", cut

    messages, trailers = call("Down", b"200:317").whole()
    assert [len(m) for m in messages] == [317] * 200 and trailers["grpc-status"] == "0"

    messages, trailers = call("Up", b"abc", b"", b"de").whole()
    assert messages == [b"5"] and trailers["grpc-status"] == "0"

    # A message must not wait for the next one: there is none.
    for size in range(4):
        hanging = call("Hang", b"x" * (size + 1))
        assert hanging.frame() == (0, b"x" * (size + 1))
        hanging.answer.close()

    binary = "q6urAP8"
    answer = call("Unary", b"m", headers={"X-Initial": "given", "X-Trailing-Bin": binary})
    assert answer.answer.getheader("x-initial") == "given"
    messages, trailers = answer.whole()
    assert messages == [b"m"] and trailers["x-trailing-bin"].rstrip("=") == binary, trailers

    # The status of a call without messages may stand in the head or in a frame.
    answer = call("Unary", b"status:5:not %25 here")
    messages, trailers = answer.whole()
    status = trailers or {name.lower(): value for name, value in answer.answer.getheaders()}
    assert messages == [] and status["grpc-status"] == "5" and "here" in status["grpc-message"], status

    answer = call("Hang", b"first", headers={"grpc-timeout": "300m"})
    messages, trailers = answer.whole()
    assert messages == [b"first"] and trailers["grpc-status"] == "4", (messages, trailers)

    answer = call("Nothing", b"")
    assert answer.whole()[0] == []

    if TEXT:
        connection = http.client.HTTPConnection(ADDR, timeout=20)
        connection.request("POST", "/t.Test/Unary", b"AAAA\n===", {"Content-Type": TYPE, "Accept": TYPE})
        answer = connection.getresponse()
        assert answer.getheader("grpc-status") == "13" and answer.getheader("grpc-message"), answer.getheaders()


main()
