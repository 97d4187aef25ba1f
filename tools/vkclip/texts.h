// texts.h: embeds any number of texts in bounded memory, with progress.
#ifndef VKCLIP_TEXTS_H
#define VKCLIP_TEXTS_H

#include "session.h"

struct text_user {
    // Gets embeddings of the texts from first on, [count, embedding_width]. Returns false to stop,
    // after reporting why.
    bool (*use)(void *user, size_t first, const float *rows, size_t count);
    void *user;
};

// Embeds texts and hands the rows on as soon as they are there.
//
//   texts  [count]
//
// Anything but STATUS_FINE was reported.
enum exit_status texts_run(struct session *session, const char *const *texts, size_t count,
                           const struct text_user *user);

#endif
