// top_k.comp: of each query the rows that score best within bounds.
//
//   math       of column q of x, the args.most largest scores s with least <= s <= most, or all of
//              them where they are fewer, and their rows; how many there are, and how many are above
//   bindings   0 x [tokens, cols] f32; 1 bounds [cols], struct score_bounds; 3 found [cols], struct
//              found_rows and args.most struct found_row each, in no order; 4 counts
//   mapping    lanes form a grid: cols_across queries side by side, and strips of rows, of which
//              lane s takes every so manieth. Workgroup y counts queries
//   numerics   scores are compared as whole numbers in the order of the floats, so nothing is
//              rounded. Where more are within bounds than may be found, the least that is found is
//              sought bit by bit, by counting; of rows that score as much the first strips' are
//              taken. The same in every run
//   checked by src/verify/cases_search.c against ref_top_k() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shared/kernel_args.h"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 64;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { top_k_args args; };
layout(set = 0, binding = 0) readonly buffer Input { uint x[]; };
layout(set = 0, binding = 1) readonly buffer Bounds { uvec2 bounds[]; };
layout(set = 0, binding = 3) writeonly buffer Found { uvec2 found[]; };
layout(set = 0, binding = 4) uniform Counts { run_counts counts; };

// Rows that are read at once. Besides, llvmpipe ends all loops of a lane after 65535 turns in all
// (LP_MAX_TGSI_LOOP_ITERATIONS); with 16 strips these are 37 passes over 100,000 rows.
const uint AT_ONCE = 4;

// The lane's place.
uint query, strip, strip_count;
uint first_row; // beyond the last for a lane that has nothing to do

// 0 for what is not finite.
uint key_of(uint bits)
{
    if ((bits & 0x7f800000u) == 0x7f800000u)
        return 0;
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

uint bits_at(uint row)
{
    return x[min(row, counts.tokens - 1) * args.cols + query];
}

// Counts the lane's own rows, those above most as well.
uint count_keys(uint least, uint most, out uint above)
{
    uint within = 0;
    above = 0;
    for (uint row = first_row; row < counts.tokens; row += AT_ONCE * strip_count)
        [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
            const uint own = row + i * strip_count, key = key_of(bits_at(own));
            above += uint(own < counts.tokens && key > most);
            within += uint(own < counts.tokens && key >= least && key <= most);
        }
    return within;
}

shared uint lane_counts[WORKGROUP_WIDTH];

// The sum over all strips of the lane's query, and over those before the lane's. Every lane calls.
uint add_strips(uint count, out uint before)
{
    lane_counts[gl_LocalInvocationID.x] = count;
    barrier();
    uint sum = 0;
    before = 0;
    for (uint s = 0; s < strip_count; s++) {
        if (s == strip)
            before = sum;
        sum += lane_counts[s * args.cols_across + gl_LocalInvocationID.x % args.cols_across];
    }
    barrier();
    return sum;
}

// Whether it is so for any query of the workgroup, of which the first strip has all. Every lane
// calls. No atomic: its scope would be the device, for which there is a feature of its own where
// Vulkan's memory model is in use.
bool is_any(bool is_so)
{
    lane_counts[gl_LocalInvocationID.x] = uint(is_so);
    barrier();
    uint any = 0;
    for (uint q = 0; q < args.cols_across; q++)
        any |= lane_counts[q];
    barrier();
    return any != 0;
}

// The largest key that args.most or more reach.
uint find_least(uint most)
{
    uint least = 0, before, above;
    for (uint bit = 0x80000000u; bit > 0; bit >>= 1)
        if (add_strips(count_keys(least | bit, most, above), before) >= args.most)
            least |= bit;
    return least;
}

// Keys beyond lowest go to places from next_beyond on, those equal to it from next_equal on, as far
// as there is room.
void collect(uint lowest, uint most, uint next_beyond, uint next_equal)
{
    const uint first_found = query * (1 + args.most) + 1;
    for (uint row = first_row; row < counts.tokens; row += AT_ONCE * strip_count)
        [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
            const uint own = row + i * strip_count, bits = bits_at(own), key = key_of(bits);
            if (own >= counts.tokens || key < lowest || key > most)
                continue;
            const uint place = key > lowest ? next_beyond++ : next_equal++;
            if (place < args.most)
                found[first_found + place] = uvec2(own, bits);
        }
}

void main()
{
    const uint lane = gl_LocalInvocationID.x;
    strip_count = WORKGROUP_WIDTH / args.cols_across;
    strip = lane / args.cols_across;
    query = gl_WorkGroupID.y * args.cols_across + lane % args.cols_across;
    const bool is_there = strip < strip_count && query < args.cols;
    first_row = is_there ? strip : counts.tokens;
    uint least = 1, most = 0, before; // in which nothing is
    if (is_there) {
        least = max(key_of(bounds[query].x), 1);
        most = key_of(bounds[query].y);
    }

    // Mostly few rows are within bounds, and most lanes have none: they are read once then.
    uint own_above, own_within = count_keys(least, most, own_above), next_beyond;
    const uint within = add_strips(own_within, next_beyond), above = add_strips(own_above, before);
    uint lowest = least - 1, next_equal = args.most;
    if (is_any(within > args.most)) {
        const uint least_found = find_least(most);
        if (within > args.most)
            lowest = least_found;
        const uint beyond = add_strips(count_keys(lowest + 1, most, own_above), next_beyond);
        add_strips(count_keys(lowest, min(lowest, most), own_above), before);
        if (within > args.most)
            next_equal = beyond + before;
    }
    if (own_within > 0)
        collect(lowest, most, next_beyond, next_equal);
    if (is_there && strip == 0)
        found[query * (1 + args.most)] = uvec2(above, within);
}
