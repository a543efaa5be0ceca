"""Where files are kept: a folder of this machine or an S3 bucket. The only module that knows boto3."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from liyu.core.settings import Settings


class Storage(Protocol):
    """Named files. Names are made by us, never by people; writing a name twice replaces the file."""

    async def put(self, name: str, content: bytes, content_type: str) -> str:
        """Keep a file and return the SHA-256 of its content in hexadecimal."""
        ...

    async def get(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
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

    async def get(self, name: str) -> bytes:
        """See Storage.get."""
        return await asyncio.to_thread(self._path(name).read_bytes)

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

    async def get(self, name: str) -> bytes:
        """See Storage.get."""
        return await asyncio.to_thread(self._read, name)

    async def delete(self, name: str) -> None:
        """See Storage.delete."""
        await asyncio.to_thread(self.client.delete_object, Bucket=self.bucket, Key=name)

    def _read(self, name: str) -> bytes:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=name)
        except self.client.exceptions.NoSuchKey as fault:
            raise FileNotFoundError(name) from fault
        content: bytes = answer["Body"].read()
        return content


def open_storage(settings: Settings) -> Storage:
    """The storage that the settings name; a relative folder lies in the data folder."""
    parts = urlsplit(settings.storage)
    if parts.scheme == "s3":
        return BucketStorage(parts.netloc, settings.s3_endpoint)
    return FolderStorage(settings.data_dir / parts.path)
