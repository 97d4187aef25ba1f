#!/usr/bin/env python3
"""The 8-bit pixels of DICOM files, by pydicom and the formulas of DICOM PS3.3, for vkclip to be compared with.

    dicom_pixels.py TEST_DICOM

writes tests/golden/dicom.txt. TEST_DICOM is build/tests/test_dicom, which makes the files. pydicom reads and
decodes them; rescale, windows and colours are here, in numpy, as PS3.3 C.11.1, C.11.2 and C.7.6.3.1.2 have
them. A line is

    PIXELS FILE NAME

the first 32 digits of the sha256 of the frame's pixels, the first 16 of that of the file.
"""
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy
import pydicom
from pydicom.pixels import pixel_array

LIST = pathlib.Path(__file__).resolve().parent.parent.parent / "tests/golden/dicom.txt"


def first(value):
    return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)


def group(data, frame, sequence, name):
    """An attribute of the file, or of the functional groups of a frame."""
    if name in data:
        return data[name].value
    for groups, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        if groups in data and sequence in data[groups].value[index]:
            return data[groups].value[index][sequence].value[0].get(name)
    return None


def linear(values, center, width):
    grey = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255 if width > 1 else 0 * values
    grey = numpy.where(values <= center - 0.5 - (width - 1) / 2, 0, grey)
    return numpy.where(values > center - 0.5 + (width - 1) / 2, 255, grey)


def exact(values, center, width):
    grey = numpy.where(values <= center - width / 2, 0, ((values - center) / width + 0.5) * 255)
    return numpy.where(values > center + width / 2, 255, grey)


def between(values, low, high):
    return numpy.where(values <= low, 0, numpy.where(values >= high, 255, (values - low) / (high - low) * 255))


def stored_window(data, frame, values, stored, kept):
    center = group(data, frame, "FrameVOILUTSequence", "WindowCenter")
    if center is not None:
        width = first(group(data, frame, "FrameVOILUTSequence", "WindowWidth"))
        center = first(center)
        function = data.get("VOILUTFunction", "LINEAR")
        if function == "SIGMOID":
            return 255 / (1 + numpy.exp(-4 * (values - center) / width))
        return (exact if function == "LINEAR_EXACT" else linear)(values, center, width)
    if data.BitsStored <= 8 and not data.PixelRepresentation and "RescaleSlope" not in data:
        return stored / (2.0 ** data.BitsStored - 1) * 255
    return between(values, values[kept].min(), values[kept].max())


def grey(data, frame, window, center, width):
    shift = data.HighBit + 1 - data.BitsStored
    if shift:
        stored = numpy.frombuffer(data.PixelData, "<u2").reshape(data.Rows, data.Columns)
    else: # pydicom takes the high bit for the highest of those stored
        stored = pixel_array(data, index=frame)
    bits = stored.astype(numpy.int64) >> shift & (1 << data.BitsStored) - 1
    sign = 1 << data.BitsStored - 1
    stored = (bits ^ sign) - sign if data.PixelRepresentation else bits
    slope = group(data, frame, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = group(data, frame, "PixelValueTransformationSequence", "RescaleIntercept")
    values = stored * float(1 if slope is None else slope) + float(0 if intercept is None else intercept)
    kept = numpy.ones(stored.shape, bool)
    if "PixelPaddingValue" in data:
        kept = (stored < data.PixelPaddingValue) | (stored > data.get("PixelPaddingRangeLimit", data.PixelPaddingValue))
    if window == "linear":
        shown = linear(values, center, width)
    elif window == "auto":
        ends = numpy.percentile(stored[kept], [0.5, 99.5], method="inverted_cdf").astype(float)
        ends = sorted(ends * float(1 if slope is None else slope) + float(0 if intercept is None else intercept))
        shown = between(values, *ends)
    else:
        shown = stored_window(data, frame, values, stored, kept)
    shown = numpy.floor(shown + 0.5)
    return 255 - shown if data.PhotometricInterpretation == "MONOCHROME1" else shown


# Its rows are what Y, CB and CR are made of in PS3.3, but with the digits that JFIF and ITU-R BT.601 have.
TO_YBR = numpy.array([[0.299, 0.587, 0.114],
                      [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
                      [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402]])


def colour(data, frame):
    samples = pixel_array(data, index=frame, raw=True).astype(float)
    if data.PhotometricInterpretation == "RGB":
        return samples
    rgb = (samples - [0, 128, 128]) @ numpy.linalg.inv(TO_YBR).T
    return numpy.clip(numpy.floor(rgb.round(9) + 0.5), 0, 255)


def main():
    warnings.simplefilter("ignore")
    lines = [f"# pydicom {pydicom.__version__}, numpy {numpy.__version__}; see tools/reference/dicom_pixels.py\n"]
    with tempfile.TemporaryDirectory() as folder:
        listing = subprocess.run([sys.argv[1], folder], check=True, capture_output=True, text=True).stdout
        for line in listing.splitlines():
            name, frame, window, center, width = line.split()
            path = pathlib.Path(folder, f"{name}.dcm")
            data = pydicom.dcmread(path)
            index = int(frame) - 1
            pixels = (colour(data, index) if data.SamplesPerPixel == 3
                      else grey(data, index, window, float(center), float(width)))
            pixels = hashlib.sha256(pixels.astype(numpy.uint8).tobytes()).hexdigest()
            file = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{pixels[:32]} {file[:16]} {name}\n")
    LIST.write_text("".join(lines))


if __name__ == "__main__":
    main()
