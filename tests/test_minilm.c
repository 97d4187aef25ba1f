// Defends the numbers of a sentence encoder that people use: all-MiniLM-L6-v2, whose weights (91
// MB) are not in the repository. $VKCLIP_MINILM names the folder with them; without it this skips.
// The vectors are those of transformers, recorded by tools/reference/compare_embeddings.py, which
// also compares a thousand sentences.
#include "test.h"

#include <stdlib.h>

#include "golden.h"
#include "vkclip.h"

// Unit vectors in f32 after six layers, from texts through the tokenizer.
static void sentences_match_transformers(void **state)
{
    (void)state;
    const char *path = getenv("VKCLIP_MINILM");
    if (!path) {
        printf("skipped: VKCLIP_MINILM does not name the model\n");
        skip();
    }
    struct golden golden;
    vkclip_error err;
    golden_open(&golden, "tests/golden/minilm.json");
    vkclip_model *model = vkclip_model_open(path, VKCLIP_MODEL_WHOLE, NULL, &err);
    if (!model)
        fail_msg("%s", err.message);
    vkclip_engine *engine = vkclip_engine_create(
        model, &(vkclip_engine_params){.precision = VKCLIP_PRECISION_FP32}, &err);
    if (!engine)
        fail_msg("%s", err.message);
    float *got = malloc(golden.text_count * golden.width * sizeof *got);
    if (!vkclip_embed_texts(engine, golden.texts, golden.text_count, got, &err))
        fail_msg("%s", err.message);
    golden_check("MiniLM", got, golden.text_embeddings, golden.text_count, golden.width, 2e-6,
                 1.0 - 1e-6);
    free(got);
    golden_close(&golden);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sentences_match_transformers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
