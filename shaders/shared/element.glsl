// element.glsl: the storage type of weights and matmul inputs, chosen at build time.
// Needs: HALF and HALF_OUTPUT, 0 or 1, from the build. Include it first.
#if HALF
#extension GL_EXT_shader_16bit_storage : require
#define ELEMENT  float16_t
#define ELEMENT4 f16vec4
#else
#define ELEMENT  float
#define ELEMENT4 vec4
#endif
#if HALF_OUTPUT
#define OUTPUT float16_t
#else
#define OUTPUT float
#endif
