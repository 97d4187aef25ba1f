// thumbnail.h: pictures within a page.
#ifndef VKCLIP_THUMBNAIL_H
#define VKCLIP_THUMBNAIL_H

#include "text.h"
#include "vkclip.h"

// Adds a picture as the model sees it, as an <img> that holds a JPEG, some 10 KB of text for 224 x
// 224 pixels. name is what the picture is called where it cannot be seen. One that cannot be read
// leaves a box that says why.
//
// The model may be opened with VKCLIP_MODEL_SIDE_FILES. Returns whether the picture was read.
bool thumbnail_add(struct text *page, const vkclip_model *model, const vkclip_image *image,
                   const char *name);

#endif
