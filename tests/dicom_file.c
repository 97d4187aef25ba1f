#include "dicom_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_tag(struct picture *dicom, uint32_t tag)
{
    picture_add_le(dicom, tag >> 16, 2);
    picture_add_le(dicom, tag & 0xffff, 2);
}

static bool has_long_length(const char *vr)
{
    return strcmp(vr, "OB") == 0 || strcmp(vr, "OW") == 0 || strcmp(vr, "SQ") == 0;
}

static void add_head(struct picture *dicom, bool is_implicit, uint32_t tag, const char *vr,
                     uint32_t byte_count)
{
    add_tag(dicom, tag);
    if (is_implicit) {
        picture_add_le(dicom, byte_count, 4);
        return;
    }
    picture_add(dicom, vr, 2);
    if (has_long_length(vr))
        picture_add_le(dicom, 0, 2);
    picture_add_le(dicom, byte_count, has_long_length(vr) ? 4 : 2);
}

void dicom_element(struct picture *dicom, bool is_implicit, uint32_t tag, const char *vr,
                   const void *bytes, size_t byte_count)
{
    bool is_text = vr[0] != 'O' && vr[0] != 'U' && vr[0] != 'S' && byte_count % 2 != 0;
    add_head(dicom, is_implicit, tag, vr, (uint32_t)(byte_count + byte_count % 2));
    picture_add(dicom, bytes, byte_count);
    if (byte_count % 2 != 0)
        picture_add(dicom, is_text ? " " : "", 1);
}

void dicom_begin(struct picture *dicom, const char *syntax)
{
    static const uint8_t preamble[128];
    struct picture head = {0};
    dicom_element(&head, false, 0x00020001, "OB", "\0\1", 2);
    dicom_element(&head, false, 0x00020002, "UI", "1.2.840.10008.5.1.4.1.1.7", 25);
    dicom_element(&head, false, 0x00020003, "UI", "2.25.1", 6);
    dicom_element(&head, false, 0x00020010, "UI", syntax, strlen(syntax));
    picture_add(dicom, preamble, sizeof preamble);
    picture_add_text(dicom, "DICM");
    add_head(dicom, false, 0x00020000, "UL", 4);
    picture_add_le(dicom, (uint32_t)head.byte_count, 4);
    picture_add(dicom, head.bytes, head.byte_count);
    picture_free(&head);
}

// An element of a file whose VRs are told or not.
struct writer {
    struct picture *dicom;
    bool is_implicit;
};

static void add_text(struct writer writer, uint32_t tag, const char *vr, const char *text)
{
    if (text)
        dicom_element(writer.dicom, writer.is_implicit, tag, vr, text, strlen(text));
}

static void add_short(struct writer writer, uint32_t tag, const char *vr, uint32_t value)
{
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    dicom_element(writer.dicom, writer.is_implicit, tag, vr, bytes, 2);
}

static void begin_item(struct writer writer)
{
    add_tag(writer.dicom, 0xfffee000);
    picture_add_le(writer.dicom, UINT32_MAX, 4);
}

static void begin_sequence(struct writer writer, uint32_t tag)
{
    add_head(writer.dicom, writer.is_implicit, tag, "SQ", UINT32_MAX);
}

static void end_item(struct writer writer)
{
    add_tag(writer.dicom, 0xfffee00d);
    picture_add_le(writer.dicom, 0, 4);
}

static void end_sequence(struct writer writer)
{
    add_tag(writer.dicom, 0xfffee0dd);
    picture_add_le(writer.dicom, 0, 4);
}

static void add_window(struct writer writer, const struct dicom_kind *kind)
{
    add_text(writer, 0x00281050, "DS", kind->center);
    add_text(writer, 0x00281051, "DS", kind->window_width);
}

static void add_rescale(struct writer writer, const struct dicom_kind *kind)
{
    add_text(writer, 0x00281052, "DS", kind->intercept);
    add_text(writer, 0x00281053, "DS", kind->slope);
    add_text(writer, 0x00281054, "LO", kind->slope ? "US" : NULL);
}

// Tables of one item without content, which is more than none.
static void add_table(struct writer writer, uint32_t tag)
{
    begin_sequence(writer, tag);
    begin_item(writer);
    add_text(writer, 0x00283003, "LO", "table");
    end_item(writer);
    end_sequence(writer);
}

static void add_groups(struct writer writer, const struct dicom_kind *kind)
{
    begin_sequence(writer, 0x52009229); // for all frames
    begin_item(writer);
    begin_sequence(writer, 0x00289132);
    begin_item(writer);
    add_window(writer, kind);
    end_item(writer);
    end_sequence(writer);
    end_item(writer);
    end_sequence(writer);

    begin_sequence(writer, 0x52009230); // for each
    for (uint32_t frame = 0; frame < kind->frames; frame++) {
        struct dicom_kind other = *kind;
        other.intercept = frame % 2 == 0 ? "0" : kind->intercept;
        begin_item(writer);
        begin_sequence(writer, 0x00289145);
        begin_item(writer);
        add_rescale(writer, &other);
        end_item(writer);
        end_sequence(writer);
        end_item(writer);
    }
    end_sequence(writer);
}

static void add_image_module(struct writer writer, const struct dicom_kind *kind)
{
    uint32_t stored = kind->stored ? kind->stored : kind->allocated;
    const char *either = kind->is_signed ? "SS" : "US";
    char frames[12];
    snprintf(frames, sizeof frames, "%u", kind->frames);
    add_short(writer, 0x00280002, "US", kind->channels);
    add_text(writer, 0x00280004, "CS", kind->colours);
    if (kind->channels > 1)
        add_short(writer, 0x00280006, "US", kind->is_planar);
    if (kind->frames > 1)
        add_text(writer, 0x00280008, "IS", frames);
    add_short(writer, 0x00280010, "US", kind->height);
    add_short(writer, 0x00280011, "US", kind->width);
    add_short(writer, 0x00280100, "US", kind->allocated);
    add_short(writer, 0x00280101, "US", stored);
    add_short(writer, 0x00280102, "US", kind->high ? kind->high : stored - 1);
    add_short(writer, 0x00280103, "US", kind->is_signed);
    if (kind->padding)
        add_short(writer, 0x00280120, either, (uint32_t)atoi(kind->padding));
    if (kind->padding_limit)
        add_short(writer, 0x00280121, either, (uint32_t)atoi(kind->padding_limit));
    if (!kind->is_enhanced) {
        add_window(writer, kind);
        add_rescale(writer, kind);
    }
    add_text(writer, 0x00281056, "CS", kind->function);
    if (kind->has_modality_table)
        add_table(writer, 0x00283000);
    if (kind->has_voi_table)
        add_table(writer, 0x00283010);
}

static void add_fragment(struct picture *dicom, const void *bytes, size_t byte_count)
{
    add_tag(dicom, 0xfffee000);
    picture_add_le(dicom, (uint32_t)(byte_count + byte_count % 2), 4);
    picture_add(dicom, bytes, byte_count);
    picture_add(dicom, "", byte_count % 2);
}

// One segment for each byte of a pixel, the high byte first, of literal runs only. Source: PS3.5,
// annex G.
static void add_run_length_frame(struct picture *dicom, const struct dicom_kind *kind,
                                 const uint8_t *samples)
{
    size_t pixel_count = (size_t)kind->width * kind->height;
    size_t sample_bytes = kind->allocated / 8, segment_count = sample_bytes * kind->channels;
    struct picture frame = {0}, segments = {0};
    picture_add_le(&frame, (uint32_t)segment_count, 4);
    for (size_t segment = 0; segment < segment_count; segment++) {
        size_t place =
            segment / sample_bytes * sample_bytes + sample_bytes - 1 - segment % sample_bytes;
        picture_add_le(&frame, (uint32_t)(64 + segments.byte_count), 4);
        for (size_t i = 0; i < pixel_count; i++) {
            if (i % 128 == 0) {
                size_t run = pixel_count - i < 128 ? pixel_count - i : 128;
                picture_add_le(&segments, (uint32_t)(run - 1), 1);
            }
            picture_add(&segments, samples + i * segment_count + place, 1);
        }
        picture_add(&segments, "\x80", segments.byte_count % 2); // no run
    }
    while (frame.byte_count < 64)
        picture_add_le(&frame, 0, 4);
    picture_add(&frame, segments.bytes, segments.byte_count);
    add_fragment(dicom, frame.bytes, frame.byte_count);
    picture_free(&frame);
    picture_free(&segments);
}

size_t dicom_frame_bytes(const struct dicom_kind *kind)
{
    size_t pixel_count = (size_t)kind->width * kind->height;
    if (kind->colours && strcmp(kind->colours, "YBR_FULL_422") == 0)
        return 2 * pixel_count;
    size_t channels = kind->channels ? kind->channels : 1;
    return pixel_count * channels * (kind->allocated ? kind->allocated : 16) / 8;
}

struct picture dicom_of(const struct dicom_kind *kind, const uint8_t *samples, size_t byte_count)
{
    struct dicom_kind full = *kind;
    full.syntax = kind->syntax ? kind->syntax : DICOM_EXPLICIT;
    full.colours = kind->colours ? kind->colours : "MONOCHROME2";
    full.channels = kind->channels ? kind->channels : 1;
    full.allocated = kind->allocated ? kind->allocated : 16;
    full.frames = kind->frames ? kind->frames : 1;

    struct picture dicom = {0};
    struct writer writer = {&dicom, strcmp(full.syntax, DICOM_IMPLICIT) == 0};
    dicom_begin(&dicom, full.syntax);
    add_image_module(writer, &full);
    if (full.is_enhanced)
        add_groups(writer, &full);
    if (writer.is_implicit || strcmp(full.syntax, DICOM_EXPLICIT) == 0) {
        dicom_element(&dicom, writer.is_implicit, 0x7fe00010, full.allocated == 8 ? "OB" : "OW",
                      samples, byte_count);
        return dicom;
    }
    add_head(&dicom, false, 0x7fe00010, "OB", UINT32_MAX);
    add_fragment(&dicom, NULL, 0); // no table of offsets
    if (strcmp(full.syntax, DICOM_RLE) == 0)
        for (size_t at = 0; at < byte_count; at += dicom_frame_bytes(&full))
            add_run_length_frame(&dicom, &full, samples + at);
    else
        add_fragment(&dicom, samples, byte_count);
    end_sequence(writer);
    return dicom;
}
