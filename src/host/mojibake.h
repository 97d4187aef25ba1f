// mojibake.h: undoes the reading of UTF-8 in another encoding, "schÃ¶n" for "schön".
#ifndef VKCLIP_HOST_MOJIBAKE_H
#define VKCLIP_HOST_MOJIBAKE_H

#include "host/unicode.h"

// Repairs a text as ftfy.fix_encoding does, step by step until nothing changes: where the text has
// a sequence of characters that is unlikely but as mojibake, it is written back into the first
// encoding that has all its characters and gives UTF-8; failing that, the parts that look like
// UTF-8 are repaired each by itself; failing that, C1 control characters become those of
// windows-1252. The result is never longer than the text.
//
//   budget  points that steps may look at. Each step takes as many as its text has, and what does
//           not fit is not done. Hostile texts take a step for every character: an Ã followed by
//           many U+0083. is_broken when memory ran out
//
// Source: ftfy 6.3.1, __init__.py, _fix_encoding_one_step_and_explain(); badness.py; chardata.py;
// bad_codecs.
void mojibake_repair(struct points *text, size_t *budget);

// For mojibake.c: what mojibake_bytes.c does to bytes, one in each point. spare is overwritten.

// A byte that was lost. The windows encodings, as used here, write U+FFFD so.
#define MOJIBAKE_LOST 0x1a

// Gives back the bytes A0, no-break spaces, that some program took for spaces.
void mojibake_restore_a0(struct points *bytes, struct points *spare);

// Makes U+FFFD of characters of which bytes are lost.
void mojibake_replace_lossy(struct points *bytes, struct points *spare);

// Reads UTF-8 and its variants; returns whether all of it is.
bool mojibake_decode(const struct points *bytes, struct points *out);

#endif
