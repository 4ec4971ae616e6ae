"""A certificate in words that a quality manager understands, with what it rests on."""

from __future__ import annotations

from decimal import Decimal

from gonogo import binomial
from gonogo.certificate import Certificate
from gonogo.review_zone import ReviewZone
from gonogo.unknown_guard import UnknownGuard


def promise(certificate: Certificate) -> list[str]:
    """Return what is promised, and what was found, one sentence a line."""
    c = certificate
    faults = [name for name in c.classes if name != c.pass_label]
    seen = ", ".join(f"{n:,} {name}" for name, n in c.defects_by_class.items())
    sure = f"At {stated(c.confidence)} confidence"
    lines = [
        f"{sure}, at most {stated(c.max_escape)} of all bad parts are called {c.pass_label!r} (PASS).",
        f"Shown by {_count(c.defects, 'bad part')} ({seen}): {c.escapes_allowed:,} may lie above the threshold.",
        f"That bounds the escape rate by {_bound(c.escape_upper_bound)}; {c.escapes_observed:,} of them passed.",
    ]
    if c.valid_until is not None:
        lines.append(
            f"Valid until {c.valid_until}; from the day after, every part goes to REVIEW until the gate is calibrated anew."
        )
    if not c.grouped:
        lines.append(
            "Each picture was counted as a part, since no groups were given: where several show one part, nothing is promised."
        )
    if c.per_class and len(faults) > 1:
        lines += [
            f"  {claim.faults[0]}: {claim.escapes_allowed:,} of {claim.defects:,} allowed, "
            f"escape rate at most {_bound(claim.escape_upper_bound)}"
            for claim in c.claims
        ]
        lines.append(
            "All fault classes hold at once: any mixture of them is covered."
            if c.joint
            else "Each fault class holds by itself; that all hold at once is not promised at this confidence."
        )
    elif len(faults) > 1:
        lines.append("It holds for the mixture of faults above; where another mixture is produced, certify each class.")
    lines.append(
        f"PASS needs a score above {c.threshold + c.guard_band:.6g}: threshold {c.threshold:.6g} and {c.guard_band:g} for "
        "differences between machines; everything doubtful goes to REVIEW."
    )
    if c.guard_band == 0:
        lines.append("The classifier is a foreign one: nothing is added for differences between machines.")
    if c.pictures_per_part > 1:
        lines.append(
            f"A part with fewer than {c.pictures_per_part} pictures goes to REVIEW; PASS needs all of them to pass."
        )
    if c.good_parts:
        refused = c.good_parts - c.good_passed
        lines.append(
            f"Of {_count(c.good_parts, 'good part')} {refused:,} {'was' if refused == 1 else 'were'} not passed "
            f"(overkill {_percent(refused / c.good_parts)})."
        )
    if c.false_omission_bound is None or c.bad_share is None:
        lines.append("How many of the passed parts are bad depends on the share of bad parts, which was not stated.")
    else:
        lines.append(
            f"Where at most {stated(c.bad_share)} of the parts are bad, at most {_bound(c.false_omission_bound)} of the "
            "passed parts are bad (false omission rate). Where other rules send parts to REVIEW, this takes them to hold back "
            "good and bad parts alike."
        )
    if c.lots is not None and c.lots_upper_bound is not None:
        lines.append(
            f"The bad parts came from {_count(c.lots, 'lot')}: if scores hang together completely within a lot, lots count "
            f"instead of parts, and the escape rate is bounded by {_bound(c.lots_upper_bound)} only."
        )
    return lines


def beside_words(certificate: Certificate, zone: ReviewZone | None, guard: UnknownGuard | None) -> list[str]:
    """Return what stands beside a certificate, one sentence a line."""
    of_zone = [] if zone is None else zone_words(zone, certificate)
    return of_zone + ([] if guard is None else guard_words(guard))


def zone_words(zone: ReviewZone, certificate: Certificate) -> list[str]:
    """Return what the review zone does and what it was chosen for, one sentence a line."""
    z, sure = zone, stated(zone.confidence)
    low, high = z.workload_interval
    mix = "as stated" if z.bad_share_stated else "as among the calibration parts"
    overkill = binomial.interval(z.good_rejected, z.good_parts, z.confidence)
    looked = f"{stated(z.review_capacity)} of the parts and decide"
    band = f"{sure} interval {_percent(low)} to {_percent(high)}"
    rejected = f"{sure} interval {_percent(overkill[0])} to {_percent(overkill[1])}"
    lines = [
        f"Review zone: PASS above {z.upper:.6g}, REVIEW above {z.lower:.6g}, a fault class up to it.",
        f"Chosen for escapes {z.cost_ratio:g} times as dear as rejecting a good part, and people who look at {looked} rightly.",
        f"Expected in it: {_percent(z.workload)} of the parts ({band}), if {_percent(z.bad_share)} are bad ({mix}).",
        f"Good parts that get a fault class: {z.good_rejected:,} of {z.good_parts:,} ({rejected}).",
        f"Bad parts that pass: {z.bad_passed:,} of {z.bad_parts:,}, bounded by {_bound(certificate.escape_upper_bound)}.",
        "The intervals are pointwise: as if both thresholds had been chosen before a look at these parts.",
    ]
    if z.upper > certificate.threshold + certificate.guard_band:
        lines.append("PASS begins higher than the certificate asks for: that catches bad parts, and voids no promise.")
    return lines


def guard_words(guard: UnknownGuard) -> list[str]:
    """Return what the guard against unknown pictures does, and what it promises, one sentence a line."""
    than = f"all but {guard.allowed - 1:,} of {_count(guard.good_parts, 'good calibration part')}"
    return [
        f"Unknown pictures: a part that would pass goes to REVIEW if, to the net, it is farther from {len(guard.known):,} good",
        f"training pictures than {than}.",
        f"Promised: at most {stated(guard.share)} of known good parts goes to REVIEW for it, if they come as in calibration.",
        "Nothing is promised about finding unknown pictures.",
    ]


def assumptions(certificate: Certificate) -> list[str]:
    """Return what the promise needs to be true, and what of it was checked."""
    c = certificate
    candidates = (
        "one model was calibrated on these parts"
        if c.candidates == 1
        else f"at most {c.candidates} models were calibrated on these parts, declared beforehand"
    )
    by_lot = "" if c.lots is not None else "; scores that hang together by lot were not looked at (lots were not given)"
    return [
        f"the calibration parts are independent of each other and drawn as in production{by_lot}",
        "neither training nor validation saw a calibration part: "
        + (f"compared by {c.disjoint}" if c.disjoint else "not checked, the model does not tell what it saw"),
        f"nor a sibling of one, another picture of the same part: {_audited(c)}",
        "weights, preprocessing and temperature were frozen before the calibration",
        "the labels of the calibration parts were frozen, or corrected without a look at the model, before scoring",
        candidates
        + (f": recorded in the ledger, entry {c.single_use[:16]}" if c.single_use else "; single use not enforced"),
        "after a look at the result, a changed model needs fresh parts",
    ]


def _audited(c: Certificate) -> str:
    if c.audited is None or c.seen is None:
        return "not audited; other pictures of a part under other names would not have been noticed"
    among = f"all {c.seen:,}" if c.audited == c.seen else f"{c.audited:,} of the {c.seen:,}"
    return f"audited, none of the {c.defects + c.good_parts:,} calibration parts has one among {among} pictures that they saw"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def stated(share: float) -> str:
    """Return a promised share in percent with all its digits: rounded, 0.99999 would be sure."""
    return f"{(Decimal(repr(share)) * 100).normalize():f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _bound(share: float) -> str:
    """An upper bound is never shown smaller than it is."""
    shown = f"{100 * share:.3g}"
    if float(shown) < 100 * share * (1 - 1e-12):
        shown = f"{float(shown) + 10.0 ** (_exponent(share) - 2):.3g}"
    return f"{shown} %"


def _exponent(share: float) -> int:
    return int(f"{100 * share:e}".split("e")[1])
