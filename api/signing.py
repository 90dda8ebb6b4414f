"""What is signed here, and with what? A secret of the home: for sessions, cursors, and ids that nobody else may work out."""

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from itsdangerous import Serializer, URLSafeSerializer
from itsdangerous.encoding import base64_encode

from features.errors import Fault, WrongInput

_SECRET_BYTES: Final = 32
SIGNING: Final[Mapping[str, Any]] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


def read_secret(home: Path, draw: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """What sessions and cursors are signed with: 32 random bytes in the home, made where there are none yet.

    Whoever comes at the same moment reads the same: the file takes its name when it is whole, and only if it is free.
    """
    file = home / "secret"
    try:
        if not file.exists():
            _make_secret(file, draw(_SECRET_BYTES))
        secret = file.read_bytes()
    except OSError as error:
        raise WrongInput(
            f"secret {file} can be neither read nor made: {error.strerror}; see --home"
        ) from error
    if len(secret) != _SECRET_BYTES:
        raise Fault(
            f"secret {file} has {len(secret)} bytes, not {_SECRET_BYTES}; remove it: everybody signs in again"
        )
    return secret


def _make_secret(file: Path, secret: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=".secret-", dir=file.parent)  # O_EXCL, mode 0600
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(secret)
            opened.flush()
            os.fsync(opened.fileno())
        os.link(aside, file)
    except FileExistsError:
        pass  # another process was first: its secret is read
    finally:
        os.unlink(aside)  # noqa: PTH108


class _Serializer(URLSafeSerializer):
    """As its kind, but what it signs is never compressed: it is short, and zlib takes longer than everything else."""

    def dump_payload(self, obj: Any) -> bytes:
        """As base64."""
        return base64_encode(Serializer.dump_payload(self, obj))


@lru_cache(64)
def serializer(secret: bytes, purpose: str) -> URLSafeSerializer:
    """Signs JSON for one purpose: what was signed for another is not accepted."""
    return _Serializer(secret, salt=f"fenxiao.{purpose}", signer_kwargs=dict(SIGNING))


def keyed_digest(secret: bytes, purpose: str, *parts: str) -> str:
    """64 hexadecimal characters, the same for the same parts, that nobody without the secret can work out.

    >>> keyed_digest(b"s", "told", "a", "b") == keyed_digest(b"s", "told", "a", "b")
    True
    >>> keyed_digest(b"s", "told", "a", "b") == keyed_digest(b"s", "told", "a|b")
    False
    """
    said = json.dumps([f"fenxiao.{purpose}", *parts])
    return hmac.new(secret, said.encode(), hashlib.sha256).hexdigest()
