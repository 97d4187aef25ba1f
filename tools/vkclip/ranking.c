#include "ranking.h"

#include <stdlib.h>

#include "output.h"

const char *const ranking_formats[] = {
    [RANKING_TABLE] = "table",
    [RANKING_CSV] = "csv",
    [RANKING_JSON] = "json",
    NULL,
};

bool ranking_init(struct ranking *ranking)
{
    for (size_t i = 0; i < ranking->count; i++) {
        size_t width = text_width(ranking->labels[i]);
        if (width > ranking->label_width &&
            width <= 60) // one endless label does not widen them all
            ranking->label_width = width;
    }
    ranking->scores = calloc(ranking->count, sizeof *ranking->scores);
    ranking->order = calloc(ranking->count, sizeof *ranking->order);
    return ranking->scores && ranking->order;
}

void ranking_finish(struct ranking *ranking)
{
    free(ranking->scores);
    free(ranking->order);
    *ranking = (struct ranking){0};
}

bool ranking_write_head(const struct ranking *ranking)
{
    if (ranking->format != RANKING_CSV)
        return true;
    struct text head = {0};
    text_add(&head, "image,%s,probability,logit%s\r\n", ranking->kind,
             ranking->has_cosines ? ",cosine" : "");
    return output_write(&head);
}

// What qsort compares by; the program has one thread.
static const vkclip_score *ordered_scores;

static int compare_scores(const void *a, const void *b)
{
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    float difference = ordered_scores[right].logit - ordered_scores[left].logit;
    if (difference != 0.0f)
        return difference > 0.0f ? 1 : -1;
    return left < right ? -1 : 1; // qsort is not stable
}

static void sort(struct ranking *ranking)
{
    for (size_t i = 0; i < ranking->count; i++)
        ranking->order[i] = i;
    ordered_scores = ranking->scores;
    qsort(ranking->order, ranking->count, sizeof *ranking->order, compare_scores);
}

static void add_json(struct text *text, const struct ranking *ranking, const char *path,
                     size_t shown)
{
    text_add(text, "{\"image\": ");
    text_add_json(text, path);
    text_add(text, ", \"%ss\": [", ranking->kind);
    for (size_t i = 0; i < shown; i++) {
        const vkclip_score *score = &ranking->scores[ranking->order[i]];
        text_add(text, "%s{\"%s\": ", i ? ", " : "", ranking->kind);
        text_add_json(text, ranking->labels[ranking->order[i]]);
        text_add(text, ", \"probability\": %.9g, \"logit\": %.9g", (double)score->probability,
                 (double)score->logit);
        if (ranking->has_cosines)
            text_add(text, ", \"cosine\": %.9g", (double)score->cosine);
        text_add(text, "}");
    }
    text_add(text, "]}\n");
}

static void add_csv(struct text *text, const struct ranking *ranking, const char *path,
                    size_t shown)
{
    for (size_t i = 0; i < shown; i++) {
        const vkclip_score *score = &ranking->scores[ranking->order[i]];
        text_add_csv(text, path);
        text_add(text, ",");
        text_add_csv(text, ranking->labels[ranking->order[i]]);
        text_add(text, ",%.9g,%.9g", (double)score->probability, (double)score->logit);
        if (ranking->has_cosines)
            text_add(text, ",%.9g", (double)score->cosine);
        text_add(text, "\r\n");
    }
}

static void add_table(struct text *text, const struct ranking *ranking, const char *path,
                      size_t shown)
{
    text_add_plain(text, path);
    text_add(text, "\n");
    for (size_t i = 0; i < shown; i++) {
        const vkclip_score *score = &ranking->scores[ranking->order[i]];
        text_add(text, "  ");
        text_add_padded(text, ranking->labels[ranking->order[i]], ranking->label_width);
        text_add(text, "  %6.2f %%", 100.0 * (double)score->probability);
        if (ranking->shows_logits)
            text_add(text, "  %7.4f", (double)score->logit);
        if (ranking->has_cosines)
            text_add(text, "  %7.4f", (double)score->cosine);
        text_add(text, "\n");
    }
}

bool ranking_write(struct ranking *ranking, const char *path)
{
    sort(ranking);
    size_t shown = ranking->top && ranking->top < ranking->count ? ranking->top : ranking->count;
    struct text text = {0};
    switch ((enum ranking_format)ranking->format) {
    case RANKING_TABLE:
        add_table(&text, ranking, path, shown);
        break;
    case RANKING_CSV:
        add_csv(&text, ranking, path, shown);
        break;
    case RANKING_JSON:
        add_json(&text, ranking, path, shown);
        break;
    }
    return output_write(&text);
}
