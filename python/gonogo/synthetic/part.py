"""One impeller-like casting and one view of it: geometry, light, and the picture of a part without fault.

Lengths are in units of the part's outer radius, angles in turns, brightness in grey levels. A picture is composed of tables
over radius and over angle, looked up per pixel, so that it costs a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .draws import Draws, FloatArray, band, bump, cosine, enlarge, sine, step, turns_of

# Entries of a table over one turn: finer than a pixel up to an outer radius of 650 pixels.
TURN_ENTRIES = 4096


@dataclass(frozen=True)
class Part:
    """What all pictures of one physical part share. Radii in units of the outer radius, grey levels for surfaces."""

    bore: float
    hub: float
    cavity: float
    lip: float
    groove: float
    blades: int
    blade_shapes: tuple[tuple[float, float, float], ...]
    swirl: float
    metal: float
    dark: float
    rings: FloatArray
    ring_patches: FloatArray
    stains: FloatArray
    burrs: tuple[tuple[float, float], ...]

    @classmethod
    def draw(cls, draws: Draws) -> Part:
        """Draw a part."""
        bore = draws.uniform(0.205, 0.215)
        hub = bore + draws.uniform(0.083, 0.089)
        cavity = draws.uniform(0.582, 0.592)
        lip = cavity + draws.uniform(0.064, 0.070)
        blades = 6
        return cls(
            bore=bore,
            hub=hub,
            cavity=cavity,
            lip=lip,
            groove=lip + draws.uniform(0.024, 0.029),
            blades=blades,
            # Place, width and brightness of each blade's edge: castings are never quite regular.
            blade_shapes=tuple(
                (
                    (k + draws.uniform(-0.06, 0.06)) / blades,
                    draws.uniform(0.012, 0.026),
                    draws.uniform(0.5, 1.0),
                )
                for k in range(blades)
            ),
            swirl=draws.uniform(0.45, 0.65),
            metal=draws.uniform(174.0, 190.0),
            dark=draws.uniform(14.0, 26.0),
            rings=draws.field(256),
            ring_patches=draws.field(2, 24),
            stains=draws.field(14, 14),
            burrs=tuple((draws.uniform(), draws.uniform(0.002, 0.006)) for _ in range(draws.integer(0, 2))),
        )


@dataclass(frozen=True)
class View:
    """How one picture was taken: place of the part under the camera, light and exposure.

    ``forward`` maps part coordinates to pixels: (dx, dy) = forward @ (u, v); `light` is the direction towards the lamp in
    part coordinates, in turns, `tilt` the apparent shift of the deep surfaces in units of the outer radius.
    """

    centre: tuple[float, float]
    scale: float
    forward: tuple[float, float, float, float]
    light: float
    tilt: tuple[float, float]
    gain: float
    softness: float
    noise: float
    highlights: tuple[tuple[float, float, float], ...]
    glints: tuple[tuple[float, float, float], ...]
    shadow: float
    backdrop: tuple[float, float, float]
    vignette: float
    brushing: float
    specks: tuple[tuple[float, float, float, float], ...]

    @classmethod
    def draw(cls, draws: Draws, height: int, width: int) -> View:
        """Draw a view for a picture of the given size."""
        side = min(height, width)
        scale = side * draws.uniform(0.403, 0.417)
        rotation, axis = draws.uniform(), draws.uniform()
        aspect = draws.uniform(0.95, 1.0)
        # R(axis) diag(1, aspect) R(-axis) R(rotation): the part is turned, then seen slightly from the side.
        ca, sa = cosine(axis), sine(axis)
        cb, sb = cosine(rotation - axis), sine(rotation - axis)
        forward = (
            scale * (ca * cb - aspect * sa * sb),
            scale * (-ca * sb - aspect * sa * cb),
            scale * (sa * cb + aspect * ca * sb),
            scale * (-sa * sb + aspect * ca * cb),
        )
        light = draws.uniform() - rotation
        shift, lean = draws.uniform(0.004, 0.012), draws.uniform()
        brightest = light + draws.uniform(-0.06, 0.06)
        return cls(
            centre=(
                width / 2 + side * draws.uniform(-0.01, 0.01),
                height / 2 + side * draws.uniform(-0.01, 0.01),
            ),
            scale=scale,
            forward=forward,
            light=light,
            tilt=(shift * cosine(lean), shift * sine(lean)),
            gain=draws.uniform(0.97, 1.03),
            softness=draws.uniform(0.35, 0.5),
            noise=draws.uniform(1.0, 2.5),
            # A turned surface answers a lamp with two opposite fans of light; further lamps add fainter ones.
            highlights=(
                (brightest, draws.uniform(0.07, 0.13), draws.uniform(8.0, 22.0)),
                (brightest + 0.5, draws.uniform(0.05, 0.12), draws.uniform(6.0, 20.0)),
                (draws.uniform(), draws.uniform(0.015, 0.05), draws.uniform(-7.0, 9.0)),
                (draws.uniform(), draws.uniform(0.015, 0.05), draws.uniform(-7.0, 9.0)),
            ),
            glints=tuple(
                (draws.uniform(), draws.uniform(0.01, 0.06), draws.uniform(0.3, 1.0))
                for _ in range(draws.integer(1, 4))
            ),
            shadow=draws.uniform(0.35, 0.6),
            backdrop=(draws.uniform(165.0, 185.0), draws.uniform(-9.0, 9.0), draws.uniform(-9.0, 9.0)),
            vignette=draws.uniform(0.02, 0.12),
            brushing=draws.uniform(0.4, 0.9),
            # Dust: radius, direction, size in units of the outer radius, contrast. It is no fault.
            specks=tuple(
                (draws.uniform(0.3, 1.25), draws.uniform(), draws.uniform(0.004, 0.008), draws.uniform(-0.10, 0.08))
                for _ in range(draws.integer(0, 6))
            ),
        )


class Frame:
    """Part coordinates of every pixel of a picture: `u`, `v`, `radius` and `turns`, each (height, width) float32."""

    def __init__(self, view: View, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.view = view
        a, b, c, d = view.forward
        determinant = a * d - b * c
        x = (np.arange(width, dtype=np.float32) + np.float32(0.5 - view.centre[0]))[None, :]
        y = (np.arange(height, dtype=np.float32) + np.float32(0.5 - view.centre[1]))[:, None]
        self.u: FloatArray = x * np.float32(d / determinant) + y * np.float32(-b / determinant)
        self.v: FloatArray = x * np.float32(-c / determinant) + y * np.float32(a / determinant)
        self.radius: FloatArray = np.sqrt(self.u * self.u + self.v * self.v)
        self.turns: FloatArray = turns_of(self.u, self.v)

    def pixel(self, u: float, v: float) -> tuple[float, float]:
        """(y, x) of a point in part coordinates; pixel (0, 0) covers 0 <= y, x < 1."""
        a, b, c, d = self.view.forward
        return self.view.centre[1] + c * u + d * v, self.view.centre[0] + a * u + b * v

    def window(self, u: float, v: float, extent: float) -> tuple[slice, slice]:
        """Rows and columns that hold the disc of radius `extent` round (u, v), cut at the picture's edge."""
        a, b, c, d = self.view.forward
        y, x = self.pixel(u, v)
        reach_y, reach_x = (abs(c) + abs(d)) * extent + 1, (abs(a) + abs(b)) * extent + 1
        rows = slice(min(max(int(y - reach_y), 0), self.height), max(min(int(y + reach_y) + 1, self.height), 0))
        columns = slice(min(max(int(x - reach_x), 0), self.width), max(min(int(x + reach_x) + 1, self.width), 0))
        return rows, columns


class _RadialTables:
    """Tables over the radius with one common index per pixel."""

    def __init__(self, scale: float, end: float) -> None:
        entries_per_unit = max(512, int(4 * scale))
        self.radii: FloatArray = np.arange(int(end * entries_per_unit), dtype=np.float32) / np.float32(entries_per_unit)
        self._factor = np.float32(entries_per_unit)

    def index(self, radius: FloatArray) -> npt.NDArray[np.intp]:
        """Place of each radius in the tables; what lies beyond their end takes the last entry."""
        entry = np.minimum(radius * self._factor, np.float32(len(self.radii) - 1))
        place: npt.NDArray[np.intp] = entry.astype(np.intp)
        return place


_TURNS: FloatArray = np.arange(TURN_ENTRIES, dtype=np.float32) / np.float32(TURN_ENTRIES)


def _around(place: float, half_width: float) -> FloatArray:
    """Bell over one turn, centred at `place`, zero beyond `half_width` on both sides."""
    away = _TURNS - np.float32(place)
    away -= np.floor(away + np.float32(0.5))
    return bump(np.maximum(np.minimum(away / np.float32(half_width), 1.0), -1.0))


def _toward(direction: float) -> FloatArray:
    """cos over one turn: 1 towards `direction`, -1 on the other side."""
    return cosine(_TURNS - np.float32(direction))


def draw_part(part: Part, frame: Frame) -> FloatArray:
    """Picture of a part without fault.

    Returns
    -------
    numpy.ndarray
        (height, width) float32 in grey levels, before exposure and camera noise.
    """
    view = frame.view
    y = np.linspace(-1.0, 1.0, frame.height, dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, frame.width, dtype=np.float32)[None, :]
    level, down, right = view.backdrop
    backdrop: FloatArray = np.float32(level) + y * np.float32(down) + x * np.float32(right)
    picture = _draw_disc(part, frame, backdrop)
    _draw_middle(part, frame, backdrop, picture)
    picture *= np.float32(view.gain) - (y * y + x * x) * np.float32(view.vignette)
    for radius, direction, size, contrast in view.specks:
        u, v = radius * cosine(direction), radius * sine(direction)
        window = frame.window(u, v, size)
        du, dv = frame.u[window] - np.float32(u), frame.v[window] - np.float32(v)
        picture[window] *= 1.0 + np.float32(contrast) * bump(np.minimum(np.sqrt(du * du + dv * dv) / size, 1.0))
    return picture


def _draw_disc(part: Part, frame: Frame, backdrop: FloatArray) -> FloatArray:
    """Background with its shadow, and the turned flange between groove and outer edge."""
    view = frame.view
    soft = 1.3 / view.scale
    tables = _RadialTables(view.scale, 2.0)
    r = tables.radii
    at_radius = tables.index(frame.radius)
    at_turn = (frame.turns * np.float32(TURN_ENTRIES)).astype(np.intp)

    # The outer edge: a chamfer that catches light, then the dark line of the side wall; burrs leave small teeth.
    metal = 1.0 - step(r, 1.0, soft)
    flange = metal * (1.0 - 0.62 * band(r, 0.992, 1.2, 1.5 * soft) + 0.05 * band(r, 0.965, 0.99, soft))
    flange *= 1.0 - 0.10 * band(r, 0.60, part.groove + 0.02, 2 * soft)
    contact = (1.0 - metal) * bump(np.minimum(np.maximum(r - 1.0, 0.0) / 0.22, 1.0))

    light = np.float32(part.metal) + 9.0 * _toward(view.light)
    for place, half_width, strength in view.highlights:
        # Clipped bells: the fans of a turned surface have visible borders.
        light += np.float32(strength) * np.minimum(1.35 * _around(place, half_width), 1.0)
    away_from_light = 0.5 - 0.5 * _toward(view.light)
    shade = np.float32(view.shadow) * (0.12 + 0.88 * away_from_light * away_from_light)

    picture = contact[at_radius]
    picture *= shade[at_turn]
    np.subtract(1.0, picture, out=picture)
    picture *= (1.0 - metal)[at_radius]
    picture *= backdrop
    shine = light[at_turn]
    across: FloatArray = np.minimum(r / np.float32(1.2), np.float32(1.0)).astype(np.float32)
    # Lathe marks: fine rings, stronger in some directions than in others.
    for rings, patches, strength in (
        (part.rings[:128], part.ring_patches[0], 7.0),
        (part.rings[128:], part.ring_patches[1], 5.0),
    ):
        marks = metal * _stretched(rings, across) * np.float32(strength * view.brushing)
        around: FloatArray = np.append(patches, patches[:1]).astype(np.float32)
        shine += marks[at_radius] * (0.6 + 0.6 * _stretched(around, _TURNS))[at_turn]
    # Cast and handled surface: soft blotches, the same in all views of a part.
    shine += enlarge(part.stains, frame.height, frame.width) * np.float32(4.0)
    shine *= flange[at_radius]
    picture += shine
    for place, height in part.burrs:
        u, v = cosine(place), sine(place)
        window = frame.window(u, v, height)
        du, dv = frame.u[window] - np.float32(u), frame.v[window] - np.float32(v)
        tooth = bump(np.minimum(np.sqrt(du * du + dv * dv) / (1.5 * height), 1.0))
        picture[window] += tooth * (np.float32(60.0) - picture[window])
    return picture


def _draw_middle(part: Part, frame: Frame, backdrop: FloatArray, picture: FloatArray) -> None:
    """Groove, lip, dark cavity with its blades, hub and bore, drawn into `picture`.

    They lie at other depths than the flange, so a slight tilt shifts them against it: groove and bore show a crescent.
    """
    view = frame.view
    window = frame.window(0.0, 0.0, part.groove + 0.05)
    u, v = frame.u[window], frame.v[window]
    soft = 1.3 / view.scale
    tables = _RadialTables(view.scale, 0.9)
    r = tables.radii
    at_turn = (frame.turns[window] * np.float32(TURN_ENTRIES)).astype(np.intp)

    def shifted(share: float) -> FloatArray:
        du, dv = u - np.float32(view.tilt[0] * share), v - np.float32(view.tilt[1] * share)
        distance: FloatArray = np.sqrt(du * du + dv * dv)
        return distance

    middle = picture[window]
    groove = tables.index(frame.radius[window])
    middle += (1.0 - step(r, part.groove, soft))[groove] * (np.float32(part.dark + 12.0) - middle)

    raised = shifted(1.0)
    at = tables.index(raised)
    lit = 1.0 + 0.12 * _toward(view.light)
    surface = (0.98 * part.metal) * (
        band(r, part.cavity, part.lip, soft) * (1.0 - 0.22 * band(r, part.lip - 0.012, part.lip, soft))
    ) + (1.06 * part.metal) * band(r, part.bore, part.hub, soft) * (
        1.0 - 0.16 * band(r, part.hub - 0.018, part.hub, soft) - 0.45 * band(r, part.bore, part.bore + 0.012, soft)
    )
    top = surface.astype(np.float32)[at]
    top *= lit[at_turn].astype(np.float32)
    # Glints: short bright arcs where the lip meets the groove and on its inner edge.
    glint = np.zeros_like(_TURNS)
    for place, half_width, strength in view.glints:
        glint += np.float32(strength) * _around(place, half_width)
    top += (35.0 * band(r, part.lip - 0.014, part.lip + 0.004, soft)).astype(np.float32)[at] * glint[at_turn]

    # Blades: edges of a spiral, brightest half way out, their lower faces a little lighter than the floor.
    depth = np.maximum(np.minimum((r - part.hub) / (part.cavity - part.hub), 1.0), 0.0)
    twist = np.float32(part.swirl) * depth * (1.0 - 0.35 * depth) / part.blades * 2.4
    spiral = frame.turns[window] + twist[at]
    spiral -= np.floor(spiral)
    edges = np.zeros_like(_TURNS)
    for place, half_width, strength in part.blade_shapes:
        edges += np.float32(34.0 * strength) * _around(place, half_width)
        edges += np.float32(12.0 * strength) * _around(place + 0.035, 0.05)
    floor = band(r, part.hub, part.cavity, soft)
    ridge = (floor * (0.25 + 3.0 * depth * (1.0 - depth)) * (1.0 - 0.5 * depth)).astype(np.float32)
    top += (floor * np.float32(part.dark) * (1.5 - 0.9 * depth)).astype(np.float32)[at]
    lamp = (0.75 + 0.35 * _toward(view.light + 0.5)).astype(np.float32)
    blade = edges[np.minimum(spiral * np.float32(TURN_ENTRIES), TURN_ENTRIES - 1).astype(np.intp)]
    blade *= ridge[at]
    blade *= lamp[at_turn]
    top += blade

    # The bore: its lower rim is shifted further, so that a crescent of the wall is seen beside the table below.
    below = tables.index(shifted(3.2))
    wall = step(r, part.bore - 0.004, 3 * soft)[below]
    hole = (1.0 - step(r, part.bore, soft))[at]
    ground = backdrop[window] * np.float32(0.82)
    ground += wall * (np.float32(0.42 * part.metal) - ground)
    top += hole * ground

    solid = (1.0 - step(r, part.lip, soft))[at]
    middle += solid * (top - middle)


def _stretched(values: FloatArray, positions: FloatArray) -> FloatArray:
    """Linear interpolation of `values`, spread evenly over positions 0 .. 1."""
    at = positions * np.float32(len(values) - 1)
    below = np.minimum(at.astype(np.intp), len(values) - 2)
    between: FloatArray = values[below] + (values[below + 1] - values[below]) * (at - below.astype(np.float32))
    return between
