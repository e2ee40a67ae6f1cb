"""Where each landmark lies on the template skull, by rule.

Coordinates here are the Frankfurt frame of the template at its nominal size (`NOMINAL_HEIGHT_MM` from menton to
vertex): x = subject's left, y = up from porion, z = anterior of porion. Every rule is an extremum, or a mean of two
extrema, of the outermost surface seen along one axis; windows only say which bump is meant. Both sides are measured
on their own, so an asymmetric template keeps its asymmetry.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from data.landmarks import ALL_KEYS
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.errors import InputError

NOMINAL_HEIGHT_MM = 215.0
"""Size at which the windows below are written; the true size is found by registration to the head."""

_FAR = 400.0
_STEP = 0.25


@dataclasses.dataclass(frozen=True)
class Relief:
    """The outermost surface of a skull seen along each axis."""

    scene: DistanceScene

    def front(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """z of the most anterior surface at (x, y); -inf where there is none."""
        return self._outermost(np.stack(np.broadcast_arrays(x, y, _FAR), -1), 2, -1.0)

    def back(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """z of the most posterior surface at (x, y)."""
        return self._outermost(np.stack(np.broadcast_arrays(x, y, -_FAR), -1), 2, 1.0)

    def above(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """y of the highest surface at (x, z)."""
        return self._outermost(np.stack(np.broadcast_arrays(x, _FAR, z), -1), 1, -1.0)

    def below(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """y of the lowest surface at (x, z)."""
        return self._outermost(np.stack(np.broadcast_arrays(x, -_FAR, z), -1), 1, 1.0)

    def side(self, sign: float, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """|x| of the most lateral surface on the left (sign +1) or right (-1) at (y, z)."""
        return sign * self._outermost(np.stack(np.broadcast_arrays(sign * _FAR, y, z), -1), 0, -sign)

    def _outermost(self, origins: np.ndarray, axis: int, heading: float) -> np.ndarray:
        direction = np.zeros(3)
        direction[axis] = heading
        flat = origins.reshape(-1, 3).astype(np.float64)
        hits = self.scene.cast(flat, np.broadcast_to(direction, flat.shape))
        return (flat[:, axis] + heading * hits.distance).reshape(origins.shape[:-1])


def template_landmarks(template: Mesh) -> tuple[dict[str, Float[np.ndarray, "3"]], Float[np.ndarray, "4 4"]]:
    """Landmarks of a complete, closed-jawed template skull (y up, z forward, any unit), found by the rules below.

    Returns the 40 points in the template's own coordinates and `T_head_template`, the rigid transform with uniform
    scale that takes the template to its Frankfurt frame at nominal size. Raises `InputError` when a rule finds no
    surface.
    """
    low, high = template.vertices.min(axis=0), template.vertices.max(axis=0)
    nominal = np.eye(4)
    nominal[:3, :3] *= NOMINAL_HEIGHT_MM / (high[1] - low[1])
    # The windows are written in the Frankfurt frame, which the landmarks define: start from the upright template with
    # the meatus where this family of skulls has it, and repeat until the frame no longer moves.
    meatus = low + np.array([0.5, 0.435, 0.464169]) * (high - low)
    nominal[:3, 3] = -nominal[0, 0] * meatus
    transform = nominal
    with np.errstate(invalid="ignore"):  # without a surface, minus infinity; seen to by `_all_rules`
        for _ in range(4):
            points = _all_rules(template.transformed(transform))
            transform = frankfurt_transform(points) @ transform
        points = _all_rules(template.transformed(transform))
    inverse = np.linalg.inv(transform)
    return {key: inverse[:3, :3] @ points[key] + inverse[:3, 3] for key in ALL_KEYS}, transform


def frankfurt_transform(points: dict[str, np.ndarray]) -> Float[np.ndarray, "4 4"]:
    """Rigid transform to the head frame: both poria and the left orbitale on y = 0, midline landmarks fitted by x =
    0, origin between the poria (projected to the midsagittal plane).
    """
    porion = (points["po_l"] + points["po_r"]) / 2
    up = np.cross(points["or_l"] - porion, points["po_l"] - points["po_r"])
    up /= np.linalg.norm(up)
    midline = np.stack([points[key] for key in ("op", "v", "g", "n", "rhi", "ss", "pr", "pg", "me")])
    centred = midline - midline.mean(axis=0)
    # The plane must stay perpendicular to the Frankfurt horizontal, so it is fitted to the points seen from above.
    flat = centred - np.outer(centred @ up, up)
    forward = np.linalg.svd(flat)[2][0]
    forward *= np.sign(forward @ (points["or_l"] - porion))
    left = np.cross(up, forward)
    rotation = np.stack([left, up, forward])
    origin = porion + left * (left @ (midline.mean(axis=0) - porion))
    transform = np.eye(4)
    transform[:3, :3] = rotation
    transform[:3, 3] = -rotation @ origin
    return transform


def _all_rules(skull: Mesh) -> dict[str, np.ndarray]:
    relief = Relief(DistanceScene(skull))
    points = _midline_rules(relief)
    for sign, suffix in ((1.0, "_l"), (-1.0, "_r")):
        for name, point in _bilateral_rules(relief, skull, sign, points).items():
            points[name + suffix] = point
    missing = [key for key in ALL_KEYS if key not in points or not np.isfinite(points[key]).all()]
    if missing:
        raise _incomplete(", ".join(missing))
    return points


def _span(low: float, high: float) -> np.ndarray:
    if not np.isfinite(high - low):
        raise _incomplete("a part")
    return np.arange(low, high, _STEP)


def _some(found: np.ndarray, part: str) -> np.ndarray:
    if not len(found):
        raise _incomplete(part)
    return found


def _incomplete(part: str) -> InputError:
    return InputError(f"template skull: no surface where {part} should be; give a complete skull, y up, z forward")


def _midline_rules(relief: Relief) -> dict[str, np.ndarray]:
    def profile(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        y = _span(low, high)
        return y, relief.front(np.zeros_like(y), y)

    def front_most(low: float, high: float, tilt: float = 0.0) -> np.ndarray:
        y, z = profile(low, high)
        best = np.argmax(z + tilt * y)
        return np.array([0.0, y[best], z[best]])

    def deepest(low: float, high: float) -> np.ndarray:
        """Farthest behind the chord between the window's ends."""
        y, z = profile(low, high)
        best = np.argmax(z[0] + (z[-1] - z[0]) * (y - y[0]) / (y[-1] - y[0]) - z)
        return np.array([0.0, y[best], z[best]])

    def half_way(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        y = np.array([(a[1] + b[1]) / 2])
        return np.array([0.0, y[0], relief.front(np.zeros(1), y)[0]])

    points = {}
    points["pg"] = front_most(-92.0, -78.0)  # the lower jaw's front bump
    chin = points["pg"]
    points["sm"] = deepest(chin[1], chin[1] + 26)
    points["id"] = deepest(
        points["sm"][1] + 7, points["sm"][1] + 17
    )  # the notch where the incisor's crown leaves the bone
    points["pr"] = front_most(points["id"][1] + 16.5, points["id"][1] + 25)  # the alveolar edge over the upper crown
    points["ss"] = deepest(points["pr"][1], points["pr"][1] + 16)  # up to the nasal spine
    points["mp"] = half_way(points["ss"], points["pr"])
    points["rhi"] = front_most(2.0, 14.0)  # tip of the nasal bones, above the open aperture
    points["n"] = deepest(points["rhi"][1] + 4, points["rhi"][1] + 30)
    points["mn"] = half_way(points["n"], points["rhi"])
    points["g"] = front_most(points["n"][1] + 4, points["n"][1] + 20)
    z = _span(chin[2] - 25, chin[2])
    under = relief.below(np.zeros_like(z), z)
    points["me"] = np.array([0.0, under.min(), z[np.argmin(under)]])
    points["gn"] = front_most(points["me"][1] + 0.5, chin[1], tilt=-1.0)  # where the outline runs at 45 degrees
    z = _span(-60.0, 40.0)
    top = relief.above(np.zeros_like(z), z)
    points["v"] = np.array([0.0, top.max(), z[np.argmax(top)]])
    y = _span(0.0, 90.0)
    behind = relief.back(np.zeros_like(y), y)
    far = np.argmax(np.hypot(y - points["g"][1], behind - points["g"][2]))
    points["op"] = np.array([0.0, y[far], behind[far]])
    return points


def _bilateral_rules(relief: Relief, skull: Mesh, sign: float, mid: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    def front_point(x: float, y: float) -> np.ndarray:
        return np.array([sign * x, y, relief.front(np.array([sign * x]), np.array([y]))[0]])

    def side_point(y: float, z: float) -> np.ndarray:
        return np.array([sign * relief.side(sign, np.array([y]), np.array([z]))[0], y, z])

    points = {}
    # The orbit is the hollow, more than 25 mm behind nasion, at the height of the nasal bones.
    x = _span(8.0, 55.0)
    y_orbit = (mid["n"][1] + mid["rhi"][1]) / 2
    hollow = _some(x[relief.front(sign * x, np.full_like(x, y_orbit)) < mid["n"][2] - 25], "an orbit")
    middle = (hollow.min() + _some(hollow[hollow < 50], "an orbit").max()) / 2
    y = _span(mid["n"][1] + 6, mid["n"][1] + 30)
    points["mso"] = front_point(middle, y[np.argmax(relief.front(np.full_like(y, sign * middle), y))])
    # Looked at from 30 degrees above, the lower margin is the edge in front of the hollow.
    y = _span(mid["rhi"][1] - 16, mid["rhi"][1] - 2)
    points["mio"] = front_point(middle, y[np.argmax(relief.front(np.full_like(y, sign * middle), y) + 0.5 * y)])
    columns = _span(middle - 11, middle + 11)
    grid = relief.front(sign * columns[:, None], y[None, :])
    crest = np.argmax(grid + 0.5 * y, axis=1)
    lowest = np.argmin(y[crest])
    points["or"] = front_point(columns[lowest], y[crest[lowest]])
    # The aperture's border is where the surface steps back; its widest place is low down, beside the alae.
    x = _span(3.0, 25.0)
    y = _span(mid["ss"][1] + 12, mid["ss"][1] + 24)
    depth = relief.front(sign * x[None, :], y[:, None])
    border = np.array([x[np.argmax(np.diff(row))] for row in depth])
    widest = np.argmax(border)
    points["ac"] = front_point(
        border[widest] + 3.0, y[widest]
    )  # 3 mm beside the border: on the maxilla, not in the opening
    y, z = np.meshgrid(_span(-20.0, 8.0), _span(10.0, 50.0), indexing="ij")
    width = relief.side(sign, y, z)
    best = np.unravel_index(np.argmax(width), width.shape)
    points["zy"] = side_point(y[best], z[best])
    # Uppermost point of the meatus: over the deepest place of the hollow behind the condyle, where its wall first
    # sinks 4 mm under the bone above.
    z = _span(-7.0, 7.0)
    hollow_z = z[np.argmin(relief.side(sign, np.full_like(z, -2.0), z))]
    y = _span(-8.0, 8.0)
    wall = relief.side(sign, y, np.full_like(y, hollow_z))
    points["po"] = side_point(_some(y[wall < wall[-1] - 4.0], "porion").max(), hollow_z)
    points |= _mandible_rules(relief, skull, sign, mid)
    # Canines: third tooth from the midline, whose crown stands 13 mm (upper) and 10.5 mm (lower) beside it on this
    # template.
    points["sC"] = front_point(13.5, mid["pr"][1] + 2.0)
    points["iC"] = front_point(10.5, mid["id"][1] - 1.5)
    # Second molars: last of the row, whose distal end is the rear edge of the crowns seen from the side.
    y_bite = (mid["pr"][1] + mid["id"][1]) / 2
    z = _span(40.0, 70.0)[::-1]
    row = relief.side(sign, np.full_like(z, y_bite + 5), z)
    distal = z[np.argmin(row > 15)]
    for name, low, high in (("ecm2(s)", y_bite + 9.5, y_bite + 14), ("ecm2(i)", y_bite - 6.5, y_bite - 2)):
        y = _span(low, high)
        bulge = relief.side(sign, y, np.full_like(y, distal + 5.0))
        points[name] = side_point(y[np.argmax(bulge)], distal + 5.0)
    return points


def _mandible_rules(relief: Relief, skull: Mesh, sign: float, mid: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    points = {}
    corner = skull.vertices[
        (skull.vertices[:, 1] < -45) & (skull.vertices[:, 2] < 40) & (sign * skull.vertices[:, 0] > 35)
    ]
    points["go"] = _some(corner, "gonion")[np.argmax(corner @ (np.array([sign, -1.0, -1.0]) / np.sqrt(3)))]
    # Between angle and notch, the level at which the ramus is narrowest from front to back; its middle there.
    levels = np.arange(points["go"][1] + 18, points["go"][1] + 36, 1.0)
    z = _span(0.0, 60.0)
    solid = relief.side(sign, levels[:, None], z[None, :]) > 36.0
    narrowest = np.argmin(solid.sum(axis=1))
    ramus = _some(z[solid[narrowest]], "the ramus")
    y, z_mid = levels[narrowest], (ramus.min() + ramus.max()) / 2
    points["mr"] = np.array([sign * relief.side(sign, np.array([y]), np.array([z_mid]))[0], y, z_mid])
    z_mid = (mid["gn"][2] + points["go"][2]) / 2
    x = _span(20.0, 60.0)
    under = relief.below(sign * x, np.full_like(x, z_mid))
    best = np.argmax(np.where(np.isfinite(under) & (under < -45), x - under, -np.inf))  # outer edge of the lower border
    points["mmb"] = np.array([sign * x[best], under[best], z_mid])
    return points
