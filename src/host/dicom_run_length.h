// dicom_run_length.h: DICOM's run-length coding. DCMTK 3.6.7 decodes it as well, and reads far
// behind the end of a damaged frame.
#ifndef VKCLIP_HOST_DICOM_RUN_LENGTH_H
#define VKCLIP_HOST_DICOM_RUN_LENGTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Decodes one frame into pixels whose channels lie together.
//
//   bytes    [byte_count] the frame's fragment
//   samples  [pixel_count, channels] of sample_bytes, 1 or 2, in host order
//
// Returns false where the frame is damaged or does not have just these segments; samples are then
// unspecified. Source: DICOM PS3.5, annex G.
bool dicom_decode_run_length(const uint8_t *bytes, size_t byte_count, uint8_t *samples,
                             size_t pixel_count, size_t channels, size_t sample_bytes);

#endif
