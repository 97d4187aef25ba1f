#include "eval_report.h"

#include <math.h>
#include <stdio.h>

const char *const eval_formats[] = {[EVAL_TABLE] = "table", [EVAL_JSON] = "json", NULL};

struct predictions eval_predictions(const struct eval_report *report,
                                    const struct eval_round *round)
{
    return (struct predictions){
        .count = report->count,
        .class_count = report->set->count,
        .truth = report->truth,
        .probabilities = round->probabilities,
    };
}

static double confidence(const struct predictions *p, size_t picture)
{
    return p->probabilities[picture * p->class_count + metrics_predicted(p, picture)];
}

size_t eval_find_wrong(const struct eval_report *report, size_t pictures[EVAL_MOST_WRONG])
{
    const struct predictions p = eval_predictions(report, &report->rounds[report->round_count - 1]);
    size_t count = 0;
    for (size_t i = 0; i < p.count; i++) {
        if (metrics_predicted(&p, i) == p.truth[i])
            continue;
        // Its place among those that were found; of equals the earlier stays in front.
        size_t place = count;
        while (place > 0 && confidence(&p, i) > confidence(&p, pictures[place - 1]))
            place--;
        if (place == EVAL_MOST_WRONG)
            continue;
        count += count < EVAL_MOST_WRONG;
        for (size_t j = count - 1; j > place; j--)
            pictures[j] = pictures[j - 1];
        pictures[place] = i;
    }
    return count;
}

// ---- a table --------------------------------------------------------------------------------

// A share with four digits; what is undefined is a dash.
static void add_share(struct text *text, double share)
{
    if (isnan(share))
        text_add(text, "%8s", "-");
    else
        text_add(text, "%8.4f", share);
}

static void add_published(struct text *text, const struct class_set *set, enum metric metric)
{
    bool is_first = true;
    for (uint32_t i = 0; i < set->published_count; i++) {
        if (set->published[i].metric != metric)
            continue;
        if (!is_first)
            text_add(text, "\n%47s", "");
        text_add(text, "  %8.4f  ", set->published[i].value);
        text_add_plain(text, set->published[i].source);
        is_first = false;
    }
}

static void add_metrics(struct text *text, const struct class_set *set,
                        const struct metrics *metrics)
{
    text_add(text, "%20s%8s  %17s%s\n", "", "value", "95 % interval",
             set->published_count > 0 ? "  published" : "");
    for (uint32_t m = 0; m < METRIC_COUNT; m++) {
        text_add(text, "%-18s  ", metric_names[m]);
        add_share(text, metrics->values[m]);
        add_share(text, metrics->low[m]);
        text_add(text, " to");
        add_share(text, metrics->high[m]);
        add_published(text, set, (enum metric)m);
        text_add(text, "\n");
    }
}

static size_t name_width(const struct class_set *set)
{
    size_t most = 5;
    for (uint32_t c = 0; c < set->count; c++) {
        size_t width = text_width(set->classes[c].name);
        if (width > most && width <= 40) // one endless name does not widen them all
            most = width;
    }
    return most;
}

static void add_classes(struct text *text, const struct class_set *set,
                        const struct metrics *metrics)
{
    const size_t width = name_width(set);
    text_add(text, "\n");
    text_add_padded(text, "class", width + 4);
    text_add(text, "%9s%10s%8s%8s%8s%10s\n", "pictures", "precision", "recall", "F1", "AUROC",
             "av. prec.");
    for (uint32_t c = 0; c < set->count; c++) {
        const struct class_metrics *m = &metrics->classes[c];
        text_add(text, "%2u  ", c + 1);
        text_add_padded(text, set->classes[c].name, width);
        text_add(text, "%9llu  ", (unsigned long long)m->support);
        add_share(text, m->precision);
        add_share(text, m->recall);
        add_share(text, m->f1);
        add_share(text, m->auroc);
        text_add(text, "  ");
        add_share(text, m->average_precision);
        text_add(text, "\n");
    }
}

// Classes that fit a line of a terminal.
#define MOST_COLUMNS 12

static void add_confusion(struct text *text, const struct class_set *set,
                          const struct metrics *metrics)
{
    if (set->count > MOST_COLUMNS)
        return;
    text_add(text, "\ntaken for");
    for (uint32_t c = 0; c < set->count; c++)
        text_add(text, "%7u", c + 1);
    text_add(text, "\n");
    for (uint32_t c = 0; c < set->count; c++) {
        text_add(text, "%9u", c + 1);
        for (uint32_t other = 0; other < set->count; other++)
            text_add(text, "%7llu",
                     (unsigned long long)metrics->confusion[(size_t)c * set->count + other]);
        text_add(text, "\n");
    }
}

void eval_add_table(struct text *text, const struct eval_report *report)
{
    text_add(text, "%zu pictures of %u classes", report->count, report->set->count);
    if (report->failed_count > 0)
        text_add(text, "; %zu more could not be read", report->failed_count);
    text_add(text, "\n");
    for (size_t i = 0; i < report->round_count; i++) {
        const struct eval_round *round = &report->rounds[i];
        text_add(text, "\n");
        if (round->title[0])
            text_add(text, "%s\n", round->title);
        add_metrics(text, report->set, &round->metrics);
    }
    const struct metrics *last = &report->rounds[report->round_count - 1].metrics;
    add_classes(text, report->set, last);
    add_confusion(text, report->set, last);
}

// ---- JSON -----------------------------------------------------------------------------------

static void add_number(struct text *text, const char *name, double number)
{
    if (isnan(number))
        text_add(text, "\"%s\": null", name);
    else
        text_add(text, "\"%s\": %.12g", name, number);
}

static void add_member(struct text *text, const char *name, const char *string)
{
    text_add(text, "\"%s\": ", name);
    text_add_json(text, string);
}

static void add_json_metrics(struct text *text, const struct metrics *metrics)
{
    for (uint32_t m = 0; m < METRIC_COUNT; m++) {
        text_add(text, "%s\"%s\": {", m ? ", " : "", metric_keys[m]);
        add_number(text, "value", metrics->values[m]);
        text_add(text, ", ");
        add_number(text, "low", metrics->low[m]);
        text_add(text, ", ");
        add_number(text, "high", metrics->high[m]);
        text_add(text, "}");
    }
}

static void add_json_classes(struct text *text, const struct class_set *set,
                             const struct metrics *metrics)
{
    text_add(text, ", \"classes\": [");
    for (uint32_t c = 0; c < set->count; c++) {
        const struct class_metrics *m = &metrics->classes[c];
        const struct {
            const char *name;
            double value;
        } numbers[] = {
            {"precision", m->precision},
            {"recall", m->recall},
            {"f1", m->f1},
            {"auroc", m->auroc},
            {"average_precision", m->average_precision},
        };
        text_add(text, c ? ", {" : "{");
        add_member(text, "name", set->classes[c].name);
        text_add(text, ", \"support\": %llu", (unsigned long long)m->support);
        for (size_t i = 0; i < COUNT(numbers); i++) {
            text_add(text, ", ");
            add_number(text, numbers[i].name, numbers[i].value);
        }
        text_add(text, "}");
    }
    text_add(text, "], \"confusion\": [");
    for (uint32_t c = 0; c < set->count; c++) {
        for (uint32_t other = 0; other < set->count; other++)
            text_add(text, "%s%llu",
                     other ? ", "
                     : c   ? "], ["
                           : "[",
                     (unsigned long long)metrics->confusion[(size_t)c * set->count + other]);
    }
    text_add(text, "]]");
}

static void add_json_wrong(struct text *text, const struct eval_report *report)
{
    const struct predictions p = eval_predictions(report, &report->rounds[report->round_count - 1]);
    size_t pictures[EVAL_MOST_WRONG];
    const size_t count = eval_find_wrong(report, pictures);
    text_add(text, ", \"most_wrong\": [");
    for (size_t i = 0; i < count; i++) {
        text_add(text, i ? ", {" : "{");
        add_member(text, "path", report->paths[pictures[i]]);
        text_add(text, ", ");
        add_member(text, "class", report->set->classes[p.truth[pictures[i]]].name);
        text_add(text, ", ");
        add_member(text, "predicted",
                   report->set->classes[metrics_predicted(&p, pictures[i])].name);
        text_add(text, ", ");
        add_number(text, "probability", confidence(&p, pictures[i]));
        text_add(text, "}");
    }
    text_add(text, "]");
}

static void add_json_published(struct text *text, const struct class_set *set)
{
    text_add(text, ", \"published\": [");
    for (uint32_t i = 0; i < set->published_count; i++) {
        text_add(text, i ? ", {" : "{");
        add_member(text, "metric", metric_keys[set->published[i].metric]);
        text_add(text, ", ");
        add_number(text, "value", set->published[i].value);
        text_add(text, ", ");
        add_member(text, "source", set->published[i].source);
        text_add(text, "}");
    }
    text_add(text, "]");
}

void eval_add_json(struct text *text, const struct eval_report *report)
{
    text_add(text, "{");
    add_member(text, "evaluation", report->title);
    text_add(text, ", ");
    add_member(text, "dataset", report->dataset);
    text_add(text, ", ");
    add_member(text, "model", report->model);
    text_add(text, ", \"pictures\": %zu, \"failed\": %zu, \"seed\": %u, \"rounds\": [",
             report->count, report->failed_count, report->seed);
    for (size_t i = 0; i < report->round_count; i++) {
        const struct eval_round *round = &report->rounds[i];
        text_add(text, i ? ", {" : "{");
        if (round->percent > 0)
            text_add(text, "\"percent\": %u, \"training_rows\": %zu, \"C\": %.12g, ",
                     round->percent, round->training_count, round->strength);
        add_json_metrics(text, &round->metrics);
        add_json_classes(text, report->set, &round->metrics);
        text_add(text, "}");
    }
    text_add(text, "]");
    add_json_wrong(text, report);
    if (report->set->published_count > 0)
        add_json_published(text, report->set);
    text_add(text, "}\n");
}
