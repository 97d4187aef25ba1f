// dicom_file.h: writes small DICOM files into memory, so that tests need none.
#ifndef VKCLIP_TEST_DICOM_FILE_H
#define VKCLIP_TEST_DICOM_FILE_H

#include "picture.h"

#define DICOM_IMPLICIT "1.2.840.10008.1.2"
#define DICOM_EXPLICIT "1.2.840.10008.1.2.1"
#define DICOM_DEFLATED "1.2.840.10008.1.2.1.99"
#define DICOM_JPEG     "1.2.840.10008.1.2.4.50"
#define DICOM_JPEG2000 "1.2.840.10008.1.2.4.90"
#define DICOM_RLE      "1.2.840.10008.1.2.5"

// What is NULL or 0 is left out, or the usual.
struct dicom_kind {
    const char *syntax;  // NULL: DICOM_EXPLICIT
    const char *colours; // NULL: MONOCHROME2
    uint32_t width, height, frames;
    uint32_t channels, allocated, stored, high; // 0: 1, 16, allocated, stored - 1
    bool is_signed, is_planar;
    const char *slope, *intercept, *center, *window_width, *function;
    const char *padding, *padding_limit; // decimal
    bool is_enhanced; // rescale in groups for each frame, the window in those for all
    bool has_modality_table, has_voi_table;
};

// A whole file of all frames' samples, which are run-length coded for DICOM_RLE; of other
// compressed syntaxes they are the one fragment of one frame as it is.
struct picture dicom_of(const struct dicom_kind *kind, const uint8_t *samples, size_t byte_count);

// Bytes of one uncompressed frame.
size_t dicom_frame_bytes(const struct dicom_kind *kind);

// Parts: preamble and head; elements of one VR ("SQ" begins one of undefined length).
void dicom_begin(struct picture *dicom, const char *syntax);
void dicom_element(struct picture *dicom, bool is_implicit, uint32_t tag, const char *vr,
                   const void *bytes, size_t byte_count);

#endif
