// A repaired text is repaired: doing it again changes nothing. It is not longer than it was, and
// made of characters. The repair of a text that costs too much ends early, in bounds.
#include <stdlib.h>

#include "host/mojibake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_points(const struct points *text)
{
    for (size_t i = 0; i < text->count; i++)
        if (text->at[i] < 0 || text->at[i] > 0x10ffff ||
            (text->at[i] >= 0xd800 && text->at[i] <= 0xdfff))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct points text = {0}, once = {0}, little = {0};
    points_decode(&text, (const char *)data, size);
    size_t count = text.count, much = SIZE_MAX, some = 4 * count;
    points_append(&little, text.at, text.count);
    mojibake_repair(&text, &much);
    if (text.count > count)
        abort();
    check_points(&text);

    points_append(&once, text.at, text.count);
    mojibake_repair(&text, &much);
    if (!points_equal(&text, &once))
        abort();

    mojibake_repair(&little, &some);
    if (little.count > count || some > 4 * count)
        abort();
    check_points(&little);
    points_finish(&text);
    points_finish(&once);
    points_finish(&little);
    return 0;
}
