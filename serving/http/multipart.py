"""``multipart/form-data``, as ``curl -F`` and browsers' forms send it."""

from typing import Final, NamedTuple

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from errors import BadRequestError

MULTIPART: Final = b"multipart/form-data"


class Part(NamedTuple):
    """One field of a form; only a file has a ``filename``, which may be empty."""

    name: str
    filename: str | None
    content: bytes

    @property
    def text(self) -> str:
        """Raises BadRequestError unless it is UTF-8."""
        try:
            return self.content.decode()
        except UnicodeDecodeError:
            raise BadRequestError(f"The form's {self.name} must be text in UTF-8.") from None


def parse_form(body: bytes, content_type: bytes, max_parts: int) -> list[Part]:
    """The fields of a form, in their order. Raises BadRequestError."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise BadRequestError("The Content-Type of a form must name its boundary.")
    reader = _Reader(max_parts)
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        parser.write(body)
    except MultipartParseError:
        raise _invalid("its parts are damaged") from None
    if not reader.ended:
        raise _invalid("it ends before its last boundary")
    return reader.parts


class _Reader:
    """Collects what the parser finds.

    The parser takes 1.2 s for 10 MB of empty parts, and 5 ms for one part of any content, so only
    their number is limited.
    """

    def __init__(self, max_parts: int) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._max_parts = max_parts
        self._disposition = b""
        self._header = b""
        self._value = b""
        self._pieces: list[bytes] = []

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._form_end,
        }

    def _part_begin(self) -> None:
        if len(self.parts) == self._max_parts:
            raise BadRequestError(f"A form may have {self._max_parts} fields at most.")
        self._disposition = self._header = self._value = b""
        self._pieces = []

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        kind, _ = parse_options_header(self._disposition)
        if kind != b"form-data":
            raise _invalid("a part has no Content-Disposition: form-data")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _part_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name, filename = options.get(b"name", b""), options.get(b"filename")
        self.parts.append(
            Part(
                name.decode(errors="replace"),
                None if filename is None else filename.decode(errors="replace"),
                b"".join(self._pieces),
            )
        )

    def _form_end(self) -> None:
        self.ended = True


def _invalid(why: str) -> BadRequestError:
    return BadRequestError(f"Body is not valid multipart/form-data: {why}.")
