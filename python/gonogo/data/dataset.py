"""``Dataset``: pictures decoded once, with labels and, where known, the part that each picture shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.data.cache import Cache
from gonogo.data.description import Description
from gonogo.data.grouping import Groups
from gonogo.data.judged import from_journal
from gonogo.data.reading import Options, check_groups, check_images, check_labels, read_found
from gonogo.data.sources import Classes, Found, find_in_folders, find_in_table
from gonogo.data.split import By, OnMixed, assign
from gonogo.decoding import Decoding, ResizeMode
from gonogo.errors import DecodeError
from gonogo.pictures import ColorMode, OnBad
from gonogo.preprocess import Preprocess
from gonogo.tiles import Tiles


class Dataset(Description):
    """Labelled pictures in memory.

    Made by :meth:`from_folder`, :meth:`from_csv`, :meth:`from_arrays` or :meth:`from_journal`. Subsets made by :meth:`split` or
    by indexing share the pixels: they hold positions, not copies.

    Parameters
    ----------
    pixels : uint8 array (m, height, width, channels)
        Grey (1 channel) or RGB (3); not copied, and read-only through this object.
    index : uint32 array (n,)
        Which pictures of ``pixels`` belong to this dataset.
    labels : intp array (n,)
        Positions in ``classes``.
    classes : list of str
        Names of the classes.
    paths : list of Path, optional
        File of each picture.
    groups : str array (n,), optional
        Part that each picture shows; a split never cuts a group.
    root : Path, optional
        Folder that the names of the pictures in messages and tables start from.
    decoding : Decoding, optional
        How the files were read, besides size and colour; None: the defaults.
    boxes : int32 array (n, 4), optional
        ``[y0, x0, y1, x1]`` of each sample in pixels of its file, where pictures were cut into tiles.
    formats : int32 array (n, 3), optional
        Of each sample's file: height and width in pixels, and 1 where a pixel is coloured, else 0. None for arrays.
    readouts : int32 array (n, 2), optional
        Of each sample before its enhancement: brightest level (of tiles, that of all tiles of the file), and how many of the
        last rows have one colour. None for arrays.
    unproven : list of str (n,), optional
        Why each sample's file cannot be proven complete, empty where it can. None for arrays.

    Attributes
    ----------
    pixels, index, labels, classes, paths, groups, root, decoding, boxes, formats, readouts, unproven
        As given.
    subset : str or None
        Name of the subset that a split made.
    split_file : Path or None
        The split file that it was saved to or read from.
    excluded : Dataset or None
        Pictures that the split left out because their group has more than one class.
    bad_files : list of DecodeError
        Files that are no good pictures, with the reason of each (``on_bad="skip"``).
    decode_seconds : float
        Wall time of reading and decoding.
    cached : bool
        Whether the pictures came from a cache on disk instead.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        index: NDArray[np.uint32],
        labels: NDArray[np.intp],
        classes: Sequence[str],
        *,
        paths: Sequence[Path] | None = None,
        groups: NDArray[np.str_] | None = None,
        root: Path | None = None,
        decoding: Decoding | None = None,
        boxes: NDArray[np.int32] | None = None,
        formats: NDArray[np.int32] | None = None,
        readouts: NDArray[np.int32] | None = None,
        unproven: Sequence[str] | None = None,
    ) -> None:
        self.pixels = pixels.view()
        self.pixels.flags.writeable = False
        self.index, self.labels, self.classes = index, labels, list(classes)
        self.paths = None if paths is None else list(paths)
        self.groups = groups
        self.root = root
        self.decoding = decoding or Decoding()
        self.boxes, self.formats, self.readouts, self.unproven = boxes, formats, readouts, unproven
        self.subset: str | None = None
        self.split_file: Path | None = None
        self.excluded: Dataset | None = None
        self.bad_files: list[DecodeError] = []
        self.decode_seconds = 0.0
        self.cached = False
        self._images: NDArray[np.uint8] | None = None

    @classmethod
    def from_folder(
        cls,
        root: str | Path,
        *,
        classes: Classes | None = None,
        image_size: tuple[int, int] | None = None,
        color_mode: ColorMode = "auto",
        resize_mode: ResizeMode = "pad",
        bit_depth: int = 16,
        preprocess: Preprocess | None = None,
        tiles: Tiles | None = None,
        groups: Groups | None = None,
        on_bad: OnBad = "raise",
        cache: str | Path | None = None,
        threads: int = 0,
        progress: Callable[[int], object] | None = None,
    ) -> Dataset:
        """Read pictures that lie in one folder per class.

        Every file of a class folder that is not hidden is taken for a picture: another ending than those of JPEG, PNG,
        BMP and TIFF makes it a bad file, as does a folder among the pictures. What kind of picture it is, its content decides.

        Parameters
        ----------
        root : str or Path
            Folder of the class folders. Files beside those are not looked at.
        classes : list or mapping, optional
            Which folders are classes, in which order; None: all, in alphanumeric order. A list names the folders in the
            order of the classes. A mapping gives each folder an index (several folders with one index become one class,
            their names joined by ``+``) or the name of a class (in the order first named; several folders may have one name).
            Folders that are not named are left out.
        image_size : (height, width), optional
            None: all pictures must have the same size, which is kept.
        color_mode : {"auto", "grayscale", "rgb"}
            ``"auto"``: grey if and only if every picture has R = G = B in every pixel.
        resize_mode : {"pad", "stretch", "crop"}
            What happens to pictures of another shape than ``image_size``.
        bit_depth : {16, 12, 10}
            How many bits of 16-bit grey are in use (a 12-bit camera fills 12 of them): a value v becomes
            ``v >> (bit_depth - 8)``, and a picture with a value of ``2 ** bit_depth`` or more is bad. A model keeps it.
        preprocess : Preprocess, optional
            Fixed enhancement of every picture, before and after it is brought to its size. A model keeps it.
        tiles : Tiles, optional
            Cut every picture, or its region of interest, into tiles of one size: each is a sample with its picture's label,
            which ``relabel`` corrects where tiles of a bad picture show no fault. ``boxes`` says where they lie. Those of one
            picture are one group, unless ``groups`` joins several pictures, and a split keeps them together.
        groups : str, Path, mapping or callable, optional
            Part that each picture shows: a CSV file with the columns class (the folder), file and group; a mapping from
            the path, the path below ``root`` or the file name; or a function of the path.
        on_bad : {"raise", "skip"}
            Whether the first bad file is an error, or bad files are left out and listed in ``bad_files``.
        cache : str or Path, optional
            Folder in which decoded pictures are kept. The next reading of the same files with the same settings maps them
            into memory, read-only and shared by all processes that do, instead of decoding them; a changed file, another
            setting or a damaged cache has them decoded anew. A folder that cannot be written is told of in a warning.
        threads : int
            0: one for each processor.
        progress : callable, optional
            Called with the number of files read since the last call.

        Raises
        ------
        OSError
            A folder or the table of groups is missing or cannot be read.
        DecodeError
            For the first bad file, unless ``on_bad="skip"``.
        ValueError
            Naming the folder or parameter: fewer than two classes, a class without pictures, different sizes without
            ``image_size``, pictures without a group.
        """
        found = find_in_folders(root, classes)
        decoding, kept = Decoding(resize_mode, bit_depth, preprocess, tiles), Cache.of(cache, root)
        options = Options(image_size, color_mode, decoding, on_bad, threads, progress, kept)
        return cls._read(found, Path(root), groups, options)

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        *,
        root: str | Path,
        path_col: str = "path",
        label_col: str = "label",
        group_col: str | None = None,
        classes: Classes | None = None,
        image_size: tuple[int, int] | None = None,
        color_mode: ColorMode = "auto",
        resize_mode: ResizeMode = "pad",
        bit_depth: int = 16,
        preprocess: Preprocess | None = None,
        tiles: Tiles | None = None,
        groups: Groups | None = None,
        on_bad: OnBad = "raise",
        cache: str | Path | None = None,
        threads: int = 0,
        progress: Callable[[int], object] | None = None,
    ) -> Dataset:
        """Read pictures that a CSV table lists, one row for each.

        Parameters
        ----------
        path : str or Path
            Table in UTF-8 with a header.
        root : str or Path
            Folder that the paths in the table start from.
        path_col, label_col : str
            Columns of the file and of the class.
        group_col : str, optional
            Column of the part; or give ``groups``.
        classes : list or mapping, optional
            As in :meth:`from_folder`, with labels for folders.
        image_size, color_mode, resize_mode, bit_depth, preprocess, tiles, groups, on_bad, cache, threads, progress
            As in :meth:`from_folder`.

        Raises
        ------
        OSError, DecodeError, ValueError
            As :meth:`from_folder`; for a row, with its line.
        """
        if group_col is not None and groups is not None:
            raise ValueError("groups: given beside group_col; give one of the two")
        found = find_in_table(path, root, path_col, label_col, group_col, classes)
        decoding, kept = Decoding(resize_mode, bit_depth, preprocess, tiles), Cache.of(cache, path)
        options = Options(image_size, color_mode, decoding, on_bad, threads, progress, kept)
        return cls._read(found, Path(root), groups, options)

    @classmethod
    def from_arrays(
        cls,
        images: NDArray[np.uint8],
        labels: ArrayLike,
        classes: Sequence[str] | None = None,
        groups: ArrayLike | None = None,
    ) -> Dataset:
        """Make a dataset of pictures that are in memory already.

        Parameters
        ----------
        images : uint8 array (n, height, width) or (n, height, width, channels)
            Grey (1 channel) or RGB (3), levels 0 to 255. Not copied when contiguous.
        labels : array-like (n,)
            Names of classes, or positions in ``classes``.
        classes : sequence of str, optional
            None: the labels that occur, sorted, as text.
        groups : array-like (n,), optional
            Part that each picture shows.

        Raises
        ------
        TypeError, ValueError
            Naming the argument, what was found and what was expected.
        """
        pixels = check_images(images)
        positions, names = check_labels(labels, classes, len(pixels))
        parts = None if groups is None else check_groups(groups, len(pixels))
        return cls(pixels, np.arange(len(pixels), dtype=np.uint32), positions, names, groups=parts)

    from_journal = classmethod(from_journal)

    @classmethod
    def _read(cls, found: Found, root: Path, groups: Groups | None, options: Options) -> Dataset:
        read = read_found(found, root, groups, options)
        dataset = cls(
            read.images,
            np.arange(len(read.images), dtype=np.uint32),
            read.labels,
            found.classes,
            paths=read.paths,
            groups=read.groups,
            root=root,
            decoding=options.decoding,
            boxes=read.boxes,
            formats=read.formats,
            readouts=read.readouts,
            unproven=read.unproven,
        )
        dataset.bad_files, dataset.decode_seconds, dataset.cached = read.bad_files, read.seconds, read.cached
        return dataset

    @property
    def images(self) -> NDArray[np.uint8]:
        """Pictures, uint8 (n, height, width, channels), read-only.

        A subset whose pictures do not follow each other in ``pixels`` copies them at the first use and keeps the copy;
        ``pixels`` with ``index``, or indexing with one position, needs no copy.
        """
        if self._images is None:
            first = int(self.index[0]) if len(self) else 0
            if np.array_equal(self.index, np.arange(first, first + len(self))):
                self._images = self.pixels[first : first + len(self)]
            else:
                self._images = self.pixels[self.index]
                self._images.flags.writeable = False
        return self._images

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], int]]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, indices: int) -> tuple[NDArray[np.uint8], int]: ...
    @overload
    def __getitem__(self, indices: slice | Sequence[int] | Sequence[bool] | NDArray[Any]) -> Dataset: ...
    def __getitem__(self, indices: Any) -> tuple[NDArray[np.uint8], int] | Dataset:
        """Return (picture, label) for one position, and a Dataset that shares the pixels for several.

        Parameters
        ----------
        indices : int, slice, integer array or bool array (n,)
            Positions in this dataset; negative ones count from the end.
        """
        if isinstance(indices, (int, np.integer)) and not isinstance(indices, bool):
            return self.pixels[self.index[indices]], int(self.labels[indices])
        if not isinstance(indices, slice):
            indices = np.asarray(indices) if np.size(indices) else np.zeros(0, np.intp)
            if indices.ndim != 1 or indices.dtype.kind not in "iub":
                raise TypeError(f"indices: found {indices!r}, expected an integer, a slice, integers or bools")
        positions = np.arange(len(self))[indices]
        rows = {name: getattr(self, name) for name in ("groups", "boxes", "formats", "readouts")}
        subset = Dataset(
            self.pixels,
            self.index[positions],
            self.labels[positions],
            self.classes,
            paths=None if self.paths is None else [self.paths[i] for i in positions.tolist()],
            root=self.root,
            decoding=self.decoding,
            unproven=None if self.unproven is None else [self.unproven[i] for i in positions.tolist()],
            **{name: None if known is None else known[positions] for name, known in rows.items()},
        )
        subset.subset, subset.bad_files = self.subset, self.bad_files
        subset.decode_seconds, subset.cached = self.decode_seconds, self.cached
        subset.split_file = self.split_file
        return subset

    def relabel(self, labels: ArrayLike) -> Dataset:
        """Return the same pictures with other labels, such as those of single tiles; the pixels are shared.

        Parameters
        ----------
        labels : array-like (n,)
            Names of classes, or positions in ``classes``.
        """
        changed = self[:]
        changed.labels, _ = check_labels(labels, self.classes, len(self))
        changed.excluded = self.excluded
        return changed

    def split(
        self, fractions: Mapping[str, float], *, by: By = "auto", on_mixed: OnMixed = "raise", seed: int = 0
    ) -> dict[str, Dataset]:
        """Divide the pictures among named subsets, class by class, so that each has its share of every class.

        Groups are kept whole: pictures of one part never end in two subsets. A class is divided by number of pictures,
        exactly up to rounding for single pictures, as closely as the sizes of the groups allow otherwise. The result
        depends on the names of the files, the groups and the classes and on the seed, not on their order.

        Parameters
        ----------
        fractions : mapping from str to float
            Share of the pictures for each subset, such as ``{"train": 0.8, "validation": 0.2}``; the sum is 1.
        by : {"auto", "group", "image"}
            ``"auto"``: by group whenever there are groups.
        on_mixed : {"raise", "exclude"}
            What happens to groups with pictures of more than one class: an error, or they are left out and listed in
            ``excluded`` of every subset.
        seed : int
            Key of the draw.

        Returns
        -------
        dict from str to Dataset
            In the order of ``fractions``; all share the pixels of this dataset.

        Raises
        ------
        ValueError
            Naming the parameter; also when a class has fewer groups than there are subsets.
        """
        drawn = assign(
            self.files, self.labels, self.classes, self.groups, fractions, by=by, on_mixed=on_mixed, seed=seed
        )
        excluded = self[drawn.excluded] if len(drawn.excluded) else None
        parts = {name: self[positions] for name, positions in drawn.subsets.items()}
        for name, part in parts.items():
            part.subset, part.excluded = name, excluded
        return parts
