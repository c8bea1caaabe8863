import pytest

from logs.masking import Masker


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://ann:s3cret@db/x is away", "postgresql://ann:***@db/x is away"),
        ("postgresql://ann:p@ss/w%3Ard@db/x", "postgresql://ann:***@db/x"),
        ("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer ***"),
        ("host=db password=hunter2 user=ann", "host=db password=*** user=ann"),
        ("{'api_key': 'abc123', 'x': 1}", "{'api_key': '***', 'x': 1}"),
        ("MLFLOW_TRACKING_TOKEN=abc", "MLFLOW_TRACKING_TOKEN=***"),
        ("pupila_" + "a" * 43, "pupila_***"),
        ("https://example.com/a?b=c, and no secret", "https://example.com/a?b=c, and no secret"),
        ("postgresql://user:password@host/name", "postgresql://user:password@host/name"),
        ("12:30, user@example.com", "12:30, user@example.com"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, masked: str) -> None:
    assert Masker().mask(text) == masked


def test_known_secrets_are_masked_wherever_they_are() -> None:
    masker = Masker(["T0/B1/xyz", "p%40ss", None, ""])
    assert masker.mask("posted to T0/B1/xyz with p@ss or p%40ss") == "posted to *** with *** or ***"
