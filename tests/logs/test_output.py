import logging
import os
import threading

from logs.output import NonBlockingOutput


def lines(*texts: str) -> list[logging.LogRecord]:
    return [logging.LogRecord("pupila", logging.INFO, "", 0, text, (), None) for text in texts]


def test_lines_that_nobody_reads_are_dropped_counted_and_confessed() -> None:
    reader, writer = os.pipe()
    output = NonBlockingOutput(writer)
    text = "x" * 1000
    written = 0
    while not output.lost:
        output.handle(lines(text)[0])
        written += 1
    output.handle(lines(text)[0])
    assert output.lost == 2
    assert written > 1
    read = os.read(reader, 1_000_000)
    output.handle(lines("at last")[0])
    os.close(writer)
    assert read.decode().splitlines() == [text] * (written - 1)
    said = os.read(reader, 1_000_000).decode().splitlines()
    os.close(reader)
    assert said == ["log lines were lost, since nobody read them or the disk is full", "at last"]
    assert output.lost == 0


def test_a_long_line_arrives_whole_if_somebody_reads() -> None:
    reader, writer = os.pipe()
    found = bytearray()

    def read() -> None:
        while part := os.read(reader, 1000):
            found.extend(part)

    thread = threading.Thread(target=read)
    thread.start()
    output = NonBlockingOutput(writer)
    output.handle(lines("y" * 15_000)[0])
    os.close(writer)
    thread.join()
    os.close(reader)
    assert found == b"y" * 15_000 + b"\n"
    assert output.lost == 0


def test_a_reader_that_is_gone_ends_nothing() -> None:
    reader, writer = os.pipe()
    output = NonBlockingOutput(writer)
    os.close(reader)
    output.handle(lines("a")[0])
    os.close(writer)
    assert output.lost == 1
