// In place of image_dicom.c where the build has found no DCMTK.
#include "host/image_formats.h"

bool vkclip_reads_dicom(void)
{
    return false;
}

bool image_decode_dicom(struct image *image, const struct image_source *source, vkclip_error *err)
{
    (void)image;
    return fail(err, VKCLIP_ERROR_FILE,
                "%s: is a DICOM file, which this build, made without DCMTK, does not read",
                source->name);
}
