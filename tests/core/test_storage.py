"""Files in a folder and in a bucket behave alike, also large ones that go through in pieces."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from liyu.core.storage import BucketStorage, FolderStorage, Storage

LARGE = bytes(range(256)) * 10_240
KINDS = ("folder", "bucket")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    if request.param == "folder":
        return FolderStorage(tmp_path / "kept")
    endpoint = request.getfixturevalue("endpoint")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "for-tests")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="liyu")
    return BucketStorage("liyu", endpoint)


async def test_a_large_file_goes_in_and_comes_out_in_pieces(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "all.pdf"
    path.write_bytes(LARGE)
    await storage.put_file("prints/all.pdf", path, "application/pdf")
    pieces = [piece async for piece in storage.pieces("prints/all.pdf")]
    assert len(pieces) > 1
    assert b"".join(pieces) == LARGE
    path.write_bytes(b"shorter")
    await storage.put_file("prints/all.pdf", path, "application/pdf")
    assert await storage.get("prints/all.pdf") == b"shorter"


async def test_files_are_replaced_and_go_and_one_that_is_not_there_says_so(storage: Storage) -> None:
    digest = await storage.put("part", b"one", "application/pdf")
    assert digest == await storage.put("part", b"one", "application/pdf")
    assert digest != await storage.put("part", b"two", "application/pdf")
    assert await storage.get("part") == b"two"
    for _ in range(2):
        await storage.delete("part")
    with pytest.raises(FileNotFoundError):
        await storage.get("part")
    with pytest.raises(FileNotFoundError):
        async for _ in storage.pieces("part"):
            pass
