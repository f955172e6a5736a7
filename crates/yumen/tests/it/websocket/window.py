"""A window of 8 bits for the `websockets` library."""
import types
import zlib

from websockets.extensions import permessage_deflate


def mend():
    """zlib makes no raw stream with a window of 256 bytes. One with 512 looks back no further than 250 (the window less
    the longest match and its lookahead), so whoever unpacks it needs 256 only."""

    def compressobj(wbits, **settings):
        return zlib.compressobj(wbits=-9 if wbits == -8 else wbits, **settings)

    permessage_deflate.zlib = types.SimpleNamespace(
        compressobj=compressobj,
        decompressobj=zlib.decompressobj,
        error=zlib.error,
        Z_SYNC_FLUSH=zlib.Z_SYNC_FLUSH,
    )
