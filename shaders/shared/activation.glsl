// activation.glsl: GELU in its exact form, and OpenAI's approximation of it.
// Needs: nothing.

// erfc(t) for t >= 0 as u exp(-t^2 + p(u)), u = 1 / (1 + t / 2), p of degree 9: relative error
// 1.2e-7 everywhere, so that GELU's small negative values are right as well.
// Source of the coefficients: Numerical Recipes, 2nd edition, section 6.2, erfcc.
float erfc_positive(float t)
{
    const float u = 1.0 / (1.0 + 0.5 * t);
    float p = 0.17087277;
    p = p * u - 0.82215223;
    p = p * u + 1.48851587;
    p = p * u - 1.13520398;
    p = p * u + 0.27886807;
    p = p * u - 0.18628806;
    p = p * u + 0.09678418;
    p = p * u + 0.37409196;
    p = p * u + 1.00002368;
    p = p * u - 1.26551223;
    return u * exp(p - t * t);
}

// x P(X <= x) of a normal X: 0.5 x (1 + erf(x / sqrt 2)).
float gelu(float x)
{
    const float tail = 0.5 * x * erfc_positive(abs(x) * 0.70710678);
    return x < 0.0 ? tail : x - tail;
}

// Source: open_clip transformer.py, QuickGELU. exp may overflow, and the result is -0 then.
float quick_gelu(float x)
{
    return x / (1.0 + exp(-1.702 * x));
}
