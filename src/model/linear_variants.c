// linear_variants.c: the table of variants, and what follows from their numbers.
#include "model/linear_variants.h"

#include <string.h>

// Directly: what CPUs, Mali and Adreno like is large tiles in registers and no barriers. Striped:
// the same for CPUs whose driver knows that a value is the same in all lanes. In quads: for CPUs
// whose driver does not; the tile is linear_quads.comp's own. Through shared memory: the textbook's
// for GPUs. 7 x 16 and 13 x 16 rows cover the 197 of an image with 14 and 6 % to spare, 64 with 30.
// Parts put more lanes on the same outputs, for runs of so few rows that a large GPU has nothing to
// do otherwise.
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
//
// Tried on SwiftShader (chromium-common 156, Subzero), GFLOP a core and second, 192 x 768 by 768 x
// 768: striped-8x128 0.46, direct-12x32 0.21, either with its sizes in the code 3.0. Quads of 12 x
// 16 5.8; of 6, 8 and 10 rows 4.8, 5.3, 5.3; of 14 and 16 3.9, since the loop is larger than the
// CPU's 32 KiB for instructions then, as it is with 8 inputs a turn, 3.6, and with 16, 3.0. 6 x 32
// 6.0 there, but on llvmpipe of Mesa 22.3.6 15.1 to 16.5 and of 26.2.6 24.1 to 30.1. With
// subgroupBroadcast 6.3, which wants subgroups of four.
//
// Two slabs of shared memory in turns, with one barrier for each instead of two, were left out. By
// the compilers of Mesa 26.2.6, in fp16, staged-32x64 then takes in cycles: navi21 7045 and 7545,
// navi31 4391 and 6979 (inverse throughput: half as many subgroups fit), Pascal 78248 and 92945,
// Ampere 43261 and 56016. staged-48x64 gained on navi21 alone, 9327 and 8617, and 64 rows do not
// fit 16 KiB.
const struct linear_variant linear_variants[] = {
    {"quads-12x32", LINEAR_QUADS, 8, 12, 4, 8, 1},
    {"striped-12x64", LINEAR_STRIPED, 16, 12, 4, 16, 1},
    {"striped-8x32", LINEAR_STRIPED, 8, 8, 4, 8, 1},
    {"striped-8x128", LINEAR_STRIPED, 16, 8, 8, 16, 1},
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

// A query or a few against many rows: a tile of 32 columns would compute 31 that are not there.
// Memory is the limit then, and rows are read once, in their order.
const struct linear_variant linear_narrow_variants[] = {
    {"direct-32x4", LINEAR_DIRECT, 8, 4, 4, 1, 1},
    {"direct-48x16", LINEAR_DIRECT, 8, 12, 8, 2, 1},
    {"direct-128x4", LINEAR_DIRECT, 64, 2, 4, 1, 1},
    {"staged-128x4", LINEAR_STAGED, 128, 1, 4, 1, 1},
    {"staged-64x16", LINEAR_STAGED, 128, 2, 4, 4, 1},
};
const uint32_t linear_narrow_count = sizeof linear_narrow_variants / sizeof *linear_narrow_variants;

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

// What compilers of Mesa 26.2.6 estimate on null hardware, in fp32; fp16 differs little. By inputs
// of the loop alone: what a pipeline without its loop is estimated at was taken off. First what an
// input takes until the next (latency of RADV, cycles of NAK and ANV), which counts where a run
// does not fill the GPU; behind it, for some rows, what it costs where it does, an image's 197 rows
// as the tiles that cover them. Of AGX, ir3 and V3D only instructions and stalls are known.
//
//                           RX 7900    Ampere     Iris Xe    B580       M1    Adreno 750  V3D 7.1
//   few   direct-16x64      1          1          1          1          1     1           1
//         staged-32x64      1.47       1.04       0.57       0.65       1.13  0.81        spills
//   some  staged-64x64      1    1     1    1     1    1     1    1     1     1           spills
//         staged-32x64      0.73 1.02  0.73 1.27  0.48 0.84  0.68 1.19  1.00  1.17        spills
//         staged-112x32     1.03 0.95  1.78 1.78  0.90 0.90  0.97 0.97  0.94  0.98        spills
//         direct-16x64      0.50 0.70  0.70 1.13  0.84 0.68  1.05 0.85  0.83  1.33        1
//         direct-64x32                                                                    0.75
//   many  staged-64x128     0.90       0.63       spills     spills     0.87  spills      spills
//         staged-64x64      1          1          1          1          1     1           spills
//         direct-64x32                                                                    0.61
//
// Not taken, though estimated best: direct-16x64 for some rows, because it reads 1.7 times as much
// from caches for an output as staged-32x64, and no estimate knows their speed. For some rows on M1
// and Adreno staged-208x32, 0.83 and 0.80: it has half the workgroups, and wastes most rows of all
// but an image; on M1 nor staged-112x32. Adreno's staged-32x64 for few rows: 1.54 on a 660.
//
// Cooperative matrices in fp16: of staged-64x128, ends included, matrix-64x64 is 0.73 on an RX
// 7900, matrix-128x128 0.51 on Ampere; Intel's spill. But no physical GPU was seen to compute right
// with them yet, and 'vkclip tune' holds them to double precision before it takes them. With parts
// a run that does not fill the GPU takes a quarter as long; but all classes are of one family, and
// large runs would take up to twice as long.
//
// V3D's numbers include the ends. Mali's compiler counts loads and stores, once each: 30 of
// direct-16x64 and 74 of staged-32x64, 0.6 by products; but most of the former are the ends', and
// its shared memory is where all memory is. So Mali is none of these.
static const struct {
    enum vendor vendor;
    const char *variants[LINEAR_CLASSES];
} defaults[] = {
    {VENDOR_AMD, {"direct-16x64", "staged-32x64", "staged-64x128"}},
    {VENDOR_APPLE, {"direct-16x64", "staged-32x64", "staged-64x128"}},
    {VENDOR_MESA, {"direct-16x64", "staged-32x64", "staged-64x128"}},
    {VENDOR_NVIDIA, {"direct-16x64", "staged-32x64", "staged-64x128"}},
    {VENDOR_INTEL, {"staged-32x64", "staged-32x64", "staged-64x64"}},
    {VENDOR_QUALCOMM, {"direct-16x64", "staged-112x32", "staged-64x64"}},
    {VENDOR_BROADCOM, {"direct-16x64", "direct-64x32", "direct-64x32"}},
};

const char *const *linear_defaults_of(uint32_t vendor_id)
{
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (defaults[i].vendor == vendor_id)
            return defaults[i].variants;
    return NULL;
}

const struct linear_variant *linear_variant_find(const char *name)
{
    for (uint32_t i = 0; i < linear_variant_count; i++)
        if (strcmp(linear_variants[i].name, name) == 0)
            return &linear_variants[i];
    for (uint32_t i = 0; i < linear_narrow_count; i++)
        if (strcmp(linear_narrow_variants[i].name, name) == 0)
            return &linear_narrow_variants[i];
    return NULL;
}
