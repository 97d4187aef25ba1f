// The demo model in the place of BiomedCLIP, for a program that tests run: see CMakeLists.txt.
#include "published.h"

const struct published published = {
    .model = "the demo model",
    .prompt = "this is a photo of ",
#include "golden/demo_published.inc"
};
