// The door to DCMTK: parsing, and the decoders of JPEG and JPEG-LS. What the elements mean is
// image_dicom.c's. DCMTK's own DicomImage, which does that too, is left alone: its greys are not
// those of the standard's formulas to the bit, and it is twice as much code for a file to attack.
#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dccodec.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include "host/dicom.h"
extern "C" {
#include "base/error.h"
}

struct dicom {
    std::string name;
    DcmDataset elements;
    Uint32 frame = 0;
};

namespace
{

// DCMTK's codecs and its log, which would go to the error output, exist once a process.
void set_up_once()
{
    static const bool is_set_up = [] {
        OFLog::configure(OFLogger::OFF_LOG_LEVEL);
        DJDecoderRegistration::registerCodecs();
        DJLSDecoderRegistration::registerCodecs();
        return true;
    }();
    (void)is_set_up;
}

// DCMTK reads nested sequences by recursion without a limit, and 160 kB of file can nest 10,000.
// Here a stream ends when the stack has grown by too much since it was made: hundreds of sequences
// deep, where files have ten. Small enough for the stack of any thread.
class shallow_stream : public DcmInputBufferStream
{
  public:
    offile_off_t avail() override
    {
        const char *top = static_cast<const char *>(__builtin_frame_address(0));
        if (std::labs(bottom - top) > 200000)
            is_too_deep = true;
        return is_too_deep ? 0 : DcmInputBufferStream::avail();
    }

    bool is_too_deep = false;

  private:
    const char *bottom = static_cast<const char *>(__builtin_frame_address(0));
};

bool fail_dcmtk(const dicom *file, const OFCondition &why, vkclip_error *err)
{
    if (why == EC_StreamNotifyClient || why == EC_EndOfStream || why == EC_InvalidStream)
        return fail(err, VKCLIP_ERROR_FILE, "%s: DICOM is truncated or damaged",
                    file->name.c_str());
    return fail(err, why == EC_MemoryExhausted ? VKCLIP_ERROR_MEMORY : VKCLIP_ERROR_FILE,
                "%s: DICOM: %s", file->name.c_str(), why.text());
}

// The transfer syntax is looked at before anything is read by its rules: a deflated file may be a
// thousand times as large as it seems.
bool read_elements(dicom *file, shallow_stream &stream, vkclip_error *err)
{
    DcmMetaInfo head;
    head.transferInit();
    OFCondition status = head.read(stream);
    head.transferEnd();
    if (status.bad())
        return fail_dcmtk(file, status, err);

    OFString uid;
    head.findAndGetOFString(DCM_TransferSyntaxUID, uid);
    const DcmXfer syntax(uid.c_str());
    if (syntax.getXfer() == EXS_Unknown || syntax.getStreamCompression() != ESC_none)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: DICOM in transfer syntax '%s', which is not supported", file->name.c_str(),
                    uid.c_str());
    if (syntax.isImplicitVR() && !dcmDataDict.isDictionaryLoaded())
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: DICOM with implicit VR, and DCMTK has no dictionary", file->name.c_str());

    file->elements.transferInit();
    status = file->elements.read(stream, syntax.getXfer());
    file->elements.transferEnd();
    if (stream.is_too_deep)
        return fail(err, VKCLIP_ERROR_FILE, "%s: DICOM nests sequences too deeply",
                    file->name.c_str());
    return status.good() || fail_dcmtk(file, status, err);
}

// The functional groups of one frame, or of all: an item of a sequence.
DcmElement *find_in_groups(dicom *file, const DcmTagKey &groups, Uint32 frame, const DcmTagKey &key)
{
    DcmItem *item = nullptr;
    DcmElement *element = nullptr;
    const long count = static_cast<long>(frame);
    if (file->elements.findAndGetSequenceItem(groups, item, count).good() && item)
        item->findAndGetElement(key, element, OFTrue);
    return element;
}

DcmElement *find(dicom *file, dicom_tag tag)
{
    const DcmTagKey key(static_cast<Uint16>(tag >> 16), static_cast<Uint16>(tag & 0xffff));
    DcmElement *element = nullptr;
    file->elements.findAndGetElement(key, element);
    if (!element)
        element = find_in_groups(file, DCM_PerFrameFunctionalGroupsSequence, file->frame, key);
    if (!element)
        element = find_in_groups(file, DCM_SharedFunctionalGroupsSequence, 0, key);
    return element;
}

OFString text_of(dicom *file, dicom_tag tag)
{
    OFString text;
    DcmElement *element = find(file, tag);
    if (element)
        element->getOFString(text, 0);
    return text;
}

void copy_text(const OFString &from, char text[DICOM_TEXT_BYTES])
{
    snprintf(text, DICOM_TEXT_BYTES, "%s", from.c_str());
}

DcmPixelData *find_samples(dicom *file)
{
    DcmElement *element = nullptr;
    file->elements.findAndGetElement(DCM_PixelData, element);
    return dynamic_cast<DcmPixelData *>(element);
}

E_TransferSyntax syntax_of(DcmPixelData *samples)
{
    E_TransferSyntax syntax = EXS_Unknown;
    const DcmRepresentationParameter *parameter = nullptr;
    samples->getOriginalRepresentationKey(syntax, parameter);
    return syntax;
}

// From 3.6.9 on DCMTK warns of the name that was there before.
bool is_encapsulated(const DcmXfer &syntax)
{
#if PACKAGE_VERSION_NUMBER >= 369
    return syntax.usesEncapsulatedFormat();
#else
    return syntax.isEncapsulated();
#endif
}

bool read_frame(dicom *file, uint8_t *to, size_t byte_count, OFString &colours, vkclip_error *err)
{
    DcmPixelData *samples = find_samples(file);
    if (!samples)
        return fail(err, VKCLIP_ERROR_FILE, "%s: DICOM without pixels", file->name.c_str());
    const DcmXfer syntax(syntax_of(samples));
    const Uint32 wanted = static_cast<Uint32>(byte_count);
    if (!is_encapsulated(syntax)) {
        colours = text_of(file, DICOM_PHOTOMETRIC_INTERPRETATION);
        const uint64_t first = static_cast<uint64_t>(file->frame) * byte_count;
        if (first + byte_count > samples->getLength())
            return fail(err, VKCLIP_ERROR_FILE, "%s: DICOM has fewer pixels than it says",
                        file->name.c_str());
        const OFCondition status = samples->getPartialValue(to, static_cast<Uint32>(first), wanted);
        return status.good() || fail_dcmtk(file, status, err);
    }

    if (!DcmCodecList::canChangeCoding(syntax.getXfer(), EXS_LittleEndianExplicit))
        return fail(err, VKCLIP_ERROR_FILE, "%s: DICOM compressed by %s, which is not supported",
                    file->name.c_str(), syntax.getXferName());
    Uint32 fragment = 0;
    const OFCondition status = samples->getUncompressedFrame(&file->elements, file->frame, fragment,
                                                             to, wanted + wanted % 2, colours);
    return status.good() || fail_dcmtk(file, status, err);
}

} // namespace

struct dicom *dicom_open(const uint8_t *bytes, size_t byte_count, const char *name,
                         vkclip_error *err)
{
    dicom *file = nullptr;
    try {
        set_up_once();
        file = new dicom;
        file->name = name;
        shallow_stream stream;
        stream.setBuffer(bytes, static_cast<offile_off_t>(byte_count));
        stream.setEos();
        if (read_elements(file, stream, err))
            return file;
    } catch (const std::exception &) {
        fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory to read DICOM", name);
    }
    delete file;
    return nullptr;
}

void dicom_close(struct dicom *dicom)
{
    delete dicom;
}

void dicom_choose_frame(struct dicom *dicom, uint32_t frame)
{
    dicom->frame = frame;
}

bool dicom_has(struct dicom *dicom, enum dicom_tag tag)
{
    DcmElement *element = find(dicom, tag);
    return element && !element->isEmpty();
}

void dicom_text(struct dicom *dicom, enum dicom_tag tag, char text[DICOM_TEXT_BYTES])
{
    copy_text(text_of(dicom, tag), text);
}

double dicom_number(struct dicom *dicom, enum dicom_tag tag, double absent)
{
    const OFString text = text_of(dicom, tag);
    if (text.empty())
        return absent;
    OFBool is_number = OFFalse;
    const double number = OFStandard::atof(text.c_str(), &is_number);
    return is_number ? number : NAN;
}

enum dicom_coding dicom_coding(struct dicom *dicom)
{
    DcmPixelData *samples = find_samples(dicom);
    const DcmXfer syntax(samples ? syntax_of(samples) : EXS_Unknown);
    return !is_encapsulated(syntax)              ? DICOM_PLAIN
           : syntax.getXfer() == EXS_RLELossless ? DICOM_RUN_LENGTH
                                                 : DICOM_COMPRESSED;
}

const uint8_t *dicom_fragment(struct dicom *dicom, size_t *byte_count)
{
    DcmPixelData *samples = find_samples(dicom);
    DcmPixelSequence *fragments = nullptr;
    DcmPixelItem *fragment = nullptr;
    Uint8 *bytes = nullptr;
    // The first item is a table of offsets.
    if (!samples ||
        samples->getEncapsulatedRepresentation(EXS_RLELossless, nullptr, fragments).bad() ||
        fragments->getItem(fragment, static_cast<unsigned long>(dicom->frame) + 1).bad() ||
        fragment->getUint8Array(bytes).bad())
        return nullptr;
    *byte_count = fragment->getLength();
    return bytes;
}

bool dicom_read_frame(struct dicom *dicom, uint8_t *samples, size_t byte_count,
                      char colours[DICOM_TEXT_BYTES], vkclip_error *err)
{
    try {
        OFString model;
        if (!read_frame(dicom, samples, byte_count, model, err))
            return false;
        copy_text(model, colours);
        return true;
    } catch (const std::exception &) {
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory to decode DICOM", dicom->name.c_str());
    }
}
