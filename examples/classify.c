// classify.c: which of the labels fits an image best: classify MODEL IMAGE LABEL...
#include <stdio.h>
#include <stdlib.h>
#include <vkclip.h>

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: classify MODEL IMAGE LABEL...\n");
        return 2;
    }
    const char *image_path = argv[2], *template = "this is a photo of {}";
    const char *const *labels = (const char *const *)argv + 3;
    size_t label_count = (size_t)argc - 3;
    float *image = NULL, *texts = NULL;
    vkclip_score *scores = calloc(label_count, sizeof *scores);
    vkclip_engine *engine = NULL;
    vkclip_error err = {.message = "out of memory"};

    vkclip_model *model = vkclip_model_open(argv[1], VKCLIP_MODEL_WHOLE, NULL, &err);
    if (model)
        engine = vkclip_engine_create(model, &(vkclip_engine_params){0}, &err);
    if (engine) {
        size_t width = vkclip_model_get_facts(model)->embedding_width;
        image = calloc(width, sizeof *image);
        texts = calloc(label_count, width * sizeof *texts);
    }
    bool is_done =
        image && texts && scores &&
        vkclip_embed_images(engine, &(vkclip_image){.path = image_path}, 1, image, NULL, &err) &&
        vkclip_embed_labels(engine, labels, label_count, &template, 1, texts, &err) &&
        vkclip_score_texts(model, image, texts, label_count, scores, &err);
    for (size_t i = 0; is_done && i < label_count; i++)
        printf("%6.2f %%  %s\n", 100.0 * (double)scores[i].probability, labels[i]);
    if (!is_done)
        fprintf(stderr, "error: %s\n", err.message);
    free(scores), free(texts), free(image);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
    return is_done ? 0 : 1;
}
