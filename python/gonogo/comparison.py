"""Two models on the same parts: a paired test, and the check that has to pass before the new one is released."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo import binomial
from gonogo.certificate import Certificate
from gonogo.classifier import load
from gonogo.data import Dataset
from gonogo.evaluation import evaluate
from gonogo.gate import PassGate
from gonogo.metrics import Rate
from gonogo.report import Report


@dataclass(frozen=True)
class Comparison:
    """Result of :func:`gonogo.compare`. A part is judged right if it passes and is good, or does not pass and is bad.

    Attributes
    ----------
    pass_label : str
        The class that means PASS.
    old, new : Report
        The evaluation of each model.
    names : list of str
        What to call each part: its group, its file or its position.
    faults : list of str
        True class of each part.
    good, old_passes, new_passes : bool arrays (parts,)
        Truth and decisions.
    certificate_worse : list of str
        By what the new certificate promises less than the old one.
    """

    pass_label: str
    old: Report
    new: Report
    names: list[str]
    faults: list[str]
    good: NDArray[np.bool_]
    old_passes: NDArray[np.bool_]
    new_passes: NDArray[np.bool_]
    certificate_worse: list[str]

    @property
    def caught(self) -> NDArray[np.bool_]:
        """Bad parts that the old model does not pass, bool (parts,)."""
        return ~self.good & ~self.old_passes

    @property
    def let_pass(self) -> list[str]:
        """Names of the bad parts that the old model catches and the new one passes."""
        return [self.names[i] for i in np.flatnonzero(self.caught & self.new_passes)]

    @property
    def released(self) -> bool:
        """Whether nothing that the old model caught passes the new one, and the certificate promises no less."""
        return not self.let_pass and not self.certificate_worse

    @property
    def lost(self) -> Rate:
        """Share of the bad parts caught by the old model that pass the new one."""
        return Rate(len(self.let_pass), int(self.caught.sum()))

    @property
    def only_old_right(self) -> int:
        """Parts that the old model alone judges right."""
        return int(((self.old_passes == self.good) & (self.new_passes != self.good)).sum())

    @property
    def only_new_right(self) -> int:
        """Parts that the new model alone judges right."""
        return int(((self.new_passes == self.good) & (self.old_passes != self.good)).sum())

    @property
    def p_value(self) -> float:
        """Two-sided exact p-value that both models are right equally often.

        McNemar: "Note on the sampling error of the difference between correlated proportions", Psychometrika 12 (1947), with
        the binomial distribution of the parts on which exactly one is right.
        """
        fewer, differing = min(self.only_old_right, self.only_new_right), self.only_old_right + self.only_new_right
        return min(1.0, 2.0 * binomial.binomial_cdf(fewer, differing, 0.5))

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, ready for JSON."""
        return {
            "released": self.released,
            "p_value": self.p_value,
            "parts": len(self.names),
            "unit": self.old.unit,
            "pass_label": self.pass_label,
            "caught_by_old": self.lost.of,
            "let_pass": self.let_pass,
            "lost_upper95": self.lost.upper95,
            "only_old_right": self.only_old_right,
            "only_new_right": self.only_new_right,
            "certificate_worse": self.certificate_worse,
            "old": _figures(self.old),
            "new": _figures(self.new),
        }

    def __str__(self) -> str:
        return "\n".join([*self._verdict(), "", *self._figures()])

    def _verdict(self) -> list[str]:
        unit = self.old.unit
        caught = f"{self.lost.of:,} bad {unit}{'s' * (self.lost.of != 1)}"
        if self.released:
            bound = _rounded_up(self.lost.upper95)
            return [
                f"RELEASED: the old model catches {caught}, and the new one catches each of them.",
                f"At 95 % confidence, at most {bound} of the bad {unit}s that the old one catches would pass the new one.",
                self._promise(),
            ]
        lines = ["NOT RELEASED."]
        if names := self.let_pass:
            lines.append(f"Of {caught} that the old model catches, the new one lets {len(names):,} pass:")
            fault = dict(zip(self.names, self.faults, strict=True))
            lines += [f"  {name} ({fault[name]})" for name in names]
        lines += [f"The certificate promises less: {reason}." for reason in self.certificate_worse]
        return lines

    def _promise(self) -> str:
        if self.new.certificate is None:
            return "Neither model has a certificate: nothing is promised about parts that are not among these."
        if self.old.certificate is None:
            return "The new model has a certificate, the old one has none."
        return "The certificate of the new model promises no less than that of the old one."

    def _figures(self) -> list[str]:
        unit = f"{self.old.unit}s"
        lines = []
        for name, report in (("old", self.old), ("new", self.new)):
            assert report.escape is not None
            assert report.overkill is not None
            lines.append(f"{name}  escape    {report.escape.describe(unit)}")
            lines.append(f"     overkill  {report.overkill.describe(unit)}")
        if self.p_value < 0.05:
            better = "new" if self.only_new_right > self.only_old_right else "old"
            told = f"the {better} model is right more often, beyond chance"
        else:
            told = "a difference in how often they are right was not shown"
        lines.append(
            f"{unit} that only the old model judges right: {self.only_old_right:,}; only the new one: "
            f"{self.only_new_right:,}; {told} (exact McNemar test, p = {self.p_value:.4g})"
        )
        return lines


def compare(
    old: Any,
    new: Any,
    data: Any,
    *,
    pass_label: str | None = None,
    groups: ArrayLike | None = None,
    ledger: str | Path | None = None,
) -> Comparison:
    """Compare two models on the same parts, and check whether the new one may replace the old.

    It may if no bad part that the old model catches passes the new one, and the new certificate promises no less. A model
    with a certificate decides by it; otherwise a part passes if PASS is the most probable class of each of its pictures.

    Parameters
    ----------
    old, new : PassGate, classifier, or path of a model file
        A loaded classifier brings the gate of its file.
    data : Dataset or (X, y)
        Labelled pictures that neither training nor validation of any of the two has seen. Models that read pictures in
        different sizes need a list of paths as X.
    pass_label : str, optional
        The class that means PASS; None: that of the certificates or classifiers.
    groups : array-like (n,), optional
        Part that each picture shows; None: the groups of a Dataset, or each picture is a part.
    ledger : str or Path, optional
        As in :func:`gonogo.evaluate`.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        The models have different PASS classes or none, or the old one catches no bad part: then nothing can be shown.
    """
    reports = []
    for name, judge in (("old", old), ("new", new)):
        clf, gate = _judge(judge)
        reports.append(_evaluated(name, clf, gate, data, pass_label, groups, ledger))
    paths = data[0] if isinstance(data, (tuple, list)) else None
    return compare_reports(reports[0], reports[1], _names_of(reports[0], paths))


def _judge(given: Any) -> tuple[Any, PassGate | None]:
    """A classifier and its gate."""
    if isinstance(given, PassGate):
        return given.clf, given
    clf = load(given) if isinstance(given, (str, Path)) else given
    return clf, getattr(clf, "gate_", None)


def _evaluated(
    name: str, clf: Any, gate: PassGate | None, data: Any, pass_label: str | None, groups: Any, ledger: Any
) -> Report:
    report = evaluate(clf, data, gate, groups=groups, ledger=ledger, pass_label=pass_label)
    if report.pass_label is None:
        raise ValueError(f"pass_label: the {name} model does not tell its PASS class; give pass_label")
    if report.parts is None:
        raise ValueError("data: tiles cannot be compared by part; compare the pictures")
    return report


def _names_of(report: Report, X: Any) -> list[str]:
    """What to call each part."""
    assert report.parts is not None
    if report.parts.grouped:
        return report.parts.names
    if isinstance(report.data, Dataset) and report.data.paths is not None:
        return list(report.data.files)
    if isinstance(X, (list, tuple)) and all(isinstance(item, (str, Path)) for item in X):
        return [str(item) for item in X]
    return [f"sample {i}" for i in range(len(report.parts))]


def compare_reports(old: Report, new: Report, names: list[str] | None = None) -> Comparison:
    """Compare two evaluations of the same parts in the same order.

    Raises
    ------
    ValueError
        The parts or the PASS classes differ, or the old model catches no bad part.
    """
    if old.pass_label is None or new.pass_label is None or old.parts is None or new.parts is None:
        raise ValueError("pass_label: missing, expected evaluations by part with a PASS class")
    if old.pass_label != new.pass_label:
        raise ValueError(
            f"pass_label: {old.pass_label!r} means PASS to the old model and {new.pass_label!r} to the new one"
        )
    faults = [old.classes[k] for k in old.parts.truth]
    if faults != [new.classes[k] for k in new.parts.truth] or old.parts.names != new.parts.names:
        raise ValueError("data: the two models were evaluated on different parts, expected the same in the same order")
    passing = old.classes.index(old.pass_label), new.classes.index(new.pass_label)
    result = Comparison(
        pass_label=old.pass_label,
        old=old,
        new=new,
        names=_names_of(old, None) if names is None else names,
        faults=faults,
        good=old.parts.truth == passing[0],
        old_passes=old.parts.predicted == passing[0],
        new_passes=new.parts.predicted == passing[1],
        certificate_worse=promises_lost(old.certificate, new.certificate),
    )
    if result.lost.of == 0:
        raise ValueError(
            f"data: the old model catches none of {int((~result.good).sum()):,} bad parts, so nothing can be shown; compare on "
            "parts among which are some that it catches"
        )
    return result


def promises_lost(old: Certificate | None, new: Certificate | None) -> list[str]:
    """Return by what a certificate promises less than another, as clauses."""
    if old is None:
        return []
    if new is None:
        return ["the new model has none"]
    faults = {name for name in old.classes if name != old.pass_label}
    lacking = sorted(faults - set(new.classes))
    checks = [
        (new.max_escape > old.max_escape, f"escape rate at most {new.max_escape:g}, the old one {old.max_escape:g}"),
        (new.confidence < old.confidence, f"confidence {new.confidence:g}, the old one {old.confidence:g}"),
        (old.per_class and not new.per_class, "fault classes are pooled, the old one holds for each"),
        (old.joint and not new.joint, "fault classes do not hold at once, those of the old one do"),
        (bool(lacking), f"it does not know {', '.join(lacking)}"),
        (bool(old.single_use) and not new.single_use, "no ledger recorded its calibration, that of the old one was"),
        (bool(old.disjoint) and not new.disjoint, "its calibration parts were not compared with its training"),
        (old.audited is not None and new.audited is None, "its calibration parts were not audited for siblings"),
        (old.grouped and not new.grouped, "each picture was counted as a part"),
        (
            old.false_omission_bound is not None and _omission_worse(old, new),
            "its false omission rate is bounded less well",
        ),
    ]
    return [reason for worse, reason in checks if worse]


def _omission_worse(old: Certificate, new: Certificate) -> bool:
    if new.false_omission_bound is None or new.bad_share is None or old.bad_share is None:
        return True
    assert old.false_omission_bound is not None
    return new.bad_share < old.bad_share or new.false_omission_bound > old.false_omission_bound


def _figures(report: Report) -> dict[str, Any]:
    told = report.to_dict()
    certificate = None if report.certificate is None else report.certificate.digest
    return {"escape": told["escape"], "overkill": told["overkill"], "certificate": certificate}


def _rounded_up(share: float) -> str:
    return f"{np.ceil(share * 10_000) / 100:.2f} %"
