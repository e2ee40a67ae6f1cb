"""Credit for the works that an anatomy prior is made from: one line for head, skull and depths each, as in NOTICE."""

from __future__ import annotations

from pathlib import Path

from s2f.provenance import sha256_of

HEAD, SKULL, DEPTHS = "Head: ", "Skull: ", "Facial soft-tissue depths: "
"""How the three lines begin."""

KNOWN_SOURCES: dict[str, str] = {
    "e21caaa088de07b0c5aeefbcca070206fac31f1fc5522e1304d745d89adb63a6": (
        "Head: FLAME 2023 Open (Faces Learned with an Articulated Model and Expressions) "
        "Max Planck Institute for Intelligent Systems. "
        "Tianye Li, Timo Bolkart, Michael J. Black, Hao Li, Javier Romero: Learning a model of facial shape and "
        "expression from 4D scans, ACM Transactions on Graphics (Proc. SIGGRAPH Asia) 36(6), 2017. "
        "Licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/ "
        "Changed: the head was made into one closed outer skin (eyes filled, mouth shut, neck capped) and remeshed to "
        "a topology of this project with UVs of its own; identity modes were learned anew from heads sampled from the "
        "model's first 60 identity components, and quantised; units and frame were changed to millimetres in the head "
        "frame."
    ),
    "823d83ed28a41ba714163bec7922c6bb7a82e9d82810ced1cc675660309e1817": (
        "Skull: a complete adult skull by YahooJAPAN "
        "From the modified version in the mesh collection odedstein/meshes (objects/skull). "
        "Licence: CC BY 3.0, https://creativecommons.org/licenses/by/3.0/ "
        "Changed: the skull was rescaled, its triangles were decimated, it was warped to lie inside the mean head, and "
        "landmarks were placed on it."
    ),
    "f137a3b0db100dc5d9a90688c5e2ad1a9cc31a31892e70fc0068e4f8b3020bd1": (
        "Facial soft-tissue depths: T-Table-Global-2023 "
        "T. W. P. T. Hona, C. N. Stephan: Global facial soft tissue thicknesses for craniofacial identification "
        "(2023): a review of 140 years of data since Welcker's first study, International Journal of Legal Medicine "
        "138:519-535, 2024, doi 10.1007/s00414-023-03087-x. "
        "Used: means and standard deviations in millimetres at 25 landmarks, adults pooled, as transcribed in "
        "esomjai/Forensic-Craniofacial-Approximation-Database. These are facts and figures of the table; they were "
        "not changed."
    ),
}
"""Credit by the SHA-256 of the file that the work was read from: a name would be no proof of what is in a file."""

_HEAD_CHANGES = (
    "Changed: the head was made into one closed outer skin and remeshed; identity modes were learned anew from sampled "
    "heads, and quantised; units and frame were changed to millimetres in the head frame."
)
_SKULL_CHANGES = "Changed: rescaled, decimated and warped to lie inside the mean head; landmarks were placed on it."


def credit_of_sources(
    head_model: Path, model_credit: str, skull: Path | None, depths: Path | None, *, shipped_credit: str
) -> str:
    """Three lines of credit: of a known file its own; else the head model's credit, or the file's name.

    Args:
        head_model: The head model's file.
        model_credit: What that file says of its source; may be empty.
        skull: The template skull's file; None if it is the shipped prior's.
        depths: The depth table's file; None if it is the shipped prior's.
        shipped_credit: Credit of the shipped prior, for what is taken from it.
    """
    source = " ".join(model_credit.split()) or f"{head_model.name}; see its own licence, which stays in force."
    return "\n".join(
        [
            _known(head_model) or f"{HEAD}{source} {_HEAD_CHANGES}",
            _line(SKULL, shipped_credit)
            if skull is None
            else _known(skull) or f"{SKULL}{skull.name}; see its own licence, which stays in force. {_SKULL_CHANGES}",
            _line(DEPTHS, shipped_credit) if depths is None else _known(depths) or f"{DEPTHS}{depths.name}.",
        ]
    )


def credit_of_fit(head_model: Path | None, model_credit: str) -> str:
    """Credit of a head that was fitted to a scan, in one line.

    Args:
        head_model: The head model's file; None for the shipped prior's head.
        model_credit: What the model says of its source; may be empty.
    """
    changes = "Changed: fitted to a scan."
    if head_model is None:
        return f"{_line(HEAD, model_credit)} {changes}"
    known = _known(head_model)
    if known is not None:
        return f"{known.partition(' Changed: ')[0]} {changes}"
    source = " ".join(model_credit.split()) or f"{head_model.name}; see its own licence, which stays in force."
    return f"{HEAD}{source.removeprefix(HEAD)} {changes}"


def _known(file: Path) -> str | None:
    return KNOWN_SOURCES.get(sha256_of(file))


def _line(start: str, credit: str) -> str:
    """The line of a credit that begins so; all of it if none does, since too much credit does no harm."""
    return next((line for line in credit.splitlines() if line.startswith(start)), credit)
