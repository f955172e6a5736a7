"""An echo server of the `websockets` library; it writes its port into the file that is named.

On /deflate/CONTEXT/BITS it compresses (RFC 7692), and asks of the client what the path says: CONTEXT `fresh` for
client_no_context_takeover or `kept`, BITS for client_max_window_bits or 0. What it was offered it tells in X-Offer."""
import asyncio
import os
import sys

# Another interpreter than the system's does not look where Debian's packages are.
sys.path.append("/usr/lib/python3/dist-packages")
import websockets
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

import window


class Server(websockets.WebSocketServerProtocol):
    wanted = None

    async def process_request(self, path, _fields):
        if path.startswith("/deflate/"):
            context, bits = path.split("/")[2:]
            self.wanted = [
                ServerPerMessageDeflateFactory(
                    client_no_context_takeover=context == "fresh",
                    client_max_window_bits=int(bits) or None,
                    compress_settings={"level": 1},
                )
            ]

    def process_extensions(self, fields, _available):
        return super().process_extensions(fields, self.wanted)


def told(_path, fields):
    return [("X-Offer", offer) for offer in fields.get_all("Sec-WebSocket-Extensions")]


async def echo(socket, *_):
    async for message in socket:
        await socket.send(message)


async def main(file):
    window.mend()
    limits = {"compression": None, "max_size": None, "ping_interval": None, "close_timeout": 5}
    more = {"create_protocol": Server, "extra_headers": told}
    async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["chat"], **limits, **more) as server:
        with open(file + ".new", "w") as out:
            out.write(str(server.sockets[0].getsockname()[1]))
        os.rename(file + ".new", file)
        await asyncio.Future()


asyncio.run(main(sys.argv[1]))
