"""Craniometric landmarks: the table of names, definitions and sources that every other module shares.

The 25 hard-tissue landmarks of the tissue-depth table (Hona & Stephan 2024, doi 10.1007/s00414-023-03087-x), which
are 36 points with both sides, plus porion and orbitale, which carry the Frankfurt horizontal.

Names and definitions follow Caple & Stephan, "A standardized nomenclature for craniofacial and facial anthropometry",
Int. J. Legal Medicine 130:863-879 (2016), and, for the Frankfurt points, Martin's points as given by White, Black &
Folkens, Human Osteology, 3rd ed. (2012). The words are ours. How each is found on the template stands in
`data.landmark_rules`.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

CAPLE_STEPHAN = "Caple & Stephan 2016"
MARTIN = "Martin's points; White, Black & Folkens 2012"


@dataclasses.dataclass(frozen=True)
class Landmark:
    """One craniometric landmark."""

    abbreviation: str
    """As in the tissue-depth table, e.g. `ecm2(s)`."""
    name: str
    side: Literal["midline", "bilateral"]
    definition: str
    source: str

    def points(self) -> tuple[str, ...]:
        """Names of its points: the abbreviation, with `_l` and `_r` (the subject's sides) where bilateral."""
        return (self.abbreviation,) if self.side == "midline" else (f"{self.abbreviation}_l", f"{self.abbreviation}_r")


def _midline(abbreviation: str, name: str, definition: str, source: str = CAPLE_STEPHAN) -> Landmark:
    return Landmark(abbreviation, name, "midline", definition, source)


def _bilateral(abbreviation: str, name: str, definition: str, source: str = CAPLE_STEPHAN) -> Landmark:
    return Landmark(abbreviation, name, "bilateral", definition, source)


LANDMARKS: tuple[Landmark, ...] = (
    _midline("op", "opisthocranion", "Midline point of the occipital bone farthest from glabella."),
    _midline("v", "vertex", "Highest midline point of the vault with the skull in the Frankfurt horizontal."),
    _midline("g", "glabella", "Most anterior midline point of the frontal bone between the brow ridges."),
    _midline(
        "n", "nasion", "Midline point where the nasal bones meet the frontal bone, at the deepest part of the root."
    ),
    _midline("mn", "midnasale", "Midline point of the nasal bones half-way from nasion to rhinion."),
    _midline("rhi", "rhinion", "Midline point at the free lower end of the nasal bones."),
    _midline(
        "ss", "subspinale", "Deepest midline point of the maxilla between the nasal spine and prosthion (A point)."
    ),
    _midline("mp", "mid-philtrum", "Midline point of the maxilla half-way from subspinale to prosthion."),
    _midline(
        "pr", "prosthion", "Most anterior midline point of the upper alveolar process, between the central incisors."
    ),
    _midline(
        "id", "infradentale", "Highest anterior midline point of the lower alveolar process, between the incisors."
    ),
    _midline(
        "sm", "supramentale", "Deepest midline point of the mandible between infradentale and pogonion (B point)."
    ),
    _midline("pg", "pogonion", "Most anterior midline point of the bony chin."),
    _midline("gn", "gnathion", "Most antero-inferior midline point of the chin, between pogonion and menton."),
    _midline("me", "menton", "Lowest midline point of the mandibular symphysis."),
    _bilateral(
        "mso", "mid-supraorbital", "Most anterior point of the upper orbital margin above the middle of the orbit."
    ),
    _bilateral(
        "mio", "mid-infraorbital", "Most anterior point of the lower orbital margin below the middle of the orbit."
    ),
    _bilateral(
        "ac", "alar curvature point", "Point of the maxilla beside the nasal aperture, under the crease of the ala."
    ),
    _bilateral("go", "gonion", "Most inferior, posterior and lateral point of the mandibular angle."),
    _bilateral("zy", "zygion", "Most lateral point of the zygomatic arch."),
    _bilateral("sC", "supracanine", "Point of the upper alveolar process above the crown of the canine."),
    _bilateral("iC", "infracanine", "Point of the lower alveolar process below the crown of the canine."),
    _bilateral(
        "ecm2(s)", "ectomolare2 superior", "Most lateral point of the upper alveolar margin at the second molar."
    ),
    _bilateral(
        "ecm2(i)", "ectomolare2 inferior", "Most lateral point of the lower alveolar margin at the second molar."
    ),
    _bilateral("mr", "mid-ramus", "Middle of the lateral surface of the ramus where the ramus is narrowest."),
    _bilateral(
        "mmb", "mid-mandibular border", "Point of the lower border of the mandible half-way from gnathion to gonion."
    ),
    _bilateral("po", "porion", "Uppermost point of the margin of the external acoustic meatus.", MARTIN),
    _bilateral("or", "orbitale", "Lowest point of the lower orbital margin.", MARTIN),
)

BY_ABBREVIATION: dict[str, Landmark] = {landmark.abbreviation: landmark for landmark in LANDMARKS}

ALL_KEYS: tuple[str, ...] = tuple(key for landmark in LANDMARKS for key in landmark.points())
"""All 40 points, in the table's order."""

MIDLINE_KEYS: tuple[str, ...] = tuple(landmark.abbreviation for landmark in LANDMARKS if landmark.side == "midline")

FRANKFURT = ("po", "or")
"""Landmarks that carry the frame but have no tissue depth."""

MANDIBULAR = ("id", "sm", "pg", "gn", "me", "go", "iC", "ecm2(i)", "mr", "mmb")
"""Landmarks of the lower jaw, absent when it is."""


def abbreviation_of(key: str) -> str:
    """`zy_l` → `zy`; midline keys are their own abbreviation."""
    return key[:-2] if key.endswith(("_l", "_r")) else key
