"""The stories of the http2jp collection, in ``hpack/`` of the shared material: real field lists, by several encoders."""

import json
from pathlib import Path
from typing import Any

import hpack
import pytest

from interlock.h2.hpack import Decoder, Encoder

Fields = list[tuple[bytes, bytes]]

#: The folders whose stories have octets, and one that has field lists only.
ENCODED = ["go-hpack", "nghttp2", "nghttp2-change-table-size", "swift-nio-hpack-huffman"]
FOLDERS = [*ENCODED, "raw-data"]


@pytest.fixture
def stories(shared_dir: Path, folder: str) -> list[list[dict[str, Any]]]:
    """The cases of each story in the folder."""
    directory = shared_dir / "hpack" / folder
    if not directory.is_dir():
        pytest.skip(f"{directory} is not there")
    return [json.loads(path.read_text("utf-8"))["cases"] for path in sorted(directory.glob("story_*.json"))]


def fields_of(case: dict[str, Any]) -> Fields:
    return [(name.encode(), value.encode()) for field in case["headers"] for name, value in field.items()]


@pytest.mark.parametrize("folder", ENCODED)
def test_each_block_is_decoded(stories: list[list[dict[str, Any]]]) -> None:
    assert len(stories) > 20
    for cases in stories:
        decoder = Decoder()
        for case in cases:
            if case.get("header_table_size") is not None:
                decoder.max_table_size = case["header_table_size"]
            assert decoder.decode(bytes.fromhex(case["wire"])) == fields_of(case)
            assert not decoder.overflow


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("most", [4096, 256, 0, 16384])
def test_what_is_encoded_is_read_back(stories: list[list[dict[str, Any]]], most: int) -> None:
    assert len(stories) > 20
    for cases in stories:
        encoder = Encoder(most)
        decoder = Decoder()
        peer = hpack.Decoder()
        for number, case in enumerate(cases):
            size = case.get("header_table_size")
            if size is None and most > 4096 and number == 1:
                size = most
            if size is not None:
                encoder.max_table_size = size
                decoder.max_table_size = size
                peer.max_allowed_table_size = size
            fields = fields_of(case)
            block = encoder.encode(fields)
            assert decoder.decode(block) == fields
            assert [tuple(field) for field in peer.decode(block, raw=True)] == fields
