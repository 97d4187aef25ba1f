// The loader's own source, compiled here so that its warnings are not ours.
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
#define VOLK_IMPLEMENTATION
#include <volk.h>
