// attention_tile.glsl: where the queries and keys of a tile lie, and which of these a query sees.
// Needs: element.glsl, kernel_args.h.
layout(constant_id = SPEC_HEAD_DIM) const uint HEAD_DIM = 64;
layout(constant_id = SPEC_IS_CAUSAL) const bool IS_CAUSAL = false;

layout(push_constant) uniform Args { attention_args args; };
layout(set = 0, binding = 0) readonly buffer Qkv { ELEMENT4 qkv[]; };
layout(set = 0, binding = 1) readonly buffer Tiles { attention_tile tiles[]; };
layout(set = 0, binding = 2) writeonly buffer Output { ELEMENT4 y[]; };

const uint Q = 0, K = 1, V = 2; // parts of a row of qkv
const uint QUADS = HEAD_DIM / 4;

// Half of the smallest float, so that differences stay finite.
const float LOWEST = -1.7e38;

uint address(uint row, uint part)
{
    return (row * 3 + part) * (args.width / 4) + gl_WorkGroupID.y * QUADS;
}

// Queries beyond the last of a tile are copies of it, which are not stored.
uint query_at(attention_tile tile, uint query)
{
    return address(tile.query_row + min(query, tile.query_count - 1), Q);
}

uint key_at(attention_tile tile, uint key, uint part)
{
    const uint inside = min(key, tile.key_count - 1);
    return address(inside == 0 ? tile.head_row : tile.body_row + inside - 1, part);
}

// Causal queries see themselves and the keys before, but not key 0: it is the last token, which
// sees all.
bool is_limited(attention_tile tile)
{
    return IS_CAUSAL && tile.query_row != tile.head_row;
}

// The key that a query of a limited tile is.
uint key_of(attention_tile tile, uint query)
{
    return tile.query_row + query - tile.body_row + 1;
}

uint key_end(attention_tile tile)
{
    return is_limited(tile) ? key_of(tile, tile.query_count) : tile.key_count;
}

// Which of the four queries from the given one on see a key. Where limited, key - 1 is below the
// query's own; for key 0 it is the largest number.
bvec4 are_visible(attention_tile tile, uint key, uint query)
{
    const uint low = is_limited(tile) ? 1 : 0;
    const uint high = is_limited(tile) ? key_of(tile, query) : tile.key_count;
    return lessThan(uvec4(key - low), high + low * uvec4(0, 1, 2, 3));
}

uint output_at(attention_tile tile, uint query)
{
    return (tile.query_row + query) * (args.width / 4) + gl_WorkGroupID.y * QUADS;
}
