"""Robust registration of a template surface to a new one: rigid from anywhere, then with scale.

Iterated closest points (Besl & McKay, IEEE TPAMI 14(2), 1992) with point-to-plane residuals (Chen & Medioni 1992), in
both directions at once, matched by position and normal, weighted by Geman-McClure with a shrinking scale. Matching by
normal leaves out the inner table of a CT; the weights leave out what either surface lacks (vertebrae, tubes, a
missing jaw or vault).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points
from fields.sampling import sample_surface

_STARTS = 96
_FINE_POINTS = 3000
_SCALE_RANGE = (0.8, 1.25)
_SKY_SHARE = 0.25
FAR = 1e6
"""Distance of points without a match."""


@dataclasses.dataclass(frozen=True)
class _Stage:
    """A round of the global search."""

    points: int
    """Of the template; twice as many of the target."""
    radii: tuple[float, ...]
    """Scale of the weights at each step, mm."""
    kept: int
    """Starts that go on."""
    scaled: bool


_STAGES = (
    _Stage(250, (40.0, 40.0, 35.0, 30.0), 40, scaled=False),
    _Stage(400, (30.0, 25.0, 25.0, 20.0), 12, scaled=False),
    _Stage(800, (20.0, 20.0, 16.0, 14.0, 12.0), 3, scaled=True),
    _Stage(1500, (12.0, 12.0, 10.0, 10.0, 8.0), 1, scaled=True),
)


@dataclasses.dataclass(frozen=True)
class Oriented:
    """Surface points with outward unit normals and a tree to find the nearest of them."""

    points: Float[np.ndarray, "points 3"]
    normals: Float[np.ndarray, "points 3"]
    tree: cKDTree

    @classmethod
    def sampled(cls, mesh: Mesh, count: int, seed: int = 0) -> Oriented:
        """Area-weighted points of a mesh; the same points in any pose of it."""
        drawn = sample_surface(mesh, count, seed)
        # Shuffled, so that any first few are spread over the surface, and stay the same when some points are left out.
        order = np.random.default_rng(1).permutation(count)
        points = drawn.points[order]
        # Interpolated, so that steps and facets of the mesh, which are no anatomy, turn them less.
        corners = mesh.vertex_normals()[mesh.faces[drawn.face_ids[order]]]
        normals = np.einsum("pc,pcd->pd", drawn.barycentric[order], corners)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        return cls(points, normals, cKDTree(points))

    @classmethod
    def exposed(cls, mesh: Mesh, count: int, seed: int = 0) -> Oriented:
        """The sampled points that look out: inner tables, sinuses and cell walls, which a template lacks, are left out.

        A point looks out when at least `_SKY_SHARE` of the directions above its surface meet nothing.
        """
        every = cls.sampled(mesh, count, seed)
        scene = DistanceScene(mesh)
        lift = every.points + 1e-3 * mesh.diagonal() * every.normals
        # Directions in the mesh's own axes, so that a turned mesh keeps the same points.
        axes = np.linalg.svd(every.points - every.points.mean(axis=0), full_matrices=False)[2]
        open_sky, above = np.zeros(count), np.zeros(count)
        for direction in _sphere(64) @ axes:
            facing = np.maximum(every.normals @ direction, 0.0)
            rows = np.flatnonzero(facing)
            origins = lift[rows]
            blocked = scene.blocked(origins, np.broadcast_to(direction, origins.shape))
            above += facing
            open_sky[rows] += np.where(blocked, 0.0, facing[rows])
        rows = np.flatnonzero(open_sky > _SKY_SHARE * above)
        return cls(every.points[rows], every.normals[rows], cKDTree(every.points[rows]))

    def first(self, count: int) -> Oriented:
        """Some of the points, spread as all are."""
        return Oriented(self.points[:count], self.normals[:count], cKDTree(self.points[:count]))

    def moved(self, transform: Float[np.ndarray, "4 4"]) -> Oriented:
        """The points in another frame (similarity transform)."""
        points = transform_points(transform, self.points)
        rotation = transform[:3, :3] / np.cbrt(np.linalg.det(transform[:3, :3]))
        return Oriented(points, self.normals @ rotation.T, cKDTree(points))


@dataclasses.dataclass(frozen=True)
class Registration:
    """A template placed on a target."""

    T_target_template: Float[np.ndarray, "4 4"]
    """Similarity transform."""
    scale: float
    cost: float
    """Mean robust cost of both directions in 0..1, at the final scale of the weights; lower is better."""


def register(template: Oriented, target: Oriented) -> Registration:
    """Find the similarity that lays the template over the target, from any start pose. Lengths in mm.

    The starts are rotations relative to the target's principal axes, so that turning the target turns the result.
    """
    few_template, few_target = template.first(400), target.first(800)
    axes = np.linalg.svd(few_target.points - few_target.points.mean(axis=0), full_matrices=False)[2]
    axes[2] *= np.linalg.det(axes)
    starts = []
    for turn in _rotations(_STARTS):
        start = np.eye(4)
        start[:3, :3] = axes.T @ turn
        start[:3, 3] = few_target.points.mean(axis=0) - start[:3, :3] @ few_template.points.mean(axis=0)
        starts.append(start)
    # Fewer and fewer starts are followed with more and more points.
    for stage in _STAGES:
        few_template, few_target = template.first(stage.points), target.first(2 * stage.points)
        for radius in stage.radii:
            starts = [_step(few_template, few_target, start, radius, scaled=stage.scaled) for start in starts]
        costs = [robust_cost(few_template, few_target, start, stage.radii[-1]) for start in starts]
        starts = [starts[rank] for rank in np.argsort(costs)[: stage.kept]]
    return Registration(starts[0], _scale(starts[0]), min(costs))


def refine(template: Oriented, target: Oriented, start: Float[np.ndarray, "4 4"]) -> Registration:
    """Improve a registration from a good start, to convergence."""
    transform, template = start, template.first(_FINE_POINTS)
    for radius in (10.0, 8.0, 6.0):
        for _ in range(25):
            moved = _step(template, target, transform, radius, scaled=True)
            change = np.abs(
                transform_points(moved, template.points) - transform_points(transform, template.points)
            ).max()
            transform = moved
            if change < 1e-3:
                break
    return Registration(transform, _scale(transform), robust_cost(template, target, transform, 6.0))


def refine_rigid(template: Oriented, target: Oriented, start: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """Fit a part of the template to the target without scale, matching only from the part, since the target has
    more."""
    transform = start
    for radius in (12.0, 9.0, 7.0, 5.0, 4.0):
        for _ in range(8):
            transform = _step(template, target, transform, radius, scaled=False, both_ways=False)
    return transform


def robust_cost(template: Oriented, target: Oriented, transform: np.ndarray, radius: float) -> float:
    """Mean Geman-McClure cost in 0..1 of the distances to the nearest point that faces the same way, both
    directions."""
    moved = template.moved(transform)
    forward, _ = matched_distance(moved.points, moved.normals, target, 3 * radius)
    back, _ = matched_distance(target.points, target.normals, moved, 3 * radius)
    return float(np.mean([(d**2 / (d**2 + radius**2)).mean() for d in (forward, back)]))


def matched_distance(
    points: np.ndarray, normals: np.ndarray, onto: Oriented, reach: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Distance to, and row of, the nearest of a few neighbours whose normal agrees (cosine over 0.3).

    Where none agrees within `reach` the distance is `FAR` and the row arbitrary.
    """
    distance, row = onto.tree.query(points, k=3, distance_upper_bound=reach)
    row = np.minimum(row, len(onto.points) - 1)  # the tree marks an empty place by a row past the end
    agree = (np.einsum("pd,pkd->pk", normals, onto.normals[row]) > 0.3) & np.isfinite(distance)
    first = np.argmax(agree, axis=1)
    rows = np.arange(len(points))
    return np.where(agree.any(axis=1), distance[rows, first], FAR), row[rows, first]


def _step(
    template: Oriented, target: Oriented, transform: np.ndarray, radius: float, *, scaled: bool, both_ways: bool = True
) -> np.ndarray:
    """One reweighted point-to-plane step."""
    moved = template.moved(transform)
    gap, row = matched_distance(moved.points, moved.normals, target, 3 * radius)
    source, goal, normal = moved.points, target.points[row], target.normals[row]
    share = np.full(len(gap), 1 / len(gap))
    if both_ways:
        # Twice as many points of the target as of the template are plenty; the whole target serves for the way there.
        back, back_normals = target.points[: 2 * len(gap)], target.normals[: 2 * len(gap)]
        back_gap, back_row = matched_distance(back, back_normals, moved, 3 * radius)
        source = np.concatenate([source, moved.points[back_row]])
        goal = np.concatenate([goal, back])
        normal = np.concatenate([normal, back_normals])
        gap = np.concatenate([gap, back_gap])
        # Each direction counts as one, however many points it has.
        share = np.concatenate([share, np.full(len(back_gap), 1 / len(back_gap))])
    weight = share * (radius**2 / (radius**2 + gap**2)) ** 2
    centre = weight @ goal / weight.sum()
    arm = source - centre
    columns = [np.cross(arm, normal), normal]
    if scaled:
        columns.append(np.einsum("pd,pd->p", arm, normal)[:, None])
    jacobian = np.concatenate(columns, axis=1)
    # Lengths of about 80 mm make turning, moving and scaling comparable; a little damping keeps spheres from spinning.
    units = np.array([80.0] * 3 + [1.0] * 3 + [80.0] * scaled)
    jacobian = jacobian / units
    residual = np.einsum("pd,pd->p", goal - source, normal)
    normal_matrix = (jacobian * weight[:, None]).T @ jacobian
    solution = (
        np.linalg.solve(
            normal_matrix + 1e-4 * np.trace(normal_matrix) / len(units) * np.eye(len(units)),
            jacobian.T @ (weight * residual),
        )
        / units
    )
    turn = Rotation.from_rotvec(solution[:3]).as_matrix()
    growth = 1.0
    if scaled:
        now = _scale(transform)
        growth = float(np.clip(now * np.exp(solution[6]), *_SCALE_RANGE) / now)
    step = np.eye(4)
    step[:3, :3] = growth * turn
    step[:3, 3] = centre + solution[3:6] - growth * turn @ centre
    return step @ transform


def _sphere(count: int) -> np.ndarray:
    """Directions spread over the sphere, closed under turning any axis round (a principal axis has no sign)."""
    index = np.arange(count // 8) + 0.5
    height, angle = index / (count // 8), (np.pi / 2) * ((index * (1 + 5**0.5) / 2) % 1.0)
    around = np.sqrt(1 - height**2)
    octant = np.stack([around * np.cos(angle), around * np.sin(angle), height], axis=1)
    signs = np.array([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)])
    return (signs[:, None, :] * octant[None]).reshape(-1, 3)


def _scale(transform: np.ndarray) -> float:
    return float(np.cbrt(np.linalg.det(transform[:3, :3])))


def _rotations(count: int) -> np.ndarray:
    """Rotations spread over SO(3), closed under turning half-way round the axes (a principal axis has no sign).

    Super-Fibonacci spirals: Alexa, CVPR 2022.
    """
    phi, psi = np.sqrt(2.0), 1.533751168755204288118041
    s = np.arange(count // 4) + 0.5
    r, big = np.sqrt(s / (count // 4)), np.sqrt(1 - s / (count // 4))
    a, b = 2 * np.pi * s / phi, 2 * np.pi * s / psi
    spread = Rotation.from_quat(
        np.stack([r * np.sin(a), r * np.cos(a), big * np.sin(b), big * np.cos(b)], axis=1)
    ).as_matrix()
    flips = [np.diag(signs) for signs in ([1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1])]
    return np.concatenate([[flip @ turn for turn in spread] for flip in flips])
