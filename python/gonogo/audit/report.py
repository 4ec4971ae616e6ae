"""``AuditReport``: what an audit found, for people, programs and splits."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gonogo.audit import words
from gonogo.audit.connected import Connected
from gonogo.audit.findings import GROUPS, KINDS, Finding
from gonogo.audit.items import Item, identities, identity
from gonogo.checks import check_path
from gonogo.data import Dataset
from gonogo.errors import DecodeError
from gonogo.metrics import Rate
from gonogo.storage import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAINING = ("train", "training")
TEST = "test"


@dataclass(frozen=True, order=True)
class Pair:
    """Two pictures of one part: positions in ``AuditReport.items``, and how far they agree (1: entirely)."""

    first: int
    second: int
    score: float


@dataclass(frozen=True, repr=False)
class AuditReport:
    """Result of :func:`gonogo.audit`.

    Attributes
    ----------
    items : list of Item
        The good pictures. All positions are positions in this list.
    rows : list of dict
        Size, format and exposure of each.
    digests : list of str
        SHA-256 of each file.
    bad : list of (str, DecodeError)
        Names and faults of the other files.
    subsets : list of str
        Their names; ``[""]`` where there is but one.
    pairs : list of Pair
        Pictures of one part. They connect all pictures of a part; of pairs within one class and subset not each is listed.
    duplicates, same : list of list of int
        Byte-identical files; other files with the same pixels.
    found : dict from str to list of Finding
        All other findings by kind, the keys of ``gonogo.audit.findings.KINDS``.
    mask_count : int
        Masks that were found.
    bit_depth : int
        Bits in use of 16-bit grey.
    search : dict
        ``threshold`` of the agreement, ``stranger_quantile`` (95 % of pairs of strangers agree less), pairs ``compared`` by
        descriptor and ``verified`` pixel by pixel.
    """

    items: list[Item]
    rows: list[dict[str, Any]]
    digests: list[str]
    bad: list[tuple[str, DecodeError]]
    subsets: list[str]
    pairs: list[Pair]
    duplicates: list[list[int]]
    same: list[list[int]]
    found: dict[str, list[Finding]]
    mask_count: int
    bit_depth: int
    search: dict[str, Any]

    @cached_property
    def parts(self) -> list[list[int]]:
        """Pictures of one part, two or more: what the pairs and the groups that the data know connect, by first picture."""
        return self._connected.groups()

    @cached_property
    def siblings(self) -> list[list[int]]:
        """Those of ``parts`` that the audit found: known groups, which the data name, are not among them."""
        return [part for part in self.parts if len({self.items[i].group or i for i in part}) > 1]

    @cached_property
    def label_conflicts(self) -> list[list[int]]:
        """Pictures of one part with several labels: those that pairs with two labels, or a known group, connect directly.

        A part with one wrong label has many right ones; those that agree with the odd picture only by way of others are left
        out, so that a person looks at few.
        """
        mixed = Connected(len(self.items))
        for pair in self.conflicting_pairs:
            mixed.join((pair.first, pair.second))
        for members in self._known.values():
            if len({self.items[i].label for i in members}) > 1:
                mixed.join(members)
        return mixed.groups()

    @property
    def conflicting_pairs(self) -> list[Pair]:
        """Pairs with two labels, the most alike first."""
        return self._pairs(lambda a, b: a.label != b.label)

    @property
    def crossing_pairs(self) -> list[Pair]:
        """Pairs in two subsets, the most alike first."""
        return self._pairs(lambda a, b: a.subset != b.subset)

    @cached_property
    def across_subsets(self) -> list[list[int]]:
        """Parts with pictures in several subsets."""
        return [part for part in self.parts if len({self.items[i].subset for i in part}) > 1]

    @property
    def training(self) -> str | None:
        """Name of the training subset: train or training, else the first; None where there is one subset."""
        if len(self.subsets) < 2:
            return None
        return next((name for name in self.subsets if name.lower() in TRAINING), self.subsets[0])

    @cached_property
    def leaks(self) -> dict[str, Rate]:
        """For each other subset: how many of its pictures show a part that is in the training subset."""
        totals = Counter(item.subset for item in self.items)
        leaking = Counter(self.items[i].subset for i in self.leaking)
        others = [name for name in self.subsets if name != self.training] if self.training is not None else []
        return {name: Rate(leaking[name], totals[name]) for name in others}

    @cached_property
    def leaking(self) -> list[int]:
        """Pictures outside the training subset whose part is in it."""
        found = []
        for part in self.across_subsets:
            if any(self.items[i].subset == self.training for i in part):
                found += [i for i in part if self.items[i].subset != self.training]
        return sorted(found)

    @property
    def leak(self) -> Rate | None:
        """The one of ``leaks`` for the subset test; without such a name, of all subsets but the training one together."""
        if not self.leaks:
            return None
        if TEST in self.leaks:
            return self.leaks[TEST]
        return Rate(sum(rate.count for rate in self.leaks.values()), sum(rate.of for rate in self.leaks.values()))

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings of each kind: groups, pictures or rules."""
        groups = {kind: len(self.members(kind)) for kind in GROUPS}
        return {**groups, **{kind: len(self.found[kind]) for kind in KINDS if kind not in GROUPS}}

    @property
    def problems(self) -> int:
        """Number of all findings."""
        return sum(self.counts.values())

    def names(self, kind: str) -> list[list[str]]:
        """Return the groups of a kind as names of files."""
        return [[self.items[i].name for i in group] for group in self.members(kind)]

    def members(self, kind: str) -> Sequence[list[int]]:
        """Return the groups of a kind as positions."""
        return {
            "label_conflicts": self.label_conflicts,
            "across_subsets": self.across_subsets,
            "exact_duplicates": self.duplicates,
            "same_pixels": self.same,
            "siblings": self.siblings,
        }[kind]

    def groups(self) -> list[str]:
        """Return the part of each picture as a text, for ``Dataset.from_arrays(groups=...)`` and tables."""
        numbers = {root: i for i, root in enumerate(dict.fromkeys(self._roots))}
        width = len(str(len(numbers)))
        return [f"part{numbers[root] + 1:0{width}d}" for root in self._roots]

    def save_groups(self, path: str | Path) -> Path:
        """Write the parts as a CSV table with the columns class, file and group, which ``groups=`` and ``--groups`` take.

        Each picture has a row, files that are no good pictures too; a part is what the audit and the known groups connect.

        Raises
        ------
        ValueError
            Pictures from arrays have no files, two folders hold files of the same name, or a name is not Unicode.
        OSError
            The table cannot be written; nothing is left half-written.
        """
        if any(item.path is None for item in self.items):
            raise ValueError("groups: pictures from arrays have no files to name; take groups() instead")
        rows = [(item.file, group) for item, group in zip(self.items, self.groups(), strict=True)]
        rows += [(name, f"bad{i + 1}") for i, (name, _) in enumerate(self.bad)]
        if twice := [file for file, count in Counter(file for file, _ in rows).items() if count > 1]:
            raise ValueError(
                f"groups: {len(twice)} files are in several folders, such as {twice[0]}, so that a table could not tell "
                "them apart; put the pictures into one folder, or audit each by itself"
            )
        if foreign := [file for file, _ in rows if file.encode(errors="ignore").decode() != file]:
            raise ValueError(f"groups: the file name {foreign[0]!r} is not Unicode; rename the picture")
        text = io.StringIO(newline="")
        # The writer quotes only the line break it writes itself, the reader stops at any.
        broken = any("\r" in file for file, _ in rows)
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL)
        writer.writerow(("class", "file", "group"))
        for file, group in sorted(rows):
            folder, _, name = file.rpartition("/")
            # The table knows one folder deep; what lies deeper is named by its whole path.
            writer.writerow((folder, file if "/" in folder else name, group))
        return write_atomically(path, text.getvalue())

    def leaked(self, data: Dataset) -> NDArray[np.bool_]:
        """Return which pictures of a data set show a part that is in the training subset.

        Raises
        ------
        ValueError
            There is no training subset, or a picture was not audited.
        """
        if self.training is None:
            raise ValueError(
                "without: the audit saw one set of pictures; audit the training and the test pictures together"
            )
        leaking = set(self.leaking)
        return np.array([not leaking.isdisjoint(places) for places in self.positions(data, "without")], np.bool_)

    def positions(self, data: Dataset | Sequence[str | Path], name: str) -> list[list[int]]:
        """Return where each picture of a data set, or each file, is among ``items``; twice where it was audited twice.

        Raises
        ------
        ValueError
            A picture was not audited; the message begins with ``name``, that of the argument which holds the report.
        """
        places: dict[str, list[int]] = {}
        for i, item in enumerate(self.items):
            places.setdefault(identity(item), []).append(i)
        keys = identities(data)
        if missing := [i for i, key in enumerate(keys) if key not in places]:
            example = data.files[missing[0]] if isinstance(data, Dataset) else data[missing[0]]
            raise ValueError(f"{name}: {len(missing)} pictures were not audited, such as {example}; audit them too")
        return [places[key] for key in keys]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        return words.as_dict(self)

    def __repr__(self) -> str:
        return f"<AuditReport: {words.heading(self)}, {self.problems:,} findings>"

    def __str__(self) -> str:
        return words.as_text(self)

    def _repr_html_(self) -> str:
        return words.as_html(self)

    def to_html(self, folder: str | Path) -> Path:
        """Write ``audit.html``, one page that needs no network, into a folder, which is made where missing.

        Returns
        -------
        Path
            The page.

        Raises
        ------
        OSError
            It cannot be written; nothing is left half-written.
        """
        from gonogo.audit.page import write_audit

        return write_audit(self, check_path("folder", folder, "a folder for the page"))

    def plot_pairs(self, n: int = 12, ax: Axes | None = None) -> Axes:
        """Draw pairs side by side with labels and agreement: those with two labels first, then those in two subsets.

        Parameters
        ----------
        n : int
            Pairs.
        ax : matplotlib Axes, optional
            Where to draw; a new figure when None.

        Returns
        -------
        matplotlib Axes
        """
        from gonogo.audit.plots import draw_pairs

        return draw_pairs(self, n, ax)

    def plot_findings(self, kind: str, n: int = 16, ax: Axes | None = None) -> Axes:
        """Draw the first ``n`` pictures of a kind of finding, such as ``"blurred"``.

        Parameters
        ----------
        kind : str
            A kind about single pictures.
        n, ax
            As in :meth:`plot_pairs`.
        """
        from gonogo.audit.plots import draw_findings

        return draw_findings(self, kind, n, ax)

    def notable_pairs(self) -> list[Pair]:
        """Return the pairs in the order in which a person should look at them: new pictures before known ones."""
        return [pair for pairs in self.notable_pairs_by_kind().values() for pair in pairs]

    def notable_pairs_by_kind(self) -> dict[str, list[Pair]]:
        """Return them by kind: ``conflict`` (two labels), ``crossing`` (two subsets), ``weak`` (the least agreement)."""
        conflicts = _new_first(self.conflicting_pairs)
        known = set(conflicts)
        crossing = [pair for pair in _new_first(self.crossing_pairs) if pair not in known]
        weak = sorted(set(self.pairs).difference(conflicts, crossing), key=lambda pair: (pair.score, pair))
        return {"conflict": conflicts, "crossing": crossing, "weak": weak}

    @cached_property
    def _connected(self) -> Connected:
        connected = Connected(len(self.items))
        for pair in self.pairs:
            connected.join((pair.first, pair.second))
        for members in self._known.values():
            connected.join(members)
        return connected

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        """Pictures of each group that the data name."""
        groups: dict[str, list[int]] = {}
        for i, item in enumerate(self.items):
            if item.group is not None:
                groups.setdefault(item.group, []).append(i)
        return groups

    @cached_property
    def _roots(self) -> list[int]:
        return self._connected.roots()

    def _pairs(self, keep: Any) -> list[Pair]:
        kept = [pair for pair in self.pairs if keep(self.items[pair.first], self.items[pair.second])]
        return sorted(kept, key=lambda pair: (-pair.score, pair))


def _new_first(pairs: list[Pair]) -> list[Pair]:
    """Put pairs first whose pictures no pair before them shows, then those of which one is new."""
    seen: set[int] = set()
    news = []
    for pair in pairs:
        new = {pair.first, pair.second} - seen
        seen |= new
        news.append(len(new))
    return [pairs[i] for i in sorted(range(len(pairs)), key=lambda i: -news[i])]
