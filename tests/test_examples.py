"""The examples of a page are found, compared and rewritten; nothing is run here."""

import pytest

from tests.examples import Example, Result, comparable, examples, rewritten

PAGE = """# Page

```sh
first
make serve
```

```text
one
```

Words between.

```text
not an output
```

```console
$ second \\
  --option
two
three
$ third
```

```sh norun
never
```

```python
fourth
```
"""


def test_finds_each_command_with_its_output() -> None:
    found = [(example.language, example.source, example.shown) for example in examples(PAGE)]
    assert found == [
        ("sh", "first\nmake serve\n", "one\n"),
        ("console", "second \\\n  --option", "two\nthree\n"),
        ("console", "third", ""),
        ("python", "fourth\n", None),
    ]


def results(*printed: str) -> list[Result]:
    return [Result(one, text, 0) for one, text in zip(examples(PAGE), printed, strict=True)]


def test_writes_what_was_printed_where_it_differs() -> None:
    page = rewritten(PAGE, results("one", "two\n3\n", "new\n", "anything"))
    assert page == PAGE.replace("three\n", "3\n").replace("$ third\n", "$ third\nnew\n")


def test_leaves_a_page_alone_that_is_right() -> None:
    assert rewritten(PAGE, results("one\n", "two  three", "", "anything")) == PAGE


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("at 2030-01-31 10:00 UTC", "at 2031-12-01 23:59 UTC"),
        ("accuracy 0.986", "accuracy 0.9722"),
        ("99.2 % of the images", "3 % of the images"),
        ("a  |  b\n---", "a | b\n------"),
    ],
)
def test_what_differs_from_run_to_run_is_not_compared(shown: str, printed: str) -> None:
    assert comparable(shown) == comparable(printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [("8", "3"), ("clf:2zqfyjxhbsr5max4", "old:2zqfyjxhbsr5max4"), ("4200 images", "420 images")],
)
def test_everything_else_is_compared(shown: str, printed: str) -> None:
    assert comparable(shown) != comparable(printed)


def test_a_script_that_fails_is_never_as_shown() -> None:
    assert not Result(Example("sh", "false"), "", 1).as_shown
    assert Result(Example("console", "false", ""), "", 1).as_shown
