// eval_html.c: the page of an evaluation.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "eval_report.h"
#include "html.h"
#include "thumbnail.h"

static void add_share(struct text *page, double share)
{
    if (isnan(share))
        html_add_number(page, "-");
    else
        html_add_number(page, "%.4f", share);
}

// ---- figures --------------------------------------------------------------------------------

static void add_published(struct text *page, const struct class_set *set, enum metric metric)
{
    text_add(page, "<td>");
    for (uint32_t i = 0, shown = 0; i < set->published_count; i++) {
        if (set->published[i].metric != metric)
            continue;
        text_add(page, "%s%.4f, ", shown++ ? "<br>" : "", set->published[i].value);
        text_add_html(page, set->published[i].source);
    }
    text_add(page, "</td>");
}

static void add_metrics(struct text *page, const struct eval_report *report,
                        const struct metrics *metrics)
{
    static const char *const heads[] = {"", "value", "from", "to", "published"};
    const bool has_published = report->set->published_count > 0;
    html_begin_table(page, heads, has_published ? 5 : 4);
    for (uint32_t m = 0; m < METRIC_COUNT; m++) {
        html_begin_row(page, false);
        html_add_cell(page, metric_names[m]);
        add_share(page, metrics->values[m]);
        add_share(page, metrics->low[m]);
        add_share(page, metrics->high[m]);
        if (has_published)
            add_published(page, report->set, (enum metric)m);
        html_end_row(page);
    }
    html_end_table(page);
}

static void add_figures(struct text *page, const struct eval_report *report)
{
    char remark[256];
    snprintf(remark, sizeof remark,
             "From and to: 95 %% interval of %d bootstrap resamples of the pictures, seed %u. "
             "Calibration error: %d bins of the first class's probability.",
             BOOTSTRAP_RESAMPLES, report->seed, CALIBRATION_BINS);
    html_begin_section(page, "Figures", remark);
    for (size_t i = 0; i < report->round_count; i++) {
        if (report->rounds[i].title[0]) {
            text_add(page, "<p>");
            text_add_html(page, report->rounds[i].title);
            text_add(page, "</p>\n");
        }
        add_metrics(page, report, &report->rounds[i].metrics);
    }
    html_end_section(page);
}

static void add_classes(struct text *page, const struct eval_report *report,
                        const struct metrics *metrics)
{
    static const char *const heads[] = {"",       "class", "pictures", "precision",
                                        "recall", "F1",    "AUROC",    "average precision"};
    html_begin_section(page, "Classes", "Each against all others.");
    html_begin_table(page, heads, COUNT(heads));
    for (uint32_t c = 0; c < report->set->count; c++) {
        const struct class_metrics *m = &metrics->classes[c];
        html_begin_row(page, false);
        html_add_number(page, "%u", c + 1);
        html_add_cell(page, report->set->classes[c].name);
        html_add_number(page, "%llu", (unsigned long long)m->support);
        add_share(page, m->precision);
        add_share(page, m->recall);
        add_share(page, m->f1);
        add_share(page, m->auroc);
        add_share(page, m->average_precision);
        html_end_row(page);
    }
    html_end_table(page);
    html_end_section(page);
}

// A wider matrix is left to JSON.
#define MOST_COLUMNS 40

static void add_confusion(struct text *page, const struct eval_report *report,
                          const struct metrics *metrics)
{
    const uint32_t count = report->set->count;
    if (count > MOST_COLUMNS)
        return;
    html_begin_section(page, "Confusion matrix",
                       "Rows are the true classes, columns what they were taken for, by number; "
                       "the darker, the larger the share of the row.");
    text_add(page, "<table>\n<tr><th></th>");
    for (uint32_t c = 0; c < count; c++)
        text_add(page, "<th class=\"number\">%u</th>", c + 1);
    text_add(page, "</tr>\n");
    for (uint32_t c = 0; c < count; c++) {
        text_add(page, "<tr><th>%u ", c + 1);
        text_add_html(page, report->set->classes[c].name);
        text_add(page, "</th>");
        for (uint32_t other = 0; other < count; other++) {
            const uint64_t cell = metrics->confusion[(size_t)c * count + other];
            const uint64_t row = metrics->classes[c].support;
            text_add(page, "<td class=\"number\" style=\"background:rgba(%s,%.2f)\">%llu</td>",
                     c == other ? "40,160,80" : "220,60,40",
                     row > 0 ? 0.8 * (double)cell / (double)row : 0.0, (unsigned long long)cell);
        }
        text_add(page, "</tr>\n");
    }
    html_end_table(page);
    html_end_section(page);
}

// ---- curves ---------------------------------------------------------------------------------

#define SIDE        360 // of the drawing, with MARGIN around it
#define MARGIN      40
#define MOST_CURVES 12  // that can be told apart
#define MOST_POINTS 400 // finer than the drawing

static void begin_drawing(struct text *page)
{
    text_add(page,
             "<svg width=\"%d\" height=\"%d\" viewBox=\"%d %d %d %d\" role=\"img\" "
             "aria-label=\"ROC curves\" fill=\"none\" stroke=\"currentColor\">\n"
             "<rect width=\"%d\" height=\"%d\" stroke-opacity=\".4\"/>"
             "<path d=\"M0 %dL%d 0\" stroke-opacity=\".4\" stroke-dasharray=\"4\"/>\n"
             "<g fill=\"currentColor\" stroke=\"none\" font-size=\"13\" text-anchor=\"middle\">"
             "<text x=\"%d\" y=\"%d\">false positives, share</text>"
             "<text transform=\"translate(-24 %d) rotate(-90)\">true positives, share</text>"
             "<text x=\"0\" y=\"%d\">0</text><text x=\"%d\" y=\"%d\">1</text>"
             "<text x=\"-10\" y=\"%d\">0</text><text x=\"-10\" y=\"10\">1</text></g>\n",
             SIDE + 2 * MARGIN, SIDE + 2 * MARGIN, -MARGIN, -MARGIN, SIDE + 2 * MARGIN,
             SIDE + 2 * MARGIN, SIDE, SIDE, SIDE, SIDE, SIDE / 2, SIDE + 30, SIDE / 2, SIDE + 16,
             SIDE, SIDE + 16, SIDE);
}

// Colours are as far apart as there are curves.
static void add_colour(struct text *page, uint32_t index, uint32_t count)
{
    text_add(page, "hsl(%u 70%% 50%%)", index * 360 / count);
}

static void add_curve(struct text *page, const struct predictions *predictions,
                      uint32_t class_index, uint32_t count)
{
    struct roc_point points[MOST_POINTS];
    const size_t point_count = metrics_roc(predictions, class_index, points, MOST_POINTS);
    if (point_count == 0)
        return;
    text_add(page, "<polyline stroke-width=\"2\" stroke=\"");
    add_colour(page, class_index, count);
    text_add(page, "\" points=\"");
    for (size_t i = 0; i < point_count; i++)
        text_add(page, "%s%.1f,%.1f", i ? " " : "", points[i].false_positives * SIDE,
                 (1.0 - points[i].true_positives) * SIDE);
    text_add(page, "\"/>\n");
}

// Of two classes the second's alone: the first's is its mirror image.
static void add_curves(struct text *page, const struct eval_report *report,
                       const struct eval_round *round)
{
    const struct predictions predictions = eval_predictions(report, round);
    const uint32_t count = report->set->count < MOST_CURVES ? report->set->count : MOST_CURVES;
    const uint32_t first = report->set->count == 2 ? 1 : 0;
    html_begin_section(page, "ROC curves",
                       report->set->count > MOST_CURVES ? "Of the first twelve classes, each "
                                                          "against all others."
                       : first == 1                     ? NULL
                                                        : "Each class against all others.");
    begin_drawing(page);
    for (uint32_t c = first; c < count; c++)
        add_curve(page, &predictions, c, count);
    text_add(page, "</svg>\n<p>");
    for (uint32_t c = first; c < count; c++) {
        text_add(page, "<span style=\"color:");
        add_colour(page, c, count);
        text_add(page, "\">&#9632;</span> ");
        text_add_html(page, report->set->classes[c].name);
        text_add(page, " ");
    }
    text_add(page, "</p>\n");
    html_end_section(page);
}

// ---- pictures -------------------------------------------------------------------------------

static void add_wrong(struct text *page, const struct eval_report *report,
                      const vkclip_model *model, const struct image_options *images)
{
    const struct predictions p = eval_predictions(report, &report->rounds[report->round_count - 1]);
    size_t pictures[EVAL_MOST_WRONG];
    const size_t count = eval_find_wrong(report, pictures);
    html_begin_section(page, "Wrong and most confident",
                       count > 0 ? "As the model sees them." : "No picture was taken for another.");
    html_begin_pictures(page);
    for (size_t i = 0; i < count; i++) {
        const char *path = report->paths[pictures[i]];
        const uint32_t predicted = metrics_predicted(&p, pictures[i]);
        const vkclip_image image = image_at(images, path);
        struct text line = {0};
        text_add(&line, "%s, %.2f %%", report->set->classes[predicted].name,
                 100.0 * p.probabilities[pictures[i] * p.class_count + predicted]);
        html_begin_picture(page);
        thumbnail_add(page, model, &image, path);
        html_add_line(page, line.bytes ? line.bytes : "");
        text_finish(&line);
        text_add(&line, "is %s", report->set->classes[p.truth[pictures[i]]].name);
        html_add_line(page, line.bytes ? line.bytes : "");
        text_finish(&line);
        html_add_line(page, path);
        html_end_picture(page);
    }
    html_end_pictures(page);
    html_end_section(page);
}

void eval_add_html(struct text *page, const struct eval_report *report, const vkclip_model *model,
                   const struct image_options *images)
{
    const struct eval_round *last = &report->rounds[report->round_count - 1];
    html_begin(page, report->set->title ? report->set->title : report->title);
    text_add(page, "<p>%s of ", report->title);
    text_add_html(page, report->dataset);
    text_add(page, " by ");
    text_add_html(page, report->model);
    text_add(page, ": %zu pictures of %u classes", report->count, report->set->count);
    if (report->failed_count > 0)
        text_add(page, "; %zu more could not be read", report->failed_count);
    text_add(page, "</p>\n");
    if (report->set->source) {
        text_add(page, "<p class=\"remark\">");
        text_add_html(page, report->set->source);
        text_add(page, "</p>\n");
    }
    add_figures(page, report);
    add_classes(page, report, &last->metrics);
    add_confusion(page, report, &last->metrics);
    add_curves(page, report, last);
    add_wrong(page, report, model, images);
    html_end(page);
}
