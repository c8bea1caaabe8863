"""Signs versions in the store, and says who signed one."""

from models.artifact import MANIFEST
from models.files import read_regular
from models.signature import SIGNATURE, PrivateKey, PublicKey, TrustedKeys, read_signature
from models.store import Store
from models.version import Version


def sign(store: Store, version: Version, key: PrivateKey) -> PublicKey:
    """Sign a version whose files match its manifest; returns the key that checks the signature.

    An earlier signature is replaced. Raises ArtifactError if a file was altered, and ModelError if
    the version is packed in a Bento.
    """
    unchecked = Version(version.name, version.version, version.path)
    unchecked.artifact.verify()
    manifest = read_regular(version.path / MANIFEST)
    store.attach(version, SIGNATURE, key.sign(manifest))
    return key.public("")


def signed_by(version: Version, trusted: TrustedKeys) -> str:
    """Who signed a version, for a person."""
    signature = read_signature(version.path)
    if signature is None:
        return "none"
    if not trusted.keys:
        return "not checked: PUPILA_TRUSTED_KEYS names no keys"
    key = trusted.signer(signature, read_regular(version.path / MANIFEST))
    if key is None:
        return "wrong, or by a key that is not trusted"
    return f"by {key.source} ({key.fingerprint[:12]})"
