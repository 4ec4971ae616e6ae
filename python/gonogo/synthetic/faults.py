"""The five faults: blowholes, cracks, chips, scratches and pits.

A fault belongs to the part: its shape lives in part coordinates (units of the outer radius) and is the same in all views.
How it looks follows the light of the view: the wall of a cavity that faces the lamp is bright, the other one dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .draws import Draws, FloatArray, cosine, sine
from .part import Frame, Part

KINDS = ("blowhole", "chip", "crack", "pits", "scratch")

# Frequencies with which the kinds are drawn, in twentieths.
_LOT = ("blowhole",) * 6 + ("chip",) * 4 + ("crack",) * 4 + ("pits",) * 3 + ("scratch",) * 3

# Coverage of a pixel above which the mask counts it as fault.
_MASK_COVERAGE = 0.3


@dataclass(frozen=True)
class FaultShape:
    """One fault of a part, in part coordinates.

    ``points`` are (u, v, size) triples: lobes of a cavity or chip with their radii, pits with their radii, or the corners of
    a line with its half width at each. ``contrast`` in (0, 1] scales how far the fault differs from the sound surface.
    """

    kind: str
    centre: tuple[float, float]
    points: tuple[tuple[float, float, float], ...]
    contrast: float


def draw_fault(draws: Draws, part: Part) -> FaultShape:
    """Draw one fault on the flange or at one of its edges."""
    kind = draws.choice(_LOT)
    direction = draws.uniform()
    inner = part.groove + 0.03
    size = draws.uniform()
    if kind == "blowhole":
        return _blowhole(draws, direction, draws.uniform(inner + 0.05, 0.90), size)
    if kind == "pits":
        return _pits(draws, direction, draws.uniform(inner + 0.06, 0.90), size)
    if kind == "chip":
        return _chip(draws, direction, 1.0 if draws.chance(0.75) else part.groove, size)
    if kind == "crack":
        return _crack(draws, direction, (inner, 0.985), size)
    return _scratch(draws, direction, (inner, 0.96), size)


def _polar(radius: float, direction: float) -> tuple[float, float]:
    return radius * cosine(direction), radius * sine(direction)


def _blowhole(draws: Draws, direction: float, radius: float, size: float) -> FaultShape:
    """Gas bubble: three to five overlapping lobes."""
    u, v = _polar(radius, direction)
    extent = 0.045 + 0.060 * size
    lobes = []
    for _ in range(draws.integer(3, 5)):
        du, dv = _polar(extent * draws.uniform(0.0, 0.75), draws.uniform())
        lobes.append((u + du, v + dv, extent * draws.uniform(0.5, 0.9)))
    return FaultShape("blowhole", (u, v), tuple(lobes), draws.uniform(0.8, 1.0))


def _pits(draws: Draws, direction: float, radius: float, size: float) -> FaultShape:
    """Nest of small round holes, denser in its middle."""
    u, v = _polar(radius, direction)
    spread = 0.07 + 0.08 * size
    pits = []
    for _ in range(draws.integer(7, 10) + int(12 * size)):
        du, dv = _polar(spread * draws.uniform(), draws.uniform())
        pits.append((u + du, v + dv, draws.uniform(0.011, 0.018) * (1.0 + size)))
    return FaultShape("pits", (u, v), tuple(pits), draws.uniform(0.8, 1.0))


def _chip(draws: Draws, direction: float, edge: float, size: float) -> FaultShape:
    """Material broken off an edge: discs along it that bite into the flange."""
    bite = 0.065 + 0.070 * size
    # Discs two thirds of a radius apart, so that they join into one ragged bite; an angle in turns is length / (2 pi r).
    apart = 0.106 * bite / edge
    bites = []
    count = draws.integer(3, 6)
    for k in range(count):
        u, v = _polar(
            edge + bite * draws.uniform(-0.45, 0.15),
            direction + apart * (k - (count - 1) / 2 + draws.uniform(-0.3, 0.3)),
        )
        bites.append((u, v, bite * draws.uniform(0.6, 1.0)))
    return FaultShape("chip", _polar(edge, direction), tuple(bites), draws.uniform(0.8, 1.0))


def _crack(draws: Draws, direction: float, span: tuple[float, float], size: float) -> FaultShape:
    """Jagged line, mostly along the radius, from one of the flange's edges inwards, tapering to its tip."""
    low, high = span
    length = (high - low) * (0.5 + 0.5 * size)
    from_outside = draws.chance(0.6)
    start = high if from_outside else low
    sign = -1.0 if from_outside else 1.0
    slant = draws.uniform(-0.05, 0.05)
    count = draws.integer(5, 8)
    half_width = (0.015 + 0.014 * size) * draws.uniform(0.8, 1.2)
    corners = []
    for k in range(count + 1):
        share = k / count
        jag = draws.uniform(-0.008, 0.008) if k > 0 else 0.0
        u, v = _polar(start + sign * length * share, direction + slant * share + jag)
        corners.append((u, v, half_width * (1.0 - 0.65 * share)))
    return FaultShape("crack", corners[count // 2][:2], tuple(corners), draws.uniform(0.8, 1.0))


def _scratch(draws: Draws, direction: float, span: tuple[float, float], size: float) -> FaultShape:
    """Long shallow line, nearly straight, across the lathe marks."""
    low, high = span
    middle = draws.uniform(low + 0.07, high - 0.07)
    u, v = _polar(middle, direction)
    # At least an eighth of a turn off the tangent: along the lathe marks nobody, man or net, could tell it from them.
    heading = direction + draws.uniform(-0.125, 0.125)
    reach = (0.12 + 0.12 * size, 0.08 + 0.12 * size)
    bend = draws.uniform(-0.02, 0.02)
    half_width = 0.014 + 0.011 * size
    corners = []
    for along, across in ((-reach[0], 0.0), (-reach[0] / 3, bend), (reach[1] / 3, bend), (reach[1], 0.0)):
        cu = u + along * cosine(heading) - across * sine(heading)
        cv = v + along * sine(heading) + across * cosine(heading)
        # Held on the flange, whatever the length.
        distance = float(np.sqrt(cu * cu + cv * cv))
        held = min(max(distance, low), high) / distance
        corners.append((cu * held, cv * held, half_width))
    return FaultShape("scratch", (u, v), tuple(corners), draws.uniform(0.8, 1.0))


def paint_fault(fault: FaultShape, frame: Frame, picture: FloatArray, mask: npt.NDArray[np.uint8]) -> None:
    """Draw `fault` into `picture` (grey levels) and mark the pixels that it covers in `mask` with 255."""
    cu, cv = fault.centre
    extent = max(float(np.sqrt((u - cu) * (u - cu) + (v - cv) * (v - cv))) + 1.6 * size for u, v, size in fault.points)
    window = frame.window(cu, cv, extent + 2.0 / frame.view.scale)
    u, v = frame.u[window], frame.v[window]
    pixel = 1.0 / frame.view.scale
    region = picture[window]
    if fault.kind in ("crack", "scratch"):
        coverage, side = _line(fault, frame, u, v)
        if fault.kind == "crack":
            region += np.float32(fault.contrast) * coverage * (np.float32(30.0) - region)
        else:
            # A burr thrown up on one side is bright, the furrow on the other side dark.
            region += np.float32(fault.contrast) * coverage * np.where(side > 0, np.float32(60.0), np.float32(-110.0))
    else:
        outside, lean = _discs(fault, frame, u, v)
        if fault.kind == "chip":
            # Only what was metal can break off: nothing beyond the outer edge, nothing in the groove.
            radius = frame.radius[window]
            edge = 1.0 if cu * cu + cv * cv > 0.9 else float(np.sqrt(cu * cu + cv * cv))
            beyond = radius - np.float32(edge) if edge == 1.0 else np.float32(edge) - radius
            outside = np.maximum(outside, beyond)
        coverage = np.clip(0.5 - outside * np.float32(1.0 / pixel), 0.0, 1.0).astype(np.float32)
        if fault.kind == "chip":
            bottom = 50.0 + 60.0 * lean
        else:
            bottom = 30.0 + 34.0 * lean
            # The rim that faces the lamp across the hole shines.
            rim = np.clip(1.0 - np.abs(outside) * np.float32(0.4 / pixel), 0.0, 1.0) * np.maximum(-lean, 0.0)
            region += np.float32(62.0 * fault.contrast) * rim.astype(np.float32)
        region += np.float32(fault.contrast) * coverage * (bottom.astype(np.float32) - region)
    covered = coverage >= _MASK_COVERAGE
    if not covered.any():
        y, x = frame.pixel(*fault.points[0][:2])
        mask[min(max(int(y), 0), frame.height - 1), min(max(int(x), 0), frame.width - 1)] = 255
    mask[window][covered] = 255


def _discs(fault: FaultShape, frame: Frame, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distance to the union of the discs (negative inside), and how much the wall there faces the lamp, in -1 .. 1."""
    lu, lv = np.float32(cosine(frame.view.light)), np.float32(sine(frame.view.light))
    outside = np.full(u.shape, np.inf, dtype=np.float32)
    lean = np.zeros(u.shape, dtype=np.float32)
    for pu, pv, size in fault.points:
        du, dv = u - np.float32(pu), v - np.float32(pv)
        distance = np.sqrt(du * du + dv * dv)
        # Inside a hole the wall away from the lamp is the lit one.
        facing = np.clip(-(du * lu + dv * lv) / np.float32(size), -1.0, 1.0).astype(np.float32)
        distance -= np.float32(max(size, 0.75 / frame.view.scale))
        nearer = distance < outside
        np.copyto(outside, distance, where=nearer)
        np.copyto(lean, facing, where=nearer)
    return outside, lean


def _line(fault: FaultShape, frame: Frame, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coverage of each pixel by the line, and on which side of its axis the pixel lies (sign)."""
    nearest = np.full(u.shape, -np.inf, dtype=np.float32)
    side = np.zeros(u.shape, dtype=np.float32)
    for (u0, v0, w0), (u1, v1, w1) in zip(fault.points, fault.points[1:], strict=False):
        du, dv = np.float32(u1 - u0), np.float32(v1 - v0)
        square = np.maximum(du * du + dv * dv, np.float32(1e-12))
        pu, pv = u - np.float32(u0), v - np.float32(v0)
        share = np.clip((pu * du + pv * dv) / square, 0.0, 1.0).astype(np.float32)
        half_width = np.maximum(np.float32(w0) + share * np.float32(w1 - w0), np.float32(0.6 / frame.view.scale))
        across = pu * dv - pv * du
        pu -= share * du
        pv -= share * dv
        inside = half_width - np.sqrt(pu * pu + pv * pv)
        nearer = inside > nearest
        np.copyto(nearest, inside, where=nearer)
        np.copyto(side, across, where=nearer)
    coverage: FloatArray = np.clip(0.5 + nearest * np.float32(frame.view.scale), 0.0, 1.0).astype(np.float32)
    return coverage, side
