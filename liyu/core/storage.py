"""Where files are kept: a folder of this machine or an S3 bucket. The only module that knows boto3."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from liyu.core.settings import Settings

_PIECE = 1 << 20


class Storage(Protocol):
    """Named files. Names are made by us, never by people; writing a name twice replaces the file."""

    async def put(self, name: str, content: bytes, content_type: str) -> str:
        """Keep a file and return the SHA-256 of its content in hexadecimal."""
        ...

    async def put_file(self, name: str, path: Path, content_type: str) -> None:
        """Keep a file of this machine, of any size: it is not read into memory."""
        ...

    async def get(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
        ...

    def pieces(self, name: str) -> AsyncIterator[bytes]:
        """The content of a file of any size, piece by piece. Raises FileNotFoundError with the first piece."""
        ...

    async def delete(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...


class FolderStorage:
    """Files in a folder of this machine, written aside first so that nobody reads half a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, name: str, content: bytes, content_type: str) -> str:
        """See Storage.put."""
        await asyncio.to_thread(self._write, self._path(name), content)
        return hashlib.sha256(content).hexdigest()

    async def put_file(self, name: str, path: Path, content_type: str) -> None:
        """See Storage.put_file."""
        await asyncio.to_thread(self._copy, self._path(name), path)

    async def get(self, name: str) -> bytes:
        """See Storage.get."""
        return await asyncio.to_thread(self._path(name).read_bytes)

    async def pieces(self, name: str) -> AsyncIterator[bytes]:
        """See Storage.pieces."""
        with await asyncio.to_thread(self._path(name).open, "rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece

    async def delete(self, name: str) -> None:
        """See Storage.delete."""
        await asyncio.to_thread(self._path(name).unlink, missing_ok=True)

    def _path(self, name: str) -> Path:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise ValueError(f"{name!r} leaves the storage folder")
        return path

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        aside.write_bytes(content)
        aside.replace(path)

    @staticmethod
    def _copy(path: Path, original: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        shutil.copyfile(original, aside)
        aside.replace(path)


class BucketStorage:
    """Files in an S3 bucket or something that speaks its protocol. Calls run in a thread: boto3 is synchronous."""

    def __init__(self, bucket: str, endpoint: str | None) -> None:
        import boto3  # imported where it is used: it takes a third of a second

        self.bucket = bucket
        self.client: Any = boto3.client("s3", endpoint_url=endpoint)

    async def put(self, name: str, content: bytes, content_type: str) -> str:
        """See Storage.put."""
        call = self.client.put_object
        await asyncio.to_thread(call, Bucket=self.bucket, Key=name, Body=content, ContentType=content_type)
        return hashlib.sha256(content).hexdigest()

    async def put_file(self, name: str, path: Path, content_type: str) -> None:
        """See Storage.put_file."""
        call = self.client.upload_file
        await asyncio.to_thread(call, str(path), self.bucket, name, ExtraArgs={"ContentType": content_type})

    async def get(self, name: str) -> bytes:
        """See Storage.get."""
        content: bytes = await asyncio.to_thread(lambda: self._open(name).read())
        return content

    async def pieces(self, name: str) -> AsyncIterator[bytes]:
        """See Storage.pieces."""
        body = await asyncio.to_thread(self._open, name)
        while piece := await asyncio.to_thread(body.read, _PIECE):
            yield piece

    async def delete(self, name: str) -> None:
        """See Storage.delete."""
        await asyncio.to_thread(self.client.delete_object, Bucket=self.bucket, Key=name)

    def _open(self, name: str) -> Any:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=name)
        except self.client.exceptions.NoSuchKey as fault:
            raise FileNotFoundError(name) from fault
        return answer["Body"]


def open_storage(settings: Settings) -> Storage:
    """The storage that the settings name; a relative folder lies in the data folder."""
    parts = urlsplit(settings.storage)
    if parts.scheme == "s3":
        return BucketStorage(parts.netloc, settings.s3_endpoint)
    return FolderStorage(settings.data_dir / parts.path)
