"""Who made a version: an Ed25519 signature of its manifest, which has the digests of its files.

``manifest.json.sig`` has the 64 bytes of RFC 8032, and keys are PEM files as in RFC 8410:
``openssl pkeyutl -sign -rawin`` makes the same signature, and ``-verify`` checks it.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from errors import ArtifactError, ModelError
from models.files import read_regular

SIGNATURE: Final = "manifest.json.sig"
SIGNATURE_BYTES: Final = 64

_KEY_BYTES: Final = 32
_MAX_FILE_BYTES: Final = 64 * 1024
# What a key of this kind begins with in DER; its 32 bytes follow. There is nothing to parse.
_PUBLIC: Final = bytes.fromhex("302a300506032b6570032100")
_PRIVATE: Final = bytes.fromhex("302e020100300506032b657004220420")


@dataclass(frozen=True)
class PublicKey:
    """``raw``: its 32 bytes; ``source``: the file it was read from."""

    raw: bytes
    source: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key in DER, as ``openssl pkey -pubin -outform DER | sha256sum`` shows."""
        return hashlib.sha256(_PUBLIC + self.raw).hexdigest()

    @classmethod
    def all_of(cls, path: Path) -> tuple[Self, ...]:
        """The keys in a PEM file, one after the other. Raises ModelError if there is none."""
        keys = [key for key in _blocks(path, "PUBLIC KEY") if key.startswith(_PUBLIC)]
        raw = [key.removeprefix(_PUBLIC) for key in keys]
        if not raw or any(len(key) != _KEY_BYTES for key in raw):
            raise ModelError(
                f"{path} has no Ed25519 public key; python -m models keygen makes a pair."
            )
        return tuple(cls(key, str(path)) for key in raw)

    def made(self, signature: bytes, message: bytes) -> bool:
        """Whether the holder of the private key signed the message."""
        # Here and below: who has no keys does not load libsodium, which is 4 MB of memory.
        from nacl.exceptions import BadSignatureError
        from nacl.signing import VerifyKey

        try:
            VerifyKey(self.raw).verify(message, signature)
        except BadSignatureError:
            return False
        return True


@dataclass(frozen=True, repr=False)
class PrivateKey:
    """``seed``: the 32 bytes that are the secret."""

    seed: bytes

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key in a PEM file. Raises ModelError if there is none, or it has a password."""
        [key, *_] = [*_blocks(path, "PRIVATE KEY"), b""]
        seed = key.removeprefix(_PRIVATE)
        if not key.startswith(_PRIVATE) or len(seed) != _KEY_BYTES:
            raise ModelError(
                f"{path} has no Ed25519 private key without a password; python -m models keygen "
                "makes one."
            )
        return cls(seed)

    @classmethod
    def generate(cls) -> Self:
        return cls(os.urandom(_KEY_BYTES))

    def sign(self, message: bytes) -> bytes:
        from nacl.signing import SigningKey

        return bytes(SigningKey(self.seed).sign(message).signature)

    def public(self, source: str) -> PublicKey:
        from nacl.signing import SigningKey

        return PublicKey(bytes(SigningKey(self.seed).verify_key), source)

    def write(self, path: Path) -> Path:
        """Write the pair: this key to ``path``, for its owner alone, and the public one beside it.

        Returns the path of the public one. Raises ModelError if either exists.
        """
        if not path.name:
            raise ModelError(f"{str(path)!r} is not the name of a file to write a key to.")
        public = path.with_name(f"{path.name}.pub")
        raw = self.public(str(public)).raw
        _create(path, "PRIVATE KEY", _PRIVATE + self.seed, 0o600)
        _create(public, "PUBLIC KEY", _PUBLIC + raw, 0o644)
        return public


@dataclass(frozen=True)
class TrustedKeys:
    """Those whose versions may be used; with none, all may be."""

    keys: tuple[PublicKey, ...] = ()

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Self:
        """The keys in some files. Raises ModelError for a file without one."""
        return cls(tuple(key for path in paths for key in PublicKey.all_of(path)))

    def check(self, folder: Path, manifest: bytes) -> None:
        """Raise ArtifactError unless one of the keys signed the manifest of a version."""
        if not self.keys:
            return
        signature = read_signature(folder)
        if signature is None:
            raise ArtifactError(
                f"{folder.name} is not signed, and PUPILA_TRUSTED_KEYS asks for a signature: sign "
                "it with python -m models sign."
            )
        if self.signer(signature, manifest) is None:
            raise ArtifactError(
                f"{folder.name} is not signed by a key in PUPILA_TRUSTED_KEYS, or its manifest was "
                "altered after it was signed."
            )

    def signer(self, signature: bytes, message: bytes) -> PublicKey | None:
        """The key that made a signature."""
        return next((key for key in self.keys if key.made(signature, message)), None)


def read_signature(folder: Path) -> bytes | None:
    """The signature of a version; None if it has none. Raises ArtifactError for something else."""
    try:
        signature = read_regular(folder / SIGNATURE, _MAX_FILE_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArtifactError(
            f"{SIGNATURE} of {folder.name} cannot be read: {error.strerror}."
        ) from error
    if len(signature) != SIGNATURE_BYTES:
        raise ArtifactError(
            f"{SIGNATURE} of {folder.name} has {len(signature)} bytes, and a signature has "
            f"{SIGNATURE_BYTES}."
        )
    return signature


def _blocks(path: Path, kind: str) -> list[bytes]:
    """The content of each block of a PEM file. Raises ModelError."""
    try:
        # A link is followed: Kubernetes mounts secrets as links.
        text = read_regular(path.resolve(), _MAX_FILE_BYTES).decode()
        parts = text.split(f"-----BEGIN {kind}-----")[1:]
        lines = [part.partition(f"-----END {kind}-----")[0].split() for part in parts]
        return [base64.b64decode("".join(block), validate=True) for block in lines]
    except OSError as error:
        raise ModelError(f"The key {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, binascii.Error) as error:
        raise ModelError(f"{path} is not a key in PEM.") from error


def _create(path: Path, kind: str, der: bytes, mode: int) -> None:
    text = f"-----BEGIN {kind}-----\n{base64.b64encode(der).decode()}\n-----END {kind}-----\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    except FileExistsError:
        raise ModelError(f"{path} exists already and is not overwritten.") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}.") from error
