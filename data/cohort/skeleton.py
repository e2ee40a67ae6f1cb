"""All that can be seen where a skull lies, as one mesh of fixed topology that every person of the cohort shares.

It is made by rule from the anatomy prior's skull: solid bone with fused jaws becomes a cranium and a mandible that part
cleanly, with crowns that can be lost, cavities inside, and what a CT shows besides. Some triangles exclude each other:

- The jaws are whole and closed: keep `bridge`, drop `lid`. The mandible is moved or lost, or any tooth is lost: drop
  `bridge`, keep `lid`.
- Inner walls are shown (a CT): drop `foramen`. They are not (a laser scan): keep it, and drop all triangles with a
  vertex of `Part.INNER`.

So chosen the bone is closed, fused or parted, but for one sliver of a lid (test_skeleton.py).
"""

from __future__ import annotations

import dataclasses
import enum

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from data.cohort.arch import find_arch
from data.cohort.inner_walls import make_inner_walls
from data.cohort.jaws import part_jaws
from data.cohort.joined import joined
from data.cohort.leftovers import make_streaks, make_tube, make_vertebrae
from data.cohort.teeth import find_teeth
from data.prior import AnatomyPrior
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.model import Array

THICKEST_MM = 20.0
"""Thicker bone is said to be as thick as this."""


class Part(enum.IntEnum):
    """What a vertex belongs to."""

    CRANIUM = 0
    MANDIBLE = 1
    INNER = 2
    VERTEBRAE = 3
    TUBE = 4
    STREAKS = 5


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Skeleton:
    """The mesh, and what its vertices and triangles are. A pytree; head frame, mm. Faces wind outward; inner walls so
    that their normals point out of the bone into the cavity."""

    rest: Float[Array, "*batch vertices 3"]
    """Positions with the prior's mean skull: its own vertices first and in order, then the jaws' lids, inner walls,
    vertebrae, tube and streaks."""
    faces: Int[Array, "*batch faces 3"]
    """The skull's own triangles first and in order."""
    part: Int[Array, "*batch vertices"]
    """A `Part`."""
    tooth: Int[Array, "*batch vertices"]
    """Whose crown it is: 0 none, 1 to 16 upper teeth from the right third molar to the left, 17 to 32 lower teeth from
    the left third molar to the right (Universal numbering system). There are no 1 and no 16."""
    socket: Float[Array, "*batch vertices 3"]
    """Displacement of a crown's vertex onto the ridge when the tooth is lost; zero elsewhere."""
    resorbed: Float[Array, "*batch vertices 3"]
    """Further displacement when all teeth of the jaw are long lost; zero away from the ridge."""
    thickness: Float[Array, "*batch vertices"]
    """Bone under the vertex along its inward normal, to the next wall, at most `THICKEST_MM`."""
    bridge: Bool[Array, "*batch faces"]
    """Triangles of the fused template that join mandible and cranium."""
    lid: Bool[Array, "*batch faces"]
    """Triangles that close both jaws where the bridges were: the teeth's chewing surfaces, condyles and fossae."""
    foramen: Bool[Array, "*batch faces"]
    """Triangles of the solid template that close the foramen magnum."""
    condyles: Float[Array, "*batch 2 3"]
    """Centres of the left and the right mandibular condyle."""


def make_skeleton(prior: AnatomyPrior) -> Skeleton:
    """Make the skeleton that belongs to a prior's skull. On the host, without chance."""
    skull, landmarks = prior.skull, prior.landmark_points()
    arch = find_arch(skull, landmarks)
    jaws = part_jaws(skull, landmarks, arch)
    teeth = find_teeth(jaws.vertices, jaws.mandible, arch)
    inner = make_inner_walls(skull, landmarks)
    count, own = len(jaws.vertices), len(skull.vertices)
    # The rim counts walls right after the skull's own vertices; here the lids come between.
    rim = np.where(inner.rim < own, inner.rim, inner.rim + count - own).astype(np.int32)
    walled = joined([Mesh(jaws.vertices, jaws.faces), inner.walls])
    bone = Mesh(walled.vertices, np.concatenate([walled.faces, rim]))
    left = (
        (Part.VERTEBRAE, make_vertebrae(landmarks)),
        (Part.TUBE, make_tube(landmarks)),
        (Part.STREAKS, make_streaks(jaws.vertices, teeth.tooth)),
    )
    others = joined([mesh for _, mesh in left])
    whole = joined([bone, others])
    lid = _drawn_out(jaws.lid, len(whole.faces))
    thickness = [_thickness(bone, lid[: len(bone.faces)]), _to_next_wall(others, others.vertex_normals())]
    part = [np.where(jaws.mandible, Part.MANDIBLE, Part.CRANIUM), np.full(len(inner.walls.vertices), Part.INNER)]
    part += [np.full(len(mesh.vertices), kind) for kind, mesh in left]
    return Skeleton(
        rest=whole.vertices.astype(np.float32),
        faces=whole.faces,
        part=np.concatenate(part).astype(np.int32),
        tooth=_drawn_out(teeth.tooth, len(whole.vertices)),
        socket=_drawn_out(teeth.socket, len(whole.vertices)).astype(np.float32),
        resorbed=_drawn_out(teeth.resorbed, len(whole.vertices)).astype(np.float32),
        thickness=np.minimum(np.concatenate(thickness), THICKEST_MM).astype(np.float32),
        bridge=_drawn_out(jaws.bridge, len(whole.faces)),
        lid=lid,
        foramen=_drawn_out(inner.foramen, len(whole.faces)),
        condyles=jaws.condyles.astype(np.float32),
    )


def _drawn_out(values: np.ndarray, count: int) -> np.ndarray:
    """Values with zeros behind them, `count` in all."""
    return np.concatenate([values, np.zeros((count - len(values), *values.shape[1:]), values.dtype)])


def _thickness(bone: Mesh, lid: np.ndarray) -> np.ndarray:
    """Rays from each vertex of bone to its next wall. The jaws are fused still, so bone is whole between the rows."""
    solid = Mesh(bone.vertices, bone.faces[~lid])
    normals = solid.vertex_normals()
    alone = np.linalg.norm(normals, axis=1) < 0.5  # a lid's own vertices
    normals[alone] = bone.vertex_normals()[alone]
    return _to_next_wall(solid, normals)


def _to_next_wall(walls: Mesh, normals: np.ndarray) -> np.ndarray:
    """Infinite where a ray finds no wall: it left through a pipe's open end."""
    start = 0.3
    return DistanceScene(walls).cast(walls.vertices - start * normals, -normals).distance + start
