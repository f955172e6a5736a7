"""An echo server of the `websockets` library; it writes its port into the file that is named."""
import asyncio
import os
import sys

# Another interpreter than the system's does not look where Debian's packages are.
sys.path.append("/usr/lib/python3/dist-packages")
import websockets


async def echo(socket, *_):
    async for message in socket:
        await socket.send(message)


async def main(file):
    limits = {"compression": None, "max_size": None, "ping_interval": None, "close_timeout": 5}
    async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["chat"], **limits) as server:
        with open(file + ".new", "w") as out:
            out.write(str(server.sockets[0].getsockname()[1]))
        os.rename(file + ".new", file)
        await asyncio.Future()


asyncio.run(main(sys.argv[1]))
