"""Labels are the same in any form of Unicode, and 8 is not '8'."""

from monitor.window.labels import label_key

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_labels_of_one_type_and_one_form() -> None:
    assert label_key(COMPOSED) == label_key(DECOMPOSED)
    assert label_key(8) != label_key("8")
    assert label_key(None) != label_key("")
