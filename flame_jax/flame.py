"""FLAME's forward pass in stages: model -> shaped (identity) -> posed (expression, joints) -> vertices.

Li, Bolkart, Black, Li, Romero: "Learning a model of facial shape and expression from 4D scans", ACM Transactions on
Graphics 36(6), 2017, equations 1-5:

    rest = v_template + shapedirs . betas + exprdirs . expression + posedirs . (R(pose) - I)
    v    = skinned(rest, joints of v_template + shapedirs . betas + exprdirs . expression, pose)

Shape once, pose many: what depends on identity alone is computed by `Flame.shaped`. All stages are immutable pytrees,
so they pass through `jit`, `grad` and `vmap`, and take any leading batch dimensions, which broadcast.

Axes are FLAME's: x = subject's left, y up, z anterior. Lengths are in the model's unit (metres in FLAME's files).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import DTypeLike

from flame_jax.errors import InputError
from flame_jax.landmark_embedding import LandmarkEmbedding
from flame_jax.model import Array, HeadModel
from flame_jax.model_arrays import model_arrays
from flame_jax.normals import vertex_normals
from flame_jax.rotations import Rotations, rotation_matrix
from flame_jax.skinning import joint_transforms, skinned

JOINTS = ("global_orient", "neck_pose", "jaw_pose", "leye_pose", "reye_pose")
"""FLAME's joints in their order, by the names of the parameters that turn them."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Flame:
    """A head model, or some of its vertices, ready to be evaluated."""

    v_template: Float[Array, "3 vertices"]
    """Mean head; here and below the points are planes of x, y and z, so that the long axis is the inner one."""
    shapedirs: Float[Array, "identities coordinates"]
    """Displacements per identity coefficient, each of length 3 x vertices; perhaps in bfloat16."""
    exprdirs: Float[Array, "expressions coordinates"]
    """The same per expression coefficient; none for a model without."""
    posedirs: Float[Array, "correctives coordinates"]
    """The same per element of R - I of all joints but the root; none for a model without."""
    j_template: Float[Array, "joints 3"]
    """Joints of the mean head, from all of its vertices. A model without joints has one at the origin."""
    j_shapedirs: Float[Array, "joints 3 identities"]
    """Displacement of the joints per identity coefficient."""
    j_exprdirs: Float[Array, "joints 3 expressions"]
    """Displacement of the joints per expression coefficient."""
    lbs_weights: Float[Array, "joints vertices"]
    """How much each vertex follows each joint."""
    faces: Int[Array, "faces 3"]
    """Triangles whose corners are all here, in the numbering of these vertices."""
    vertex_ids: Int[Array, " vertices"]
    """Which of the model's vertices these are, ascending."""
    parents: tuple[int, ...] = dataclasses.field(metadata={"static": True})
    """Parent of each joint; -1 for the root."""
    whole: bool = dataclasses.field(metadata={"static": True})
    """Whether these are all vertices, so that `faces` are the model's own."""
    metres_per_unit: float = dataclasses.field(metadata={"static": True})
    """The unit of all lengths."""
    name: str = dataclasses.field(metadata={"static": True})
    """What to call the model."""

    @classmethod
    def of(
        cls,
        model: HeadModel,
        *,
        identities: int | None = None,
        expressions: int | None = None,
        vertex_ids: Int[np.ndarray, " vertices"] | None = None,
        dtype: DTypeLike = np.float32,
    ) -> Flame:
        """Prepare a model, in its own unit.

        Args:
            model: What a file has.
            identities: How many identity components to use, the first ones; all by default.
            expressions: How many expression components; all by default.
            vertex_ids: The vertices to evaluate; all by default. Joints still come from all of them, exactly.
            dtype: Of all real numbers: float32, float64 (with x64 enabled), or bfloat16, by which the components alone
                are stored in 16 bits, half of the memory traffic; sums, joints and positions are then float32.

        Raises:
            InputError: The model has fewer components, no such vertices, or joints that are not FLAME's.
        """
        return cls(**model_arrays(model, identities, expressions, vertex_ids, dtype))

    def places(self, vertex_ids: Int[np.ndarray, "*any"]) -> Int[np.ndarray, "*any"]:
        """Where the model's vertices are among these; on the host.

        Raises:
            InputError: Some are not among these.
        """
        own = np.asarray(self.vertex_ids)
        places = np.searchsorted(own, vertex_ids).clip(max=len(own) - 1)
        if (own[places] != vertex_ids).any():
            raise InputError(f"some vertices asked for are not among the {len(own)} evaluated of {self.name!r}")
        return np.asarray(places, np.int32)

    def shaped(self, betas: Float[Array, "*batch identities"] | None = None) -> Shaped:
        """Apply an identity; fewer coefficients than components are the first ones, None is the mean head.

        Raises:
            ValueError: More coefficients than components.
        """
        betas = _coefficients(betas, self.shapedirs.shape[0], "identity", self)
        count = betas.shape[-1]
        rest = _sum(jnp.asarray(self.v_template), _displacement(betas, self.shapedirs[:count], self.v_template))
        joints = _sum(jnp.asarray(self.j_template), _combined(self.j_shapedirs[..., :count], betas))
        return Shaped(self, rest, joints)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Shaped:
    """A person: the model with its identity applied, at rest and without expression."""

    flame: Flame
    """The model."""
    rest: Float[jax.Array, "*batch 3 vertices"]
    """Vertices at rest, as planes."""
    joints: Float[jax.Array, "*batch joints 3"]
    """Joints at rest."""

    @property
    def vertices(self) -> Float[jax.Array, "*batch vertices 3"]:
        """Vertices at rest."""
        return jnp.swapaxes(self.rest, -1, -2)

    def posed(
        self,
        *,
        expression: Float[Array, "*#batch expressions"] | None = None,
        global_orient: Float[Array, "*#batch_and_numbers"] | None = None,
        neck_pose: Float[Array, "*#batch_and_numbers"] | None = None,
        jaw_pose: Float[Array, "*#batch_and_numbers"] | None = None,
        leye_pose: Float[Array, "*#batch_and_numbers"] | None = None,
        reye_pose: Float[Array, "*#batch_and_numbers"] | None = None,
        transl: Float[Array, "*#batch 3"] | None = None,
        rotations: Rotations = "axis_angle",
    ) -> Posed:
        """Apply expression and pose; what is None stays neutral.

        Args:
            expression: Expression coefficients; fewer than components are the first ones.
            global_orient: Turns the whole head about the root joint (a model without joints: about the origin).
            neck_pose: Turns the head about the neck; relative to `global_orient`, as all following to their parents.
            jaw_pose: Turns the jaw.
            leye_pose: Turns the left eyeball.
            reye_pose: Turns the right eyeball.
            transl: Moves the whole head, last.
            rotations: How the rotations are given: `axis_angle` in radians (..., 3), `6d` (..., 6), `matrix`
                (..., 3, 3).

        Raises:
            InputError: An expression or a joint that the model does not have.
            ValueError: Shapes that do not fit.
        """
        flame = self.flame
        given = dict(zip(JOINTS, (global_orient, neck_pose, jaw_pose, leye_pose, reye_pose), strict=True))
        turns = {name: rotation_matrix(value, rotations) for name, value in given.items() if value is not None}
        for name in turns:
            if JOINTS.index(name) >= len(flame.parents):
                raise InputError(f"head model {flame.name!r} has no joints, so no {name}; use FLAME's full file")
        if expression is not None and flame.exprdirs.shape[0] == 0:
            raise InputError(
                f"head model {flame.name!r} has no expressions, only identity; use FLAME's file of 300 + 100 components"
            )
        coefficients = _coefficients(expression, flame.exprdirs.shape[0], "expression", flame)
        batches = [self.rest.shape[:-2], coefficients.shape[:-1]]
        batches += [turn.shape[:-2] for turn in turns.values()]
        if transl is not None:
            transl = jnp.asarray(transl)
            if transl.shape[-1:] != (3,):
                raise ValueError(f"transl ends in (3,), not in shape {transl.shape}")
            batches.append(transl.shape[:-1])
        batch = jnp.broadcast_shapes(*batches)
        identity = jnp.eye(3, dtype=self.rest.dtype)
        rotation = jnp.stack(
            [
                jnp.broadcast_to(turns.get(name, identity), (*batch, 3, 3)).astype(self.rest.dtype)
                for name in JOINTS[: len(flame.parents)]
            ],
            axis=-3,
        )
        rest, joints = self.rest, self.joints
        if coefficients.shape[-1]:
            dirs = flame.exprdirs[: coefficients.shape[-1]]
            rest = _sum(rest, _displacement(coefficients, dirs, flame.v_template))
            joints = _sum(joints, _combined(flame.j_exprdirs[..., : coefficients.shape[-1]], coefficients))
        bends = set(turns) - {"global_orient"}
        if flame.posedirs.shape[0] and bends:
            bent = rotation[..., 1:, :, :]
            feature = (bent - jnp.broadcast_to(identity, bent.shape)).reshape(*batch, -1)
            rest = _sum(rest, _displacement(feature, flame.posedirs, flame.v_template))
        joints = jnp.broadcast_to(joints, (*batch, *joints.shape[-2:]))
        transforms = joint_transforms(joints, rotation, flame.parents)
        if transl is not None:
            moved = jnp.broadcast_to(transl, (*batch, 3)).astype(transforms.dtype)
            transforms = transforms.at[..., 3].add(moved[..., None, :])
        return Posed(flame, jnp.broadcast_to(rest, (*batch, *rest.shape[-2:])), transforms, joints)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Posed:
    """A person with expression and pose."""

    flame: Flame
    """The model."""
    rest: Float[jax.Array, "*batch 3 vertices"]
    """Vertices before skinning, as planes: identity, expression and pose correctives applied."""
    transforms: Float[jax.Array, "*batch joints 3 4"]
    """From rest to posed coordinates, for each joint."""
    rest_joints: Float[jax.Array, "*batch joints 3"]
    """Joints before posing."""

    @property
    def planes(self) -> Float[jax.Array, "*batch 3 vertices"]:
        """The posed vertices as planes of x, y and z."""
        return skinned(self.transforms, jnp.asarray(self.flame.lbs_weights), self.rest)

    @property
    def vertices(self) -> Float[jax.Array, "*batch vertices 3"]:
        """The posed vertices."""
        return jnp.swapaxes(self.planes, -1, -2)

    @property
    def joints(self) -> Float[jax.Array, "*batch joints 3"]:
        """The posed joints."""
        linear, shift = self.transforms[..., :3], self.transforms[..., 3]
        return jnp.einsum("...ij,...j->...i", linear, self.rest_joints, precision=jax.lax.Precision.HIGHEST) + shift

    @property
    def normals(self) -> Float[jax.Array, "*batch vertices 3"]:
        """Unit normals at the vertices, outward, weighted by the areas of the triangles around."""
        return vertex_normals(self.vertices, self.flame.faces)

    def landmarks(self, embedding: LandmarkEmbedding) -> Float[jax.Array, "*batch landmarks 3"]:
        """Landmarks of the posed head.

        Raises:
            InputError: They lie in triangles that the model does not have, or only some vertices are evaluated: then
                give `surface_points` the vertices around them, `flame.places(embedding.corners(model))`.
        """
        if not self.flame.whole:
            raise InputError(
                f"only some vertices of {self.flame.name!r} are evaluated; use surface_points for landmarks"
            )
        if embedding.face_idx.max() >= len(self.flame.faces):
            raise InputError(f"landmarks {embedding.name!r} were not made for head model {self.flame.name!r}")
        return self.surface_points(jnp.asarray(self.flame.faces)[embedding.face_idx], embedding.b_coords)

    def surface_points(
        self, corners: Int[Array, "points 3"], b_coords: Float[Array, "points 3"]
    ) -> Float[jax.Array, "*batch points 3"]:
        """Points of the posed surface.

        Args:
            corners: The three vertices around each point, in the numbering of `flame`.
            b_coords: Barycentric coordinates.
        """
        around = self.vertices[..., jnp.asarray(corners), :]
        return jnp.einsum("...pcd,pc->...pd", around, jnp.asarray(b_coords), precision=jax.lax.Precision.HIGHEST)


def _coefficients(given: Array | None, available: int, kind: str, flame: Flame) -> jax.Array:
    if given is None:
        return jnp.zeros(0, jnp.asarray(flame.v_template).dtype)
    if given.shape[-1] > available:
        raise ValueError(
            f"{given.shape[-1]} {kind} coefficients for head model {flame.name!r}, which has {available} components"
        )
    return jnp.asarray(given, jnp.asarray(flame.v_template).dtype)


def _displacement(coefficients: jax.Array, dirs: Array, like: Array) -> jax.Array:
    # Full precision, because accelerators multiply in fewer bits by default and would lose tenths of a millimetre.
    flat = jnp.matmul(coefficients, jnp.asarray(dirs, coefficients.dtype), precision=jax.lax.Precision.HIGHEST)
    return flat.reshape(*coefficients.shape[:-1], *like.shape)


def _combined(dirs: Array, coefficients: jax.Array) -> jax.Array:
    return jnp.einsum("jdk,...k->...jd", jnp.asarray(dirs), coefficients, precision=jax.lax.Precision.HIGHEST)


def _sum(a: jax.Array, b: jax.Array) -> jax.Array:
    shape = jnp.broadcast_shapes(a.shape, b.shape)
    return jnp.broadcast_to(a, shape) + jnp.broadcast_to(b, shape)
