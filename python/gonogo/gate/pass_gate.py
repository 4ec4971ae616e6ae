"""``PassGate``: calibrate a PASS threshold on parts the model has never seen, or refuse to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.certificate import Certificate
from gonogo.checks import check_integer, check_number, check_path
from gonogo.decision import Decision, Rule, margins, samples_of_parts
from gonogo.expiry import check_last_day
from gonogo.gate.calibration import Promised, issue_certificate, record_calibration
from gonogo.gate.doubts import part_doubts
from gonogo.gate.evidence import Evidence, collect_evidence
from gonogo.gate.exact_rule import Target
from gonogo.gate.parts import check_groups, is_dataset
from gonogo.gate.plots import plot_bound, plot_cost
from gonogo.gate.reference import make_reference
from gonogo.gate.scores import class_names, guard_band, model_of, scores_of
from gonogo.gate.unknown import check_enough, check_unknown_share, known_features, make_guard
from gonogo.gate.zone import ZoneWish, choose_zone
from gonogo.labels import label_positions
from gonogo.ledger import open_ledger
from gonogo.model_file import with_certificate
from gonogo.reference import Reference
from gonogo.review_zone import ReviewZone
from gonogo.storage import write_atomically
from gonogo.unknown_guard import UnknownGuard

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PassGate:
    """A PASS threshold that keeps a promise about the bad parts that slip through.

    ``fit`` sets the threshold so that, at the stated confidence, at most a share ``max_escape`` of all bad parts is PASS.
    It never sets one that the data cannot support: then it raises :class:`gonogo.NotCertifiable`. docs/certificate.md
    derives the rule and lists what the promise rests on.

    Parameters
    ----------
    clf : InspectionClassifier or compatible
        Fitted; anything with ``classes_`` and ``decision_function`` (margin of ``classes_[1]``, or a column for each class)
        or ``predict_proba``. It must not change any more.
    pass_label : str
        The class that means PASS; all others are faults.
    max_escape : float
        P(PASS | bad part), at most, such as 0.01; no less than 1e-6.
    confidence : float
        With which that is promised, such as 0.95.
    per_class : bool
        Certify each fault class by itself: each needs enough bad parts.
    joint : bool
        All fault classes hold at once; implies ``per_class``.
    candidates : int
        Models that will be calibrated on the same parts, to choose one; each is held to (1 - confidence) / candidates.
    pictures_per_part : int, optional
        Pictures that a part has in production; a part with fewer goes to REVIEW. None: the smallest number of a calibration
        part. A bad calibration part that has more counts with its most PASS-like choice of so many.
    bad_share : float, optional
        Upper share of bad parts among all, for the bound of P(bad | PASS).
    cost_ratio, review_capacity : float, optional
        For a review zone: cost of an escape divided by the cost of a good part that is rejected, and the share of all parts that
        people can look at, such as 20 and 0.05. Parts that are not PASS then get a fault class up to a second threshold, and
        REVIEW above it. The certified threshold is never lowered by it. None: no zone.
    unknown_share : float, optional
        For a guard against unknown pictures: a part that would pass goes to REVIEW if it is farther from the good pictures of the
        training than all but this share of the good calibration parts, such as 0.01. ``fit`` then needs ``training_data``. At
        most this share of known good parts goes to REVIEW for it; that it finds unknown pictures is not promised. None: no guard.
    valid_until : str, optional
        Last day, such as "2027-06-30", on which ``Inspector`` and ``gonogo sort`` let parts pass; later they are REVIEW until the
        gate is calibrated anew. None: no end.
    ledger : str or Path, optional
        File that records each use of calibration parts. None: ``<split file>.ledger`` for a subset of a saved split;
        otherwise nothing is recorded, and the certificate says so.

    Attributes
    ----------
    threshold_ : float
        T. PASS needs a score above T + ``guard_band_``.
    guard_band_ : float
        What scores may differ by between machines, ten times over; 0 for foreign classifiers.
    certificate_ : dict
        The promise and its evidence, see :class:`gonogo.certificate.Certificate`.
    review_zone_ : dict or None
        The two thresholds and what is expected of them, see :class:`gonogo.review_zone.ReviewZone`.

    Examples
    --------
    >>> gate = PassGate(clf, pass_label="ok", max_escape=0.01, confidence=0.95).fit(calibration)    # doctest: +SKIP
    >>> gate.save("parts.gonogo")                                                                   # doctest: +SKIP
    """

    def __init__(
        self,
        clf: Any,
        pass_label: str,
        max_escape: float,
        confidence: float,
        *,
        per_class: bool = False,
        joint: bool = False,
        candidates: int = 1,
        pictures_per_part: int | None = None,
        bad_share: float | None = None,
        cost_ratio: float | None = None,
        review_capacity: float | None = None,
        unknown_share: float | None = None,
        valid_until: str | None = None,
        ledger: str | Path | None = None,
    ) -> None:
        self.clf = clf
        self.pass_label = pass_label
        self.max_escape = max_escape
        self.confidence = confidence
        self.per_class = per_class
        self.joint = joint
        self.candidates = candidates
        self.pictures_per_part = pictures_per_part
        self.bad_share = bad_share
        self.cost_ratio = cost_ratio
        self.review_capacity = review_capacity
        self.unknown_share = unknown_share
        self.valid_until = valid_until
        self.ledger = ledger

    @classmethod
    def of(cls, clf: Any) -> PassGate | None:
        """Return the gate that a loaded classifier's model file carries; None where it carries none."""
        file = model_of(clf)
        if file is None or file.certificate is None:
            return None
        made, zone, guard = file.certificate, file.review_zone, file.unknown_guard
        gate = cls(
            clf,
            made.pass_label,
            made.max_escape,
            made.confidence,
            per_class=made.per_class,
            joint=made.joint,
            candidates=made.candidates,
            pictures_per_part=made.pictures_per_part,
            bad_share=made.bad_share,
            cost_ratio=None if zone is None else zone.cost_ratio,
            review_capacity=None if zone is None else zone.review_capacity,
            unknown_share=None if guard is None else guard.share,
            valid_until=made.valid_until,
        )
        gate._made, gate._zone, gate._guard, gate._reference = made, zone, guard, file.reference
        return gate

    def fit(
        self,
        X: Any,
        y: Any = None,
        groups: ArrayLike | None = None,
        lots: ArrayLike | None = None,
        audit: Any = None,
        training_data: Any = None,
    ) -> Self:
        """Calibrate the threshold.

        Parameters
        ----------
        X : Dataset, list of paths, or array
            Pictures, or rows, of parts that neither training nor validation has seen.
        y : array-like (n,), optional
            Labels; not with a Dataset, which brings its own.
        groups : array-like (n,), optional
            Part that each sample shows; None: the groups of a Dataset, or each sample is a part.
        lots : array-like (n,), optional
            Lot of each sample: the certificate then also tells its bound if n counts lots.
        audit : AuditReport, optional
            What :func:`gonogo.audit` found in these pictures and those of training and validation together: a calibration
            part of which they saw a sibling is refused, and the certificate tells what was compared. X is a Dataset or a
            list of paths then.
        training_data : Dataset or (X, y), optional
            What the classifier was trained on, with ``unknown_share``: features of at most 1,024 PASS samples are kept.

        Returns
        -------
        self

        Raises
        ------
        NotCertifiable
            The bad parts are too few; the gate then has no threshold.
        ValueError, TypeError
            Naming what is wrong: parameters, labels, a part with two labels, scores that are NaN or all equal, parts that
            training or validation has seen, by themselves or in a sibling, or that another calibration has used, pictures of
            another size or colour than the training files had, too few bad parts that are not in doubt.
        LedgerError, OSError
            The ledger was edited, or cannot be written.
        """
        for name in ("_made", "_zone", "_guard", "_reference", "_evidence"):
            self.__dict__.pop(name, None)
        target, wish = self._target(), ZoneWish.of(self.cost_ratio, self.review_capacity)
        unknown = check_unknown_share(self.clf, self.unknown_share, training_data)
        classes = class_names(self.clf)
        passing = self._passing(classes)
        evidence = collect_evidence(self.clf, X, y, groups, lots, classes, passing, self.pictures_per_part, audit)
        if self.bad_share is not None:
            share = check_number("bad_share", self.bad_share, "a number between 0 and 1, such as 0.02", above=0)
            if share >= 1:
                raise ValueError(
                    f"bad_share: found {self.bad_share!r}, expected a number between 0 and 1, such as 0.02"
                )
            if len(evidence.good) == 0:
                raise ValueError("bad_share: found no good part, from which alone the share of PASS parts can be told")
        if wish is not None and len(evidence.good) == 0:
            raise ValueError("cost_ratio: found no good part, from which alone workload and overkill can be told")
        if unknown is not None:
            check_enough(unknown, len(evidence.good))
            known = known_features(self.clf, X, classes[passing], training_data)
        stated = None if self.bad_share is None else float(self.bad_share)
        foreign = model_of(self.clf) is None
        promised = Promised(classes, passing, guard_band(self.clf), stated, foreign, self.valid_until)
        path = self._ledger_path(evidence.split_file)
        if path is None:
            made = issue_certificate(evidence, target, promised)
        else:
            with open_ledger(path) as page:
                made = record_calibration(page, evidence, target, promised)
        self._zone = None if wish is None else choose_zone(evidence, made, wish)
        self._guard, passed = None, None
        if unknown is not None:
            self._guard, passed = make_guard(self.clf, X, evidence, made, unknown, known)
        rule = made.rule if self._zone is None else self._zone.applied(made.rule)
        self._reference = make_reference(self.clf, X, evidence, made, rule, passed)
        self._made, self._evidence = made, evidence
        return self

    def _target(self) -> Target:
        target = Target(
            self.max_escape, self.confidence, bool(self.per_class or self.joint), bool(self.joint), self.candidates
        )
        target.check()
        if self.pictures_per_part is not None:
            check_integer("pictures_per_part", self.pictures_per_part, 1)
        if self.valid_until is not None:
            check_last_day("valid_until", self.valid_until)
        return target

    def _passing(self, classes: list[str]) -> int:
        return int(label_positions("pass_label", [self.pass_label], np.array(classes))[0])

    def _ledger_path(self, split_file: Path | None) -> Path | None:
        if self.ledger is not None:
            return check_path("ledger", self.ledger, "a ledger")
        return None if split_file is None else Path(f"{split_file}.ledger")

    @property
    def certificate(self) -> Certificate:
        """The certificate as an object; ``certificate_`` is the same as a dict."""
        made = self.__dict__.get("_made")
        if not isinstance(made, Certificate):
            raise ValueError("this PassGate has no certificate yet; call fit with calibration parts")
        file = model_of(self.clf)
        identity = ("", "") if file is None else (file.core.model_sha256, file.preprocess_sha256)
        if (made.model_sha256, made.preprocess_sha256) != identity:
            raise ValueError(
                "clf: the classifier got a temperature or was trained again after the calibration; calibrate it on fresh parts"
            )
        return made

    @property
    def threshold_(self) -> float:
        """T."""
        return self.certificate.threshold

    @property
    def guard_band_(self) -> float:
        """g."""
        return self.certificate.guard_band

    @property
    def certificate_(self) -> dict[str, Any]:
        """The promise and its evidence."""
        return self.certificate.to_dict()

    @property
    def review_zone(self) -> ReviewZone | None:
        """The review zone as an object; ``review_zone_`` is the same as a dict. None where none was asked for."""
        return self.__dict__.get("_zone") if self.certificate else None

    @property
    def review_zone_(self) -> dict[str, Any] | None:
        """The two thresholds and what is expected of them."""
        return None if self.review_zone is None else self.review_zone.to_dict()

    @property
    def unknown_guard(self) -> UnknownGuard | None:
        """The guard against unknown pictures; None where none was asked for."""
        return self.__dict__.get("_guard") if self.certificate else None

    @property
    def reference(self) -> Reference | None:
        """How good calibration parts look, for the drift alarm of a line; None where the model reads rows or they are too few."""
        return self.__dict__.get("_reference") if self.certificate else None

    @property
    def rule(self) -> Rule:
        """The decision about a part."""
        certified, zone = self.certificate.rule, self.review_zone
        return certified if zone is None else zone.applied(certified)

    def score(self, X: Any) -> NDArray[np.float64]:
        """Return the gate score of each sample, its margin of the PASS class, float64 (n,)."""
        classes = class_names(self.clf)
        return margins(scores_of(self.clf, X, classes), self._passing(classes))

    def decide(self, X: Any, groups: ArrayLike | None = None) -> list[Decision]:
        """Return a decision for each sample, which is that of its part.

        Parameters
        ----------
        X : Dataset, list of paths, or array
            Samples as the classifier takes them. A part with a doubtful picture is REVIEW, as with an ``Inspector``: a file of
            another size or colour than those of the training or one that cannot be proven complete, a constant picture, one that
            is too dark or ends in too many rows of one value. To know that, each file of a list is decoded a second time.
        groups : array-like (n,), optional
            Part that each sample shows; None: the groups of a Dataset, or each sample is a part.
        """
        scores = scores_of(self.clf, X, self.certificate.classes)
        if groups is None and is_dataset(X):
            groups = X.groups
        names = check_groups(groups, len(scores))
        of = np.arange(len(scores)) if names is None else np.unique(names, return_inverse=True)[1].astype(np.intp)
        decisions = self.decide_scored(X, scores, of, int(of.max(initial=-1)) + 1)
        return [decisions[part] for part in of.tolist()]

    def decide_scored(
        self, X: Any, scores: NDArray[np.float64], part_of: NDArray[np.intp], count: int
    ) -> list[Decision]:
        """Return a decision for each of ``count`` parts, given the samples, their scores, and the part that each shows."""
        rule, guard, own = self.rule, self.unknown_guard, samples_of_parts(part_of, count)
        decisions = [rule.decide(scores[samples]) for samples in own]
        if guard is not None:
            features = self.clf.features(X)
            decisions = [guard.applied(rule, made, features[mine]) for made, mine in zip(decisions, own, strict=True)]
        for part, doubt in part_doubts(self.clf, X, own).items():
            decisions[part] = replace(rule.review(doubt), doubtful=True)
        return decisions

    def plot_bound(self, ax: Axes | None = None) -> Axes:
        """Draw the escape rate of the bad calibration parts against the threshold; needs matplotlib.

        Its pointwise bound is what a certificate at that one threshold would say, had it been chosen beforehand; the simultaneous
        one holds at all thresholds at once. Only after ``fit``: a model file keeps no scores.
        """
        return plot_bound(self._scored(), self.certificate, ax)

    def plot_cost(self, ax: Axes | None = None) -> Axes:
        """Draw the expected cost against the share of parts that people look at, with the chosen zone; needs matplotlib.

        Only after ``fit`` with ``cost_ratio`` and ``review_capacity``. Its interval is pointwise.
        """
        if (zone := self.review_zone) is None:
            raise ValueError(
                "cost_ratio: this PassGate has no review zone; give cost_ratio and review_capacity, and fit it"
            )
        return plot_cost(self._scored(), zone, ax)

    def _scored(self) -> Evidence:
        if "_evidence" not in self.__dict__ and self.certificate:
            raise ValueError("this PassGate was loaded, and a model file keeps no scores; draw it after fit")
        return self._evidence

    def save(self, path: str | Path) -> Path:
        """Write model and certificate to a new file (``*.gonogo``), whole or not at all.

        Raises
        ------
        ValueError
            There is no certificate, or the classifier is a foreign one.
        OSError
            The file cannot be written.
        """
        made, file = self.certificate, model_of(self.clf)
        if file is None:
            raise ValueError(
                f"clf: found a {type(self.clf).__name__}, expected an InspectionClassifier; keep certificate_"
            )
        return write_atomically(
            path, with_certificate(file, made, self.review_zone, self.unknown_guard, self.reference)
        )

    def __repr__(self) -> str:
        made = "calibrated" if "_made" in self.__dict__ else "not calibrated"
        return f"PassGate(pass_label={self.pass_label!r}, max_escape={self.max_escape}, confidence={self.confidence}, {made})"
