"""Groups 12 and 13 of the case list, by a client of the `websockets` library: deflate.py URL, that of a server of echo.py.

As in the list each row is a connection, and each message is awaited before the next is sent."""
import asyncio
import json
import random
import sys

# Another interpreter than the system's does not look where Debian's packages are.
sys.path.append("/usr/lib/python3/dist-packages")
import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

import window

# Length of a message, and of its fragments or 0. The list has 1000 messages in each row.
SIZES = [(16, 0), (64, 0), (256, 0), (1024, 0), (4096, 0), (8192, 0), (16384, 0), (32768, 0), (65536, 0), (131072, 0)]
SIZES += [(8192, 256), (16384, 256), (32768, 256), (65536, 256), (131072, 256)]
SIZES += [(131072, 1024), (131072, 4096), (131072, 32768)]

P = "permessage-deflate"
FRESH = "server_no_context_takeover; client_no_context_takeover"
# Group, what the server asks for (the path), what is offered, how that reads, how the answer does.
NEGOTIATIONS = [
    ("13.1", "kept/0", [{}], f"{P}; client_max_window_bits", P),
    ("13.2", "fresh/0", [{"server_no_context_takeover": True}],
     f"{P}; server_no_context_takeover; client_max_window_bits", f"{P}; {FRESH}"),
]
for group, bits in [("13.3", 8), ("13.4", 15), ("beyond the list, 9 bits", 9)]:
    NEGOTIATIONS.append((group, f"kept/{bits}", [{"server_max_window_bits": bits}],
                         f"{P}; server_max_window_bits={bits}; client_max_window_bits",
                         f"{P}; server_max_window_bits={bits}; client_max_window_bits={bits}"))
for group, bits in [("13.5", 8), ("13.6", 15), ("beyond the list, 9 bits and no context", 9)]:
    NEGOTIATIONS.append((group, f"fresh/{bits}",
                         [{"server_no_context_takeover": True, "server_max_window_bits": bits}],
                         f"{P}; server_no_context_takeover; server_max_window_bits={bits}; client_max_window_bits",
                         f"{P}; {FRESH}; server_max_window_bits={bits}; client_max_window_bits={bits}"))
NEGOTIATIONS.append(("13.7", "fresh/8",
                     [{"server_no_context_takeover": True, "server_max_window_bits": 8},
                      {"server_no_context_takeover": True}, {}],
                     f"{P}; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits, "
                     f"{P}; server_no_context_takeover; client_max_window_bits, {P}; client_max_window_bits",
                     f"{P}; {FRESH}; server_max_window_bits=8; client_max_window_bits=8"))


def contents():
    """As large and of the same kinds as what the list sends: JSON, a picture, prose, HTML and a PDF."""
    chance = random.Random(12)
    words = ["".join(chance.choices("enisratdhulcgmobwfkz", k=chance.randint(2, 11))) for _ in range(4000)]
    prose = lambda n: " ".join(chance.choices(words, cum_weights=range(1, 4001), k=n))
    records = [{"id": n, "name": prose(2), "tags": prose(3).split(), "at": chance.random()} for n in range(2000)]
    picture = bytes((x * x // 640 + y // 3 + chance.getrandbits(2)) & 255 for y in range(514) for x in range(512))
    page = "".join(f'<div class="row{n % 7}"><a href="/{prose(1)}">{prose(8)}</a></div>\n' for n in range(3000))
    return {
        "12.1": json.dumps(records)[:194056],
        "12.2": picture[:263222],
        "12.3": prose(40000).encode()[:222218],
        "12.4": page[:263527],
        "12.5": chance.randbytes(1042328),
    }


async def row(url, name, negotiation, data, size, fragment):
    path, offers, asked, answered = negotiation
    extensions = [ClientPerMessageDeflateFactory(**offer, compress_settings={"level": 1}) for offer in offers]
    limits = {"compression": None, "max_size": None, "ping_interval": None}
    async with websockets.connect(f"{url}/{path}", subprotocols=["chat"], extensions=extensions, **limits) as socket:
        fields = socket.response_headers
        assert ", ".join(fields.get_all("X-Offer")) == asked, (name, fields)
        assert fields.get_all("Sec-WebSocket-Extensions") == [answered], (name, fields)
        at = 0
        # 32 KiB altogether, but two messages at least and 20 at most.
        for _ in range(max(2, min(20, 32768 // size))):
            message = (data[at:] + data)[:size]
            at = (at + size) % len(data)
            parts = [message[n : n + fragment] for n in range(0, size, fragment)] if fragment else message
            await socket.send(parts)
            assert await socket.recv() == message, name
    assert socket.close_code == 1000, name


async def main(url):
    window.mend()
    data = contents()
    groups = [(group, NEGOTIATIONS[0][1:], data[group]) for group in data]
    groups += [(group, negotiation, data["12.1"]) for group, *negotiation in NEGOTIATIONS]
    rows = 0
    for group, negotiation, content in groups:
        for n, (size, fragment) in enumerate(SIZES, 1):
            try:
                await row(url, f"{group}.{n}", negotiation, content, size, fragment)
            except Exception as error:
                raise AssertionError(f"case {group}.{n}") from error
            rows += 1
    print(rows)


asyncio.run(main(sys.argv[1]))
