"""Volumes as other programs write them: NIfTI by nibabel, DICOM by pydicom. Used by tests and bench/."""

from __future__ import annotations

import gzip
import io
import struct
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

# What must never be found anywhere but in the original bytes.
PERSONAL = ("DOE^JANE", "PATIENT-4711", "19700101", "St. Elsewhere", "Dr^Who", "1.2.826.0.1.9999.77", "cough since May")
SYNTAXES = {"implicit": ImplicitVRLittleEndian, "explicit": ExplicitVRLittleEndian, "big-endian": ExplicitVRBigEndian}
AXIAL = (1, 0, 0, 0, 1, 0)


def ramp(shape: Sequence[int], dtype: str = "<i2", first: int = -1000, step: int = 1) -> np.ndarray:
    """Numbers that all differ, so that no two voxels can be mistaken for each other."""
    return (first + step * np.arange(int(np.prod(shape)))).reshape(shape).astype(dtype)


def nifti(
    array: np.ndarray,
    affine: np.ndarray | None = None,
    *,
    packed: bool = False,
    change: Callable[[Any], None] | None = None,
    version: int = 1,
) -> bytes:
    """A .nii (or .nii.gz) of an array with axes x, y, z; `change` gets the header before it is written."""
    make = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = make(array, np.diag([1.0, 1.0, 1.0, 1.0]) if affine is None else affine, dtype=array.dtype)
    if change is not None:
        change(image.header)
    data: bytes = image.to_bytes()
    return gzip.compress(data, 6, mtime=0) if packed else data


def patched(data: bytes, place: int, form: str, *values: Any) -> bytes:
    """Bytes with other values written into them: headers that lie."""
    changed = bytearray(data)
    struct.pack_into(form, changed, place, *values)
    return bytes(changed)


def dicom(pixels: np.ndarray, *, syntax: str = "explicit", keep_pixels: bool = True, **elements: Any) -> bytes:
    """A DICOM file of (rows, columns[, 3]) or (frames, rows, columns), full of personal data.

    `elements` by keyword come on top; None takes one away.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = f"{PERSONAL[5]}.1"
    meta.TransferSyntaxUID = SYNTAXES[syntax]
    file = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    rows, columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    bits = 8 * pixels.dtype.itemsize
    said: dict[str, Any] = {
        "PatientName": PERSONAL[0], "PatientID": PERSONAL[1], "PatientBirthDate": PERSONAL[2],
        "InstitutionName": PERSONAL[3], "ReferringPhysicianName": PERSONAL[4], "StudyInstanceUID": f"{PERSONAL[5]}.2",
        "SeriesInstanceUID": f"{PERSONAL[5]}.3", "SOPInstanceUID": f"{PERSONAL[5]}.1", "PatientComments": PERSONAL[6],
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT", "InstanceNumber": 1, "Rows": rows,
        "Columns": columns, "SamplesPerPixel": 3 if colour else 1, "BitsAllocated": bits, "BitsStored": bits,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2", "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }  # fmt: skip
    if colour:
        said["PlanarConfiguration"] = 0
    if pixels.ndim == 3 and not colour:
        said["NumberOfFrames"] = len(pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it does not like is what is wanted
        for keyword, value in {**said, **elements}.items():
            if value is not None:
                setattr(file, keyword, value)
    private = file.private_block(0x0099, "BLUENO TEST", create=True)
    private.add_new(0x01, "LO", f"<script>{PERSONAL[0]}</script>")
    if keep_pixels:
        order = ">" if syntax == "big-endian" else "<"
        data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        file.add_new(0x7FE00010, "OB" if bits == 8 else "OW", data + b"\0" * (len(data) % 2))
    return written(file)


def written(file: FileDataset) -> bytes:
    """As pydicom writes it, however odd it is."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(out, file, enforce_file_format=True)
    return out.getvalue()


def series(
    volume: np.ndarray,
    *,
    spacing: tuple[float, float, float] = (2.5, 0.7, 0.7),
    origin: tuple[float, float, float] = (-10.0, -20.0, -30.0),
    directions: Sequence[float] = AXIAL,
    uid: str = f"{PERSONAL[5]}.3",
    **elements: Any,
) -> list[bytes]:
    """One file for each plane of (slices, rows, columns), in their order along the normal."""
    normal = np.cross(directions[:3], directions[3:])
    return [
        dicom(
            plane,
            SeriesInstanceUID=uid,
            InstanceNumber=number + 1,
            ImagePositionPatient=[float(c) for c in np.array(origin) + normal * spacing[0] * number],
            ImageOrientationPatient=list(map(float, directions)),
            PixelSpacing=[spacing[1], spacing[2]],
            SliceThickness=spacing[0],
            **elements,
        )
        for number, plane in enumerate(volume)
    ]


def enhanced(
    volume: np.ndarray, *, spacing: tuple[float, float, float] = (2.5, 0.7, 0.7), rescale: tuple[float, float] = (1, 0)
) -> bytes:
    """One file with many frames, each with its place in a sequence of its own."""
    shared, measures, orientation, values = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [spacing[1], spacing[2]], spacing[0]
    orientation.ImageOrientationPatient = list(map(float, AXIAL))
    values.RescaleSlope, values.RescaleIntercept = rescale
    values.RescaleType = "HU"
    shared.PixelMeasuresSequence = Items([measures])
    shared.PlaneOrientationSequence = Items([orientation])
    shared.PixelValueTransformationSequence = Items([values])
    frames = []
    for number in range(len(volume)):
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = [0.0, 0.0, spacing[0] * number]
        frame.PlanePositionSequence = Items([position])
        frames.append(frame)
    return dicom(volume, SharedFunctionalGroupsSequence=Items([shared]), PerFrameFunctionalGroupsSequence=Items(frames))
