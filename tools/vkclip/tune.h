// tune.h: how a tuning is shown.
#ifndef VKCLIP_TUNE_H
#define VKCLIP_TUNE_H

#include "text.h"
#include "vkclip.h"

void tune_add_table(struct text *text, const vkclip_tuning *tuning);
void tune_add_json(struct text *text, const vkclip_tuning *tuning);

#endif
