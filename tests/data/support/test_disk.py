import errno
from pathlib import Path

import pytest

from data.errors import DiskFullError, HomeError
from data.support.disk import free_bytes, is_full, written_to

NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        NO_ROOM,
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        caused(RuntimeError("the writer failed"), NO_ROOM),
        caused(RuntimeError("the writer failed"), DiskFullError(Path("x"))),
    ],
)
def test_an_error_that_comes_of_a_full_disk_says_so(tmp_path: Path, error: Exception) -> None:
    assert is_full(error, tmp_path)


def test_another_error_comes_of_a_full_disk_where_there_is_no_room_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_full(RuntimeError("file write failed"), tmp_path)
    monkeypatch.setattr("data.support.disk.free_bytes", lambda _: 4096)
    assert is_full(RuntimeError("file write failed"), tmp_path)


def test_room_is_told_of_what_does_not_exist_yet(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "rounds" / "000001") > 0


def test_a_write_without_room_is_told_as_that(tmp_path: Path) -> None:
    with (
        pytest.raises(DiskFullError, match=f"The disk is full: {tmp_path} cannot grow. Make room"),
        written_to(tmp_path),
    ):
        raise NO_ROOM


def test_a_write_that_fails_otherwise_is_told_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="cannot be written: Read-only file system") as raised, written_to(tmp_path):
        raise OSError(errno.EROFS, "Read-only file system")
    assert not isinstance(raised.value, DiskFullError)
