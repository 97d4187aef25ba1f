#include "texts.h"

#include <stdlib.h>

#include "progress.h"
#include "report.h"

// Enough to fill a device, few enough to keep the progress moving.
enum { TEXTS_AT_ONCE = 256 };

enum exit_status texts_run(struct session *session, const char *const *texts, size_t count,
                           const struct text_user *user)
{
    size_t width = vkclip_model_get_facts(session->model)->embedding_width;
    float *embeddings = calloc(TEXTS_AT_ONCE * width, sizeof *embeddings);
    if (!embeddings)
        return report_out_of_memory();

    enum exit_status status = STATUS_FINE;
    progress_begin("texts", count);
    for (size_t done = 0; done < count && status == STATUS_FINE;) {
        size_t now = count - done < TEXTS_AT_ONCE ? count - done : TEXTS_AT_ONCE;
        vkclip_error err = {0};
        if (!vkclip_embed_texts(session->engine, texts + done, now, embeddings, &err))
            status = report_failure(&err);
        else if (!user->use(user->user, done, embeddings, now))
            status = STATUS_INPUT;
        done += now;
        progress_show(done);
    }
    progress_hide();
    free(embeddings);
    return status;
}
