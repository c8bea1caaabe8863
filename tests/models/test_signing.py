"""Versions that are signed in the store."""

from pathlib import Path

import pytest

from errors import ArtifactError
from models.signature import PrivateKey, TrustedKeys
from models.signing import sign, signed_by
from models.store import Store
from tests.drafts import LinearDraft


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models", TrustedKeys())


def test_who_signed_a_version(store: Store) -> None:
    version, key = store.save(LinearDraft()), PrivateKey.generate()
    ours = TrustedKeys((key.public("ours.pub"),))
    assert signed_by(version, ours) == "none"
    fingerprint = sign(store, version, key).fingerprint[:12]
    assert signed_by(version, ours) == f"by ours.pub ({fingerprint})"
    assert signed_by(version, TrustedKeys()) == "not checked: PUPILA_TRUSTED_KEYS names no keys"
    others = TrustedKeys((PrivateKey.generate().public(""),))
    assert signed_by(version, others) == "wrong, or by a key that is not trusted"


def test_a_signature_is_replaced(store: Store) -> None:
    version, key = store.save(LinearDraft()), PrivateKey.generate()
    sign(store, version, PrivateKey.generate())
    sign(store, version, key)
    assert signed_by(version, TrustedKeys((key.public("a"),))).startswith("by a")


def test_an_altered_version_is_not_signed(store: Store) -> None:
    version = store.save(LinearDraft())
    (version.path / "model.onnx").write_bytes(b"altered")
    with pytest.raises(ArtifactError, match="is not the file that was saved"):
        sign(store, version, PrivateKey.generate())
    assert not (version.path / "manifest.json.sig").exists()


def test_a_signer_need_not_trust_the_version(store: Store) -> None:
    version, key = store.save(LinearDraft()), PrivateKey.generate()
    careful = Store(version.path.parent.parent, TrustedKeys((key.public(""),)))
    sign(careful, careful.get(version.tag), key)
    assert careful.get(version.tag).artifact.open()
