"""The peer of the fitter: the residuals of `flame_jax.scan_residuals` and their derivatives in numpy, for scipy.

Nearest points come from k-d trees, exactly. The head is a rigid one with an identity, at rest otherwise:

    p = R(w) (T + S beta - j) + j + t,    j = J + K beta

so along a direction d, with q = T + S beta - j and the left Jacobian L of the rotation group (Solà, Deray, Atchuthan,
"A micro Lie theory for state estimation in robotics", arXiv:1812.01537, equations 143 and 145):

    d . dp/dbeta = (R^T d) . S + (d - R^T d) . K,    d . dp/dw = (R q x d)^T L(w),    d . dp/dt = d

What a residual and its derivatives share is computed once for each point x. All in double precision, as scipy itself.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from flame_jax.flame import Flame
from flame_jax.normals import incident_faces
from flame_jax.scan import Scan

ROBUST = 3.0
"""Scale of the Geman-McClure kernel, in standard deviations; as everywhere by default."""
SD_MM = 1.0
"""Standard deviation of a distance."""
REACH = 2.0
"""As `HeadToScan.reach`."""
FACING = (0.1, 0.5)
"""As in `flame_jax.scan_residuals`: cosines between the normals of a pair from no match to a full one."""
ASIDE = (0.5, 1.5)
"""As there: squared distances aside, relative to the reach, from a full match to none."""
MOST_AROUND = 10
"""As there: triangles looked at around the nearest vertex."""

Vector = Float[np.ndarray, " parameters"]
Matrix = Float[np.ndarray, "residuals parameters"]


@dataclasses.dataclass(frozen=True)
class RigidHead:
    """What of a head model is needed for identity, turn and place."""

    template: Float[np.ndarray, "vertices 3"]
    """Mean head."""
    dirs: Float[np.ndarray, "vertices 3 identities"]
    """Identity components."""
    root: Float[np.ndarray, "3"]
    """Root joint of the mean head."""
    root_dirs: Float[np.ndarray, "3 identities"]
    """What an identity does to it."""
    faces: Int[np.ndarray, "faces 3"]
    """Triangles."""
    around: Int[np.ndarray, "vertices most"]
    """Triangles around each vertex, repeated where there are fewer."""
    incidence: scipy.sparse.csr_array
    """Vertices by triangles, one where they touch."""

    @classmethod
    def of(cls, flame: Flame) -> RigidHead:
        """The same model in double precision."""
        count = flame.v_template.shape[1]
        faces = np.asarray(flame.faces)
        around = incident_faces(np.asarray(flame.faces), count)[:, :MOST_AROUND]
        around = np.where(around < len(faces), around, np.where(around[:, :1] < len(faces), around[:, :1], 0))
        ones = np.ones(faces.size)
        incidence = scipy.sparse.csr_array(
            (ones, (faces.ravel(), np.repeat(np.arange(len(faces)), 3))), (count, len(faces))
        )
        dirs = np.asarray(flame.shapedirs, np.float64).reshape(-1, 3, count).transpose(2, 1, 0)
        return cls(
            template=np.asarray(flame.v_template, np.float64).T,
            dirs=np.ascontiguousarray(dirs),
            root=np.asarray(flame.j_template, np.float64)[0],
            root_dirs=np.asarray(flame.j_shapedirs, np.float64)[0],
            faces=faces,
            around=around,
            incidence=incidence,
        )

    def at(self, x: Vector) -> PosedHead:
        """The head of parameters: identity, axis-angle, translation."""
        return PosedHead(self, x)


@dataclasses.dataclass(frozen=True)
class PosedHead:
    """The head at one point, with what is asked of it computed once."""

    head: RigidHead
    """The model."""
    x: Vector
    """Identity, axis-angle, translation."""

    @functools.cached_property
    def _turn(self) -> np.ndarray:
        return Rotation.from_rotvec(self.x[-6:-3]).as_matrix()

    @functools.cached_property
    def _from_root(self) -> np.ndarray:
        """R q of all vertices."""
        betas = self.x[:-6]
        head = self.head
        rest = head.template + (head.dirs.reshape(-1, len(betas)) @ betas).reshape(-1, 3)
        return (rest - (head.root + head.root_dirs @ betas)) @ self._turn.T

    @functools.cached_property
    def vertices(self) -> Float[np.ndarray, "vertices 3"]:
        """Posed vertices."""
        return self._from_root + self.head.root + self.head.root_dirs @ self.x[:-6] + self.x[-3:]

    @functools.cached_property
    def normals(self) -> Float[np.ndarray, "vertices 3"]:
        """Unit normals, weighted by the areas of the triangles around."""
        a, b, c = (self.vertices[self.head.faces[:, corner]] for corner in range(3))
        total = self.head.incidence @ np.cross(b - a, c - a)
        return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), np.finfo(np.float64).tiny)

    def along(self, directions: Float[np.ndarray, "vertices 3"]) -> Matrix:
        """Derivatives of each vertex along a direction of its own."""
        back = directions @ self._turn
        # A product for each vertex: the fastest of four ways to write it in numpy.
        by_betas = (back[:, None, :] @ self.head.dirs)[:, 0] + (directions - back) @ self.head.root_dirs
        by_turn = np.cross(self._from_root, directions) @ _left_jacobian(self.x[-6:-3])
        return np.concatenate([by_betas, by_turn, directions], axis=1)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Residuals and derivatives as scipy asks for them, one after the other at the same point."""

    residuals_and_rest: Callable[[Vector], tuple[np.ndarray, Callable[[], Matrix]]]
    """The residuals, and what then gives their derivatives."""

    @functools.cached_property
    def _last(self) -> dict[bytes, tuple[np.ndarray, Callable[[], Matrix]]]:
        return {}

    def _at(self, x: Vector) -> tuple[np.ndarray, Callable[[], Matrix]]:
        key = x.tobytes()
        if key not in self._last:
            found = self.residuals_and_rest(x.copy())
            # scipy asks for the derivatives at the last point, or after a rejected step not at all.
            self._last.clear()
            self._last[key] = found
        return self._last[key]

    def residuals(self, x: Vector) -> Float[np.ndarray, " residuals"]:
        """The residuals; the prior's last."""
        return self._at(x)[0]

    def jacobian(self, x: Vector) -> Matrix:
        """Their derivatives."""
        return self._at(x)[1]()

    def cost(self, x: Vector) -> float:
        """Half the sum of squares."""
        return 0.5 * float(np.sum(self.residuals(x) ** 2))


def head_to_scan(head: RigidHead, scan: Scan) -> Problem:
    """`HeadToScan` and a standard normal prior on the identity. Makes the scan's tree."""
    points, normals = np.asarray(scan.points, np.float64), np.asarray(scan.normals, np.float64)
    tree = cKDTree(points)
    spacing = float(scan.spacing)

    def evaluate(x: Vector) -> tuple[np.ndarray, Callable[[], Matrix]]:
        posed = head.at(x)
        distances, closest = tree.query(posed.vertices, workers=-1)
        facing = normals[closest]
        height = np.einsum("vd,vd->v", posed.vertices - points[closest], facing)
        match = 1 - _rising((distances**2 - height**2) / (REACH * spacing) ** 2, *ASIDE)
        match *= _rising(np.einsum("vd,vd->v", facing, posed.normals), *FACING)
        values, slopes, unmatched = _robust(height / SD_MM, match)

        def derivatives() -> Matrix:
            return _with_prior_rows(posed.along((slopes / SD_MM)[:, None] * facing), x)

        return np.concatenate([values, [unmatched], x[:-6]]), derivatives

    return Problem(evaluate)


def scan_to_head(head: RigidHead, scan: Scan) -> Problem:
    """`ScanToHead` and a standard normal prior on the identity. Makes a tree of the vertices at every evaluation."""
    points, normals = np.asarray(scan.points, np.float64), np.asarray(scan.normals, np.float64)
    starts = np.arange(0, 3 * len(points) + 1, 3)

    def evaluate(x: Vector) -> tuple[np.ndarray, Callable[[], Matrix]]:
        posed = head.at(x)
        vertices = posed.vertices
        closest = cKDTree(vertices).query(points, workers=-1)[1]
        triangles = head.faces[head.around[closest]]
        b_coords, corners = _closest_of_triangles(vertices, triangles, points)
        here = np.einsum("pc,pcd->pd", b_coords, vertices[corners])
        across = np.einsum("pc,pcd->pd", b_coords, posed.normals[corners])
        match = _rising(np.einsum("pd,pd->p", across, normals), *FACING)
        values, slopes, unmatched = _robust(np.einsum("pd,pd->p", here - points, across) / SD_MM, match)

        def derivatives() -> Matrix:
            weights = b_coords * (slopes / SD_MM)[:, None]
            mixing = scipy.sparse.csr_array(
                (weights.ravel(), corners.ravel(), starts), shape=(len(points), len(vertices))
            )
            return _with_prior_rows(mixing @ posed.along(posed.normals), x)

        return np.concatenate([values, [unmatched], x[:-6]]), derivatives

    return Problem(evaluate)


def _robust(residuals: np.ndarray, match: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Geman and McClure's kernel as a residual, its slope, and one constant residual for all that is not matched."""
    factor, share = 1 / np.sqrt(1 + residuals**2 / ROBUST**2), np.sqrt(match)
    return share * residuals * factor, share * factor**3, ROBUST * float(np.sqrt((1 - match).sum()))


def _rising(number: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((number - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _with_prior_rows(rows: Matrix, x: Vector) -> Float[np.ndarray, "more parameters"]:
    return np.concatenate([rows, np.zeros((1, len(x))), np.eye(len(x) - 6, len(x))])


def _left_jacobian(turn: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    cross = np.cross(turn, np.eye(3)).T
    angle = float(np.linalg.norm(turn))
    if angle < 1e-4:
        return np.eye(3) + cross / 2 + cross @ cross / 6
    return np.eye(3) + (1 - np.cos(angle)) / angle**2 * cross + (angle - np.sin(angle)) / angle**3 * cross @ cross


def _closest_of_triangles(
    vertices: np.ndarray, triangles: Int[np.ndarray, "points some 3"], points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric coordinates of the point closest to each point on any of its triangles, and that one's corners."""
    a = vertices[triangles[:, :, 0]]
    ab, ac = vertices[triangles[:, :, 1]] - a, vertices[triangles[:, :, 2]] - a
    ap = points[:, None] - a
    bb, cc, bc = _dot(ab, ab), _dot(ac, ac), _dot(ab, ac)
    pb, pc = _dot(ap, ab), _dot(ap, ac)
    area = bb * cc - bc * bc
    safe = np.where(area > 0, area, 1)
    v, w = (cc * pb - bc * pc) / safe, (bb * pc - bc * pb) / safe
    inside = (v >= 0) & (w >= 0) & (v + w <= 1) & (area > 0)
    on_ab, on_ac = _share(pb, bb), _share(pc, cc)
    on_bc = _share(pc - pb + bb - bc, bb + cc - 2 * bc)
    zero = np.zeros_like(v)
    choices = [(v, w), (on_ab, zero), (zero, on_ac), (1 - on_bc, on_bc)]
    # Squared distances but for a term that the four have in common.
    costs = [bb * v * v + cc * w * w + 2 * (bc * v * w - pb * v - pc * w) for v, w in choices]
    costs[0] = np.where(inside, costs[0], np.inf)
    side = np.argmin(costs, axis=0)
    v, w = (np.choose(side, [choice[place] for choice in choices]) for place in range(2))
    best = np.argmin(np.min(costs, axis=0) + _dot(ap, ap), axis=1)
    rows = np.arange(len(points))
    v, w = v[rows, best], w[rows, best]
    return np.stack([1 - v - w, v, w], axis=1), triangles[rows, best]


def _share(along: np.ndarray, length: np.ndarray) -> np.ndarray:
    return np.clip(along / np.where(length > 0, length, 1), 0, 1)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...d,...d->...", a, b)
