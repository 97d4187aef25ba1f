// row_sum.glsl: sums over the lanes that share a row.
// Needs: constants WORKGROUP_WIDTH and LANES_PER_ROW (a power of two). Every lane must call.
shared float row_sum_parts[WORKGROUP_WIDTH];

// The sum of `value` over this lane's row, the same to the bit in all of its lanes. With one
// lane a row there is nothing to share; on drivers that compute on the CPU barriers cost more
// than the sums, so they take that form.
float row_sum(float value)
{
    if (LANES_PER_ROW == 1)
        return value;
    const uint lane = gl_LocalInvocationID.x;
    row_sum_parts[lane] = value;
    for (uint step = LANES_PER_ROW / 2; step > 0; step /= 2) {
        barrier();
        if (lane % LANES_PER_ROW < step)
            row_sum_parts[lane] += row_sum_parts[lane + step];
    }
    barrier();
    const float sum = row_sum_parts[lane / LANES_PER_ROW * LANES_PER_ROW];
    barrier();
    return sum;
}
