// dicom.h: the elements of a DICOM file by tag, and the samples of one frame, through DCMTK. DCMTK
// is C++, so dicom_dcmtk.cpp is the one file here that is, and this is its door to C.
#ifndef VKCLIP_HOST_DICOM_H
#define VKCLIP_HOST_DICOM_H

#include "vkclip.h"

#ifdef __cplusplus
extern "C" {
#endif

// Of the data dictionary, DICOM PS3.6.
enum dicom_tag {
    DICOM_SAMPLES_PER_PIXEL = 0x00280002,
    DICOM_PHOTOMETRIC_INTERPRETATION = 0x00280004,
    DICOM_PLANAR_CONFIGURATION = 0x00280006,
    DICOM_NUMBER_OF_FRAMES = 0x00280008,
    DICOM_ROWS = 0x00280010,
    DICOM_COLUMNS = 0x00280011,
    DICOM_BITS_ALLOCATED = 0x00280100,
    DICOM_BITS_STORED = 0x00280101,
    DICOM_HIGH_BIT = 0x00280102,
    DICOM_PIXEL_REPRESENTATION = 0x00280103,
    DICOM_PIXEL_PADDING_VALUE = 0x00280120,
    DICOM_PIXEL_PADDING_RANGE_LIMIT = 0x00280121,
    DICOM_WINDOW_CENTER = 0x00281050,
    DICOM_WINDOW_WIDTH = 0x00281051,
    DICOM_RESCALE_INTERCEPT = 0x00281052,
    DICOM_RESCALE_SLOPE = 0x00281053,
    DICOM_VOI_LUT_FUNCTION = 0x00281056,
    DICOM_MODALITY_LUT_SEQUENCE = 0x00283000,
    DICOM_VOI_LUT_SEQUENCE = 0x00283010,
    DICOM_PIXEL_DATA = 0x7fe00010,
};

struct dicom;

// Reads a file whose preamble is known to be there. The bytes are not needed afterwards.
//
//   name   for errors
//
// Returns NULL and fails with VKCLIP_ERROR_FILE or VKCLIP_ERROR_MEMORY.
// Thread safety: safe.
struct dicom *dicom_open(const uint8_t *bytes, size_t byte_count, const char *name,
                         vkclip_error *err);

// Accepts NULL.
void dicom_close(struct dicom *dicom);

// Chooses the frame, from 0 on, whose functional groups the following calls look into as well.
void dicom_choose_frame(struct dicom *dicom, uint32_t frame);

// Whether the file, or the functional groups of the chosen frame or of all frames, have an element
// that is not empty.
bool dicom_has(struct dicom *dicom, enum dicom_tag tag);

#define DICOM_TEXT_BYTES 65

// The first value of an element; empty where there is none. What is longer than the text is cut.
void dicom_text(struct dicom *dicom, enum dicom_tag tag, char text[DICOM_TEXT_BYTES]);

// The same as a number: `absent` where there is none, NaN where it is none.
double dicom_number(struct dicom *dicom, enum dicom_tag tag, double absent);

// How samples are coded. What is compressed otherwise than by run lengths is for DCMTK to decode.
enum dicom_coding { DICOM_PLAIN, DICOM_RUN_LENGTH, DICOM_COMPRESSED };

enum dicom_coding dicom_coding(struct dicom *dicom);

// Reads, and where they are compressed decodes, the samples of the chosen frame. Not for
// DICOM_RUN_LENGTH.
//
//   samples  [byte_count rounded up to an even count] in host order
//   colours  the photometric interpretation they now have, which decoding may have changed
//
// Fails with VKCLIP_ERROR_FILE or VKCLIP_ERROR_MEMORY.
bool dicom_read_frame(struct dicom *dicom, uint8_t *samples, size_t byte_count,
                      char colours[DICOM_TEXT_BYTES], vkclip_error *err);

// The one fragment that the chosen frame is in DICOM_RUN_LENGTH, or NULL.
const uint8_t *dicom_fragment(struct dicom *dicom, size_t *byte_count);

#ifdef __cplusplus
}
#endif

#endif
