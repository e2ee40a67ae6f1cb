"""Landmarks as points on a head model's surface: a triangle and barycentric coordinates for each.

Static landmarks are the same points of the skin whatever the head does. The contour of a face in a picture is not: its
17 points slide over the cheeks as the head turns, so FLAME tabulates them by the turn (Sanyal, Bolkart, Feng, Black:
"Learning to regress 3D face shape and expression from an image without 3D supervision", CVPR 2019, section 3.4).

The 68 points are those of the iBUG 300-W annotation (Sagonas et al., ICCV workshops 2013), after CMU's Multi-PIE: 17 of
the contour, from the subject's right ear over the chin to the left ear, then the inner 51. FLAME's static embedding is
the inner 51 in that order. "Right" and "left" are the subject's.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from flame_jax.errors import InputError
from flame_jax.model import Array, HeadModel

IBUG_GROUPS = MappingProxyType(
    {
        "contour": range(0, 17),
        "right_eyebrow": range(17, 22),
        "left_eyebrow": range(22, 27),
        "nose_bridge": range(27, 31),
        "nostrils": range(31, 36),
        "right_eye": range(36, 42),
        "left_eye": range(42, 48),
        "outer_lips": range(48, 60),
        "inner_lips": range(60, 68),
    }
)
"""Places in the 68; subtract 17 for places in the inner 51."""
CONTOUR_COUNT = 17
INNER_COUNT = 51
FULL_COUNT = CONTOUR_COUNT + INNER_COUNT

_SUM_TOLERANCE = 0.01
"""How far barycentric coordinates may sum from 1; half precision needs 0.001."""


@dataclasses.dataclass(frozen=True)
class LandmarkEmbedding:
    """Landmarks on the triangles of a head model. Immutable, arrays included.

    Raises:
        ValueError: Arrays that do not fit each other, negative triangles, weights that do not sum to 1.
    """

    face_idx: Int[np.ndarray, " landmarks"]
    """Triangle of each landmark."""
    b_coords: Float[np.ndarray, "landmarks 3"]
    """Weights of the triangle's corners, which sum to 1."""
    landmark_indices: Int[np.ndarray, " landmarks"] | None = None
    """Which point of its detector each landmark is, for example of MediaPipe's 468; None if the file does not say."""
    name: str = ""
    """What to call it in messages."""

    def __post_init__(self) -> None:
        check_landmarks(self.face_idx, self.b_coords, self.landmark_indices)
        _freeze(self)

    def corners(self, model: HeadModel) -> Int[np.ndarray, "landmarks 3"]:
        """The vertices whose positions, weighted by `b_coords`, are the landmarks.

        Raises:
            InputError: The model has no such triangles.
        """
        _check_model(model, self.face_idx, self.name)
        return model.faces[self.face_idx]


@dataclasses.dataclass(frozen=True)
class ContourEmbedding:
    """The 17 points of the contour for each turn of the head by a whole degree. Immutable, arrays included.

    FLAME's table has 79 rows. Rows 0 to 39 are for turns of 0 to 39 degrees, rows 40 to 78 for -1 to -39. A turn is the
    head's rotation about FLAME's y axis as the viewer in front sees it, positive towards the subject's left.

    Raises:
        ValueError: Arrays that do not fit each other, or no odd number of rows.
    """

    face_idx: Int[np.ndarray, "turns landmarks"]
    """Triangle of each landmark."""
    b_coords: Float[np.ndarray, "turns landmarks 3"]
    """Weights of the triangle's corners, which sum to 1."""
    name: str = ""
    """What to call it in messages."""

    def __post_init__(self) -> None:
        check_contour(self.face_idx, self.b_coords)
        _freeze(self)

    @property
    def largest_turn(self) -> int:
        """The turn in degrees up to which there are rows; beyond it the last one serves."""
        return len(self.face_idx) // 2

    def rows(self, turn: Float[Array, "*batch"] | float) -> Int[jax.Array, "*batch"]:
        """The row of `face_idx` and `b_coords` for a turn in degrees; traceable by jax."""
        whole = jnp.clip(jnp.round(jnp.asarray(turn)), -self.largest_turn, self.largest_turn)
        return jnp.where(whole >= 0, whole, self.largest_turn - whole).astype(jnp.int32)

    def at(self, turn: float) -> LandmarkEmbedding:
        """The contour for one turn in degrees."""
        row = int(self.rows(turn))
        return LandmarkEmbedding(self.face_idx[row], self.b_coords[row], name=self.name)

    def corners(self, model: HeadModel) -> Int[np.ndarray, "turns landmarks 3"]:
        """As `LandmarkEmbedding.corners`, for every turn.

        Raises:
            InputError: The model has no such triangles.
        """
        _check_model(model, self.face_idx, self.name)
        return model.faces[self.face_idx]


@dataclasses.dataclass(frozen=True)
class LandmarkEmbeddings:
    """What landmark files have; what they do not have is None."""

    static: LandmarkEmbedding | None = None
    """The inner 51 of iBUG's 68."""
    contour: ContourEmbedding | None = None
    """The other 17, by the turn of the head."""
    full: LandmarkEmbedding | None = None
    """All 68, the contour as a face from the front has it."""
    mediapipe: LandmarkEmbedding | None = None
    """105 of MediaPipe's 468: eyebrows, eyes, nose and lips."""

    def sixty_eight(self, turn: float) -> LandmarkEmbedding:
        """iBUG's 68 points of a head turned by `turn` degrees: `contour` for that turn, then `static`.

        Raises:
            InputError: One of them is absent.
        """
        if self.static is None or self.contour is None:
            raise InputError(
                "iBUG's 68 landmarks need a static and a contour embedding; "
                "read flame_static_embedding.pkl and flame_dynamic_embedding.npy, or landmark_embedding.npy"
            )
        contour = self.contour.at(turn)
        return LandmarkEmbedding(
            np.concatenate([contour.face_idx, self.static.face_idx]),
            np.concatenate([contour.b_coords, self.static.b_coords]),
            name=self.static.name,
        )


def turn_of(rotation: Float[Array, "*batch 3 3"]) -> Float[jax.Array, "*batch"]:
    """How many degrees a rotation turns the head about y, positive towards the subject's left; traceable by jax.

    Args:
        rotation: From the head at rest to the head as seen, both in FLAME's axes: the global rotation times the neck's.

    It is the middle angle of R = Rz Ry Rx, within -90 and 90. DECA looks up the row of this turn, smplx that of its
    negative; the two agree where smplx's poses are in the frame of a camera with y down, half a turn about x from here.
    """
    rotation = jnp.asarray(rotation)
    across = jnp.hypot(rotation[..., 0, 0], rotation[..., 1, 0])
    return jnp.degrees(jnp.arctan2(-rotation[..., 2, 0], across))


def check_landmarks(face_idx: np.ndarray, b_coords: np.ndarray, landmark_indices: np.ndarray | None = None) -> None:
    """Check what a `LandmarkEmbedding` is to be made of.

    Raises:
        ValueError: As the embedding does.
    """
    _check_places(face_idx, b_coords, 1)
    if landmark_indices is not None and landmark_indices.shape != face_idx.shape:
        raise ValueError(f"{landmark_indices.size} landmark indices for {face_idx.size} landmarks")


def check_contour(face_idx: np.ndarray, b_coords: np.ndarray) -> None:
    """Check what a `ContourEmbedding` is to be made of.

    Raises:
        ValueError: As the embedding does.
    """
    _check_places(face_idx, b_coords, 2)
    if len(face_idx) % 2 == 0:
        raise ValueError(f"a contour for {len(face_idx)} turns, which are not as many to the left as right")


def _check_places(face_idx: np.ndarray, b_coords: np.ndarray, ndim: int) -> None:
    if face_idx.ndim != ndim or not face_idx.size or b_coords.shape != (*face_idx.shape, 3):
        raise ValueError(f"triangles of shape {face_idx.shape} with barycentric coordinates of shape {b_coords.shape}")
    if face_idx.min() < 0:
        raise ValueError("a landmark in a triangle with a negative number")
    # A comparison so that numbers that are not finite fail it, too.
    if not (np.abs(b_coords.sum(axis=-1, dtype=np.float64) - 1) <= _SUM_TOLERANCE).all():
        raise ValueError("barycentric coordinates that do not sum to 1")


def _check_model(model: HeadModel, face_idx: np.ndarray, name: str) -> None:
    if face_idx.max() >= len(model.faces):
        raise InputError(
            f"landmark embedding {name!r} has a landmark in triangle {face_idx.max()}, but head model {model.name!r} "
            f"has {len(model.faces)} triangles; give the embedding that was made for the model"
        )


def _freeze(embedding: LandmarkEmbedding | ContourEmbedding) -> None:
    for key, value in vars(embedding).items():
        if isinstance(value, np.ndarray):
            view = value.view()
            view.flags.writeable = False
            object.__setattr__(embedding, key, view)
