// The configuration files: both published spellings, and what is refused by name.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/config.h"
#include "test.h"

#define VISION "\"vision_cfg\":{\"timm_model_name\":\"vit_base_patch16_224\",\"timm_pool\":\"\"}"
#define TEXT \
    "\"text_cfg\":{\"hf_model_name\":\"x\",\"hf_pooler_type\":\"cls_last_hidden_state_pooler\"}"

static void write_file(char path[32], const char *content, size_t count)
{
    strcpy(path, "/tmp/vkclip_test_XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, content, (unsigned)count), (ssize_t)count);
    close(file);
}

// bert may be NULL.
static bool read_texts(struct config *config, const char *open_clip, const char *bert,
                       vkclip_error *err)
{
    char path[32], bert_path[32];
    write_file(path, open_clip, strlen(open_clip));
    if (bert)
        write_file(bert_path, bert, strlen(bert));
    bool is_read = config_read(
        config, &(struct config_files){.open_clip = path, .model = bert ? bert_path : NULL}, err);
    unlink(path);
    if (bert)
        unlink(bert_path);
    return is_read;
}

static void expect_read(struct config *config, const char *open_clip, const char *bert)
{
    vkclip_error error = {0};
    bool is_read = read_texts(config, open_clip, bert, &error);
    if (!is_read)
        print_error("%s\n", error.message);
    assert_true(is_read);
}

static void expect_refused(const char *open_clip, const char *bert, vkclip_status status,
                           const char *why)
{
    struct config config;
    vkclip_error error = {0};
    bool is_read = read_texts(&config, open_clip, bert, &error);
    if (is_read || !strstr(error.message, why))
        print_error("'%s' wanted, got: %s\n", why, is_read ? "accepted" : error.message);
    assert_false(is_read);
    assert_non_null(strstr(error.message, why));
    assert_non_null(strstr(error.message, "/tmp/vkclip_test_"));
    assert_int_equal(error.status, status);
}

// What all of these say is refused as another model, naming the field.
static void expect_fields_refused(const char *const (*cases)[4], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char content[800];
        snprintf(content, sizeof content, "{\"embed_dim\":512,%s,%s%s}", cases[i][0], cases[i][1],
                 cases[i][2]);
        expect_refused(content, NULL, VKCLIP_ERROR_MODEL, cases[i][3]);
    }
}

static void check_biomedclip(const struct config *config)
{
    static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    assert_int_equal(config->image.size_px, 224);
    assert_int_equal(config->text.context_tokens, 256);
    assert_int_equal(config->embedding_width, 512);
    assert_int_equal(config->image.blocks.heads, 0);
    assert_memory_equal(config->image.mean, mean, sizeof mean);
    assert_memory_equal(config->image.std, std, sizeof std);
    assert_true(config->image.blocks.norm_epsilon == 1e-6f);
    assert_true(config->text.blocks.norm_epsilon == 1e-12f);
}

static void both_spellings_of_the_published_file_are_read(void **state)
{
    (void)state;
    static const char *const names[2][2] = {{"hf_proj_type", "hf_pooler_type"},
                                            {"proj", "pooler_type"}};
    for (int i = 0; i < 2; i++) {
        char content[1000];
        struct config config;
        snprintf(content, sizeof content,
                 "{\"model_cfg\":{\"embed_dim\":512,\"vision_cfg\":{\"timm_model_name\":"
                 "\"vit_base_patch16_224\",\"timm_model_pretrained\":false,\"timm_pool\":\"\","
                 "\"timm_proj\":\"linear\",\"image_size\":224},\"text_cfg\":{\"hf_model_name\":"
                 "\"a\",\"hf_tokenizer_name\":\"a\",\"%s\":\"mlp\",\"%s\":"
                 "\"cls_last_hidden_state_pooler\",\"context_length\":256}},\"preprocess_cfg\":{"
                 "\"mean\":[0.48145466,0.4578275,0.40821073],"
                 "\"std\":[0.26862954,0.26130258,0.27577711]}}",
                 names[i][0], names[i][1]);
        expect_read(&config, content, NULL);
        check_biomedclip(&config);
        assert_int_equal(config.text.blocks.heads, 0);
    }
}

static void the_published_files_themselves_are_read(void **state)
{
    (void)state;
    static const char path[] = "../shared/data/biomedclip/open_clip_config.json";
    if (access(path, R_OK) != 0) {
        printf("skipped: %s is not there\n", path);
        skip();
    }
    struct config config;
    assert_true(config_read(
        &config,
        &(struct config_files){.open_clip = path, .model = "../shared/data/biomedclip/config.json"},
        NULL));
    check_biomedclip(&config);
    assert_int_equal(config.text.blocks.heads, 12);
}

// open_clip's defaults, where they are supported.
static void absent_fields_mean_what_they_mean_to_open_clip(void **state)
{
    (void)state;
    struct config config;
    expect_read(&config, "{\"embed_dim\":8," VISION "," TEXT "}", "{}");
    assert_int_equal(config.image.size_px, 224);
    assert_int_equal(config.text.context_tokens, 77);
    assert_int_equal(config.embedding_width, 8);
    assert_true(config.image.mean[0] == 0.48145466f && config.image.std[2] == 0.27577711f);
    assert_int_equal(config.text.blocks.heads, 12);
    assert_true(config.text.blocks.norm_epsilon == 1e-12f);
}

static void a_bert_config_gives_heads_and_epsilon(void **state)
{
    (void)state;
    struct config config;
    expect_read(&config, "{\"embed_dim\":8," VISION "," TEXT "}",
                "{\"model_type\":\"bert\",\"hidden_act\":\"gelu\",\"num_attention_heads\":16,"
                "\"layer_norm_eps\":1e-5,\"position_embedding_type\":\"absolute\"}");
    assert_int_equal(config.text.blocks.heads, 16);
    assert_true(config.text.blocks.norm_epsilon == 1e-5f);
}

static void heads_of_large_image_towers_are_known_by_name(void **state)
{
    (void)state;
    struct config config;
    expect_read(&config,
                "{\"embed_dim\":8,\"vision_cfg\":{\"timm_model_name\":\"vit_huge_patch14_224\","
                "\"timm_pool\":\"token\",\"image_size\":[224,224]}," TEXT "}",
                NULL);
    assert_int_equal(config.image.blocks.heads, 16);
}

static void other_graphs_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][4] = {
        {"\"vision_cfg\":{\"layers\":[3,4,6,3],\"width\":64}", TEXT, "",
         "neither vision_cfg.timm_model_name nor a number of vision_cfg.layers"},
        {"\"vision_cfg\":{\"layers\":12,\"global_average_pool\":true}", TEXT, "",
         "vision_cfg.global_average_pool is true; supported: false"},
        {"\"vision_cfg\":{\"timm_model_name\":\"resnet50\"}", TEXT, "",
         "vision_cfg.timm_model_name is \"resnet50\"; supported"},
        {"\"vision_cfg\":{\"timm_model_name\":\"vit_x\"}", TEXT, "",
         "vision_cfg.timm_pool is absent, which means \"avg\"; supported: \"\", \"token\""},
        {"\"vision_cfg\":{\"timm_model_name\":\"vit_x\",\"timm_pool\":\"map\"}", TEXT, "",
         "vision_cfg.timm_pool is \"map\"; supported: \"\", \"token\""},
        {"\"vision_cfg\":{\"timm_model_name\":\"vit_x\",\"timm_pool\":\"\",\"timm_proj\":\"mlp\"}",
         TEXT, "", "vision_cfg.timm_proj is \"mlp\"; supported: \"linear\""},
        {"\"vision_cfg\":{\"timm_model_name\":\"vit_x\",\"timm_pool\":\"\",\"timm_proj\":null}",
         TEXT, "", "vision_cfg.timm_proj is null; supported: \"linear\""},
        {VISION, "\"text_cfg\":{\"vocab_size\":49408,\"no_causal_mask\":true}", "",
         "text_cfg.no_causal_mask is true; supported: false"},
        {VISION, "\"text_cfg\":{\"hf_model_name\":\"x\"}", "",
         "text_cfg.hf_pooler_type is absent, which means \"mean_pooler\""},
        {VISION, "\"text_cfg\":{\"hf_model_name\":\"x\",\"pooler_type\":\"cls_pooler\"}", "",
         "text_cfg.pooler_type is \"cls_pooler\"; supported: \"cls_last_hidden_state_pooler\""},
        {VISION, "\"text_cfg\":{\"hf_model_name\":\"x\",\"proj\":null}", "",
         "text_cfg.proj is null; supported: \"mlp\", \"linear\""},
        {VISION, "\"text_cfg\":{\"hf_model_name\":\"x\",\"context_length\":1}", "",
         "text_cfg.context_length is 1"},
        {VISION, TEXT, ",\"quick_gelu\":true", "quick_gelu is true; supported: false"},
        {VISION, TEXT, ",\"preprocess_cfg\":{\"resize_mode\":\"squash\"}",
         "preprocess_cfg.resize_mode is \"squash\"; supported: \"shortest\""},
        {VISION, TEXT, ",\"preprocess_cfg\":{\"interpolation\":\"bilinear\"}",
         "preprocess_cfg.interpolation is \"bilinear\""},
        {VISION, TEXT, ",\"preprocess_cfg\":{\"mode\":\"L\"}", "preprocess_cfg.mode is \"L\""},
        {VISION, TEXT, ",\"preprocess_cfg\":{\"size\":384}",
         "preprocess_cfg.size is 384, vision_cfg.image_size 224"},
        {VISION, TEXT, ",\"preprocess_cfg\":{\"size\":[224,448]}", "is 224 by 448"},
    };
    expect_fields_refused(cases, COUNT(cases));
}

static void other_text_towers_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"model_type\":\"roberta\"}", "model_type is \"roberta\"; supported: \"bert\""},
        {"{\"hidden_act\":\"gelu_new\"}", "hidden_act is \"gelu_new\"; supported: \"gelu\""},
        {"{\"position_embedding_type\":\"relative_key\"}",
         "position_embedding_type is \"relative_key\"; supported: \"absolute\""},
        {"{\"is_decoder\":true}", "is_decoder is true; supported: false"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_refused("{\"embed_dim\":8," VISION "," TEXT "}", cases[i][0], VKCLIP_ERROR_MODEL,
                       cases[i][1]);
}

static void values_of_the_wrong_kind_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{" VISION "," TEXT "}", "embed_dim is absent"},
        {"{\"embed_dim\":0," VISION "," TEXT "}", "embed_dim is not a whole number"},
        {"{\"embed_dim\":-5," VISION "," TEXT "}", "embed_dim is not a whole number"},
        {"{\"embed_dim\":1.5," VISION "," TEXT "}", "embed_dim is not a whole number"},
        {"{\"embed_dim\":1e999," VISION "," TEXT "}", "embed_dim is not a whole number"},
        {"{\"embed_dim\":\"8\"," VISION "," TEXT "}", "embed_dim is not a whole number"},
        {"{\"embed_dim\":8,\"vision_cfg\":[]," TEXT "}", "\"vision_cfg\" is not an object"},
        {"{\"embed_dim\":8," VISION "," TEXT ",\"quick_gelu\":1}", "is not true or false"},
        {"{\"embed_dim\":8," VISION "," TEXT ",\"preprocess_cfg\":{\"mean\":[1,2]}}",
         "preprocess_cfg.mean is not a list of three numbers"},
        {"{\"embed_dim\":8," VISION "," TEXT ",\"preprocess_cfg\":{\"mean\":[1,2,\"3\"]}}",
         "preprocess_cfg.mean is not three sensible numbers"},
        {"{\"embed_dim\":8," VISION "," TEXT ",\"preprocess_cfg\":{\"std\":[1,0,1]}}",
         "preprocess_cfg.std is not three positive numbers"},
        {"{\"embed_dim\":8," VISION "," TEXT ",\"preprocess_cfg\":{\"std\":[1,1,1e999]}}",
         "preprocess_cfg.std is not three positive numbers"},
        {"{\"embed_dim\":8," VISION "," TEXT ",\"preprocess_cfg\":{\"mode\":3}}",
         "preprocess_cfg.mode is not a text"},
        {"{\"embed_dim\":8," VISION "," TEXT ",\"preprocess_cfg\":{\"size\":[224]}}",
         "preprocess_cfg.size is not one side or two"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_refused(cases[i][0], NULL, VKCLIP_ERROR_FILE, cases[i][1]);
    expect_refused("{\"embed_dim\":8," VISION "," TEXT "}", "{\"layer_norm_eps\":-1}",
                   VKCLIP_ERROR_FILE, "layer_norm_eps is not a number from 0 to 1");
}

static void m22_what_is_not_plain_json_is_refused(void **state)
{
    (void)state;
    static char deep[20001];
    memset(deep, '[', sizeof deep - 1);
    expect_refused("", NULL, VKCLIP_ERROR_FILE, "is not JSON");
    expect_refused("[]", NULL, VKCLIP_ERROR_FILE, "is not a JSON object");
    expect_refused("{\"embed_dim\":8", NULL, VKCLIP_ERROR_FILE, "byte 14 is not JSON");
    expect_refused("{} x", NULL, VKCLIP_ERROR_FILE, "is not JSON");
    expect_refused("{\"a\xff\":1}", NULL, VKCLIP_ERROR_FILE, "is not UTF-8 text");
    expect_refused("{\"a\":1,\"\\u0061\":2}", NULL, VKCLIP_ERROR_FILE, "\"a\" is there twice");
    expect_refused("{\"model_cfg\":{\"embed_dim\":8,\"embed_dim\":9}}", NULL, VKCLIP_ERROR_FILE,
                   "\"embed_dim\" is there twice");
    expect_refused(deep, NULL, VKCLIP_ERROR_FILE, "nested too deep");

    char path[32];
    struct config config;
    vkclip_error error = {0};
    write_file(path, "{}\0{", 4);
    assert_false(config_read(&config, &(struct config_files){.open_clip = path}, &error));
    unlink(path);
    assert_non_null(strstr(error.message, "is not UTF-8 text"));
}

static void m22_floods_of_keys_and_bytes_are_refused(void **state)
{
    (void)state;
    static char content[(1 << 20) + 100];
    size_t used = (size_t)snprintf(content, sizeof content, "{\"k\":1");
    for (int i = 0; i < 600; i++)
        used += (size_t)snprintf(content + used, sizeof content - used, ",\"k%d\":1", i);
    strcpy(content + used, "}");
    expect_refused(content, NULL, VKCLIP_ERROR_FILE, "an object has too many keys");
    memset(content, ' ', sizeof content - 1);
    expect_refused(content, NULL, VKCLIP_ERROR_FILE, "at most 1048576 are accepted");
}

static void f01_a_missing_file_is_named(void **state)
{
    (void)state;
    struct config config;
    vkclip_error error = {0};
    assert_false(config_read(
        &config, &(struct config_files){.open_clip = "/nonexistent/open_clip_config.json"},
        &error));
    assert_string_equal(error.message,
                        "/nonexistent/open_clip_config.json: No such file or directory");
}

// ---- transformers, sentence_transformers, timm ------------------------------------------------

// Reads config.json and one more file, whose field of files is given by its offset.
static bool read_hub(struct config *config, const char *model, const char *other, size_t field,
                     vkclip_error *err)
{
    char path[32], other_path[32];
    struct config_files files = {.model = path};
    write_file(path, model, strlen(model));
    if (other) {
        write_file(other_path, other, strlen(other));
        *(const char **)((char *)&files + field) = other_path;
    }
    bool is_read = config_read(config, &files, err);
    unlink(path);
    if (other)
        unlink(other_path);
    return is_read;
}

struct hub_case {
    const char *model, *other;
    size_t field;
    const char *why;
};
#define BESIDE(name) offsetof(struct config_files, name)

static void expect_hub_refused(const struct hub_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config config;
        vkclip_error error = {0};
        bool is_read = read_hub(&config, cases[i].model, cases[i].other, cases[i].field, &error);
        config_finish(&config);
        if (is_read || !strstr(error.message, cases[i].why))
            print_error("'%s' wanted, got: %s\n", cases[i].why,
                        is_read ? "accepted" : error.message);
        assert_false(is_read);
        assert_non_null(strstr(error.message, cases[i].why));
        assert_true(error.status == VKCLIP_ERROR_MODEL || error.status == VKCLIP_ERROR_FILE);
    }
}

static void other_families_are_refused_by_name(void **state)
{
    (void)state;
    static const struct hub_case cases[] = {
        {"{}", NULL, 0, "no model_type; supported: \"bert\", \"clip\""},
        {"{\"model_type\":\"roberta\"}", NULL, 0, "model_type is \"roberta\"; supported"},
        {"{\"model_type\":\"siglip\"}", NULL, 0, "model_type is \"siglip\"; supported"},
        {"{\"architecture\":\"resnet50\"}", NULL, 0, "architecture is \"resnet50\"; supported"},
        {"{\"architecture\":\"vit_x\",\"global_pool\":\"map\"}", NULL, 0,
         "global_pool is \"map\"; supported"},
        {"{\"architecture\":\"vit_x\",\"pretrained_cfg\":{\"input_size\":[1,224,224]}}", NULL, 0,
         "input_size is not three channels"},
        {"{\"architecture\":\"vit_x\",\"pretrained_cfg\":{\"crop_pct\":0}}", NULL, 0, "crop_pct"},
        {"{\"architecture\":\"vit_x\",\"pretrained_cfg\":{\"label_names\":[1]}}", NULL, 0,
         "names of classes"},
        {"{\"model_type\":\"vit\",\"hidden_act\":\"gelu_new\"}", NULL, 0, "hidden_act"},
        {"{\"model_type\":\"vit\",\"qkv_bias\":false}", NULL, 0, "qkv_bias is false"},
        {"{\"model_type\":\"vit\",\"id2label\":{\"0\":\"a\",\"2\":\"b\"}}", NULL, 0,
         "names of classes"},
        {"{\"model_type\":\"vit\",\"id2label\":{\"0\":\"a\",\"00\":\"b\"}}", NULL, 0,
         "names of classes"},
        {"{\"model_type\":\"vit\"}", "{\"resample\":1}", BESIDE(preprocessor), "resample is 1"},
        {"{\"model_type\":\"vit\"}", "{\"size\":{\"height\":256,\"width\":256}}",
         BESIDE(preprocessor), "pictures of 256 pixels, the model wants 224"},
        {"{\"model_type\":\"vit\"}", "{\"size\":{\"height\":224,\"width\":200}}",
         BESIDE(preprocessor), "size is 224 by 200"},
        {"{\"model_type\":\"clip\"}", "{\"size\":{\"shortest_edge\":224},\"do_center_crop\":false}",
         BESIDE(preprocessor), "do_center_crop is off"},
        {"{\"model_type\":\"dinov2\"}",
         "{\"size\":{\"shortest_edge\":200},\"do_center_crop\":true,\"crop_size\":224}",
         BESIDE(preprocessor), "pictures of 200 pixels are cropped to 224"},
        {"{\"model_type\":\"dinov2\",\"use_swiglu_ffn\":true}", NULL, 0, "use_swiglu_ffn is true"},
        {"{\"model_type\":\"clip\",\"text_config\":{\"model_type\":\"gpt2\"}}", NULL, 0,
         "text_config.model_type is \"gpt2\"; supported"},
        {"{\"model_type\":\"bert\"}",
         "{\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":true}", BESIDE(pooling),
         "are both true"},
        {"{\"model_type\":\"bert\"}",
         "{\"pooling_mode_mean_tokens\":false,\"pooling_mode_max_tokens\":true}", BESIDE(pooling),
         "pooling_mode_max_tokens is true"},
        {"{\"model_type\":\"bert\"}", "[{\"type\":\"sentence_transformers.models.Dense\"}]",
         BESIDE(modules), "a module of type Dense"},
        {"{\"model_type\":\"bert\"}", "{}", BESIDE(modules), "is not a JSON list"},
        {"{\"model_type\":\"bert\"}", "{\"do_lower_case\":false}", BESIDE(tokenizer),
         "cased models are not supported"},
    };
    expect_hub_refused(cases, COUNT(cases));
}

static void a_bert_without_modules_is_averaged_to_unit_length(void **state)
{
    (void)state;
    struct config config;
    assert_true(read_hub(&config, "{\"model_type\":\"bert\"}", NULL, 0, NULL));
    assert_true(config.text.pooling == POOLING_MEAN && config.text.is_unit);
    assert_false(config.text.is_cleaned);
    assert_int_equal(config.text.context_tokens, 512);
    assert_int_equal(config.image.scheme, IMAGE_NONE);
    assert_true(read_hub(&config, "{\"model_type\":\"bert\"}", "{\"max_seq_length\":128}",
                         BESIDE(sentence), NULL));
    assert_int_equal(config.text.context_tokens, 128);
}

// What google/vit-base-patch16-224 and facebook/dinov2-small say of pictures.
static void processors_say_how_pictures_are_resized(void **state)
{
    (void)state;
    struct config config;
    assert_true(read_hub(&config, "{\"model_type\":\"vit\"}",
                         "{\"do_resize\":true,\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,"
                         "0.5],\"resample\":2,\"size\":224}",
                         BESIDE(preprocessor), NULL));
    assert_true(config.image.resize.is_squashed && config.image.resize.is_bilinear);
    assert_true(read_hub(&config, "{\"model_type\":\"dinov2\",\"image_size\":518}",
                         "{\"do_center_crop\":true,\"crop_size\":{\"height\":224,\"width\":224},"
                         "\"size\":{\"shortest_edge\":256},\"resample\":3}",
                         BESIDE(preprocessor), NULL));
    assert_int_equal(config.image.size_px, 224);
    assert_int_equal(config.image.resize.resized_px, 256);
    assert_false(config.image.resize.is_squashed || config.image.resize.is_bilinear);
    assert_true(config.image.mean[0] == 0.485f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings_of_the_published_file_are_read),
        cmocka_unit_test(the_published_files_themselves_are_read),
        cmocka_unit_test(absent_fields_mean_what_they_mean_to_open_clip),
        cmocka_unit_test(a_bert_config_gives_heads_and_epsilon),
        cmocka_unit_test(heads_of_large_image_towers_are_known_by_name),
        cmocka_unit_test(other_graphs_are_refused_by_name),
        cmocka_unit_test(other_text_towers_are_refused_by_name),
        cmocka_unit_test(values_of_the_wrong_kind_are_refused),
        cmocka_unit_test(m22_what_is_not_plain_json_is_refused),
        cmocka_unit_test(m22_floods_of_keys_and_bytes_are_refused),
        cmocka_unit_test(f01_a_missing_file_is_named),
        cmocka_unit_test(other_families_are_refused_by_name),
        cmocka_unit_test(a_bert_without_modules_is_averaged_to_unit_length),
        cmocka_unit_test(processors_say_how_pictures_are_resized),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
