"""Who signed a version, in the formats that openssl has."""

import shutil
import subprocess
from pathlib import Path

import pytest

from errors import ArtifactError, ModelError
from models.signature import PrivateKey, PublicKey, TrustedKeys, read_signature

MESSAGE = b"a manifest"

# RFC 8032, 7.1, test 3.
SEED = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
PUBLIC = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
SIGNATURE = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


def test_the_example_of_the_standard() -> None:
    key = PrivateKey(SEED)
    assert key.sign(bytes.fromhex("af82")) == SIGNATURE
    assert key.public("").raw == PUBLIC
    assert PublicKey(PUBLIC, "").made(SIGNATURE, bytes.fromhex("af82"))
    assert not PublicKey(PUBLIC, "").made(SIGNATURE, bytes.fromhex("af83"))


def test_a_pair_is_written_and_read(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    public = key.write(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert PrivateKey.read(tmp_path / "key") == key
    [read] = PublicKey.all_of(public)
    assert read.raw == key.public("").raw
    with pytest.raises(ModelError, match="exists already and is not overwritten"):
        key.write(tmp_path / "key")


def test_a_secret_is_not_shown() -> None:
    assert SEED.hex() not in repr(PrivateKey(SEED))
    assert str(SEED) not in repr(PrivateKey(SEED))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_makes_and_checks_the_same(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    key.write(tmp_path / "ours")
    (tmp_path / "message").write_bytes(MESSAGE)

    def openssl(*arguments: str) -> str:
        command = ["openssl", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    sign = ("pkeyutl", "-sign", "-rawin", "-in", "message", "-inkey")
    openssl(*sign, "ours", "-out", "signature")
    assert (tmp_path / "signature").read_bytes() == key.sign(MESSAGE)
    verify = ("pkeyutl", "-verify", "-pubin", "-rawin", "-in", "message", "-inkey", "ours.pub")
    assert "Verified" in openssl(*verify, "-sigfile", "signature")
    openssl("genpkey", "-algorithm", "ed25519", "-out", "theirs")
    openssl("pkey", "-in", "theirs", "-pubout", "-out", "theirs.pub")
    [theirs] = PublicKey.all_of(tmp_path / "theirs.pub")
    assert theirs.raw == PrivateKey.read(tmp_path / "theirs").public("").raw


def test_one_file_may_have_several_keys(tmp_path: Path) -> None:
    pairs = [PrivateKey.generate() for _ in range(2)]
    text = "".join(
        key.write(tmp_path / f"key{number}").read_text() for number, key in enumerate(pairs)
    )
    (tmp_path / "both").write_text(text)
    trusted = TrustedKeys.of([tmp_path / "both"])
    for key in pairs:
        signer = trusted.signer(key.sign(MESSAGE), MESSAGE)
        assert signer is not None
        assert signer.raw == key.public("").raw


@pytest.mark.parametrize(
    "text", ["", "no key", "-----BEGIN PUBLIC KEY-----\n%%%\n-----END PUBLIC KEY-----", "\0"]
)
def test_a_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(ModelError, match=r"has no Ed25519 public key|is not a key in PEM"):
        TrustedKeys.of([tmp_path / "key"])
    with pytest.raises(ModelError, match=r"has no Ed25519 private key|is not a key in PEM"):
        PrivateKey.read(tmp_path / "key")


def test_a_key_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        TrustedKeys.of([tmp_path / "none"])


def test_without_keys_everything_is_trusted(tmp_path: Path) -> None:
    TrustedKeys().check(tmp_path, MESSAGE)


def test_an_unsigned_manifest_and_a_signature_of_another(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    trusted = TrustedKeys((key.public(""),))
    with pytest.raises(ArtifactError, match="is not signed, and PUPILA_TRUSTED_KEYS asks for"):
        trusted.check(tmp_path, MESSAGE)
    signature = tmp_path / "manifest.json.sig"
    for wrong in (key.sign(b"another"), PrivateKey.generate().sign(MESSAGE), bytes(64)):
        signature.write_bytes(wrong)
        with pytest.raises(ArtifactError, match="is not signed by a key in PUPILA_TRUSTED_KEYS"):
            trusted.check(tmp_path, MESSAGE)
    signature.write_bytes(key.sign(MESSAGE))
    trusted.check(tmp_path, MESSAGE)


def test_a_signature_of_another_length(tmp_path: Path) -> None:
    assert read_signature(tmp_path) is None
    (tmp_path / "manifest.json.sig").write_bytes(b"x" * 65)
    with pytest.raises(ArtifactError, match="has 65 bytes, and a signature has 64"):
        read_signature(tmp_path)
