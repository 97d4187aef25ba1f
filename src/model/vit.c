// vit.c: the image tower, a Vision Transformer.
//
//   pixels [n, 224, 224, 3] u8
//   -> patches [n * 196, 768] -> linear -> [n * 197, 768] with [CLS] and positions
//   -> 12 pre-norm blocks (encoder.c)
//   -> norm, [CLS] row -> linear -> [n, 512] -> unit length
//
// Sizes are BiomedCLIP's; the code takes them from the weights. Others of the family have
//
//   a norm before the blocks, and no patch bias       CLIP
//   tokens between [CLS] and the patches              DINOv2 with registers
//   positions made for another number of patches      DINOv2
//   the mean of the patches in place of [CLS]         some of timm
//   no projection, but a classifier                   timm, transformers
//
// Source: timm vision_transformer.py, VisionTransformer.forward_features() and forward_head();
// open_clip timm_model.py, TimmModel.forward(), and transformer.py, VisionTransformer.forward();
// Hugging Face modeling_vit.py and modeling_dinov2.py.
#include "model/vit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct image_names *names_in(const struct vit *vit)
{
    return &image_names[vit->scheme];
}

static struct encoder_place blocks_of(const struct vit *vit)
{
    return (struct encoder_place){vit->prefix, &names_in(vit)->blocks};
}

static struct tensor_name part(const struct vit *vit, const char *name)
{
    return name_of(vit->prefix, name, "");
}

// ---- sizes -----------------------------------------------------------------------------------

static bool check_sizes(const struct vit *vit, const char *path, vkclip_error *err)
{
    const uint32_t size = vit->image_size_px, patch = vit->patch_size_px;
    if (patch > 1024 || vit->embedding_width > 65536 || vit->class_count > 1000000)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: the image tower is too large", path);
    if (vit->embedding_width == 0)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: image embeddings of no width", path);
    if (patch == 0 || size % patch != 0 || 3 * patch * patch % 4 != 0)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: images of %u pixels do not divide into patches of %u", path, size, patch);
    uint64_t across = size / patch;
    if (across * across + vit->register_count >= PLAN_MAX_TOKENS || vit->register_count > 1024)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: images of %u pixels in patches of %u are too many", path, size, patch);
    return true;
}

// Rows of a [.., rows, width] tensor, or what they would be.
static uint32_t measure_rows(const struct weights *weights, const char *name, uint32_t otherwise)
{
    const struct weight *found = weights_find(weights, name);
    return found && found->rank >= 2
               ? loader_measure(weights, name, found->rank, found->rank - 2, otherwise)
               : otherwise;
}

// The registers under the name that is there.
static const char *registers_of(const struct vit *vit, const struct weights *weights)
{
    const char *const *either = names_in(vit)->registers;
    for (int i = 0; i < 2 && either[i]; i++)
        if (weights_find(weights, part(vit, either[i]).text))
            return either[i];
    return NULL;
}

static bool has_any(const struct weights *weights, const char *name)
{
    return name &&
           (weights_find(weights, name_of(name, "weight", "").text) ||
            weights_find(weights, name_of(name, "bias", "").text) || weights_find(weights, name));
}

static void measure_ends(struct vit *vit, const struct weights *weights,
                         const struct config *config)
{
    const struct image_names *names = names_in(vit);
    const struct tensor_name before =
        part(vit, names->norm_before ? names->norm_before : names->norm);
    const char *projection = names->projection, *registers = registers_of(vit, weights);
    vit->has_norm_before = names->norm_before && has_any(weights, before.text);
    vit->register_count = registers ? measure_rows(weights, part(vit, registers).text, 0) : 0;
    vit->embedding_width = vit->encoder.width;
    vit->has_projection = projection != NULL;
    if (projection) {
        // [in, out] under its own name, [out, in] as a weight.
        const struct tensor_name weight = name_of(projection, "weight", "");
        const bool is_turned = weights_find(weights, projection) != NULL;
        vit->embedding_width = loader_measure(weights, is_turned ? projection : weight.text, 2,
                                              is_turned ? 1 : 0, config->embedding_width);
        vit->has_projection_bias =
            weights_find(weights, name_of(projection, "bias", "").text) != NULL;
    }
    if (has_any(weights, names->classifier))
        vit->class_count = loader_measure(weights, name_of(names->classifier, "weight", "").text, 2,
                                          0, config->image.class_count);
}

static uint32_t square_root(uint32_t n)
{
    uint32_t root = (uint32_t)sqrt((double)n);
    return root * root == n ? root : 0;
}

// The table has a row for [CLS] or not, and one for each of a square of patches. Any other is left
// to the loader to refuse.
static void measure_positions(struct vit *vit, const struct weights *weights)
{
    const uint32_t across = vit->image_size_px / vit->patch_size_px, wanted = 1 + across * across;
    const uint32_t rows = measure_rows(weights, part(vit, names_in(vit)->positions).text, wanted);
    const uint32_t with_cls = square_root(rows - 1), without = square_root(rows);
    bool is_other = vit->position_fit != POSITIONS_FIXED && (with_cls || without);
    vit->position_rows = rows == across * across || is_other ? rows : wanted;
    vit->has_cls_position = square_root(vit->position_rows - 1) > 0;
    vit->positions_across = vit->has_cls_position ? with_cls : without;
    if (vit->position_rows == wanted)
        vit->positions_across = across;
}

bool vit_measure(struct vit *vit, const struct weights *weights, const struct config *config,
                 vkclip_error *err)
{
    *vit = (struct vit){.scheme = config->image.scheme};
    const struct image_names *names = names_in(vit);
    vit->prefix = names_find_prefix(weights, names->prefixes, names->patch, "weight");
    if (!vit->prefix)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: no tensor '%s%sweight', which %s has",
                    weights->path, names->prefixes[0], names->patch, names->title);

    const struct tensor_name patch = name_of(vit->prefix, names->patch, "weight");
    vit->encoder.width = loader_measure(weights, patch.text, 4, 0, 0);
    vit->patch_size_px = loader_measure(weights, patch.text, 4, 2, 0);
    vit->image_size_px = config->image.size_px;
    vit->pooling = config->image.pooling;
    vit->position_fit = config->image.position_fit;
    for (int i = 0; i < 3; i++) {
        vit->mean[i] = config->image.mean[i];
        vit->std[i] = config->image.std[i];
    }
    const struct encoder_place blocks = blocks_of(vit);
    if (!encoder_measure(&vit->encoder, weights, &blocks, &config->image.blocks, "image", err))
        return false;
    measure_ends(vit, weights, config);
    if (!check_sizes(vit, weights->path, err))
        return false;
    measure_positions(vit, weights);
    return true;
}

uint32_t vit_tokens(const struct vit *vit)
{
    uint32_t across = vit->image_size_px / vit->patch_size_px;
    return 1 + vit->register_count + across * across;
}

// ---- weights ---------------------------------------------------------------------------------

// Reads the table of positions as it is stored, and fits it to the patches.
static bool fit_positions(const struct vit *vit, struct loader *loader, float *table)
{
    const uint32_t width = vit->encoder.width, across = vit->image_size_px / vit->patch_size_px;
    const size_t of_cls = vit->has_cls_position ? width : 0;
    const struct tensor_name name = part(vit, names_in(vit)->positions);
    if (vit->positions_across == across) {
        loader_rows(loader, name.text, vit->position_rows, width, table);
        return true;
    }
    float *stored = malloc((size_t)vit->position_rows * width * sizeof *stored);
    if (!stored)
        return fail(&loader->error, VKCLIP_ERROR_MEMORY, "no memory for positions");
    loader_rows(loader, name.text, vit->position_rows, width, stored);
    memcpy(table, stored, of_cls * sizeof *table);
    bool is_done = positions_resize(stored + of_cls, vit->positions_across, table + of_cls, across,
                                    width, vit->position_fit, &loader->error);
    free(stored);
    return is_done;
}

static void add_to_rows(float *rows, size_t count, const float *addend, uint32_t cols)
{
    for (size_t row = 0; row < count; row++)
        for (uint32_t c = 0; c < cols; c++)
            rows[row * cols + c] += addend[c];
}

// What every token is before the blocks see it, but for the pixels: [CLS] and its position, the
// registers, the positions of the patches with their bias.
static void load_places(struct vit *vit, struct loader *loader)
{
    const struct image_names *names = names_in(vit);
    const uint32_t width = vit->encoder.width, tokens = vit_tokens(vit);
    const uint32_t registers = vit->register_count, patches = tokens - 1 - registers;
    float *table = NULL, *row = NULL, *positions = NULL, *first_patch = NULL;
    if (loader->gpu) {
        table = calloc((size_t)tokens * width, sizeof *table);
        positions = calloc(((size_t)patches + 1) * width, sizeof *positions);
        row = calloc(width, sizeof *row);
        if (!table || !positions || !row) {
            fail(&loader->error, VKCLIP_ERROR_MEMORY, "no memory for positions");
            goto done;
        }
        first_patch = table + (size_t)(1 + registers) * width;
        if (!fit_positions(vit, loader, positions))
            goto done;
        const float *of_patches = positions + (vit->has_cls_position ? width : 0);
        memcpy(first_patch, of_patches, (size_t)patches * width * sizeof *table);
    } else {
        loader_rows(loader, part(vit, names->positions).text, vit->position_rows, width, NULL);
    }
    loader_rows(loader, part(vit, names->cls).text, 1, width, table);
    if (table && vit->has_cls_position)
        add_to_rows(table, 1, positions, width);
    if (registers)
        loader_rows(loader, part(vit, registers_of(vit, loader->weights)).text, registers, width,
                    table ? table + width : NULL);
    if (!vit->has_norm_before)
        loader_rows(loader, name_of(vit->prefix, names->patch, "bias").text, 1, width, row);
    if (table)
        add_to_rows(first_patch, patches, row, width);
    loader_floats(loader, table, (uint64_t)tokens * width, &vit->places);

done:
    free(table);
    free(positions);
    free(row);
}

static void load_head(struct loader *loader, const char *name, uint32_t out_cols, bool has_bias,
                      const struct vit *vit, struct linear_weights *out)
{
    loader_linear(loader,
                  &(struct linear_source){.names = {name},
                                          .in_cols = vit->encoder.width,
                                          .out_cols = out_cols,
                                          .has_bias = has_bias},
                  out);
}

void vit_load(struct vit *vit, struct loader *loader)
{
    const struct image_names *names = names_in(vit);
    const uint32_t width = vit->encoder.width;
    const bool is_mean = vit->pooling == POOLING_MEAN;
    const struct encoder_place blocks = blocks_of(vit);
    loader_patch_linear(loader, part(vit, names->patch).text, vit->patch_size_px, width,
                        &vit->patch);
    load_places(vit, loader);
    if (vit->has_norm_before)
        loader_norm(loader, part(vit, names->norm_before).text, width, &vit->norm_before);
    encoder_load(&vit->encoder, loader, &blocks);
    loader_norm(loader, part(vit, is_mean ? names->norm_after_mean : names->norm).text, width,
                &vit->norm);
    if (vit->has_projection)
        load_head(loader, names->projection, vit->embedding_width, vit->has_projection_bias, vit,
                  &vit->projection);
    if (vit->class_count)
        load_head(loader, names->classifier, vit->class_count, true, vit, &vit->classifier);
    for (int i = 0; i < 3 && names->ignored[i]; i++)
        loader_ignore(loader, part(vit, names->ignored[i]).text);
}

// ---- forward pass ----------------------------------------------------------------------------

struct tensor vit_plan_blocks(const struct vit *vit, struct plan *plan, struct gpu_range pixels,
                              struct gpu_range tiles)
{
    struct patchify_args patchify = {
        .image_size_px = vit->image_size_px,
        .patch_size_px = vit->patch_size_px,
        .width = vit->encoder.width,
        .register_count = vit->register_count,
    };
    for (int i = 0; i < 3; i++) {
        patchify.scale[i] = (float)(1.0 / (255.0 * vit->std[i]));
        patchify.shift[i] = (float)(-(double)vit->mean[i] / vit->std[i]);
    }

    struct encoder_rows rows;
    struct tensor h = plan_patchify(plan, pixels, vit->places, &patchify, &rows.x);
    plan_linear_add(plan, h, &vit->patch, rows.x); // [tokens, width]
    if (vit->has_norm_before)
        plan_layernorm_replace(plan, rows.x, &vit->norm_before, vit->encoder.norm_epsilon);
    return encoder_plan(&vit->encoder, plan, rows, tiles, vit->pooling == POOLING_MEAN).x;
}

void vit_plan(const struct vit *vit, struct plan *plan, struct gpu_range pixels,
              struct gpu_range tiles, const struct vit_outputs *outputs)
{
    struct tensor x = vit_plan_blocks(vit, plan, pixels, tiles);
    if (vit->pooling == POOLING_MEAN)
        x = plan_mean(plan, x, tiles, 1 + vit->register_count); // [sequences, width]
    struct tensor h = plan_layernorm_replace(plan, x, &vit->norm, vit->encoder.norm_epsilon);
    if (vit->class_count)
        plan_linear_out(plan, h, &vit->classifier, outputs->logits);
    if (vit->has_projection)
        x = plan_linear_f32(plan, h, &vit->projection); // [sequences, embedding]
    plan_normalize(plan, x, true, outputs->embeddings);
}
