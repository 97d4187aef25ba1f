// JPEG through libjpeg, with its default (slow integer) transform and smooth upsampling, which is
// what Pillow uses too. Pillow accepts whatever libjpeg only warns about; here a picture of which
// a part is missing or damaged is refused, unless the caller wants what there is of it.
#include "host/image_formats.h"
#include "host/orientation.h"

#include <setjmp.h>
#include <stdio.h> // jpeglib.h needs FILE
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

// A progressive file may repeat scans without end, each costing a pass over the whole picture.
// Encoders write about 10.
#define JPEG_MAX_SCANS 200

// Coefficients of the largest accepted picture with three full-size components, and 10 % more.
#define JPEG_MAX_MEMORY_BYTES 660000000L

struct jpeg_reader {
    struct jpeg_decompress_struct libjpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr input;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    bool allows_truncated;
    bool is_damaged;               // libjpeg would have gone on
    char message[JMSG_LENGTH_MAX]; // why it did not; empty where the data ended
};

static struct jpeg_reader *reader_of(j_common_ptr libjpeg)
{
    return libjpeg->client_data;
}

static void on_error(j_common_ptr libjpeg)
{
    struct jpeg_reader *reader = reader_of(libjpeg);
    libjpeg->err->format_message(libjpeg, reader->message);
    longjmp(reader->failed, 1);
}

static bool means_damage(int message_code)
{
    switch (message_code) {
    case JWRN_HIT_MARKER:     // compressed data ended too early
    case JWRN_JPEG_EOF:       // the file did
    case JWRN_HUFF_BAD_CODE:  //
    case JWRN_ARITH_BAD_CODE: //
    case JWRN_MUST_RESYNC:    // restart markers out of order
    case JWRN_BOGUS_PROGRESSION:
        return true;
    default:
        return false;
    }
}

// A negative level is a warning, the others are trace messages.
static void on_message(j_common_ptr libjpeg, int level)
{
    struct jpeg_reader *reader = reader_of(libjpeg);
    if (level < 0 && !reader->allows_truncated && means_damage(libjpeg->err->msg_code)) {
        reader->is_damaged = true;
        on_error(libjpeg);
    }
}

static void on_output(j_common_ptr libjpeg)
{
    (void)libjpeg;
}

static void on_progress(j_common_ptr libjpeg)
{
    if (((j_decompress_ptr)libjpeg)->input_scan_number <= JPEG_MAX_SCANS)
        return;
    struct jpeg_reader *reader = reader_of(libjpeg);
    snprintf(reader->message, sizeof reader->message, "more than %d scans", JPEG_MAX_SCANS);
    longjmp(reader->failed, 1);
}

static void begin_input(j_decompress_ptr libjpeg)
{
    (void)libjpeg;
}

// The whole file is in memory, so wanting more means that it is cut off. FALSE suspends libjpeg,
// whose call then returns without its result.
static boolean want_more_input(j_decompress_ptr libjpeg)
{
    (void)libjpeg;
    return FALSE;
}

static void skip_input(j_decompress_ptr libjpeg, long byte_count)
{
    struct jpeg_source_mgr *input = libjpeg->src;
    if (byte_count <= 0)
        return;
    size_t skipped = (size_t)byte_count;
    if (skipped > input->bytes_in_buffer)
        skipped = input->bytes_in_buffer;
    input->next_input_byte += skipped;
    input->bytes_in_buffer -= skipped;
}

static void begin_reader(struct jpeg_reader *reader, const struct image_source *source)
{
    reader->allows_truncated = source->wanted->allows_truncated;
    reader->libjpeg.err = jpeg_std_error(&reader->errors);
    reader->errors.error_exit = on_error;
    reader->errors.emit_message = on_message;
    reader->errors.output_message = on_output;
    reader->input = (struct jpeg_source_mgr){
        .next_input_byte = source->bytes,
        .bytes_in_buffer = source->byte_count,
        .init_source = begin_input,
        .fill_input_buffer = want_more_input,
        .skip_input_data = skip_input,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = begin_input,
    };
    reader->progress.progress_monitor = on_progress;
}

// Looks for EXIF data among the marker segments before the first scan.
static uint32_t read_orientation(const struct image_source *source)
{
    static const char head[6] = "Exif\0";
    const uint8_t *bytes = source->bytes;
    for (size_t at = 2; at + 4 <= source->byte_count;) {
        uint8_t marker = bytes[at + 1];
        if (bytes[at] != 0xff || marker == 0xff || marker == 0) {
            at++; // padding, or what libjpeg skips as well
            continue;
        }
        if (marker == 0xda)
            break;
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd9)) {
            at += 2; // no length follows
            continue;
        }
        size_t segment_bytes = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        size_t left = source->byte_count - at - 2;
        if (segment_bytes < 2 || segment_bytes > left)
            break;
        if (marker == 0xe1 && segment_bytes >= 2 + sizeof head &&
            memcmp(bytes + at + 4, head, sizeof head) == 0)
            return orientation_of_exif(bytes + at + 4 + sizeof head,
                                       segment_bytes - 2 - sizeof head);
        at += 2 + segment_bytes;
    }
    return 0;
}

static bool choose_mode(struct jpeg_reader *reader, const struct image_source *source,
                        struct image *image, vkclip_error *err)
{
    struct jpeg_decompress_struct *libjpeg = &reader->libjpeg;
    if (libjpeg->data_precision != 8)
        return fail(err, VKCLIP_ERROR_FILE, "%s: JPEG of %d bits a sample, only 8 are supported",
                    source->name, libjpeg->data_precision);
    switch (libjpeg->num_components) {
    case 1:
        image->mode = IMAGE_L;
        libjpeg->out_color_space = JCS_GRAYSCALE;
        return true;
    case 3:
        image->mode = IMAGE_RGB;
        libjpeg->out_color_space = JCS_RGB;
        return true;
    case 4:
        image->mode = IMAGE_CMYK;
        libjpeg->out_color_space = JCS_CMYK;
        return true;
    default:
        return fail(err, VKCLIP_ERROR_FILE, "%s: JPEG of %d components is not supported",
                    source->name, libjpeg->num_components);
    }
}

// Says why a picture is not whole, and what would take it as it is.
static bool fail_reading(const struct jpeg_reader *reader, const struct image_source *source,
                         vkclip_error *err)
{
    const struct jpeg_decompress_struct *libjpeg = &reader->libjpeg;
    bool has_ended = !reader->message[0];
    if (source->wanted->allows_truncated)
        return fail(err, VKCLIP_ERROR_FILE, "%s: JPEG: %s, and no row can be read", source->name,
                    has_ended ? "truncated" : reader->message);

    bool is_of_use = has_ended || reader->is_damaged || libjpeg->output_scanline > 0;
    const char *remedy =
        is_of_use && libjpeg->image_height > 0 ? "; --allow-truncated takes what there is" : "";
    if (has_ended)
        return fail(err, VKCLIP_ERROR_FILE, "%s: JPEG is truncated: row %u of %u, %zu bytes%s",
                    source->name, libjpeg->output_scanline, libjpeg->image_height,
                    source->byte_count, remedy);
    return fail(err, VKCLIP_ERROR_FILE, "%s: JPEG: %s%s", source->name, reader->message, remedy);
}

// Begins to decompress; of most files that have several scans, all of it happens here. Longjmps to
// reader->failed where libjpeg finds an error, as read_rows() does. Inlined, their variables would
// be at the mercy of setjmp().
static __attribute__((noinline)) bool begin_picture(struct jpeg_reader *reader, struct image *image,
                                                    const struct image_source *source,
                                                    vkclip_error *err)
{
    struct jpeg_decompress_struct *libjpeg = &reader->libjpeg;
    jpeg_create_decompress(libjpeg);
    libjpeg->client_data = reader;
    libjpeg->src = &reader->input;
    libjpeg->progress = &reader->progress;
    libjpeg->mem->max_memory_to_use = JPEG_MAX_MEMORY_BYTES;

    if (jpeg_read_header(libjpeg, TRUE) != JPEG_HEADER_OK)
        return fail_reading(reader, source, err);
    if (!choose_mode(reader, source, image, err) ||
        !image_check_size(source, libjpeg->image_width, libjpeg->image_height, err))
        return false;
    if (!jpeg_start_decompress(libjpeg))
        return fail_reading(reader, source, err);
    return image_allocate(image, source, libjpeg->output_width, libjpeg->output_height, image->mode,
                          err);
}

// Reads rows until the last, or the data ends.
static __attribute__((noinline)) void read_rows(struct jpeg_reader *reader, struct image *image)
{
    struct jpeg_decompress_struct *libjpeg = &reader->libjpeg;
    size_t row_bytes = (size_t)image->width_px * image_pixel_bytes(image->mode);
    while (libjpeg->output_scanline < libjpeg->output_height) {
        JSAMPROW row = image->pixels + libjpeg->output_scanline * row_bytes;
        if (jpeg_read_scanlines(libjpeg, &row, 1) != 1)
            return;
        // Four-component files hold inverted ink, as Adobe writes them; Pillow takes all to be so.
        for (size_t i = 0; image->mode == IMAGE_CMYK && i < row_bytes; i++)
            row[i] = (uint8_t)(255 - row[i]);
    }
    // All rows are here. A missing end marker, which makes this suspend, is no loss.
    jpeg_finish_decompress(libjpeg);
}

static __attribute__((noinline)) bool decode(struct image *image, const struct image_source *source,
                                             vkclip_error *err)
{
    struct jpeg_reader reader = {0};
    reader.libjpeg.client_data = &reader;
    begin_reader(&reader, source);
    volatile bool has_begun = false;
    if (setjmp(reader.failed) == 0) {
        has_begun = begin_picture(&reader, image, source, err);
        if (has_begun)
            read_rows(&reader, image);
    }

    // Of a picture that an error ended, the rows before it are there; the others are black, or
    // white where that is CMYK's zero.
    uint32_t row_count = has_begun ? reader.libjpeg.output_scanline : 0;
    bool is_whole = has_begun && !reader.message[0] && row_count == image->height_px;
    bool is_read = is_whole || (source->wanted->allows_truncated && row_count > 0);
    if (!is_read && (has_begun || reader.message[0]))
        fail_reading(&reader, source, err);
    jpeg_destroy_decompress(&reader.libjpeg);
    if (is_read)
        image->orientation = read_orientation(source);
    return is_read;
}

bool image_decode_jpeg(struct image *image, const struct image_source *source, vkclip_error *err)
{
    if (!source->wanted->allows_truncated)
        return decode(image, source, err);

    // An end marker behind what there is makes libjpeg fill the rest, grey or from earlier scans.
    // This is what Pillow does where LOAD_TRUNCATED_IMAGES is true.
    static const uint8_t end_marker[] = {0xff, 0xd9};
    uint8_t *bytes = malloc(source->byte_count + sizeof end_marker);
    if (!bytes)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for %zu bytes", source->name,
                    source->byte_count);
    memcpy(bytes, source->bytes, source->byte_count);
    memcpy(bytes + source->byte_count, end_marker, sizeof end_marker);
    struct image_source ended = *source;
    ended.bytes = bytes;
    ended.byte_count += sizeof end_marker;
    bool is_read = decode(image, &ended, err);
    free(bytes);
    return is_read;
}
