// precision.h: precisions by name.
#ifndef VKCLIP_BASE_PRECISION_H
#define VKCLIP_BASE_PRECISION_H

#include "vkclip.h"

// As in file names and messages; of a precision that was chosen.
static inline const char *precision_name(vkclip_precision precision)
{
    return precision == VKCLIP_PRECISION_INT8   ? "int8"
           : precision == VKCLIP_PRECISION_FP16 ? "fp16"
                                                : "fp32";
}

#endif
