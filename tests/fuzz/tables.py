"""Any bytes -> a CSV table of pictures, of groups or of a split.

Either it is read, or one of the promised errors says in one line what is wrong with the file; nothing else ever comes out.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from gonogo import Dataset
from gonogo.data.grouping import find_groups
from gonogo.data.split_file import load_split
from gonogo.data.tables import read_table

PIECES = (
    b",", b"\n", b"\r\n", b"\r", b'"', b'""', b"\0", b"\xff", b"\xef\xbb\xbf", b" ", b"\t", b"/", b"..", b"a", b"'", b";",
    b"class", b"file", b"group", b"subset", b"ok/1.png", b"ok", b"train", b"=1+1", b"\xc3\xa9", b"\xe2\x80\xa8", b"x" * 200_000,
)  # fmt: skip
CLASSES = ("bad", "ok")


def make_pictures(folder: Path) -> Dataset:
    """Four small pictures of two classes."""
    for number, name in enumerate(CLASSES * 2):
        path = folder / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), 60 * number, np.uint8)).save(path)
    return Dataset.from_folder(folder, image_size=(4, 4))


def table_files() -> list[bytes]:
    """Good tables of every kind."""
    names = [f"{name}/{number}.png" for number, name in enumerate(CLASSES * 2)]
    groups = "class,file,group\n" + "".join(f"{name.replace('/', ',')},part {i // 2}\n" for i, name in enumerate(names))
    pictures = "file,class\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in names)
    quoted = 'class,file,group\r\n"ok","1.png","a ""part"""\r\n"ok","3.png","two\nlines"\r\n'
    split = "class,file,group,subset\n" + "".join(
        f"{name.split('/')[0]},{name},p{i},train\n" for i, name in enumerate(names)
    )
    return [text.encode() for text in (groups, pictures, quoted, split, "\ufeff" + groups)]


def mutate(rng: random.Random, known: list[bytes]) -> bytes:
    """One of the files with up to five changes of the kinds that editors, spreadsheets and attackers make."""
    data = bytearray(rng.choice(known))
    for _ in range(rng.randint(1, 5)):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.randint(0, 12))
        kind = rng.randrange(5)
        if kind == 0:
            data[at:end] = b""
        elif kind == 1:
            data[at:at] = rng.choice(PIECES)
        elif kind == 2:
            data[at:end] = rng.choice(PIECES)
        elif kind == 3:
            data[at:at] = data[max(0, at - rng.randint(0, 60)) : at]
        elif at < len(data):
            data[at] = rng.randrange(256)
    return bytes(data)


def examine(data: bytes, path: Path, pictures: Dataset, root: Path) -> None:
    """Read ``data`` as every kind of table; raises what should not come out."""
    path.write_bytes(data)
    files = [f"{name}/{number}.png" for number, name in enumerate(CLASSES * 2)]
    reads = (
        lambda: read_table(path, ("file",), "table"),
        lambda: find_groups(path, [root / file for file in files], files),
        lambda: load_split(path, pictures),
        lambda: Dataset.from_csv(path, root=root, path_col="file", label_col="class", image_size=(4, 4)),
    )
    for read in reads:
        try:
            read()
        except (ValueError, OSError) as error:
            message = str(error)
            assert message.strip(), repr(error)
            assert "\n" not in message, repr(error)


def fuzz_tables(findings: Path, seconds: float, seed: int | None = None) -> tuple[int, list[Path]]:
    """Mutate for so long; return the number of executions and the inputs that broke a promise."""
    rng, known, found, executions = random.Random(seed), table_files(), [], 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "pictures"
        pictures = make_pictures(root)
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            data = mutate(rng, known)
            executions += 1
            try:
                examine(data, Path(name) / "table.csv", pictures, root)
            except Exception as error:  # noqa: BLE001
                findings.mkdir(parents=True, exist_ok=True)
                path = findings / f"{type(error).__name__}-{executions}"
                path.write_bytes(data)
                found.append(path)
    return executions, found
