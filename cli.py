"""What all commands share: they print an error as one sentence, and Ctrl-C without a traceback.

Exit codes: 0 success, 1 a PupilaError or a file that cannot be used, 2 wrong usage (click's own),
3 an alarm of the monitor, 130 interrupted.
"""

import errno
import io
import logging
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from errors import PupilaError, SettingsError
from logs import lines
from logs.output import Postponed

if TYPE_CHECKING:
    from rich.console import Console

ALARM = 3
INTERRUPTED = 130

_PROGRESS_SECONDS = 2.0
_NUMBER: Final = re.compile(r"[-+]?\.?[0-9][0-9.,%]*$")
logger = logging.getLogger("pupila.command")

# What can be wrong with any file that a command reads or writes, in the words of its sentence.
_OF_FILES: Final = {
    errno.EACCES: "this user may not read or write it",
    errno.EPERM: "this user may not change it",
    errno.EROFS: "it is on a disk that is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "this user's part of the disk is full",
    errno.EFBIG: "it would be larger than this user's files may be",
    errno.ENOENT: "it does not exist",
    errno.ENOTDIR: "a part of its path is a file and no folder",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "it is a link that leads in a circle",
    errno.EMFILE: "this process has too many files open",
    errno.ENFILE: "this machine has too many files open",
    errno.EIO: "the disk does not answer as it should",
    errno.ESTALE: "the network drive has lost it",
}


def _configure() -> None:
    from logs.setup import for_command
    from settings import Settings, settings

    try:
        for_command(settings())
    except SettingsError:
        # Whoever needs them says what is wrong with them.
        for_command(Settings.model_construct())


def _check_settings() -> None:
    """Raises SettingsError, also for a command that would not read them, or only after minutes."""
    from settings import settings

    settings()


@contextmanager
def _errors_reported(context: click.Context) -> Iterator[None]:
    Postponed.begin(_configure)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A folder's name may be no text: Linux takes any bytes.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _check_settings()
        yield
    except PupilaError as error:
        say_error(str(error))
        context.exit(1)
    except OSError as error:
        sentence = _of_file(error)
        if sentence is None:
            raise
        say_error(sentence)
        context.exit(1)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        context.exit(INTERRUPTED)


def say_error(sentence: str) -> None:
    """The one sentence of a command that fails, on stderr; a line of JSON if that was asked for."""
    from settings import settings

    try:
        as_json = settings().log_format == "json"
    except SettingsError:
        as_json = False
    if as_json:
        logger.error("%s", sentence)
    else:
        click.echo(f"Error: {sentence}", err=True)


def _of_file(error: OSError) -> str | None:
    """The sentence for a file that cannot be read or written; None for any other error."""
    number = error.errno
    # Of a copy, what could not be written.
    name = error.filename2 or error.filename
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        # Of a folder: each file, where to, and the reason as text.
        _, name, why = error.args[0][0]
        found = re.match(r"\[Errno (\d+)\]", str(why))
        number = int(found[1]) if found else None
    reason = _OF_FILES.get(number or 0)
    if reason is None:
        return None
    return f"{name or 'The output'} cannot be used: {reason}."


class OptionalNumber(click.Option):
    """An option that may stand alone, or with a number after it: click takes any word that comes
    next for its value, such as the command's argument."""

    def spelled(self, args: list[str]) -> list[str]:
        """The same arguments, with its value after an equals sign."""
        end = args.index("--") if "--" in args else len(args)
        found: list[str] = []
        words = iter(args[:end])
        for word in words:
            if word not in self.opts:
                found.append(word)
                continue
            following = next(words, None)
            if following is not None and _NUMBER.match(following):
                found.append(f"{word}={following}")
                continue
            found.append(f"{word}={self.flag_value}")
            if following is not None:
                found.append(following)
        return found + args[end:]


class Command(click.Command):
    """A click command that prints a PupilaError on stderr and exits with 1."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any("\0" in one for one in args):
            # No file and no name has one, and each library that meets it raises its own error.
            raise click.UsageError("An argument has a NUL character: leave it out.", ctx)
        for option in self.params:
            if isinstance(option, OptionalNumber):
                args = option.spelled(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _errors_reported(ctx):
            return super().invoke(ctx)


class Group(click.Group):
    """A click group of such commands and groups."""

    command_class = Command
    group_class = type


def console(width: int = 160) -> "Console":
    """Of ``width`` without a terminal, so that tables are not cut; [brackets] are not markup."""
    from rich.console import Console

    found = Console(highlight=False, markup=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, width=width)


def progress(line: str) -> Callable[[int], None]:
    """Prints how far it is on stderr, each few seconds: a ``line`` with a place for the number."""
    last = time.monotonic()

    def tell(number: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PROGRESS_SECONDS:
            last = time.monotonic()
            click.echo(line.format(number), err=True)

    return tell


def counted(count: int, noun: str) -> str:
    """``1 image``, ``2,000 images``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def printable(text: str) -> str:
    """The text with a question mark for each control character, which could act on a terminal."""
    return lines.printable(text)
