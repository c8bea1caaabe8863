"""The contract with clients, kept by the image: the cases of ``tests/test_service.py``."""

from tests.test_service import *  # noqa: F403
