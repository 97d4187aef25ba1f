// vkclip.h: BiomedCLIP, and models of its two graphs, on any Vulkan device. This header is the
// manual.
//
// A model is opened from files; an engine runs it on one device. Images and texts become unit
// vectors ("embeddings") in one space; a score compares two of them. In short:
//
//     vkclip_model  *model  = vkclip_model_open("biomedclip", VKCLIP_MODEL_WHOLE, NULL, &err);
//     vkclip_engine *engine = vkclip_engine_create(model, &(vkclip_engine_params){ 0 }, &err);
//     vkclip_embed_images(engine, &(vkclip_image){ .path = path }, 1, image, NULL, &err);
//     vkclip_embed_texts(engine, labels, 2, texts, &err);
//     vkclip_score_texts(model, image, texts, 2, scores, &err);
//
// Rules that hold for every function:
// - A function that can fail returns false or NULL and fills *err, which may be NULL. Output
//   arrays are then unspecified, unless the function says otherwise.
// - The library never prints, exits or reads the environment. All strings are UTF-8 and end in
//   a zero byte; file names are passed to the system as they are.
// - A model never changes after it was opened: any number of threads and engines may share it.
//   An engine is used by one thread at a time; several engines may live in one process. A child
//   made by fork() must not use its parent's engines.
#ifndef VKCLIP_H
#define VKCLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(VKCLIP_SHARED) && defined(__GNUC__)
#define VKCLIP_API __attribute__((visibility("default")))
#else
#define VKCLIP_API
#endif

#define VKCLIP_VERSION "0.1.0"

// The version of the library that is linked, as VKCLIP_VERSION is that of the header.
VKCLIP_API const char *vkclip_version(void);

// ---- errors and messages -------------------------------------------------------------------

typedef enum vkclip_status {
    VKCLIP_OK = 0,
    VKCLIP_ERROR_ARGUMENT, // the caller broke a documented precondition
    VKCLIP_ERROR_FILE,     // a file is missing, truncated, or not what it claims
    VKCLIP_ERROR_MODEL,    // the files are sound, but are not a model we run
    VKCLIP_ERROR_MEMORY,   // host or device memory ran out
    VKCLIP_ERROR_DEVICE,   // no usable Vulkan device, or the driver refused a call
    VKCLIP_ERROR_LOST,     // the device was lost or hangs; the engine is of no further use
    VKCLIP_ERROR_NUMBERS,  // a result is not finite, or not of unit length
} vkclip_status;

typedef struct vkclip_error {
    vkclip_status status;
    char message[500]; // one sentence; names the file, tensor or call
} vkclip_error;

typedef enum vkclip_log_level {
    VKCLIP_LOG_ERROR, // one of several details of an error that is returned as well
    VKCLIP_LOG_WARNING,
    VKCLIP_LOG_INFO,
    VKCLIP_LOG_DEBUG,
} vkclip_log_level;

// Where messages go. Called by the thread that uses the model or engine, one line a call.
typedef struct vkclip_log {
    void (*write)(void *user, vkclip_log_level level, const char *message);
    void *user;
} vkclip_log;

// ---- devices -------------------------------------------------------------------------------

typedef enum vkclip_device_kind {
    VKCLIP_DEVICE_OTHER,
    VKCLIP_DEVICE_INTEGRATED,
    VKCLIP_DEVICE_DISCRETE,
    VKCLIP_DEVICE_VIRTUAL,
    VKCLIP_DEVICE_SOFTWARE, // a driver that computes on the CPU
} vkclip_device_kind;

typedef struct vkclip_device_facts {
    char name[256];   // as the driver gives it
    char driver[520]; // driver name and version text
    char api[16];     // Vulkan version, "1.3.230"
    vkclip_device_kind kind;
    uint32_t vendor_id, device_id;
    uint64_t memory_bytes;        // the largest device-local heap
    uint64_t storage_range_bytes; // the largest storage buffer binding
    uint32_t shared_memory_bytes; // per workgroup
    uint32_t workgroup_width;     // most invocations in a workgroup
    uint32_t subgroup_width;
    uint32_t matrix_rows, matrix_cols, matrix_depth; // cooperative, fp16 to fp32; 0: none
    bool has_fp16_storage;
    bool has_fp16_arithmetic;
    bool has_dot4;      // products of four 8-bit integers
    bool has_fast_dot4; // and the driver says that they are faster than one by one
    bool has_quads;     // four neighbouring lanes can tell each other their values
    bool has_timestamps;
    bool is_usable;
    bool is_default;    // what an engine without a device choice takes
    char unusable[128]; // why not, where is_usable is false
} vkclip_device_facts;

// Lists the Vulkan devices in the order of their index.
//
//   devices   [capacity] filled from the start; may be NULL when capacity is 0
//   count     how many devices there are, which may exceed capacity
//
// Fails with VKCLIP_ERROR_DEVICE when there is no Vulkan loader or driver. A machine with a
// loader and no device is no failure: count is 0.
//
// Thread safety: safe.
VKCLIP_API bool vkclip_devices(vkclip_device_facts *devices, uint32_t capacity, uint32_t *count,
                               vkclip_error *err);

// ---- models --------------------------------------------------------------------------------

typedef struct vkclip_model vkclip_model;

typedef enum vkclip_model_parts {
    VKCLIP_MODEL_SIDE_FILES, // configuration and vocabulary: enough to tokenize and preprocess
    VKCLIP_MODEL_WHOLE,      // the weights as well
} vkclip_model_parts;

typedef struct vkclip_model_facts {
    char family[128];          // what towers these are, "timm's ViT and transformers' BERT"
    char evidence[480];        // what told that: a field of a file; the name of a tensor each
    uint32_t image_size_px;    // side of the square picture the image tower sees; 0: there is none
    uint32_t context_tokens;   // longest text, [CLS] and [SEP] included; 0: there is no text tower
    uint32_t vocabulary_count; // tokens in the vocabulary; 0: texts are given as token ids
    // The rest is 0 for a model opened with VKCLIP_MODEL_SIDE_FILES.
    uint32_t embedding_width;
    uint32_t patch_size_px;
    uint32_t image_width, image_layers, image_heads;
    uint32_t class_count; // of the classifier; 0: there is none
    uint32_t text_width, text_layers, text_heads;
    uint32_t vocabulary_rows; // rows of the token embedding, at least vocabulary_count
    uint32_t tensor_count;
    uint64_t parameter_count;
    uint64_t file_bytes; // 0: it has no file
    float logit_scale;   // factor from cosine to logit, 85.2323 in BiomedCLIP; 1 where no tower is
                         // for it
} vkclip_model_facts;

// Opens a model.
//
//   path    a directory as published, or a weights file with the rest beside it: torch.save zip
//           (.bin, .pt, .pth) or .safetensors. The rest is open_clip_config.json, or the
//           config.json of transformers or timm, vocab.txt or tokenizer.json or vocab.json with
//           merges.txt, and what else tells how pictures and texts are treated
//   parts   how much to open
//   log     where to list what is wrong, tensor by tensor; NULL is silent
//
// Weights are checked by name and shape here and read when an engine is created; the file
// stays open until the model is closed. Nothing in a file is executed. A vocabulary that is
// known to be another model's than the configuration asks for is refused by name.
// Returns NULL and fails with VKCLIP_ERROR_FILE, VKCLIP_ERROR_MODEL or VKCLIP_ERROR_MEMORY.
//
// Thread safety: safe.
VKCLIP_API vkclip_model *vkclip_model_open(const char *path, vkclip_model_parts parts,
                                           const vkclip_log *log, vkclip_error *err);

// Opens a model of BiomedCLIP's full size whose weights come from a seed, for measurements without
// 784 MB of file: neither it nor so much memory is needed, since each weight is computed when it is
// read. It knows nothing, but open_clip gives the same embeddings with the same weights. Texts are
// given as token ids.
// Returns NULL and fails with VKCLIP_ERROR_MEMORY.
//
// Thread safety: safe.
VKCLIP_API vkclip_model *vkclip_model_open_synthetic(vkclip_error *err);

// Closes a model that no engine uses any more. NULL is allowed.
VKCLIP_API void vkclip_model_close(vkclip_model *model);

VKCLIP_API const vkclip_model_facts *vkclip_model_get_facts(const vkclip_model *model);

// Tells which model this is: the SHA-256 of its weights file, as sha256sum prints it. Reads the
// whole file, some seconds for BiomedCLIP.
//
//   hex  64 digits and a zero, caller's
//
// Fails with VKCLIP_ERROR_ARGUMENT for a model opened with VKCLIP_MODEL_SIDE_FILES or without a
// file, with VKCLIP_ERROR_FILE when the file cannot be read any more.
//
// Thread safety: safe.
VKCLIP_API bool vkclip_model_sha256(const vkclip_model *model, char hex[65], vkclip_error *err);

// The name of a class of the model's classifier; NULL where no file has one.
VKCLIP_API const char *vkclip_model_get_class(const vkclip_model *model, uint32_t index);

// Turns a text into token ids, [CLS] ... [SEP], or for a CLIP <start_of_text> ... <end_of_text>,
// cut to context_tokens, without padding.
//
//   ids     [capacity] i32, caller's; context_tokens is always enough
//   count   how many ids were written
//
// Invalid UTF-8 becomes U+FFFD, which BERT's tokenizer drops.
// Fails with VKCLIP_ERROR_ARGUMENT when capacity is too small, with VKCLIP_ERROR_MODEL where the
// model has no vocabulary.
//
// Thread safety: safe.
// Source: open_clip tokenizer.py, HFTokenizer and SimpleTokenizer; Hugging Face BertTokenizerFast.
VKCLIP_API bool vkclip_tokenize(const vkclip_model *model, const char *text, int32_t *ids,
                                uint32_t capacity, uint32_t *count, vkclip_error *err);

// ---- images --------------------------------------------------------------------------------

// What becomes of greyscale of more than 8 bits, PNG or PNM, and of any greyscale of a DICOM file,
// before it is resized. Other images have no window. In DICOM, values are the rescaled ones
// (Rescale Slope and Intercept), Hounsfield units in CT, and MONOCHROME1 is inverted afterwards.
typedef enum vkclip_window {
    // As in the reference: values above 255 become white, most of an X-ray. Of DICOM, which the
    // reference does not read: the file's first window; where it has none, plain values of 8 bits
    // as they are, others from the least to the greatest of the frame.
    VKCLIP_WINDOW_NONE,
    // DICOM's linear window: ((value - (center - 0.5)) / (width - 1) + 0.5) * 255, rounded, where
    // that is within 0 .. 255, else black or white. Source: DICOM PS3.3, C.11.2.1.2.1.
    VKCLIP_WINDOW_LINEAR,
    // The same from the 0.5th to the 99.5th percentile of the image's values: the smallest values
    // that 0.5 % and 99.5 % of its pixels, DICOM's padding aside, do not exceed become 0 and 255.
    VKCLIP_WINDOW_AUTO,
} vkclip_window;

// Whether this build reads DICOM: it does where DCMTK was found.
VKCLIP_API bool vkclip_reads_dicom(void);

// An encoded image (JPEG, PNG, BMP, GIF, TGA, PNM, DICOM), and how to read it. What is zero is read
// as the reference reads it.
typedef struct vkclip_image {
    const char *path;  // the file; where there are bytes, what to call them in errors
    const void *bytes; // [byte_count] caller's; NULL: read the file
    size_t byte_count;
    // A JPEG that is cut off or damaged becomes what Pillow makes of it with LOAD_TRUNCATED_IMAGES:
    // what is missing is grey or blurred, or black. One without any row is still refused.
    bool allows_truncated;
    // Turn it upright by the EXIF data of a JPEG or of a PNG's eXIf chunk.
    bool applies_exif;
    vkclip_window window;
    double window_center, window_width; // of VKCLIP_WINDOW_LINEAR; a width is 1 or more
    uint32_t frame;                     // which of a DICOM file, from 1 on; 0 is the first as well
    vkclip_log log;                     // told when values become white for want of a window
} vkclip_image;

// Makes an image what the image tower sees: decode, resize as the model's configuration says, as
// Pillow does it (BiomedCLIP: the shorter side to image_size_px, bicubic), crop the centre, RGB.
//
//   pixels  [image_size_px, image_size_px, 3] u8, caller's
//
// Refuses images above 16384 pixels a side or 100 megapixels before decoding, and truncated or
// damaged ones, of which the reference takes some. Fails with VKCLIP_ERROR_FILE,
// VKCLIP_ERROR_MEMORY, for a window without width VKCLIP_ERROR_ARGUMENT or, where the model has no
// image tower, VKCLIP_ERROR_MODEL.
//
// Thread safety: safe.
// Source: open_clip transform.py, image_transform; Pillow 13.0 Resample.c.
VKCLIP_API bool vkclip_preprocess(const vkclip_model *model, const vkclip_image *image,
                                  uint8_t *pixels, vkclip_error *err);

// Pixels as the image tower sees them: (v / 255 - mean) / std, channels first. Engines do this
// on the device; it is here for comparison with other implementations.
//
//   pixels  [count, image_size_px, image_size_px, 3] u8
//   tensor  [count, 3, image_size_px, image_size_px] f32, caller's
VKCLIP_API void vkclip_pixels_to_tensor(const vkclip_model *model, const uint8_t *pixels,
                                        size_t count, float *tensor);

// ---- engines -------------------------------------------------------------------------------

typedef struct vkclip_engine vkclip_engine;

typedef enum vkclip_precision {
    VKCLIP_PRECISION_DEFAULT, // fp32 on software drivers, fp16 on GPUs that store it
    VKCLIP_PRECISION_FP32,
    VKCLIP_PRECISION_FP16, // weights and matmul inputs stored as fp16, arithmetic in fp32
    // Matrix products of 8-bit integers: weights with a scale a column, inputs with one a row,
    // exact sums. All else in fp32, word embeddings too. Never chosen unless asked for, since it
    // costs accuracy: 1 - cosine to fp32 was at most 8e-5 for the demo model, 2e-4 for a trained
    // sentence encoder and 1e-3 for random weights of BiomedCLIP's shape, where fp16 costs 1e-6; a
    // logit of the demo model moved by up to 0.55, and the best of 25 labels on 7 of 1,000
    // pictures. BiomedCLIP's own weights were not tried. Any device has it, by dot4 or without.
    VKCLIP_PRECISION_INT8,
} vkclip_precision;

typedef struct vkclip_engine_params {
    const char *device; // index or part of a name, any case; NULL: best real GPU, else software
    vkclip_precision precision;
    uint32_t max_images;         // images computed at once, where the device can; 0: chosen for it
    const char *cache_directory; // existing directory for the pipeline cache; NULL: none
    bool allows_failed_device;   // even one that vkclip_verify has marked in cache_directory
    vkclip_log log;
} vkclip_engine_params;

typedef struct vkclip_engine_facts {
    vkclip_device_facts device;
    vkclip_precision precision; // never VKCLIP_PRECISION_DEFAULT
    uint32_t max_images;        // images computed at once
    uint32_t max_text_tokens;   // text tokens computed at once
    uint64_t weights_bytes;     // device memory that holds weights
    uint64_t arena_bytes;       // device memory for activations
    char variants[256];         // how kernels are cut into workgroups here
    // Where the seconds of vkclip_engine_create went.
    double device_s;    // opening the device
    double pipelines_s; // compiling kernels, or loading what the cache has of them
    double weights_s;   // memory for weights, then reading, converting and uploading them:
    double read_s;      // the file; threads read and convert at once, and what both take together
    double convert_s;   // is shared out as the threads' own seconds are
    double upload_s;    // waiting for room on the device and for the last copies
    double plan_s;      // memory for activations, and recording both towers
} vkclip_engine_facts;

// Prepares a model to run on a device: uploads the weights, builds pipelines, records both
// towers. After that no call allocates device memory or creates a pipeline.
//
//   model   opened with VKCLIP_MODEL_WHOLE; must outlive the engine
//   params  a zeroed struct is a sensible choice
//
// Where device memory is short, fewer images and texts are computed at once; where there is not
// enough for one, VKCLIP_ERROR_MEMORY says how much is needed and how much there is.
// Fails with VKCLIP_ERROR_ARGUMENT, VKCLIP_ERROR_FILE, VKCLIP_ERROR_MEMORY, VKCLIP_ERROR_LOST or
// VKCLIP_ERROR_DEVICE, the last also for a device that failed vkclip_verify in this precision.
//
// Thread safety: safe.
VKCLIP_API vkclip_engine *vkclip_engine_create(const vkclip_model *model,
                                               const vkclip_engine_params *params,
                                               vkclip_error *err);

// Destroys an engine. NULL is allowed.
VKCLIP_API void vkclip_engine_destroy(vkclip_engine *engine);

VKCLIP_API const vkclip_engine_facts *vkclip_engine_get_facts(const vkclip_engine *engine);

// Embeds preprocessed images. Of a model without a projection, the embedding is what its classifier
// would see, to unit length.
//
//   pixels      [count, image_size_px, image_size_px, 3] u8, RGB, top row first
//   embeddings  [count, embedding_width] f32, unit length; caller's
//
// Any count; more than max_images are computed in turns. The same pixels give bitwise the same
// embedding at any place in any batch. Blocks until the device is done. Fails with
// VKCLIP_ERROR_LOST (then every later call does, at once and with the same message), with
// VKCLIP_ERROR_DEVICE or VKCLIP_ERROR_MEMORY, after which a later call may succeed, or with
// VKCLIP_ERROR_NUMBERS when an embedding is not finite or not of unit length.
//
// Thread safety: one call at a time per engine.
// Source: open_clip model.py, CustomTextCLIP.encode_image(normalize=True).
VKCLIP_API bool vkclip_embed_pixels(vkclip_engine *engine, const uint8_t *pixels, size_t count,
                                    float *embeddings, vkclip_error *err);

// Reads, preprocesses and embeds images.
//
//   images      [count]
//   embeddings  [count, embedding_width] f32; zeros for an image that could not be read
//   errors      [count] status VKCLIP_OK or why that image could not be read; may be NULL, and
//               then the first unreadable image fails the call
//
// An unreadable image does not stop the others and does not fail the call where errors is
// given. Fails as vkclip_embed_pixels does.
//
// While the device computes max_images, the next are read by threads of this call, one a core and
// at most 16, so more images a call keep the device busier. No thread outlives the call; a log is
// called by the calling thread, in the order of the images.
//
// Thread safety: one call at a time per engine.
VKCLIP_API bool vkclip_embed_images(vkclip_engine *engine, const vkclip_image *images, size_t count,
                                    float *embeddings, vkclip_error *errors, vkclip_error *err);

// What a model's own classifier says of preprocessed images.
//
//   pixels  as for vkclip_embed_pixels
//   logits  [count, class_count] f32; caller's
//
// Fails as vkclip_embed_pixels does, and with VKCLIP_ERROR_MODEL when there is no classifier.
//
// Thread safety: one call at a time per engine.
// Source: timm vision_transformer.py, VisionTransformer.forward(); Hugging Face modeling_vit.py,
// ViTForImageClassification.forward().
VKCLIP_API bool vkclip_classify_pixels(vkclip_engine *engine, const uint8_t *pixels, size_t count,
                                       float *logits, vkclip_error *err);

// The same for encoded images; images and errors are as for vkclip_embed_images.
VKCLIP_API bool vkclip_classify_images(vkclip_engine *engine, const vkclip_image *images,
                                       size_t count, float *logits, vkclip_error *errors,
                                       vkclip_error *err);

// Tokenizes and embeds texts.
//
//   texts       [count]
//   embeddings  [count, embedding_width] f32, unit length; caller's. A sentence encoder whose
//               modules.json does not normalise gives them as they are
//
// Thread safety: one call at a time per engine.
// Source: open_clip model.py, CustomTextCLIP.encode_text(normalize=True).
VKCLIP_API bool vkclip_embed_texts(vkclip_engine *engine, const char *const *texts, size_t count,
                                   float *embeddings, vkclip_error *err);

// Embeds texts that are token ids already.
//
//   ids         all texts one after the other, without padding, each below vocabulary_rows. Those
//               of CLIP end in the end-of-text token, from which the embedding is read
//   lengths     [count] ids of each text, 1 .. context_tokens
//   embeddings  [count, embedding_width] f32, unit length; caller's
//
// Thread safety: one call at a time per engine.
VKCLIP_API bool vkclip_embed_tokens(vkclip_engine *engine, const int32_t *ids,
                                    const uint32_t *lengths, size_t count, float *embeddings,
                                    vkclip_error *err);

// Embeds labels for zero-shot classification: each label is put into each template in place of
// "{}" (a template without it is followed by the label), the unit vectors of a label's prompts
// are averaged and normalised again.
//
//   embeddings  [label_count, embedding_width] f32, unit length; caller's
//
// Thread safety: one call at a time per engine.
// Source: open_clip zero_shot_classifier.py, build_zero_shot_classifier.
VKCLIP_API bool vkclip_embed_labels(vkclip_engine *engine, const char *const *labels,
                                    size_t label_count, const char *const *templates,
                                    size_t template_count, float *embeddings, vkclip_error *err);

// ---- scores --------------------------------------------------------------------------------

typedef struct vkclip_score {
    float cosine;      // -1 .. 1
    float logit;       // cosine times the model's logit scale
    float probability; // softmax of the logits over the texts; not calibrated
} vkclip_score;

// Compares one image with texts.
//
//   image   [embedding_width] f32, unit length
//   texts   [text_count, embedding_width] f32, unit length
//   scores  [text_count] in the order of the texts; caller's
//
// The model must be opened with VKCLIP_MODEL_WHOLE. Fails with VKCLIP_ERROR_NUMBERS when a
// probability is not finite.
//
// Thread safety: safe.
// Source: open_clip model.py, CustomTextCLIP.forward; CLIP paper, figure 3.
VKCLIP_API bool vkclip_score_texts(const vkclip_model *model, const float *image,
                                   const float *texts, size_t text_count, vkclip_score *scores,
                                   vkclip_error *err);

// Compares one image with the classes of the model's classifier.
//
//   logits  [class_count] f32, as vkclip_classify_pixels gives them
//   scores  [class_count] in the order of the classes, cosine 0; caller's
//
// Fails with VKCLIP_ERROR_NUMBERS when a probability is not finite.
//
// Thread safety: safe.
VKCLIP_API bool vkclip_score_classes(const vkclip_model *model, const float *logits,
                                     vkclip_score *scores, vkclip_error *err);

// ---- search ----------------------------------------------------------------------------------

// Rows that are searched: embeddings, which may be more than fit in any memory. In memory, or by a
// function that reads any of them.
typedef struct vkclip_rows {
    uint64_t count;
    const float *values; // [count, embedding_width]; NULL: read them
    // Reads rows first .. first + count to values, [count, embedding_width], which is to be written
    // once and not read. Called by the thread that searches, mostly for thousands of rows in their
    // order, and for single ones. Returns false with why in err, and the search fails so.
    bool (*read)(void *user, uint64_t first, uint32_t count, float *values, vkclip_error *err);
    void *user;
} vkclip_rows;

typedef struct vkclip_hit {
    uint64_t row;
    double score; // cosine
} vkclip_hit;

#define VKCLIP_SEARCH_MOST_TOP 10000

typedef struct vkclip_search_params {
    vkclip_rows rows;     // of unit length; see below
    const float *queries; // [query_count, embedding_width] of unit length
    size_t query_count;
    uint32_t
        top; // hits of a query, 1 .. VKCLIP_SEARCH_MOST_TOP; vkclip_rank_rows has no use for it
    void (*progress)(void *user, uint64_t done, uint64_t total); // rows; may be NULL
    void *user;
} vkclip_search_params;

// Finds the rows that are nearest to each query.
//
//   hits    [query_count, top] best first, of rows that score as much the first first
//   counts  [query_count] hits of each query: top, or less where there are not so many rows
//
// The result is exact: that of sums in double precision, column after column. The device compares
// in fp32, piece by piece; what it finds, and all that rounding might have hidden, is computed
// anew. Rows are read once, except where very many score alike; while the device works on a piece,
// the next is read. Memory does not depend on the number of rows.
//
// Scores are inner products, the cosines of rows and queries of unit length. Shorter rows are
// taken as they are. Rows of zeros, and such that are not finite, are in no result. Any width that
// is a multiple of 4 up to 32768 is possible.
// Fails with VKCLIP_ERROR_ARGUMENT, also when a row that is found is longer than 1.01 or a query is
// zero or not finite, with VKCLIP_ERROR_NUMBERS when the device computes wrongly, with
// VKCLIP_ERROR_MODEL, VKCLIP_ERROR_MEMORY, VKCLIP_ERROR_DEVICE or VKCLIP_ERROR_LOST, or as
// rows.read does.
//
// Thread safety: one call at a time per engine.
VKCLIP_API bool vkclip_search(vkclip_engine *engine, const vkclip_search_params *params,
                              vkclip_hit *hits, uint32_t *counts, vkclip_error *err);

typedef struct vkclip_rank {
    uint64_t better; // rows that score more than the target
    uint64_t equal;  // other rows that score as much
} vkclip_rank;

// Ranks one row for each query: how many rows are nearer to it. Exact as vkclip_search is, but a
// row of zeros counts as one of score 0.
//
//   targets  [query_count] the row that is ranked
//   ranks    [query_count]
//
// Fails as vkclip_search does.
//
// Thread safety: one call at a time per engine.
VKCLIP_API bool vkclip_rank_rows(vkclip_engine *engine, const vkclip_search_params *params,
                                 const uint64_t *targets, vkclip_rank *ranks, vkclip_error *err);

// ---- where the time goes -------------------------------------------------------------------

// Seconds of the clock that all durations here are taken from. It only goes forward.
//
// Thread safety: safe.
VKCLIP_API double vkclip_clock_seconds(void);

// What a kernel multiplies with, whatever it stores.
typedef enum vkclip_arithmetic {
    VKCLIP_ARITHMETIC_FP32,
    VKCLIP_ARITHMETIC_MATRIX, // cooperative matrices, fp16 products added in fp32
    VKCLIP_ARITHMETIC_DOT4,   // products of four 8-bit integers
} vkclip_arithmetic;

typedef struct vkclip_kernel_time {
    char kernel[32];
    vkclip_arithmetic arithmetic; // of the variants in use
    uint32_t calls;
    double milliseconds; // of the device, all calls together
    double gflop;        // multiplications and additions of matrix products, all calls together
    double gigabytes;    // that must be moved at least: weights, inputs and outputs, once a call
} vkclip_kernel_time;

// Starts timing every kernel of the following embed calls. Timed runs are a little slower.
// Fails with VKCLIP_ERROR_DEVICE when the device has no timestamps.
VKCLIP_API bool vkclip_profile_begin(vkclip_engine *engine, vkclip_error *err);

// Stops timing and reports the sums since vkclip_profile_begin, one row a kernel and arithmetic.
//
//   rows    [capacity]; 16 is always enough
//   count   rows written
VKCLIP_API bool vkclip_profile_end(vkclip_engine *engine, vkclip_kernel_time *rows,
                                   uint32_t capacity, uint32_t *count, vkclip_error *err);

// What the device of an engine can do at most, measured by kernels that do nothing else.
typedef struct vkclip_roof {
    double fp32_gflops;   // fused multiplications and additions, two each
    double fp16_gflops;   // the same in fp16; 0: the device has none
    double matrix_gflops; // products and sums of cooperative matrices, fp16 added in fp32; 0: none
    double dot4_gops;     // products and sums of 8-bit integers; 0: the device has none
    double read_gbs;      // of memory
    double copy_gbs;      // from buffer to buffer, bytes read and bytes written
} vkclip_roof;

// Measures it; takes a tenth of a second, and 256 MiB of the device's memory or what there is.
// Fails with VKCLIP_ERROR_MEMORY, VKCLIP_ERROR_DEVICE or VKCLIP_ERROR_LOST.
//
// Thread safety: one call at a time per engine.
VKCLIP_API bool vkclip_roof_measure(vkclip_engine *engine, vkclip_roof *roof, vkclip_error *err);

// ---- whether a device computes right --------------------------------------------------------

// One kernel, or one tower of a small model, in one precision.
typedef struct vkclip_check {
    char name[48]; // "linear, few rows", "text tower"
    vkclip_precision precision;
    uint32_t case_count;
    char worst_case[64]; // the case that came nearest to what is allowed, or went beyond it
    double worst;        // its largest error, relative to max(1, |value|); may be infinite
    double allowed;
    bool is_repeatable; // every case gave the same bits twice
    bool is_contained;  // no case wrote anywhere but to its output
    bool is_passed;
} vkclip_check;

#define VKCLIP_VERIFY_MOST_CHECKS 32

typedef struct vkclip_verify_report {
    vkclip_device_facts device;
    uint32_t check_count;
    vkclip_check checks[VKCLIP_VERIFY_MOST_CHECKS];
} vkclip_verify_report;

typedef struct vkclip_verify_params {
    const char *device;          // as in vkclip_engine_params
    vkclip_precision precision;  // VKCLIP_PRECISION_DEFAULT: each that the device has
    const char *cache_directory; // as in vkclip_engine_params; NULL: nothing is remembered
    bool skips_kernels;          // the towers alone: a quick look, which removes no mark
    vkclip_log log;
    void (*progress)(void *user, uint32_t done, uint32_t total); // done from 0 on; may be NULL
    void *user;
} vkclip_verify_params;

// Checks the numbers of a device: every kernel an engine would use there against arithmetic in
// double precision, on sizes around its tiles, and both towers of a small model against
// embeddings that open_clip computed. Needs no model; takes seconds.
//
//   params  a zeroed struct is a sensible choice
//   report  filled as far as it came, even on failure
//
// A device whose numbers are wrong, or that was lost, is marked in cache_directory: engines of that
// precision are then refused. Passing removes the mark. A new driver or another version of this
// library is another device in this respect.
// Returns true when every check passed. Fails with VKCLIP_ERROR_NUMBERS when one did not, naming
// the first, with VKCLIP_ERROR_LOST, VKCLIP_ERROR_DEVICE or VKCLIP_ERROR_MEMORY when the rest could
// not be run.
//
// Thread safety: safe.
VKCLIP_API bool vkclip_verify(const vkclip_verify_params *params, vkclip_verify_report *report,
                              vkclip_error *err);

// ---- which kernels are fastest on a device --------------------------------------------------

#define VKCLIP_TUNING_MOST_CLASSES  8
#define VKCLIP_TUNING_MOST_VARIANTS 48

// A way to compute matrix products, or attention.
typedef struct vkclip_tuning_variant {
    // "staged-64x64": how operands are read, rows x columns a workgroup computes. Of attention,
    // "shared-16x32": queries a workgroup computes x keys it takes at a time; "matrix-4x32":
    // subgroups, each with as many queries as a matrix has rows.
    char name[32];
    char reason[160];                  // why it was struck off; empty where it was timed
    uint32_t first_class, class_count; // that it was tried in
    double microseconds[VKCLIP_TUNING_MOST_CLASSES]; // the median of a layer of BiomedCLIP; 0: none
} vkclip_tuning_variant;

typedef struct vkclip_tuning {
    vkclip_precision precision;
    // Of products: by rows and, in fp16, by what the output is stored in; then of attention.
    uint32_t class_count;
    char classes[VKCLIP_TUNING_MOST_CLASSES][32];
    uint32_t chosen[VKCLIP_TUNING_MOST_CLASSES]; // variant of each class
    uint32_t variant_count;
    vkclip_tuning_variant variants[VKCLIP_TUNING_MOST_VARIANTS];
} vkclip_tuning;

typedef struct vkclip_tune_params {
    const char *device;          // as in vkclip_engine_params
    vkclip_precision precision;  // VKCLIP_PRECISION_DEFAULT: what an engine would take
    const char *cache_directory; // must not be NULL: where the result is kept
    vkclip_log log;
    void (*progress)(void *user, uint32_t done, uint32_t total); // done from 0 on; may be NULL
    void *user;
} vkclip_tune_params;

// Times the ways a device can compute matrix products and attention, and remembers the fastest of
// those that compute right: each is first tried as vkclip_verify does, twice for the same bits.
// Engines of that device, driver, precision and version of this library take them from then on. The
// variants of all batch sizes add in the same order, and attention has one for all, so that an
// embedding still does not depend on its batch.
//
// One that ends the program or loses the device is not tried again. Takes some seconds, on a
// software driver up to a minute; may run in a thread beside an engine, on whose speed it weighs.
//
// Returns false and fails with VKCLIP_ERROR_NUMBERS when no variant computes right, with
// VKCLIP_ERROR_FILE when the result cannot be kept, with VKCLIP_ERROR_LOST, VKCLIP_ERROR_DEVICE or
// VKCLIP_ERROR_MEMORY when the rest could not be run.
//
// Thread safety: safe.
VKCLIP_API bool vkclip_tune(const vkclip_tune_params *params, vkclip_tuning *tuning,
                            vkclip_error *err);

// What vkclip_tune remembered: variant_count is 0 where that is nothing. progress is not called.
VKCLIP_API bool vkclip_tuning_read(const vkclip_tune_params *params, vkclip_tuning *tuning,
                                   vkclip_error *err);

// Forgets it, and which variants were struck off.
VKCLIP_API bool vkclip_tuning_forget(const vkclip_tune_params *params, vkclip_error *err);

#ifdef __cplusplus
}
#endif

#endif
