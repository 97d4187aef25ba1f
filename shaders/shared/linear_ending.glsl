// linear_ending.glsl: what follows the product with a weight matrix, and where it goes.
// Needs: element.glsl, kernel_args.h, activation.glsl.
layout(push_constant) uniform Args { linear_args args; };
layout(set = 0, binding = 2) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3) buffer Output { OUTPUT y[]; };
layout(set = 0, binding = 4) uniform Counts { run_counts counts; };

uint count_rows()
{
    return args.rows == ROWS_TOKENS ? counts.tokens : counts.sequences;
}

void store(uint row, uint col, float sum)
{
    if (args.has_bias != 0)
        sum += bias[col];
    if (col < args.scaled_cols)
        sum *= args.scale;
    if (args.activation == ACTIVATION_GELU)
        sum = gelu(sum);
    else if (args.activation == ACTIVATION_QUICK_GELU)
        sum = quick_gelu(sum);
    if (args.has_gain != 0)
        sum *= bias[args.out_cols + col];
    const uint at = row * args.out_cols + col;
    if (args.adds != 0)
        sum += float(y[at]);
    y[at] = OUTPUT(sum);
}
