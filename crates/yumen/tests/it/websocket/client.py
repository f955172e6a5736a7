"""A client of the `websockets` library, which hears back what it says: client.py URL."""
import asyncio
import sys

# Another interpreter than the system's does not look where Debian's packages are.
sys.path.append("/usr/lib/python3/dist-packages")
import websockets


async def main(url):
    async with websockets.connect(url, subprotocols=["chat"], max_size=None) as socket:
        assert socket.subprotocol == "chat"
        for message in ["", "text", "\u263a \U0001f608", "x" * 200_000, b"", bytes(range(256)) * 300]:
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["frag", "ments", ""])
        assert await socket.recv() == "fragments"
        await (await socket.ping(b"there?"))
        said = [str(n) for n in range(500)]
        for message in said:
            await socket.send(message)
        assert [await socket.recv() for _ in said] == said
    assert socket.close_code == 1000


asyncio.run(main(sys.argv[1]))
