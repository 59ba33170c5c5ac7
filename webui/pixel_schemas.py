"""JSON Schema of the numbers about a sample that data servers answer (blueno/dataserver/about.py). Used by schemas.py.

Pure.
"""

from __future__ import annotations

from typing import Final

from webui.schema_parts import ANY, TEXT, WHOLE, Schema, list_of, maybe, obj

_NUMBER: Final[Schema] = {"type": "number"}
_NUMBERS: Final[Schema] = list_of(_NUMBER)
_WINDOW: Final[Schema] = obj(low=_NUMBER, high=_NUMBER)
# NIfTI and DICOM only: what they say of their pixels, and the windows in which people look at such pictures.
_OF_STACKS: Final[dict[str, Schema]] = {
    "imaging": {
        **ANY,
        "properties": {
            "affine": list_of(_NUMBERS),
            "orientation": TEXT,
            "spacing": _NUMBERS,
            "slope": _NUMBER,
            "intercept": _NUMBER,
            "modality": TEXT,
            "unit": TEXT,
        },
    },
    "presets": list_of(obj(name=TEXT, low=_NUMBER, high=_NUMBER)),
}
_OF_ALL: Final[dict[str, Schema]] = {
    "shape": list_of(WHOLE),
    "dtype": TEXT,
    "min": maybe(_NUMBER),
    "max": maybe(_NUMBER),
    "percentiles": {"type": "object", "additionalProperties": maybe(_NUMBER)},
    "histogram": obj(edges=_NUMBERS, counts=list_of(WHOLE)),
    "window": _WINDOW,
}
ABOUT: Final[Schema] = {
    "type": "object",
    "properties": _OF_ALL | _OF_STACKS,
    "required": list(_OF_ALL),
    "additionalProperties": False,
}
