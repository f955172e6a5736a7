"""A server that agrees to be a WebSocket and then sends back every byte it gets; it writes its port into the file that is named."""
import asyncio
import base64
import hashlib
import os
import sys

# RFC 6455 section 1.3.
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def mirror(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.split(b":", 1) for line in head.split(b"\r\n")[1:] if line)
    key = {name.lower(): value.strip() for name, value in fields.items()}[b"sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def main(file):
    server = await asyncio.start_server(mirror, "127.0.0.1", 0)
    with open(file + ".new", "w") as out:
        out.write(str(server.sockets[0].getsockname()[1]))
    os.rename(file + ".new", file)
    await asyncio.Future()


asyncio.run(main(sys.argv[1]))
