// dot4.glsl: the sum of the products of four pairs of 8-bit integers.
// Needs: GL_EXT_spirv_intrinsics.
//
// glslang has no word for it before 2025. OpSDotKHR of SPV_KHR_integer_dot_product; its capabilities
// are DotProductInput4x8BitPackedKHR and DotProductKHR, its format, the last argument,
// PackedVectorFormat4x8BitKHR.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
                  id = 4450) int dot4(int x, int y, spirv_literal int format);
