// linear_variants.c: the table of variants, and what follows from their numbers.
#include "model/linear_variants.h"

#include <string.h>

// Directly: what CPUs, Mali and Adreno like is large tiles in registers and no barriers. Striped:
// the same for CPUs whose driver knows that a value is the same in all lanes. Through shared
// memory: the textbook's for GPUs. 7 x 16 and 13 x 16 rows cover the 197 of an image with 14 and 6
// % to spare, 64 with 30. Parts put more lanes on the same outputs, for runs of so few rows that a
// large GPU has nothing to do otherwise.
//
// dot4 is for int8, which takes the others as well, but for matrices and parts: it computes
// exactly, so all are of one family there.
//
// Never more than the 128 lanes and 16 KiB that Vulkan guarantees, but for matrix-128x128.
//
// Tried on llvmpipe of Mesa 26.2.6, 2 cores of an EPYC, milliseconds of a layer's four products
// with 197 rows in fp32: striped 12x64 49, 12x128 56, 8x128 57, 8x32 58, 8x64 60, 12x32 70, 12x16
// 74, 4x64 98, 16x16 and 24x16 with one column a lane no better than 12x32. In fp16 the best of
// direct 109, and of matrices 235. On that of Mesa 22.3.6 every striped one lost to direct-48x32,
// 303 to 184 at best on a busy machine.
//
// In int8, seconds of a core for the same on Mesa 22.3.6 and 26.2.6: direct-48x32 0.131, 0.088;
// direct-12x32 0.175, 0.070; striped-12x64 0.174, 0.070; dot4, which llvmpipe computes one by one,
// 0.232 and 0.146 at best.
const struct linear_variant linear_variants[] = {
    {"striped-12x64", LINEAR_STRIPED, 16, 12, 4, 16, 1},
    {"striped-8x32", LINEAR_STRIPED, 8, 8, 4, 8, 1},
    {"striped-8x128", LINEAR_STRIPED, 16, 8, 8, 16, 1},
    {"quads-12x32", LINEAR_QUADS, 8, 12, 4, 8, 1},
    {"direct-48x32", LINEAR_DIRECT, 8, 12, 16, 2, 1},
    {"direct-12x32", LINEAR_DIRECT, 8, 12, 4, 8, 1},
    {"direct-16x64", LINEAR_DIRECT, 64, 4, 4, 16, 1},
    {"direct-64x32", LINEAR_DIRECT, 64, 8, 4, 8, 1},
    {"staged-64x64", LINEAR_STAGED, 128, 8, 4, 16, 1},
    {"staged-32x64", LINEAR_STAGED, 128, 4, 4, 16, 1},
    {"staged-48x64", LINEAR_STAGED, 128, 6, 4, 16, 1},
    {"staged-112x32", LINEAR_STAGED, 128, 7, 4, 8, 1},
    {"staged-208x32", LINEAR_STAGED, 128, 13, 4, 8, 1},
    {"staged-64x128", LINEAR_STAGED, 128, 8, 8, 16, 1},
    {"direct-16x32-in-4", LINEAR_DIRECT, 128, 4, 4, 8, 4},
    {"direct-32x32-in-4", LINEAR_DIRECT, 128, 8, 4, 8, 4},
    {"direct-64x32-in-4", LINEAR_DIRECT, 128, 16, 4, 8, 4},
    {"dot4-16x64", LINEAR_DOT4, 64, 4, 4, 16, 1},
    {"dot4-64x32", LINEAR_DOT4, 64, 8, 4, 8, 1},
    {"dot4-staged-64x64", LINEAR_DOT4_STAGED, 128, 8, 4, 16, 1},
    {"dot4-staged-32x64", LINEAR_DOT4_STAGED, 128, 4, 4, 16, 1},
    {"dot4-staged-64x128", LINEAR_DOT4_STAGED, 128, 8, 8, 16, 1},
    {"matrix-64x64", LINEAR_MATRIX, 4, 32, 32, 2, 1},
    {"matrix-32x64", LINEAR_MATRIX, 2, 32, 32, 2, 1},
    {"matrix-32x128", LINEAR_MATRIX, 4, 32, 32, 4, 1},
    {"matrix-128x128", LINEAR_MATRIX, 4, 64, 64, 2, 1},
};
const uint32_t linear_variant_count = sizeof linear_variants / sizeof *linear_variants;

enum linear_class linear_class_of(uint32_t rows)
{
    return rows <= LINEAR_FEW_ROWS    ? LINEAR_FEW
           : rows <= LINEAR_SOME_ROWS ? LINEAR_SOME
                                      : LINEAR_MANY;
}

bool linear_variants_agree(const struct linear_variant *a, const struct linear_variant *b)
{
    return (a->method == LINEAR_MATRIX) == (b->method == LINEAR_MATRIX) && a->parts == b->parts;
}

bool linear_variant_is_staged(const struct linear_variant *variant)
{
    return variant->method == LINEAR_STAGED || variant->method == LINEAR_DOT4_STAGED;
}

bool linear_variant_is_dot4(const struct linear_variant *variant)
{
    return variant->method == LINEAR_DOT4 || variant->method == LINEAR_DOT4_STAGED;
}

uint32_t linear_variant_rows(const struct linear_variant *variant)
{
    return variant->lanes / variant->parts / variant->across * variant->tile_rows;
}

uint32_t linear_variant_cols(const struct linear_variant *variant)
{
    return variant->across * variant->tile_cols;
}

// As the shaders declare it.
static uint32_t shared_bytes(const struct linear_variant *variant, uint32_t fragment_size)
{
    const uint32_t rows = linear_variant_rows(variant), cols = linear_variant_cols(variant);
    const uint32_t inputs = 16 * variant->parts;
    const uint32_t of_parts = 16 * (variant->parts > 1 ? variant->lanes : 3);
    if (variant->method == LINEAR_MATRIX)
        return 2 * (rows * (32 + 8) + 32 * (cols + 8)) + 4 * variant->lanes * fragment_size;
    return of_parts +
           (linear_variant_is_staged(variant) ? 4 * (rows * (inputs + 1) + inputs * cols) : 0);
}

// That a lane holds of a subgroup's tile; in subgroups of 8, as on llvmpipe, 64 x 64 outputs would
// be 512, and a product takes it minutes.
#define MOST_OUTPUTS 128

// linear_int8 has no parts: nothing has to be added in an order there. Nor does it share loads.
static bool fits_int8(const struct linear_variant *variant, const vkclip_device_facts *device)
{
    return variant->parts == 1 && variant->method != LINEAR_MATRIX &&
           variant->method != LINEAR_QUADS &&
           (device->has_dot4 || !linear_variant_is_dot4(variant));
}

bool linear_variant_fits(const struct linear_variant *variant, const vkclip_device_facts *device,
                         vkclip_precision precision)
{
    const bool is_matrix = variant->method == LINEAR_MATRIX;
    const bool is_int8 = precision == VKCLIP_PRECISION_INT8;
    const uint32_t outputs = variant->tile_rows * variant->tile_cols;
    if (is_int8 ? !fits_int8(variant, device) : linear_variant_is_dot4(variant))
        return false;
    if (is_matrix &&
        (outputs > MOST_OUTPUTS * device->subgroup_width || precision != VKCLIP_PRECISION_FP16 ||
         !device->matrix_rows || variant->tile_rows % device->matrix_rows != 0 ||
         variant->tile_cols % device->matrix_cols != 0))
        return false;
    if (variant->method == LINEAR_QUADS && !device->has_quads)
        return false;
    const uint32_t lanes = variant->lanes * (is_matrix ? device->subgroup_width : 1);
    return lanes <= device->workgroup_width &&
           shared_bytes(variant, device->matrix_rows * device->matrix_cols) <=
               device->shared_memory_bytes;
}

#define VENDOR_IMAGINATION 0x1010

bool linear_variant_suits(const struct linear_variant *variant, const vkclip_device_facts *device,
                          vkclip_precision precision)
{
    if (!linear_variant_fits(variant, device, precision))
        return false;
    if (device->kind == VKCLIP_DEVICE_SOFTWARE)
        return !linear_variant_is_staged(variant) && variant->parts == 1;
    // Its compiler (powervr of Mesa 26.2.6) ends the program where it finds no register to spare:
    // with 52 outputs a lane, of staged-208x32.
    if (device->vendor_id == VENDOR_IMAGINATION && variant->tile_rows * variant->tile_cols > 32)
        return false;
    return variant->lanes > 16 || variant->method == LINEAR_MATRIX;
}

const struct linear_variant *linear_variant_find(const char *name)
{
    for (uint32_t i = 0; i < linear_variant_count; i++)
        if (strcmp(linear_variants[i].name, name) == 0)
            return &linear_variants[i];
    return NULL;
}
