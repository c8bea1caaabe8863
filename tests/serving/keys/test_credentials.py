import base64

import pytest

from serving.keys.credentials import secret_in

BASIC = base64.b64encode(b"label-studio:secret").decode()


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ([], None),
        ([("host", "x")], None),
        ([("authorization", "Bearer secret")], b"secret"),
        ([("authorization", "bearer   secret ")], b"secret"),
        ([("x-api-key", "secret")], b"secret"),
        ([("authorization", f"Basic {BASIC}")], b"secret"),
        ([("authorization", f"basic {BASIC}")], b"secret"),
        ([("authorization", "Basic proxy"), ("x-api-key", "secret")], b"secret"),
        ([("x-api-key", "secret"), ("authorization", "Bearer other")], b"secret"),
        ([("authorization", "Basic !")], b""),
        ([("authorization", "Basic " + base64.b64encode(b"no colon").decode())], b""),
        ([("authorization", "secret")], b""),
        ([("authorization", "Digest secret")], b""),
        ([("authorization", "")], b""),
    ],
)
def test_where_a_key_may_be(headers: list[tuple[str, str]], secret: bytes | None) -> None:
    assert secret_in([(name.encode(), value.encode()) for name, value in headers]) == secret
