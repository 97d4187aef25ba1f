// Any bytes become <start of text> ... <end of text>, at most max_ids valid ids, and the tokens
// spell the cleaned text in small letters: nothing but spaces is lost.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utf8proc.h>

#include "host/bpe.h"
#include "host/encoding.h"
#include "host/letters.h"

#define MOST_TEXT 4096
#define TOKENS    (512 + 8 + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char spelling[TOKENS][16]; // the bytes of each token

static int make_file(const char *text, size_t byte_count, char path[64])
{
    int file = memfd_create("bpe", 0);
    if (file < 0 || write(file, text, byte_count) != (ssize_t)byte_count)
        abort();
    snprintf(path, 64, "/proc/self/fd/%d", file);
    return file;
}

// Adds a token named by signs, and notes its bytes.
static void add_token(FILE *json, int id, const char *name, const char *bytes)
{
    fprintf(json, "%s\"%s\":%d", id ? "," : "{", name, id);
    strcpy(spelling[id], bytes);
}

static void add_byte(FILE *json, int byte)
{
    static int spare; // signs for spaces and control characters come one after the other
    bool is_plain = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    char name[16] = {0}, final[24], bytes[2] = {(char)byte, 0};
    int32_t sign = is_plain ? byte : 0x100 + spare++;
    bool is_escaped = byte == '"' || byte == '\\';
    name[0] = '\\';
    utf8proc_encode_char(sign, (utf8proc_uint8_t *)name + is_escaped);
    snprintf(final, sizeof final, "%s</w>", name);
    add_token(json, byte, name, bytes);
    add_token(json, byte + 256, final, bytes);
}

static struct bpe *create(void)
{
    static const char merges[] = "#version: 0.2\nt h\nth e</w>\na b\nab ab\na m\nam p</w>\nk e\n"
                                 "\xc3\x8e \xc2\xb2</w>\n";
    static const char *const made[8][2] = {
        {"th", "th"}, {"the</w>", "the"}, {"ab", "ab"}, {"abab", "abab"},
        {"am", "am"}, {"amp</w>", "amp"}, {"ke", "ke"}, {"\xc3\x8e\xc2\xb2</w>", "\xce\xb2"},
    };
    char *text, path[64], merges_path[64];
    size_t byte_count;
    FILE *json = open_memstream(&text, &byte_count);
    if (!json)
        abort();
    for (int byte = 0; byte < 256; byte++)
        add_byte(json, byte);
    for (int i = 0; i < 8; i++)
        add_token(json, 512 + i, made[i][0], made[i][1]);
    add_token(json, 520, "<start_of_text>", "<start_of_text>");
    add_token(json, 521, "<end_of_text>", "<end_of_text>");
    fprintf(json, "}");
    fclose(json);
    int files[2] = {make_file(text, byte_count, path),
                    make_file(merges, sizeof merges - 1, merges_path)};
    vkclip_error err = {0};
    struct bpe *bpe = bpe_create(path, merges_path, &err);
    if (!bpe) {
        printf("%s\n", err.message);
        abort();
    }
    close(files[0]);
    close(files[1]);
    free(text);
    return bpe;
}

// What the tokens of a text should spell: its cleaned lines without spaces.
static size_t spell_cleaned(const char *text, size_t byte_count, char *out)
{
    int32_t ids[3];
    struct encoding lines = {
        .text = text, .byte_count = byte_count, .cleans = true, .ids = ids, .max_ids = 3};
    struct points lower = {0};
    uint32_t id_count;
    size_t count = 0;
    encoding_begin(&lines, 0);
    while (encoding_next_line(&lines)) {
        lower.count = 0;
        letters_lower(&lines.line, &lower);
        for (size_t i = 0; i < lower.count; i++)
            if (lower.at[i] != ' ' && lower.at[i] != 0x345)
                count += (size_t)utf8proc_encode_char(lower.at[i], (utf8proc_uint8_t *)out + count);
    }
    if (!encoding_end(&lines, 0, lower.is_broken, &id_count, NULL))
        abort();
    points_finish(&lower);
    return count;
}

static void check_spelling(const int32_t *ids, uint32_t count, const char *text, size_t byte_count)
{
    // An entity of three bytes may become one sign of four, and the dotted I three bytes.
    static char want[8 * MOST_TEXT];
    size_t want_bytes = spell_cleaned(text, byte_count, want), at = 0;
    for (uint32_t i = 1; i + 1 < count; i++) {
        // A zero byte is in no cleaned text, so strings will do.
        size_t token_bytes = strlen(spelling[ids[i]]);
        if (at + token_bytes > want_bytes || memcmp(want + at, spelling[ids[i]], token_bytes) != 0)
            abort();
        at += token_bytes;
    }
    if (at != want_bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bpe *bpe;
    if (!bpe)
        bpe = create();
    if (size == 0 || size > MOST_TEXT)
        return 0;

    static int32_t all[8 * MOST_TEXT];
    int32_t ids[41];
    uint32_t max_ids = 2 + data[0] % 40u, count, all_count;
    const char *text = (const char *)data + 1;
    if (!bpe_encode(bpe, text, size - 1, 8 * MOST_TEXT, all, &all_count, NULL) ||
        !bpe_encode(bpe, text, size - 1, max_ids, ids, &count, NULL))
        abort();
    for (uint32_t i = 0; i < all_count; i++)
        if (all[i] < 0 || all[i] >= TOKENS)
            abort();
    if (all_count < 2 || all[0] != 520 || all[all_count - 1] != 521)
        abort();
    if (count != (all_count < max_ids ? all_count : max_ids) || ids[count - 1] != 521 ||
        memcmp(ids, all, (count - 1) * sizeof *ids) != 0)
        abort();
    check_spelling(all, all_count, text, size - 1);
    return 0;
}
