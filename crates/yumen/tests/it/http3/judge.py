"""A client of HTTP/3 by aioquic. It reads orders from its standard input, one a line, and says what it saw, in JSON.

Each order is a list: what to do, then its arguments.
  connect           begins a connection, which resumes where it can
  early PATH        the same, with a GET in the first packets
  get PATH COUNT    as many requests at once
  post PATH BYTES   content of that size
  move              goes on from another port
  close             ends the connection
"""

import asyncio
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answers = {}

    def quic_event_received(self, event):
        for seen in self.http.handle_event(event):
            answer = self.answers.get(getattr(seen, "stream_id", None))
            if answer is None:
                continue
            if isinstance(seen, HeadersReceived):
                fields = {name.decode(): value.decode() for name, value in seen.headers}
                status = int(fields.get(":status", 0))
                if 100 <= status < 200:
                    answer["interim"].append(status)
                elif status:
                    answer["status"] = status
            elif isinstance(seen, DataReceived):
                answer["size"] += len(seen.data)
            if seen.stream_ended:
                answer["done"].set_result(None)

    def begin(self, host, method, path, content=b""):
        stream = self._quic.get_next_available_stream_id()
        answer = {"status": 0, "size": 0, "interim": [], "done": asyncio.get_running_loop().create_future()}
        self.answers[stream] = answer
        fields = [
            (b":method", method.encode()),
            (b":scheme", b"https"),
            (b":authority", host.encode()),
            (b":path", path.encode()),
            (b"user-agent", b"aioquic"),
        ]
        self.http.send_headers(stream, fields, end_stream=not content)
        if content:
            self.http.send_data(stream, content, end_stream=True)
        self.transmit()
        return answer

    async def finish(self, answer):
        await asyncio.wait_for(answer["done"], 20)
        return {name: value for name, value in answer.items() if name != "done"}


async def run(port, authority):
    tickets = []
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    opened, client, name = None, None, "one.test"
    while line := await lines.readline():
        order, *rest = json.loads(line)
        said = {}
        if order in ("connect", "early"):
            configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=True, server_name=name)
            configuration.load_verify_locations(authority)
            configuration.verify_mode = ssl.CERT_REQUIRED
            configuration.session_ticket = tickets.pop() if tickets else None
            opened = connect(
                "127.0.0.1",
                port,
                configuration=configuration,
                create_protocol=Client,
                session_ticket_handler=tickets.append,
                wait_connected=order == "connect",
            )
            client = await opened.__aenter__()
            if order == "early":
                answer = client.begin(name, "GET", rest[0])
                await client.wait_connected()
                said = await client.finish(answer)
                said["early"] = client._quic.tls.early_data_accepted
            said["resumed"] = client._quic.tls.session_resumed
        elif order == "get":
            answers = [client.begin(name, "GET", rest[0]) for _ in range(rest[1])]
            said = {"answers": [await client.finish(answer) for answer in answers]}
        elif order == "post":
            said = await client.finish(client.begin(name, "POST", rest[0], b"x" * rest[1]))
        elif order == "move":
            before = client._transport
            await loop.create_datagram_endpoint(lambda: client, local_addr=("::", 0))
            said = {"moved": before is not client._transport}
            before.close()
        elif order == "close":
            await opened.__aexit__(None, None, None)
        print(json.dumps(said), flush=True)


asyncio.run(run(int(sys.argv[1]), sys.argv[2]))
