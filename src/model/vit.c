// vit.c: the image tower, a Vision Transformer as timm builds it.
//
//   pixels [n, 224, 224, 3] u8
//   -> patches [n * 196, 768] -> linear -> [n * 197, 768] with [CLS] and positions
//   -> 12 blocks: x += attention(norm1(x)); x += mlp(norm2(x))
//   -> norm, [CLS] row -> linear -> [n, 512] -> unit length
//
// Sizes are BiomedCLIP's; the code takes them from the weights. The last block computes only
// the [CLS] rows after its attention has read all others.
// Source: timm vision_transformer.py, VisionTransformer.forward_features() and Block.forward();
// open_clip timm_model.py, TimmModel.forward().
#include "model/vit.h"

#include <math.h>
#include <stdio.h>

#define TRUNK "visual.trunk."

static bool check_sizes(const struct vit_sizes *s, const char *path, vkclip_error *err)
{
    if (s->layers == 0 || s->layers > VIT_MAX_LAYERS)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: image tower of %u layers, 1 to %d are supported",
                    path, s->layers, VIT_MAX_LAYERS);
    if (s->patch_size_px > 1024 || s->hidden > 65536 || s->embedding_width > 65536)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: the image tower is too large", path);
    if (s->width == 0 || s->width > 16384 || !config_heads_fit(s->width, s->heads) ||
        s->hidden == 0 || s->hidden % 4 != 0 || s->embedding_width == 0)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: image tower of width %u, %u heads, hidden width %u is not supported", path,
                    s->width, s->heads, s->hidden);
    if (s->patch_size_px == 0 || s->image_size_px % s->patch_size_px != 0 ||
        3 * s->patch_size_px * s->patch_size_px % 4 != 0)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: images of %u pixels do not divide into patches of %u", path,
                    s->image_size_px, s->patch_size_px);
    uint64_t across = s->image_size_px / s->patch_size_px;
    if (across * across >= PLAN_MAX_TOKENS)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: images of %u pixels in patches of %u are too many", path, s->image_size_px,
                    s->patch_size_px);
    return true;
}

bool vit_measure(struct vit *vit, const struct weights *weights, const struct config *config,
                 vkclip_error *err)
{
    const uint32_t width = loader_measure(weights, TRUNK "patch_embed.proj.weight", 4, 0, 0);
    if (width == 0)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: no tensor '" TRUNK "patch_embed.proj.weight': not a CLIP with timm's ViT",
                    weights->path);
    vit->sizes = (struct vit_sizes){
        .image_size_px = config->image_size_px,
        .patch_size_px = loader_measure(weights, TRUNK "patch_embed.proj.weight", 4, 2, 0),
        .width = width,
        .heads = config->image_heads ? config->image_heads : width / CONFIG_HEAD_DIM,
        .hidden = loader_measure(weights, TRUNK "blocks.0.mlp.fc1.weight", 2, 0, 4 * width),
        .layers = loader_count_layers(weights, TRUNK "blocks.", ".norm1.weight", VIT_MAX_LAYERS),
        .embedding_width =
            loader_measure(weights, "visual.head.proj.weight", 2, 0, config->embedding_width),
        .has_head_bias = weights_find(weights, "visual.head.proj.bias") != NULL,
    };
    vit->norm_epsilon = config->image_norm_epsilon;
    for (int i = 0; i < 3; i++) {
        vit->mean[i] = config->mean[i];
        vit->std[i] = config->std[i];
    }
    return check_sizes(&vit->sizes, weights->path, err);
}

static void load_block(struct vit_block *block, const struct vit_sizes *s, struct loader *loader,
                       uint32_t index)
{
    char name[64];
    const char *names[] = {name};
#define BLOCK_NAME(part) (snprintf(name, sizeof name, TRUNK "blocks.%u." part, index), names)
    loader_norm(loader, *BLOCK_NAME("norm1"), s->width, &block->norm1);
    loader_linear(loader, BLOCK_NAME("attn.qkv"), 1, s->width, 3 * s->width, true, &block->qkv);
    loader_linear(loader, BLOCK_NAME("attn.proj"), 1, s->width, s->width, true, &block->proj);
    loader_norm(loader, *BLOCK_NAME("norm2"), s->width, &block->norm2);
    loader_linear(loader, BLOCK_NAME("mlp.fc1"), 1, s->width, s->hidden, true, &block->fc1);
    loader_linear(loader, BLOCK_NAME("mlp.fc2"), 1, s->hidden, s->width, true, &block->fc2);
#undef BLOCK_NAME
}

void vit_load(struct vit *vit, struct loader *loader)
{
    const struct vit_sizes *s = &vit->sizes;
    loader_patch_linear(loader, TRUNK "patch_embed.proj", s->patch_size_px, s->width, &vit->patch);
    loader_places(
        loader, &(struct place_source){TRUNK "pos_embed", 3, {1, vit_tokens(vit), s->width}},
        &(struct place_source){TRUNK "cls_token", 3, {1, 1, s->width}},
        &(struct place_source){TRUNK "patch_embed.proj.bias", 1, {s->width}}, &vit->places);
    for (uint32_t i = 0; i < s->layers; i++)
        load_block(&vit->blocks[i], s, loader, i);
    loader_norm(loader, TRUNK "norm", s->width, &vit->norm);
    loader_linear(loader, (const char *[]){"visual.head.proj"}, 1, s->width, s->embedding_width,
                  s->has_head_bias, &vit->head);
}

uint32_t vit_tokens(const struct vit *vit)
{
    uint32_t across = vit->sizes.image_size_px / vit->sizes.patch_size_px;
    return 1 + across * across;
}

// One pre-norm block, in place: x += attention(norm1(x)); x += mlp(norm2(x)).
static struct tensor plan_block(const struct vit *vit, const struct vit_block *w, bool is_last,
                                struct plan *plan, struct tensor x, struct gpu_range tiles)
{
    const uint32_t width = vit->sizes.width, heads = vit->sizes.heads;
    const struct plan_linear_options scale_q = {
        .scaled_cols = width,
        .scale = 1.0f / sqrtf((float)(width / heads)),
    };
    struct tensor h;

    h = plan_layernorm(plan, x, &w->norm1, vit->norm_epsilon);
    h = plan_linear(plan, h, &w->qkv, &scale_q); // [tokens, 3 * width]
    if (is_last) {
        h = plan_attention_cls(plan, h, tiles, heads); // [sequences, width] from here on
        x = plan_cls_rows(x);
    } else {
        h = plan_attention(plan, h, tiles, heads); // [tokens, width]
    }
    plan_linear_add(plan, h, &w->proj, x);

    h = plan_layernorm(plan, x, &w->norm2, vit->norm_epsilon);
    h = plan_linear(plan, h, &w->fc1, &(struct plan_linear_options){.has_gelu = true});
    plan_linear_add(plan, h, &w->fc2, x);
    return x;
}

struct tensor vit_plan(const struct vit *vit, struct plan *plan, struct gpu_range pixels,
                       struct gpu_range tiles, struct gpu_range out)
{
    struct patchify_args patchify = {
        .image_size_px = vit->sizes.image_size_px,
        .patch_size_px = vit->sizes.patch_size_px,
        .width = vit->sizes.width,
    };
    for (int i = 0; i < 3; i++) {
        patchify.scale[i] = (float)(1.0 / (255.0 * vit->std[i]));
        patchify.shift[i] = (float)(-(double)vit->mean[i] / vit->std[i]);
    }

    struct tensor x;
    struct tensor h = plan_patchify(plan, pixels, vit->places, &patchify, &x);
    plan_linear_add(plan, h, &vit->patch, x); // [tokens, width]
    for (uint32_t i = 0; i < vit->sizes.layers; i++)
        x = plan_block(vit, &vit->blocks[i], i + 1 == vit->sizes.layers, plan, x, tiles);
    h = plan_layernorm(plan, x, &vit->norm, vit->norm_epsilon); // [sequences, width]
    h = plan_linear_f32(plan, h, &vit->head);                   // [sequences, embedding]
    plan_normalize(plan, h, out);
    return x;
}
