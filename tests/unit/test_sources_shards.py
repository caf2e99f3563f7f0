"""Pictures in tar archives: members found, classes told, damage and size refused."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources import ColumnSpec, open_source, open_splits, shards, target_counts
from anysize.sources.hashes import id_hashes
from anysize.sources.tar_index import tar_index
from anysize.sources.tar_members import members

IMAGE = ColumnSpec(role="image", kind="image", names=("image",))
LABEL = ColumnSpec(role="label", kind="target", names=("label",), required=False)
TEXT = ColumnSpec(role="text", kind="text", names=("text",))
COLUMNS = [IMAGE, LABEL]


def picture(shade: int, side: int = 4) -> bytes:
    """A PNG of one grey."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (side, side + 1), (shade, shade, shade)).save(stream, "PNG")
    return stream.getvalue()


def packed(files: Iterable[tuple[str, bytes]], style: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=style) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def rows(source: Source | None) -> list[tuple[str, str | None]]:
    assert source is not None
    return [(record.id, record.target) for record in (source[i] for i in range(len(source)))]


def shade(source: Source, index: int) -> int:
    pixels = source[index].image("image").resized(1, 1)
    return int(pixels[0, 0, 0])


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_lie_where_they_are_said_to(tmp_path: Path, style: int) -> None:
    deep = "/".join(["folder"] * 12)
    files = [("a.png", b"12345"), (f"{deep}/b.png", b""), ("./c", bytes(1000)), ("图.png", b"x")]
    path = tmp_path / "x.tar"
    if style == tarfile.USTAR_FORMAT:
        files = files[:3]
    path.write_bytes(packed(files, style))
    content = path.read_bytes()
    with path.open("rb") as file:
        found = list(members(path, file))
    assert [member.name for member in found] == [name.removeprefix("./") for name, _ in files]
    for member, (_, expected) in zip(found, files, strict=True):
        assert content[member.offset : member.offset + member.size] == expected


def test_webdataset_samples(tmp_path: Path) -> None:
    shard = packed(
        [
            ("0001.jpg", picture(10)), ("0001.cls", b"1\n"), ("0001.json", b"{}"),
            ("0002.cls", b"0"), ("0002.png", picture(20)),
            ("sub/0001.seg.png", picture(30)),
        ]
    )  # fmt: skip
    path = tmp_path / "imagenet1k-train-000.tar"
    path.write_bytes(shard)
    source = open_source(path, roles=COLUMNS)
    name = path.name
    assert rows(source) == [
        (f"{name}/0001.jpg", "1"), (f"{name}/0002.png", "0"), (f"{name}/sub/0001.seg.png", "sub"),
    ]  # fmt: skip
    assert [shade(source, index) for index in range(3)] == [10, 20, 30]
    assert source[1].image("image").extent == (4, 5)
    assert source[1].image("image").origin == f"{path}/0002.png"
    (tmp_path / "classnames.txt").write_text("cat\ndog\n")
    assert target_counts(open_source(path, roles=COLUMNS)) == {"cat": 1, "dog": 1, "sub": 1}
    with pytest.raises(IndexError):
        _ = source[3]


def test_shards_are_split_by_their_names(tmp_path: Path) -> None:
    for name, shades in (("data-train-0", (1, 2)), ("data-train-1", (3,)), ("data-val-0", (4,))):
        files = [(f"{value}.png", picture(value)) for value in shades]
        files += [(f"{value}.cls", b"7") for value in shades]
        (tmp_path / f"{name}.tar").write_bytes(packed(sorted(files)))
    (tmp_path / "README.md").write_text("shards")
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert splits.how == "files"
    assert [len(part) for part in (splits.train, splits.validation) if part] == [3, 1]
    assert splits.test is None
    whole = open_source(tmp_path, roles=COLUMNS)
    assert [shade(whole, index) for index in range(4)] == [1, 2, 3, 4]


def test_imagenets_own_archives(tmp_path: Path) -> None:
    inner = [
        ("n01440764.tar", packed([("n01440764_1.JPEG", picture(5)), ("n01440764_2.JPEG", b"")])),
        ("n03126707.tar", packed([("n03126707_7.JPEG", picture(6))])),
    ]
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(packed(inner))
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(
        packed([("ILSVRC2012_val_00000001.JPEG", picture(8))])
    )
    (tmp_path / "ILSVRC2012_img_test_v10102019.tar").write_bytes(packed([("x.JPEG", picture(9))]))
    (tmp_path / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\nILSVRC2012_val_00000001,n01443537 1 2 3 4\n"
    )
    (tmp_path / "ILSVRC2012_devkit_t12").mkdir()
    splits = open_splits(tmp_path, roles=COLUMNS)
    name = "ILSVRC2012_img_train.tar"
    assert rows(splits.train) == [
        (f"{name}/n01440764.tar/n01440764_1.JPEG", "tench"),
        (f"{name}/n01440764.tar/n01440764_2.JPEG", "tench"),
        (f"{name}/n03126707.tar/n03126707_7.JPEG", "crane (n03126707)"),
    ]
    assert splits.train is not None
    assert (shade(splits.train, 0), shade(splits.train, 2)) == (5, 6)
    assert [target for _, target in rows(splits.validation)] == ["goldfish"]
    assert splits.test is None


def test_a_folder_of_class_archives(tmp_path: Path) -> None:
    for synset in ("n01440764", "n01443537"):
        (tmp_path / f"{synset}.tar").write_bytes(packed([(f"{synset}_1.JPEG", picture(1))]))
    source = open_source(tmp_path, roles=COLUMNS)
    assert [target for _, target in rows(source)] == ["tench", "goldfish"]


def test_class_folders_go_before_archives_beside_them(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(picture(1))
    (tmp_path / "backup.tar").write_bytes(packed([("dog/2.png", picture(2))]))
    assert target_counts(open_source(tmp_path, roles=COLUMNS)) == {"cat": 1}
    alone = open_source(tmp_path / "backup.tar", roles=COLUMNS)
    assert target_counts(alone) == {"dog": 1}


def test_the_index_is_kept_until_the_archive_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(packed([("a/1.png", picture(1))]))
    suffixes, cache = frozenset({".png"}), tmp_path / "cache"
    calls = []
    monkeypatch.setattr(
        "anysize.sources.tar_index.members",
        lambda *arguments: calls.append(1) or members(*arguments),
    )
    assert len(tar_index(path, suffixes, cache)) == 1
    assert len(tar_index(path, suffixes, cache)) == 1
    assert len(calls) == 1
    source = open_source(path, roles=COLUMNS, cache=cache)
    before = source.fingerprint()
    path.write_bytes(packed([("a/1.png", picture(1)), ("b/2.png", picture(2))]))
    assert len(tar_index(path, suffixes, cache)) == 2
    assert source.fingerprint() != before
    with pytest.raises(DataError, match="has changed since it was indexed"):
        source[0].image("image").resized(1, 1)


def test_ids_and_targets_without_reading_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "BLOCK", 3)
    path = tmp_path / "x.tar"
    path.write_bytes(
        packed([(f"c{index % 2}/{index}.png", b"not a picture") for index in range(8)])
    )
    source = open_source(path, roles=COLUMNS)
    assert isinstance(source, shards.TarSource)
    assert list(source.ids()) == [identifier for identifier, _ in rows(source)]
    assert list(source.targets()) == [target for _, target in rows(source)]

    class Plain:
        name = "plain"

        def __len__(self) -> int:
            return len(source)

        def __getitem__(self, index: int) -> object:
            return source[index]

    assert np.array_equal(id_hashes(source, 1, 7), id_hashes(Plain(), 1, 7))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"x.tar/c0/0.png"):
        source[0].image("image").resized(1, 1)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_thousands_of_shards_hold_no_open_files(tmp_path: Path) -> None:
    for index in range(60):
        (tmp_path / f"{index}.tar").write_bytes(packed([(f"a/{index}.png", picture(index))]))
    source = open_source(tmp_path, roles=COLUMNS)
    before = open_files()
    assert [shade(source, index) for index in range(60)] == list(range(60))
    assert open_files() <= before + 1


@pytest.mark.parametrize("cut", [700, 1030, 2000, 2500])
def test_a_truncated_archive_is_refused(tmp_path: Path, cut: int) -> None:
    whole = packed([("a.png", bytes([1]) * 1000), ("b.png", bytes([2]) * 1000)])
    path = tmp_path / "x.tar"
    path.write_bytes(whole[:cut])
    with pytest.raises(DataError, match=r"x\.tar.*(cut off|damaged)"):
        open_source(path, roles=COLUMNS)


def test_a_damaged_header_in_the_middle_is_no_end(tmp_path: Path) -> None:
    content = bytearray(packed([("a.png", b"1"), ("b.png", b"2")]))
    content[1024 + 150] ^= 0xFF  # in the second member's checksum
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged: at byte 1024"):
        open_source(path, roles=COLUMNS)


def test_a_header_that_claims_gigabytes_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("x")
    entry.type = tarfile.XHDTYPE
    entry.size = 1 << 31
    path = tmp_path / "x.tar"
    with path.open("wb") as file:
        file.write(entry.tobuf(tarfile.USTAR_FORMAT))
        file.truncate((1 << 31) + 4096)
    with pytest.raises(DataError, match="1048576 are read at most"):
        open_source(path, roles=COLUMNS)


def test_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind in (("link.png", tarfile.SYMTYPE), ("pipe.png", tarfile.FIFOTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        entry = tarfile.TarInfo("../../a/real.png")
        entry.size = len(picture(3))
        archive.addfile(entry, io.BytesIO(picture(3)))
    path = tmp_path / "x.tar"
    path.write_bytes(stream.getvalue())
    source = open_source(path, roles=COLUMNS)
    assert [target for _, target in rows(source)] == ["a"]


def test_what_cannot_be_read_at_random_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"\x1f\x8b" + bytes(1000))
    with pytest.raises(DataError, match=r"compressed.*gunzip"):
        open_source(path, roles=COLUMNS)
    path.write_bytes(b"hello" * 300)
    with pytest.raises(DataError, match="is not a tar archive"):
        open_source(path, roles=COLUMNS)
    path.write_bytes(packed([("a.md", b"text")]))
    with pytest.raises(DataError, match="holds no pictures"):
        open_source(path, roles=COLUMNS)
    with pytest.raises(DataError, match="unpack it"):
        open_source(path, roles=[TEXT, LABEL])
    path.write_bytes(packed([("a.png", picture(1)), ("a.cls", bytes(5000))]))
    with pytest.raises(DataError, match=r"x.tar/a.cls: has 5000 bytes"):
        open_source(path, roles=COLUMNS)


def test_a_picture_too_large_for_an_archive_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "LARGEST_PICTURE", 50)
    path = tmp_path / "x.tar"
    path.write_bytes(packed([("a/1.png", picture(1))]))
    with pytest.raises(DataError, match="in an archive a picture may have 50 at most"):
        _ = open_source(path, roles=COLUMNS)[0].image("image").extent
